//! What can be wrong with a packet.

/// A packet is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Bit 6 of the first byte is not set, or bit 7 is.
    #[error("the first byte of the packet, {byte:#04x}, is none of a QuickLZ packet")]
    BadFlags {
        /// The byte.
        byte: u8,
    },
    /// The level is 0.
    #[error("the packet is of level 0, which does not exist")]
    NoLevel,
    /// The packet continues what an earlier one began; neither tool writes such packets.
    #[error("the packet needs a streaming buffer of class {class}, which qpress never uses")]
    Streaming {
        /// The class, 1 to 3.
        class: u8,
    },
    /// The packet would expand to nothing.
    #[error("the packet is empty")]
    Empty,
    /// The size of the packet cannot be right.
    #[error("the packet cannot have {size} bytes, {expected}")]
    BadSize {
        /// The size in bytes, head included.
        size: u64,
        /// What would be right.
        expected: &'static str,
    },
    /// A number is above a limit.
    #[error("{what} {value} is above the limit of {limit}")]
    Oversize {
        /// Which number.
        what: &'static str,
        /// The number.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The tokens make no sense.
    #[error("the packet does not expand, at byte {position} of {length}: {fault}")]
    BadToken {
        /// How many bytes were expanded before.
        position: usize,
        /// How many it should be in all.
        length: usize,
        /// Why not.
        fault: TokenFault,
    },
}

/// What is wrong with a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// The packet ends before all is expanded.
    #[error("the tokens end early")]
    EndsEarly,
    /// A control word without its uppermost bit.
    #[error("a control word has no end mark")]
    NoSentinel,
    /// A match that begins or ends too near to the end.
    #[error("a match reaches into the last bytes")]
    InTail,
    /// A match whose source is not in the table, before the beginning or less than 3 bytes away.
    #[error("a match has no source")]
    NoSource,
    /// A match of less than 3 bytes.
    #[error("a match is too short")]
    TooShort,
}

impl PacketError {
    /// One word for the kind of fault, for logs and statistics. The words do not change.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match self {
            PacketError::Oversize { .. } => "oversize",
            PacketError::BadToken { .. } => "bad-token",
            _ => "bad-packet",
        }
    }
}

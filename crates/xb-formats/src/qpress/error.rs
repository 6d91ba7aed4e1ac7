//! What can be wrong with an archive.

use std::fmt;

use xb_core::ErrorClass;

use super::quicklz::PacketError;
use crate::path::{PathError, escape};

/// An archive is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QpressError {
    /// Where the record or block with the fault begins, in bytes from the beginning of the archive.
    pub offset: u64,
    /// The path of its file or directory as far as it is known, escaped for a terminal.
    pub path: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a record or block, or with the archive as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The archive does not begin with [`MAGIC`](super::MAGIC).
    #[error("expected the mark qpress10, found \"{}\"; this is no qpress archive", escape(.found))]
    BadMagic {
        /// What stands in its place.
        found: [u8; 8],
    },
    /// A record of another kind than D, U and F.
    #[error("expected a record D, U or F, found \"{}\"; the archive is damaged before this place", escape(&[*.byte]))]
    BadRecord {
        /// The first byte of the record.
        byte: u8,
    },
    /// Neither the mark of a block nor that of a trailer where one of them is due.
    #[error("expected NEWBNEWB or ENDSENDS, found \"{}\"; the archive is damaged before this place", escape(.found))]
    BadMark {
        /// What stands in its place.
        found: [u8; 8],
    },
    /// The archive ends inside a record.
    #[error("the archive ends at byte {end}, inside a record; it is incomplete, take the backup again")]
    Truncated {
        /// The length of the archive in bytes.
        end: u64,
    },
    /// The archive ends in a directory that was not left.
    #[error("the archive ends inside a directory; it is incomplete, take the backup again")]
    DirectoryOpen,
    /// One file was asked for, and the archive ends without any.
    #[error("the archive holds no file; it is incomplete, take the backup again")]
    NoFile,
    /// One file was asked for, and the archive goes on with something else.
    #[error("the archive of a single file has a further record; this is not what a backup tool writes")]
    NotSingle,
    /// A number is above what [`Limits`](super::Limits) allow.
    #[error("{what} {value} is above the limit of {limit}")]
    Oversize {
        /// Which number.
        what: &'static str,
        /// The number; the largest possible where it overflows.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The chunk size is 0, so that no block could hold anything.
    #[error("the chunk size of the archive is 0; its head is damaged")]
    NoChunkSize,
    /// The name cannot be taken.
    #[error("{0}")]
    Path(#[from] PathError),
    /// No NUL byte follows the name.
    #[error("the name is not followed by a NUL byte; the archive is damaged")]
    NameUnterminated,
    /// The parent of the uppermost directory is asked for.
    #[error("the archive leaves the uppermost directory, which leads out of the target")]
    AboveTop,
    /// The path stands in the archive before.
    #[error("the path stands in the archive twice")]
    Duplicate,
    /// A block does not begin where the one before it ended.
    #[error(
        "a block for offset {found} where offset {expected} is due; a part of the archive is missing or repeated"
    )]
    OutOfOrder {
        /// The number of bytes so far.
        expected: u64,
        /// The position in the block.
        found: u64,
    },
    /// Packet and Adler-32 do not belong together.
    #[error("the checksum of the block is {found:08x}, the archive says {expected:08x}; it is damaged")]
    BadChecksum {
        /// What the archive says.
        expected: u32,
        /// What the packet has.
        found: u32,
    },
    /// The packet of a block is refused.
    #[error("{0}; the archive is damaged")]
    Packet(#[from] PacketError),
    /// The decoder was used after its caller had stopped it with an error of its own.
    #[error("the archive was given up before this place")]
    GivenUp,
}

impl QpressError {
    /// Whether trying again can help. It cannot: the same bytes fail in the same way.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.fault {
            Fault::GivenUp => ErrorClass::Bug,
            _ => ErrorClass::Permanent,
        }
    }

    /// One word for the kind of fault, for logs and statistics. The words do not change.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        match &self.fault {
            Fault::BadMagic { .. } | Fault::BadRecord { .. } | Fault::BadMark { .. } => "bad-magic",
            Fault::Truncated { .. } | Fault::DirectoryOpen | Fault::NoFile => "truncated",
            Fault::NotSingle => "bad-sequence",
            Fault::Oversize { .. } | Fault::NoChunkSize => "oversize",
            Fault::Path(path) if path.escapes() => "path-escape",
            Fault::AboveTop => "path-escape",
            Fault::Path(_) | Fault::NameUnterminated => "bad-path",
            Fault::Duplicate => "duplicate",
            Fault::OutOfOrder { .. } => "out-of-order",
            Fault::BadChecksum { .. } => "bad-checksum",
            Fault::Packet(packet) => packet.verdict(),
            Fault::GivenUp => "given-up",
        }
    }
}

impl fmt::Display for QpressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "qpress, record at byte {}", self.offset)?;
        if let Some(path) = &self.path {
            write!(f, ", file {path}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for QpressError {}

/// Compares a number with its limit.
pub(super) fn within(what: &'static str, value: u64, limit: u64) -> Result<(), Fault> {
    if value > limit { Err(Fault::Oversize { what, value, limit }) } else { Ok(()) }
}

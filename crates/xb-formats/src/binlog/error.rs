//! What can be wrong with a binary log.

use std::fmt;

use xb_core::ErrorClass;

use super::header::EventKind;
use crate::path::escape;

/// A binary log is damaged, or is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BinlogError {
    /// Where the event with the fault begins, in bytes from the beginning of the file. All before it is good.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The file begins with something else.
    #[error("expected the four bytes \\xfebin, found \"{}\"; this is no binary log", escape(.found))]
    BadMagic {
        /// What stands in their place.
        found: [u8; 4],
    },
    /// An event is shorter than what it must hold.
    #[error("the event says it has {length} bytes and needs {needed}; the log is damaged")]
    Short {
        /// What it says.
        length: u64,
        /// What it needs.
        needed: u64,
    },
    /// An event is longer than [`Limits`](super::Limits) allow.
    #[error("the event says it has {length} bytes, above the limit of {limit}; the log is damaged")]
    Long {
        /// What it says.
        length: u64,
        /// The limit.
        limit: u64,
    },
    /// An event has another length than its header says.
    #[error("the event says it has {says} bytes and has {found}; it was not sent as it is written")]
    BadLength {
        /// What the header says.
        says: u64,
        /// What there is.
        found: u64,
    },
    /// An event says it ends elsewhere than it does.
    #[error(
        "the event says it ends at {says} and ends at {found} (modulo 2^32); the log is damaged, or part of it is missing"
    )]
    BadPosition {
        /// What the header says.
        says: u32,
        /// Where it ends.
        found: u32,
    },
    /// Event and CRC-32 do not belong together.
    #[error("the checksum of the event is {found:08x}, the log says {expected:08x}; the log is damaged")]
    BadChecksum {
        /// What the log says.
        expected: u32,
        /// What the event has.
        found: u32,
    },
    /// The log does not begin with its format description.
    #[error("expected a format description, found an event of type {kind}; the log is damaged")]
    NoFormat {
        /// What stands in its place.
        kind: EventKind,
    },
    /// The log is of a format that is not known here.
    #[error(
        "the log has {what} {value}, which is not known here; a newer version of this program may know it"
    )]
    Unknown {
        /// What is not known.
        what: &'static str,
        /// Its value.
        value: u64,
    },
    /// The body of an event is not what its type wants.
    #[error(
        "the {what} event is not of the form it should have; the log is damaged, or newer than this program"
    )]
    BadBody {
        /// Which event.
        what: &'static str,
    },
    /// The reader was used after its caller had stopped it with an error of its own.
    #[error("the log was given up before this place")]
    GivenUp,
}

impl BinlogError {
    /// Whether trying again can help. It cannot: the same bytes fail in the same way.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self.fault {
            Fault::GivenUp => ErrorClass::Bug,
            _ => ErrorClass::Permanent,
        }
    }
}

impl fmt::Display for BinlogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "binary log, event at byte {}: {}", self.offset, self.fault)
    }
}

impl std::error::Error for BinlogError {}

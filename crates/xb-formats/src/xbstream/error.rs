//! What can be wrong with a stream.

use std::fmt;

use xb_core::ErrorClass;

use crate::path::{PathError, escape};

/// How many names of open files an error tells.
pub(super) const NAMES_TOLD: usize = 3;

/// A stream is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XbstreamError {
    /// Where the chunk with the fault begins, in bytes from the beginning of the stream.
    pub offset: u64,
    /// The path of that chunk as far as it was read, escaped for a terminal.
    pub path: Option<String>,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a chunk, or with the stream as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A chunk does not begin with [`MAGIC`](super::MAGIC).
    #[error("expected the chunk mark XBSTCK01, found \"{}\"; this is no xbstream, or it is damaged before this place", escape(.found))]
    BadMagic {
        /// What stands in its place.
        found: [u8; 8],
    },
    /// The stream ends inside a chunk.
    #[error("the stream ends at byte {end}, inside a chunk; it is incomplete, take the backup again")]
    Truncated {
        /// The length of the stream in bytes.
        end: u64,
    },
    /// The stream ends between two chunks with files open.
    #[error("the stream ends with {count} file(s) unfinished ({}); it is incomplete, take the backup again", .names.join(", "))]
    FilesOpen {
        /// How many.
        count: usize,
        /// The first few of them by name, escaped for a terminal.
        names: Vec<String>,
    },
    /// A type other than P, E, S, D and R, whether marked skippable or not.
    #[error("unknown chunk type \"{}\"; a newer tool may have written it", escape(&[*.byte]))]
    UnknownType {
        /// The type.
        byte: u8,
    },
    /// A flag nobody has set so far.
    #[error("unknown chunk flags {flags:#04x}; a newer tool may have written it")]
    UnknownFlag {
        /// All flags of the chunk.
        flags: u8,
    },
    /// The path, or the new path of a rename, cannot be taken.
    #[error("{0}")]
    Path(#[from] PathError),
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
    /// Payload and CRC-32 do not belong together.
    #[error("the checksum of the data is {found:08x}, the chunk says {expected:08x}; the stream is damaged")]
    BadChecksum {
        /// What the chunk says.
        expected: u32,
        /// What the payload has.
        found: u32,
    },
    /// The map of a sparse chunk does not describe its payload.
    #[error("the map of a sparse chunk describes {described} bytes of {length}; the stream is damaged")]
    BadMap {
        /// The sum of the write lengths.
        described: u64,
        /// The length of the payload.
        length: u64,
    },
    /// A chunk does not begin where the one before it ended.
    #[error(
        "data for offset {found} where offset {expected} is due; a part of the stream is missing or repeated"
    )]
    OutOfOrder {
        /// The position in the file.
        expected: u64,
        /// The offset in the chunk.
        found: u64,
    },
    /// A path is opened again after its end.
    #[error("the file stands in the stream twice")]
    Duplicate,
    /// A file is to be removed, renamed or replaced by a rename before its end.
    #[error("the file is removed or renamed before its end")]
    BadSequence,
    /// The decoder was used after its caller had stopped it with an error of its own.
    #[error("the stream was given up before this place")]
    GivenUp,
}

impl XbstreamError {
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
            Fault::BadMagic { .. } => "bad-magic",
            Fault::Truncated { .. } | Fault::FilesOpen { .. } => "truncated",
            Fault::UnknownType { .. } => "unknown-type",
            Fault::UnknownFlag { .. } => "unknown-flag",
            Fault::Path(path) if path.escapes() => "path-escape",
            Fault::Path(_) => "bad-path",
            Fault::Oversize { .. } => "oversize",
            Fault::BadChecksum { .. } => "bad-checksum",
            Fault::BadMap { .. } => "bad-map",
            Fault::OutOfOrder { .. } => "out-of-order",
            Fault::Duplicate => "duplicate",
            Fault::BadSequence => "bad-sequence",
            Fault::GivenUp => "given-up",
        }
    }
}

impl fmt::Display for XbstreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xbstream, chunk at byte {}", self.offset)?;
        if let Some(path) = &self.path {
            write!(f, ", file {path}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for XbstreamError {}

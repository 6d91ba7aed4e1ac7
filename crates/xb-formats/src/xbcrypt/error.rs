//! What can be wrong with an encrypted stream.

use std::fmt;

use xb_core::ErrorClass;

use super::chunk::Version;
use crate::path::escape;

/// A stream is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XbcryptError {
    /// Which chunk has the fault, counted from 1.
    pub chunk: u64,
    /// Where it begins, in bytes from the beginning of the stream.
    pub offset: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A chunk begins with none of the three magics.
    #[error("expected the chunk mark XBCRYP01, 02 or 03, found \"{}\"; this is no xbcrypt stream, or it is damaged before this place", escape(.found))]
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
    /// A number is above what the format or [`Limits`](super::Limits) allow.
    #[error("{what} {value} is above the limit of {limit}")]
    Oversize {
        /// Which number.
        what: &'static str,
        /// The number.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The two sizes of a chunk differ; every writer makes them equal.
    #[error("the sizes of the chunk differ, {original} and {encrypted}; the stream is damaged")]
    SizesDiffer {
        /// The original size in bytes.
        original: u64,
        /// The encrypted size in bytes.
        encrypted: u64,
    },
    /// The IV has neither 16 bytes nor none.
    #[error("the IV of the chunk has {size} bytes, 16 or none are possible; the stream is damaged")]
    BadIvSize {
        /// Its size in bytes.
        size: u64,
    },
    /// A version 3 chunk is too short for its hash.
    #[error("the chunk has {size} bytes and needs 32 for its hash; the stream is damaged")]
    NoRoomForHash {
        /// The encrypted size in bytes.
        size: u64,
    },
    /// The chunk has no IV, so it was written with the algorithm NONE, but a key was given.
    #[error("the chunk is not encrypted, but a key was given; if that is meant to be, read it without one")]
    NotEncrypted,
    /// The chunk has an IV, so it is encrypted, but it is read with the algorithm NONE.
    #[error("the chunk is encrypted; the key it was written with is needed")]
    KeyNeeded,
    /// The caller asks for newer chunks.
    #[error("the chunk is of version {}, at least version {} is demanded", .version.number(), .demanded.number())]
    TooOld {
        /// The version of the chunk.
        version: Version,
        /// The oldest one the caller takes.
        demanded: Version,
    },
    /// Payload and CRC-32 do not belong together.
    #[error("the checksum of the data is {found:08x}, the chunk says {expected:08x}; the stream is damaged")]
    BadChecksum {
        /// What the chunk says.
        expected: u32,
        /// What the payload has.
        found: u32,
    },
    /// The checksum is right and the hash is wrong, in the very first chunk.
    #[error("the key is wrong: the data is undamaged, but does not decrypt to what its hash says")]
    WrongKey,
    /// The checksum is right and the hash is wrong, in a later chunk.
    #[error("the hash of the data is wrong; the stream was changed, or this part has another key")]
    BadHash,
    /// The chunk says it is of version 2 and is one of version 3.
    #[error(
        "the chunk says version 2 and is of version 3; its mark is damaged, or was changed to pass unchecked"
    )]
    Downgraded,
    /// The decoder was used after its caller had stopped it with an error of its own.
    #[error("the stream was given up before this place")]
    GivenUp,
}

impl XbcryptError {
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
        match self.fault {
            Fault::BadMagic { .. } | Fault::Downgraded => "bad-magic",
            Fault::Truncated { .. } => "truncated",
            Fault::Oversize { .. } => "oversize",
            Fault::SizesDiffer { .. }
            | Fault::BadIvSize { .. }
            | Fault::NoRoomForHash { .. }
            | Fault::NotEncrypted => "bad-length",
            Fault::KeyNeeded => "bad-key",
            Fault::TooOld { .. } => "too-old",
            Fault::BadChecksum { .. } => "bad-checksum",
            Fault::WrongKey | Fault::BadHash => "bad-hash",
            Fault::GivenUp => "given-up",
        }
    }

    /// Whether another key, or one at all, is what is needed, rather than another copy of the data.
    #[must_use]
    pub fn is_about_the_key(&self) -> bool {
        matches!(self.fault, Fault::WrongKey | Fault::KeyNeeded | Fault::NotEncrypted)
    }
}

impl fmt::Display for XbcryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xbcrypt, chunk {} at byte {}: {}", self.chunk, self.offset, self.fault)
    }
}

impl std::error::Error for XbcryptError {}

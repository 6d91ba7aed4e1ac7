//! What can go wrong with an archive of binary logs.

use std::path::PathBuf;

use xb_core::{BinlogName, ErrorClass};
use xb_formats::binlog::{BinlogError, Fault, ReadError};
use xb_pipeline::fs::FsError;

/// An archive could not be read or added to.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file could not be worked on.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A file of the archive cannot be read as a log.
    #[error("{}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: ReadError,
    },
    /// An event is not the next one of its file.
    #[error("{file}: {source}")]
    Event {
        /// The file.
        file: BinlogName,
        /// What is wrong.
        source: BinlogError,
    },
    /// More than one file is not complete.
    #[error("both {} and {} are not complete, and only the newest file of an archive can be; \
             move one of them away", first.display(), second.display())]
    TwoPartials {
        /// One.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// The directory holds logs of several names.
    #[error("{} holds logs of several names, {first} and {second}; an archive is of one server, \
             choose another directory", directory.display())]
    Mixed {
        /// The directory.
        directory: PathBuf,
        /// A log.
        first: BinlogName,
        /// A log of another name.
        second: BinlogName,
    },
    /// Another process adds to the archive.
    #[error("another process streams into {}; stop it first", directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
    },
    /// A file is there already that the server begins anew.
    #[error("{} is in the archive already and the server begins it anew: its logs were reset, or it is \
             another server; choose another directory", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl ArchiveError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            // What the wire broke may be whole the next time.
            ArchiveError::Event { source: BinlogError { fault: Fault::BadChecksum { .. }, .. }, .. } => {
                ErrorClass::Transient
            }
            _ => ErrorClass::Permanent,
        }
    }
}

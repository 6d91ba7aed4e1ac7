//! What can go wrong with an archive of binary logs.

use std::io;
use std::path::{Path, PathBuf};

use xb_core::{BinlogName, ErrorClass};
use xb_formats::binlog::{BinlogError, Fault, ReadError};
use xb_pipeline::fs::FsError;
use xb_pipeline::store::{StoreError, StoreErrorKind};
use xb_pipeline::{Digest, FlowError};

use super::epoch::EpochNumber;

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
    #[error("{} holds logs of several names, {first} and {second}; an archive is of one server", directory.display())]
    Mixed {
        /// The directory.
        directory: PathBuf,
        /// A log.
        first: BinlogName,
        /// A log of another name.
        second: BinlogName,
    },
    /// Another process adds to the archive.
    #[error("{} streams into {}; stop it first", who(*holder), directory.display())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The id of that process, where the system tells.
        holder: Option<u32>,
    },
    /// A file is there already that the server begins anew.
    #[error("{} is in the archive already and the server begins it anew: its logs were reset, or it is \
             another server", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that says what an archive or a log is cannot be believed.
    #[error("{}: {reason}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What is around a log is damaged, or there is no key for it.
    #[error("{}: {source}", path.display())]
    Packed {
        /// The file, or the address of the object.
        path: PathBuf,
        /// What is wrong.
        source: FlowError,
    },
    /// A log has another length than it had when it was closed.
    #[error("{} ends at byte {found}, and the log has {expected} bytes: the file is damaged", path.display())]
    Length {
        /// The file, or the address of the object.
        path: PathBuf,
        /// The length it must have, in bytes.
        expected: u64,
        /// The length it has, or the place where it was given up, in bytes.
        found: u64,
    },
    /// A log is not the one that was closed.
    #[error("{} is damaged: the digest of its {bytes} bytes is {found}, and was {expected}", path.display())]
    Digest {
        /// The file, or the address of the object.
        path: PathBuf,
        /// Its length in bytes.
        bytes: u64,
        /// The digest it must have.
        expected: Digest,
        /// The digest it has.
        found: Digest,
    },
    /// A log is not whole, or says something else than is known of it.
    #[error("{}: {reason}", path.display())]
    Unfit {
        /// The file, or the address of the object.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There is no such log.
    #[error("there is no {log} in {}", directory.display())]
    NoLog {
        /// Where it should be.
        directory: PathBuf,
        /// Which one.
        log: BinlogName,
    },
    /// The store an archive is copied to does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has another archive.
    #[error(
        "{place} is of another archive than this one, whose epoch {epoch} began another time or on another \
             server; copy this one to another place, or move that one away"
    )]
    OtherArchive {
        /// The address of what is there.
        place: String,
        /// The epoch both have.
        epoch: EpochNumber,
    },
    /// The store has another log of the same name.
    #[error(
        "{place} is another log than {log} here: its digest is {found}, here it is {expected}; one of them \
             was changed behind the back of this program"
    )]
    OtherLog {
        /// The address of what is there.
        place: String,
        /// The log.
        log: BinlogName,
        /// Its digest here.
        expected: Digest,
        /// The digest of what is there.
        found: Digest,
    },
}

fn who(holder: Option<u32>) -> String {
    holder.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
}

impl ArchiveError {
    pub(crate) fn record(path: &Path, reason: String) -> Self {
        ArchiveError::Record { path: path.to_owned(), reason }
    }

    /// The error of an archive that travelled through an interface of the standard library.
    ///
    /// # Errors
    /// Gives back what is none.
    pub fn from_io(error: io::Error) -> Result<Self, io::Error> {
        error.downcast::<ArchiveError>()
    }

    /// Whether a file was not there, which may have another name by now.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            ArchiveError::Fs(error) => error.source.kind() == io::ErrorKind::NotFound,
            ArchiveError::Store(error) => error.kind == StoreErrorKind::Missing,
            _ => false,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            // What the wire broke may be whole the next time.
            ArchiveError::Event { source: BinlogError { fault: Fault::BadChecksum { .. }, .. }, .. } => {
                ErrorClass::Transient
            }
            ArchiveError::Store(error) => error.class(),
            ArchiveError::Packed { source, .. } => source.class(),
            _ => ErrorClass::Permanent,
        }
    }
}

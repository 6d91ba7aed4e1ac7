//! Why a streamer ends.

use xb_core::{BinlogCoord, BinlogName, ErrorClass};
use xb_pipeline::cancel::Cancelled;

use crate::archive::ArchiveError;
use crate::source::mysqlbinlog::VendorError;
use crate::source::native::NativeError;

/// The streamer cannot go on, or was asked to stop.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The server.
    #[error(transparent)]
    Source(#[from] NativeError),
    /// The vendor's mysqlbinlog.
    #[error(transparent)]
    Vendor(#[from] VendorError),
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The server has removed what is to come next: the archive has a gap for good.
    #[error(
        "the server has no binary log {file} any more, its oldest is {oldest}: what was in between is \
             lost to this archive; take a full backup and stream into a new directory"
    )]
    LogGone {
        /// The file that is needed.
        file: BinlogName,
        /// The oldest one the server has.
        oldest: BinlogName,
    },
    /// The server's logs are not those that are in the archive.
    #[error(
        "the server's binary logs are not those in the archive, which ends at {at}: {reason}; they were \
             reset, or it is another server: stream into a new directory"
    )]
    Diverged {
        /// Where the archive ends.
        at: BinlogCoord,
        /// By what it is told.
        reason: String,
    },
    /// The archive is of another server.
    #[error(
        "the archive is of the server {expected}, and this is {found}: stream into a directory of its own"
    )]
    OtherServer {
        /// The UUID of the archive's server.
        expected: String,
        /// The UUID of this one.
        found: String,
    },
    /// Tried as often as allowed.
    #[error("given up after {attempts} attempts: {last}")]
    GivenUp {
        /// How often it was tried since something last came.
        attempts: u32,
        /// What went wrong the last time.
        last: Box<StreamError>,
    },
}

impl StreamError {
    /// Whether the server's log is not the one in the archive any more, or has lost what comes next.
    #[must_use]
    pub fn is_about_history(&self) -> bool {
        matches!(
            self,
            StreamError::LogGone { .. }
                | StreamError::Diverged { .. }
                | StreamError::OtherServer { .. }
                | StreamError::Archive(ArchiveError::Exists { .. } | ArchiveError::Mixed { .. })
        )
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            StreamError::Cancelled(_) => ErrorClass::Cancelled,
            StreamError::Source(error) => error.class(),
            StreamError::Vendor(error) => error.class(),
            StreamError::Archive(error) => error.class(),
            StreamError::GivenUp { last, .. } => last.class(),
            _ => ErrorClass::Permanent,
        }
    }
}

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
             lost to this archive"
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
             reset, or it is another server"
    )]
    Diverged {
        /// Where the archive ends.
        at: BinlogCoord,
        /// By what it is told.
        reason: String,
    },
    /// The archive is of another server.
    #[error("the archive is of the server {expected}, and this is {found}")]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_of_a_gap_is_its_reason_and_no_advice() {
        let at: BinlogCoord = BinlogCoord { file: "b.000002".parse().unwrap(), position: 4 };
        let (file, oldest) = ("b.000002".parse().unwrap(), "b.000005".parse().unwrap());
        let (first, second) = ("b.000001".parse().unwrap(), "c.000001".parse().unwrap());
        let errors = [
            StreamError::LogGone { file, oldest },
            StreamError::Diverged { at, reason: "it has none".to_owned() },
            StreamError::OtherServer { expected: "a".to_owned(), found: "b".to_owned() },
            ArchiveError::Exists { path: "/a/b.000002".into() }.into(),
            ArchiveError::Mixed { directory: "/a".into(), first, second }.into(),
        ];
        for error in errors {
            assert!(error.is_about_history());
            let text = error.to_string();
            for advice in ["stream into", "choose another", "take a full backup"] {
                assert!(!text.contains(advice), "{text}");
            }
        }
    }
}

//! Where an archive begins: what its owner wants against what the server still has.

use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName};

use super::begin::StreamStart;
use super::error::StreamError;
use crate::source::native::{LogFile, NativeError};

/// What is to be the first log of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FirstLog {
    /// The one its owner names.
    pub named: Option<BinlogName>,
    /// The newest one that another tool left.
    pub stored: Option<BinlogName>,
    /// Where the oldest backup stands, from which somebody may want to recover.
    pub backup: Option<BackupPoint>,
}

/// Where a backup stands in a server's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackupPoint {
    /// At a place.
    At(BinlogCoord),
    /// Behind these transactions, where no place is known.
    Behind(GtidSet),
}

/// Where to begin, and what is to be said about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FirstStart {
    pub(super) start: StreamStart,
    /// The log that was wanted and is gone.
    pub(super) missing: Option<BinlogName>,
}

/// Decides. With `resume` what is gone is passed over.
pub(super) fn decide(first: &FirstLog, logs: &[LogFile], resume: bool) -> Result<FirstStart, StreamError> {
    let at_backup = match &first.backup {
        Some(BackupPoint::At(place)) => Some(&place.file),
        _ => None,
    };
    let wanted = first.named.as_ref().or(first.stored.as_ref()).or(at_backup);
    let Some(wanted) = wanted else {
        let start = match &first.backup {
            Some(BackupPoint::Behind(set)) => StreamStart::Gtid(set.clone()),
            // Without a backup there is nothing to recover from; the first one will be behind this place.
            _ => StreamStart::Newest,
        };
        return Ok(FirstStart { start, missing: None });
    };
    if logs.iter().any(|log| log.name == *wanted) {
        return Ok(FirstStart { start: StreamStart::File(wanted.clone()), missing: None });
    }
    let oldest = logs.first().ok_or(NativeError::NoBinlog)?;
    if resume {
        return Ok(FirstStart { start: StreamStart::Oldest, missing: Some(wanted.clone()) });
    }
    Err(StreamError::LogGone { file: wanted.clone(), oldest: oldest.name.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: u64) -> BinlogName {
        format!("b.{number:06}").parse().unwrap()
    }

    fn logs() -> Vec<LogFile> {
        (5..9).map(|number| LogFile { name: name(number), size_bytes: 100 }).collect()
    }

    fn at(number: u64) -> Option<BackupPoint> {
        Some(BackupPoint::At(BinlogCoord { file: name(number), position: 77 }))
    }

    fn start(first: &FirstLog) -> StreamStart {
        decide(first, &logs(), false).unwrap().start
    }

    #[test]
    fn the_named_log_goes_before_the_stored_one_and_that_before_the_backup() {
        let first = FirstLog { named: Some(name(7)), stored: Some(name(6)), backup: at(5) };
        assert_eq!(start(&first), StreamStart::File(name(7)));
        assert_eq!(start(&FirstLog { named: None, ..first.clone() }), StreamStart::File(name(6)));
        let backup = FirstLog { named: None, stored: None, ..first };
        assert_eq!(start(&backup), StreamStart::File(name(5)));
        assert_eq!(start(&FirstLog::default()), StreamStart::Newest);
        let set: GtidSet = "0-1-7".parse().unwrap();
        let behind = FirstLog { backup: Some(BackupPoint::Behind(set.clone())), ..FirstLog::default() };
        assert_eq!(start(&behind), StreamStart::Gtid(set));
    }

    #[test]
    fn a_log_that_is_gone_is_passed_over_only_when_that_was_asked_for() {
        for first in [
            FirstLog { backup: at(4), ..FirstLog::default() },
            FirstLog { named: Some(name(4)), ..FirstLog::default() },
        ] {
            let refused = decide(&first, &logs(), false);
            assert!(matches!(refused, Err(StreamError::LogGone { .. })), "{refused:?}");
            let start = decide(&first, &logs(), true).unwrap();
            assert_eq!((start.start, start.missing), (StreamStart::Oldest, Some(name(4))));
        }
    }
}

//! Where a streamer goes on: what the archive has against what the server has.
//!
//! It asks for the last event it has once more. If the server sends the same one, its log is the one in the
//! archive; names, sizes and times of two logs can be alike, the same event at the same place cannot.

use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::FIRST_EVENT;

use super::error::StreamError;
use crate::archive::{ArchiveEnd, LastEvent};
use crate::source::native::LogFile;

/// Where to begin an archive that is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StreamStart {
    /// At the oldest file the server has.
    #[default]
    Oldest,
    /// At the file the server writes just now.
    Newest,
    /// At this file.
    File(BinlogName),
    /// At the file in which what is not in this set begins.
    Gtid(GtidSet),
}

/// What to ask the server for, and what has to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The event to begin with.
    pub(super) from: BinlogCoord,
    /// What has to come first.
    pub(super) expected: Expected,
}

/// How it is told that the log is the one in the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// There is nothing to compare with.
    Anything,
    /// The last event of the archive comes once more.
    Again(LastEvent),
    /// The file with that event is gone at the server; what follows has to have all that is in the archive
    /// behind it.
    Behind(Option<GtidSet>),
}

/// Decides where to go on behind the end of an archive.
pub(super) fn go_on(end: &ArchiveEnd, gtids: Option<GtidSet>, logs: &[LogFile]) -> Result<Plan, StreamError> {
    let at = &end.next;
    let diverged = |reason: String| Err(StreamError::Diverged { at: at.clone(), reason });
    let Some(oldest) = logs.first() else {
        return diverged("it has none".to_owned());
    };
    let is_at = |log: &&LogFile| log.name == at.file;
    if let Some(log) = logs.iter().find(is_at) {
        if log.size_bytes < at.position {
            return diverged(format!("its {} is shorter, {} bytes", log.name, log.size_bytes));
        }
        return Ok(match end.last {
            Some(last) => Plan {
                from: BinlogCoord { file: at.file.clone(), position: last.position },
                expected: Expected::Again(last),
            },
            None => Plan { from: first_of(&at.file), expected: Expected::Anything },
        });
    }
    let follows =
        |log: &&LogFile| log.name.prefix() == at.file.prefix() && log.name.number() == at.file.number() + 1;
    match logs.iter().find(follows) {
        Some(log) if end.is_complete => {
            Ok(Plan { from: first_of(&log.name), expected: Expected::Behind(gtids) })
        }
        _ if at.file < oldest.name => {
            Err(StreamError::LogGone { file: at.file.clone(), oldest: oldest.name.clone() })
        }
        _ => diverged(format!("it has no {}", at.file)),
    }
}

/// The first event of a file.
pub(super) fn first_of(file: &BinlogName) -> BinlogCoord {
    BinlogCoord { file: file.clone(), position: FIRST_EVENT }
}

#[cfg(test)]
mod tests {
    use xb_pipeline::Digest;

    use super::*;

    fn name(number: u64) -> BinlogName {
        format!("b.{number:06}").parse().unwrap()
    }

    fn logs(files: &[(u64, u64)]) -> Vec<LogFile> {
        files.iter().map(|(number, size)| LogFile { name: name(*number), size_bytes: *size }).collect()
    }

    fn end(number: u64, position: u64, is_complete: bool) -> ArchiveEnd {
        let last = Some(LastEvent { position: position - 50, length: 50, digest: Digest::of(b"it") });
        ArchiveEnd { next: BinlogCoord { file: name(number), position }, last, is_complete }
    }

    #[test]
    fn the_last_event_is_asked_for_once_more() {
        let end = end(3, 500, false);
        let plan = go_on(&end, None, &logs(&[(2, 900), (3, 500)])).unwrap();
        assert_eq!((plan.from.position, plan.expected), (450, Expected::Again(end.last.unwrap())));
    }

    #[test]
    fn a_log_that_is_gone_leaves_a_gap_unless_the_archive_has_all_of_it() {
        let listed = logs(&[(4, 900), (5, 100)]);
        assert!(matches!(go_on(&end(3, 500, false), None, &listed), Err(StreamError::LogGone { .. })));
        assert!(matches!(go_on(&end(2, 500, true), None, &listed), Err(StreamError::LogGone { .. })));
        let plan = go_on(&end(3, 500, true), None, &listed).unwrap();
        assert_eq!((plan.from, plan.expected), (first_of(&name(4)), Expected::Behind(None)));
    }

    #[test]
    fn logs_that_are_shorter_or_begin_again_are_others() {
        for listed in [logs(&[(3, 499)]), logs(&[(1, 900)]), logs(&[])] {
            let got = go_on(&end(3, 500, false), None, &listed);
            assert!(matches!(got, Err(StreamError::Diverged { .. })), "{listed:?}: {got:?}");
        }
    }

    #[test]
    fn a_log_of_another_name_does_not_follow() {
        let other = LogFile { name: "other.000004".parse().unwrap(), size_bytes: 900 };
        let got = go_on(&end(3, 500, true), None, &[other]);
        assert!(matches!(got, Err(StreamError::Diverged { .. })), "{got:?}");
    }
}

//! The clock by which transactions are before a moment or not, told of a whole log without reading it.
//!
//! MySQL 8 says when it committed a transaction. Others only say when its statement began, and on a replica that is
//! when it began at the source. A log of MySQL 8 may be full of events that are older than what they are part of.

use chrono::{DateTime, Utc};
use xb_core::{Flavor, Version};

use crate::archive::{LogEntry, LogGtids, LogState};

/// The first version of MySQL that says when it committed a transaction.
const SAYS_WHEN_COMMITTED: Version = Version::new(8, 0, 1);

/// A time of a commit, from microseconds since 1970.
pub(super) fn moment(micros: u64) -> Option<DateTime<Utc>> {
    i64::try_from(micros).ok().and_then(DateTime::from_timestamp_micros)
}

/// Whether every transaction of a log is known to be before a moment, by the time that is told of it when it is
/// read ([`TransactionSummary::time`](super::TransactionSummary::time)).
pub(super) fn is_wholly_before(log: &LogEntry, time: DateTime<Utc>) -> bool {
    if log.state != LogState::Closed {
        return false;
    }
    match (log.commit_times, log.times) {
        (Some((_, last)), _) => moment(last).is_some_and(|last| last < time),
        // An entry of an earlier version does not say when they were committed.
        (None, _) if says_when_committed(log) => false,
        // A closed log's last event is written when it is closed, so that nothing in it is later.
        (None, Some((_, last))) => i64::from(last) < time.timestamp(),
        (None, None) => false,
    }
}

fn says_when_committed(log: &LogEntry) -> bool {
    let version = log.server_version.as_deref().unwrap_or_default();
    let is_maria =
        Flavor::of(version, "") == Flavor::MariaDb || matches!(log.gtids, Some(LogGtids::MariaDb(_)));
    !is_maria && version.parse().is_ok_and(|version: Version| version >= SAYS_WHEN_COMMITTED)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use xb_formats::binlog::FileReader;

    use super::*;

    /// What is known of a log of a real server, as if it were closed.
    fn entry(name: &str) -> LogEntry {
        let path = format!("{}/../xb-formats/tests/data/binlog/{name}", env!("CARGO_MANIFEST_DIR"));
        let log = std::fs::read(path).unwrap();
        let mut reader = FileReader::new(log.as_slice());
        reader.by_ref().for_each(|event| drop(event.unwrap()));
        LogEntry::of("bin.000001".parse().unwrap(), LogState::Closed, reader.facts(), None)
    }

    fn second(seconds: u32) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds.into(), 0).unwrap()
    }

    #[test]
    fn mysql_8_goes_by_its_commits_to_the_microsecond() {
        let log = entry("mysql97-bin.000001");
        let last = moment(log.commit_times.unwrap().1).unwrap();
        assert!(!is_wholly_before(&log, last));
        assert!(is_wholly_before(&log, last + TimeDelta::microseconds(1)));
        // Whatever the events say.
        let begun_before = LogEntry { times: Some((1, 2)), ..log.clone() };
        assert!(!is_wholly_before(&begun_before, last));
        let closed_later = LogEntry { times: Some((1, u32::MAX)), ..log.clone() };
        assert!(is_wholly_before(&closed_later, last + TimeDelta::microseconds(1)));
        let open = LogEntry { state: LogState::Open, ..log };
        assert!(!is_wholly_before(&open, last + TimeDelta::days(9)));
    }

    #[test]
    fn an_entry_of_mysql_8_that_does_not_say_it_is_not_believed() {
        let log = entry("mysql97-bin.000001");
        let mut text = serde_json::to_value(&log).unwrap();
        assert!(text.as_object_mut().unwrap().remove("commit_times").is_some());
        let old: LogEntry = serde_json::from_value(text.clone()).unwrap();
        assert_eq!((old.commit_times, &old.gtids), (None, &log.gtids));
        assert_eq!(serde_json::to_value(&old).unwrap(), text);
        let late = second(old.latest().unwrap()) + TimeDelta::days(9);
        assert!(is_wholly_before(&log, late) && !is_wholly_before(&old, late));
        for (version, believed) in [
            ("8.0.1-dmr-log", false),
            ("8.4.6", false),
            ("8.0.0-dmr", true),
            ("5.7.44-log", true),
            ("11.8.2-MariaDB-log", true),
            ("5.5.5-10.11.19-MariaDB", true),
        ] {
            let log = LogEntry { server_version: Some(version.to_owned()), ..old.clone() };
            assert_eq!(is_wholly_before(&log, late), believed, "{version}");
        }
        let renamed = LogEntry { gtids: Some(LogGtids::MariaDb(Vec::new())), ..old };
        assert!(is_wholly_before(&renamed, late));
    }

    #[test]
    fn others_go_by_the_time_of_their_latest_event() {
        for name in ["mysql56-bin.000002", "mariadb-bin.000001"] {
            let log = entry(name);
            let (latest, says) = (second(log.times.unwrap().1), log.commit_times);
            assert_eq!(says, None, "{name}");
            assert!(!is_wholly_before(&log, latest), "{name}");
            assert!(is_wholly_before(&log, latest + TimeDelta::seconds(1)), "{name}");
        }
    }
}

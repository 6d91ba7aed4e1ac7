//! The name of a backup: the local time at which it began, `YYYY_MM_DD-HH_MM_SS`.

use std::fmt;
use std::str::FromStr;

use chrono::{NaiveDateTime, TimeDelta};
use serde::{Deserialize, Serialize};

const FORMAT: &str = "%Y_%m_%d-%H_%M_%S";
/// Every name has this many bytes.
const LENGTH: usize = 19;
/// What chrono counts in a leap second above the fraction, in nanoseconds.
const LEAP: u32 = 1_000_000_000;

/// The name of a backup. Names of one store grow strictly, so their order is the order of the backups,
/// also where the clock was set back ([`BackupId::after`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(NaiveDateTime);

impl BackupId {
    /// The name of a backup that began at this local time (whole seconds).
    #[must_use]
    pub fn at(local: NaiveDateTime) -> Self {
        let fraction = local.and_utc().timestamp_subsec_nanos() % LEAP;
        BackupId(local - TimeDelta::nanoseconds(i64::from(fraction)))
    }

    /// The name for a backup that begins at `local` in a store whose newest name is `newest`: the time
    /// itself, or one second past `newest` when the clock stands still, was set back or repeats an hour.
    #[must_use]
    pub fn after(local: NaiveDateTime, newest: Option<BackupId>) -> Self {
        let wanted = BackupId::at(local);
        match newest {
            Some(newest) if newest >= wanted => BackupId(newest.0 + TimeDelta::seconds(1)),
            _ => wanted,
        }
    }

    /// The local time the name stands for, without a zone.
    #[must_use]
    pub fn local_time(&self) -> NaiveDateTime {
        self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.format(FORMAT).to_string())
    }
}

/// The text is not the name of a backup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the name of a backup: expected YYYY_MM_DD-HH_MM_SS")]
pub struct ParseBackupIdError {
    /// What was to be read.
    pub text: String,
}

impl FromStr for BackupId {
    type Err = ParseBackupIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // chrono alone would also accept missing zeros, spaces in their place, and a sign before the year.
        let id = NaiveDateTime::parse_from_str(text, FORMAT).ok().map(BackupId);
        let id = id.filter(|id| text.len() == LENGTH && id.to_string() == text);
        id.ok_or_else(|| ParseBackupIdError { text: text.to_owned() })
    }
}

impl TryFrom<String> for BackupId {
    type Error = ParseBackupIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.to_string()
    }
}

/// Whether a backup stands alone or holds only what changed since another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// Every page.
    Full,
    /// The pages changed since its base.
    Incremental,
}

impl BackupKind {
    /// The word used in names, `backup.meta` and messages: `full` or `incr`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            BackupKind::Full => "full",
            BackupKind::Incremental => "incr",
        }
    }
}

impl fmt::Display for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> BackupId {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_reads_back_as_it_was_written() {
        for text in ["2026_11_22-14_28_07", "2016_12_31-23_59_60"] {
            assert_eq!(id(text).to_string(), text);
            assert_eq!(BackupId::at(id(text).local_time()), id(text));
        }
        for text in [
            "2026_11_22-14_28_7",
            "2026_13_22-14_28_07",
            "2026_02_30-00_00_00",
            "P_2026_11_22-14_28",
            "-026_11_22-14_28_17",
            "+026_11_22-14_28_17",
            "-0026_11_22-14_28_17",
            "+12026_11_22-14_28_17",
            "2026_ 1_22-14_28_07",
            " 026_11_22-14_28_07",
            "",
        ] {
            assert!(text.parse::<BackupId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn names_grow_also_when_the_clock_goes_back() {
        let newest = id("2026_10_25-02_59_59");
        let repeated_hour = id("2026_10_25-02_10_00").local_time();
        assert_eq!(BackupId::after(repeated_hour, Some(newest)), id("2026_10_25-03_00_00"));
        assert_eq!(BackupId::after(newest.local_time(), None), newest);
    }
}

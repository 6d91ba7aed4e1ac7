//! The form of a line, as the Python tool had it.

use chrono::{DateTime, FixedOffset};

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        }
    }
}

/// `[MM/DD/YYYY HH:MM:SS] INFO: text`
pub(super) fn stamped(now: DateTime<FixedOffset>, level: Level, text: &str) -> String {
    format!("[{}] {}: {text}", now.format("%m/%d/%Y %H:%M:%S"), level.word())
}

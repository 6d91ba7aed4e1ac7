//! The words of a plan: why a set stays, what is done with it, why it goes.

use std::fmt;

use serde::Serialize;
use xb_core::BackupId;

use crate::layout::Shelf;

/// Why a set is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "rule", rename_all = "lowercase")]
pub enum KeepReason {
    /// It is one of the newest.
    Newest,
    /// It is needed to recover a moment within the days.
    Days,
    /// It is the last one of a calendar week.
    Week {
        /// The year the week belongs to, which at new year may be another than that of the day.
        year: i32,
        /// The week, from 1.
        week: u32,
    },
    /// It is the last one of a calendar month.
    Month {
        /// The year.
        year: i32,
        /// The month, from 1.
        month: u32,
    },
    /// It is the last one of a calendar year.
    Year {
        /// The year.
        year: i32,
    },
    /// One of its members is pinned.
    Pinned {
        /// Which one.
        member: BackupId,
    },
    /// A set that is kept builds on it.
    Needed {
        /// That set.
        by: BackupId,
    },
    /// It is the newest that can be restored, and the policy would keep nothing.
    LastRestorable,
    /// It cannot be restored, which its owner may want to look at.
    NotRestorable,
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepReason::Newest => f.write_str("one of the newest sets"),
            KeepReason::Days => f.write_str("needed to recover the last days"),
            KeepReason::Week { year, week } => write!(f, "the last of week {year}-W{week:02}"),
            KeepReason::Month { year, month } => write!(f, "the last of {year}-{month:02}"),
            KeepReason::Year { year } => write!(f, "the last of {year}"),
            KeepReason::Pinned { member } => write!(f, "{member} is pinned"),
            KeepReason::Needed { by } => write!(f, "needed by {by}"),
            KeepReason::LastRestorable => f.write_str("the last set that can be restored"),
            KeepReason::NotRestorable => f.write_str("cannot be restored, left for you to look at"),
        }
    }
}

/// What is to be done with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "lowercase")]
pub enum Action {
    /// Nothing.
    Stay,
    /// It goes to another shelf.
    Move {
        /// Which one.
        to: Shelf,
    },
    /// It is removed.
    Remove {
        /// Why.
        why: RemoveReason,
    },
}

/// Why a set goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "lowercase")]
pub enum RemoveReason {
    /// No rule keeps it.
    Surplus,
    /// It cannot be restored, and is damaged for certain.
    Broken,
    /// All of it stands on another shelf as well, or in another directory of the same.
    Copied {
        /// Where it stays.
        to: Shelf,
    },
}

impl fmt::Display for RemoveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoveReason::Surplus => f.write_str("no rule keeps it"),
            RemoveReason::Broken => f.write_str("broken"),
            RemoveReason::Copied { to } => write!(f, "copied to {to} already"),
        }
    }
}

//! Why a recovery cannot be had.

use chrono::{DateTime, Utc};
use xb_core::gtid::{Gtid, GtidSet};
use xb_core::{BinlogName, ErrorClass};
use xb_formats::binlog::ReadError;
use xb_pipeline::cancel::Cancelled;

use super::steps::Gap;
use crate::archive::{ArchiveError, EpochNumber, Place};

/// A recovery cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Nothing in the archive is where the backup stands.
    #[error(
        "the backup stands at {wanted}, which is not in the archive{}; the archive has {has}",
        listed(reasons)
    )]
    NoBase {
        /// Where the backup stands.
        wanted: String,
        /// What the archive has.
        has: String,
        /// Why the places that came into question are not it.
        reasons: Vec<String>,
    },
    /// The backup may stand at several places.
    #[error(
        "the backup stands at one of several places and nothing tells which: {}; name its epoch (base-epoch)",
        joined(places)
    )]
    AmbiguousBase {
        /// The places.
        places: Vec<Place>,
    },
    /// A position is inside of a transaction or an event.
    #[error("{place} is not between two transactions; the nearest such places are {before} and {behind}")]
    NotABorder {
        /// The place.
        place: Place,
        /// The nearest border before it, in bytes.
        before: u64,
        /// The nearest border behind it, in bytes.
        behind: u64,
    },
    /// Logs are missing between the backup and the target.
    #[error(
        "the logs do not go on without a gap: {gap}; what was changed in between is lost. \
             Recover to a point before it, or allow to go across gaps (across-gaps)"
    )]
    Gap {
        /// Where.
        gap: Gap,
    },
    /// The archive ends before the target.
    #[error(
        "the archive ends at {end}{}{}, before {target}; recover to a point in it, or to as far as it goes \
         (best-effort)",
        last.map(|time| format!(", after a transaction of {time}")).unwrap_or_default(),
        seen_until
            .map(|time| format!(", and has all that was committed before {}", time.format("%F %T UTC")))
            .unwrap_or_default()
    )]
    EndsEarly {
        /// What was wanted.
        target: String,
        /// Where the archive ends.
        end: Place,
        /// The time of the last transaction.
        last: Option<DateTime<Utc>>,
        /// All that was committed before is in it, as far as the streamer said.
        seen_until: Option<DateTime<Utc>>,
    },
    /// The backup has the transactions to recover to.
    #[error("{gtids} is already in the backup; take an older backup, or a target behind it")]
    AlreadyInBase {
        /// They.
        gtids: GtidSet,
    },
    /// The backup was taken behind the target.
    #[error("the backup stands at {base}, behind {target}; take an older backup")]
    BeforeBase {
        /// What was wanted.
        target: String,
        /// Where the backup stands.
        base: Place,
    },
    /// A transaction is not in the archive.
    #[error("{gtids} is not in the archive between the backup and its end; the nearest there: {nearest}")]
    NotInArchive {
        /// What is missing.
        gtids: GtidSet,
        /// What there is of the same origin.
        nearest: String,
    },
    /// No log of this name is on the way.
    #[error("no log {log} follows on the backup in the archive; it has {has}")]
    NoSuchLog {
        /// The name.
        log: BinlogName,
        /// What the archive has.
        has: String,
    },
    /// The archive has no epoch of this number.
    #[error("there is no epoch {epoch} in the archive; it has {}", numbers(has))]
    NoSuchEpoch {
        /// The number.
        epoch: EpochNumber,
        /// Those there are.
        has: Vec<EpochNumber>,
    },
    /// Several epochs have a log of this name.
    #[error("several epochs have a log {log}: {epochs:?}; name the one that is meant (epoch)")]
    AmbiguousLog {
        /// The name.
        log: BinlogName,
        /// The epochs.
        epochs: Vec<EpochNumber>,
    },
    /// A transaction to leave out is not one of those that would be replayed.
    #[error("{gtid} is to be left out and is not between the backup and the target")]
    NotExcluded {
        /// The transaction.
        gtid: Gtid,
    },
    /// A log cannot be read.
    #[error("{log} of epoch {epoch}: {source}")]
    Read {
        /// Its epoch.
        epoch: EpochNumber,
        /// Its name.
        log: BinlogName,
        /// Why not.
        source: ReadError,
    },
    /// What a server says it has done is not part of the plan.
    #[error("the private server has {has}, which does not fit the plan: {reason}; start over")]
    Strange {
        /// Its transactions.
        has: String,
        /// What does not fit.
        reason: String,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Somebody asked for the end.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

impl RecoverError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            RecoverError::Read { source, .. } => source.class(),
            RecoverError::Archive(source) => source.class(),
            _ => ErrorClass::Permanent,
        }
    }
}

fn listed(reasons: &[String]) -> String {
    if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) }
}

fn numbers(epochs: &[EpochNumber]) -> String {
    let all: Vec<String> = epochs.iter().map(EpochNumber::to_string).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

fn joined(places: &[Place]) -> String {
    places.iter().map(Place::to_string).collect::<Vec<_>>().join(", ")
}

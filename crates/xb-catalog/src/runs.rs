//! Marks of runs in a store elsewhere: which backups are being made there, by whom, and what has to be given up when
//! their makers die. There is no lock in such a store; a run of the same owner is kept apart by the lock here.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use xb_core::BackupId;
use xb_pipeline::store::StorePath;

use crate::layout::Place;
use crate::listing::Listing;

/// The directory of the marks within a store.
pub(crate) const RUNS_DIRECTORY: &str = ".pyxbackup.runs";
/// The run of another owner is taken for dead when its mark was not written for so long: longer than a backup takes.
const FOREIGN_DAYS: i64 = 7;

/// What a run writes about itself before it writes anything else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunMark {
    /// Host and work directory of the run.
    pub(crate) owner: String,
    /// When it began.
    pub(crate) started: DateTime<FixedOffset>,
    /// The set of the backup.
    pub(crate) set: BackupId,
    /// The backup.
    pub(crate) id: BackupId,
    /// Objects that are being written.
    #[serde(default)]
    pub(crate) uploads: Vec<UploadMark>,
}

/// An object that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UploadMark {
    pub(crate) path: String,
    pub(crate) token: String,
}

/// A mark that was found.
pub(crate) struct FoundMark {
    pub(crate) path: StorePath,
    /// What it says; nothing for one that cannot be read.
    pub(crate) mark: Option<RunMark>,
    written: Option<DateTime<Utc>>,
}

impl RunMark {
    pub(crate) fn place(&self) -> Place {
        Place { set: self.set, id: self.id }
    }

    /// Where the mark of a backup stands.
    pub(crate) fn path(id: BackupId) -> String {
        format!("{RUNS_DIRECTORY}/{id}")
    }
}

impl FoundMark {
    /// Every mark in a store.
    pub(crate) fn all(listing: &Listing) -> Vec<FoundMark> {
        let Ok(directory) = StorePath::parse(RUNS_DIRECTORY) else { return Vec::new() };
        let found = listing.below(&directory).iter().map(|entry| FoundMark {
            path: entry.path.clone(),
            mark: listing.content_at(&entry.path).and_then(|text| serde_json::from_slice(text).ok()),
            written: entry.modified,
        });
        found.collect()
    }

    /// How long a mark is believed that nobody writes.
    pub(crate) fn believed_for() -> TimeDelta {
        TimeDelta::days(FOREIGN_DAYS)
    }

    /// Whether its run is over: it is one of ours, of which none goes on, or it has not been heard of for long.
    pub(crate) fn is_over(&self, owner: &str, now: DateTime<Utc>) -> bool {
        let is_ours = self.mark.as_ref().is_some_and(|mark| mark.owner == owner);
        let is_old = self.written.is_some_and(|written| now - written > FoundMark::believed_for());
        is_ours || is_old
    }
}

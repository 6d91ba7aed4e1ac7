//! The picture of a store at one moment. Made by looking, changed by nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use xb_core::{BackupId, BinlogName};
use xb_pipeline::fs::FsError;

use crate::layout::{Place, Shelf};
use crate::listing::Listing;
use crate::pins::Pin;
use crate::record::BackupRecord;
use crate::scan;
use crate::set::{BackupSet, ChainError};

/// What an interrupted run left, or a running one is making or removing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// Which backup it was to be. Below a shelf, the whole of a set under the name of its newest member.
    #[serde(flatten)]
    pub place: Place,
    /// On which shelf.
    pub shelf: Shelf,
    /// Its directory.
    pub directory: PathBuf,
}

/// A set on a shelf that is not the current one.
#[derive(Clone, Debug, Serialize)]
pub struct ShelvedSet {
    /// The name of its directory: that of its newest member when it was moved.
    pub name: BackupId,
    /// Its directory, which holds `full` and `incr`.
    pub directory: PathBuf,
    /// The set.
    pub set: BackupSet,
}

/// What is in a store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Catalog {
    /// The store.
    pub root: PathBuf,
    /// Every current set, oldest first.
    pub sets: Vec<BackupSet>,
    /// Half-written backups, and what was being moved or removed, on all shelves.
    pub partials: Vec<Partial>,
    /// Sets on the weekly shelf, oldest first.
    pub weekly: Vec<ShelvedSet>,
    /// Sets on the monthly shelf, oldest first.
    pub monthly: Vec<ShelvedSet>,
    /// Sets on the yearly shelf, oldest first.
    pub yearly: Vec<ShelvedSet>,
    /// Backups that are to stay, oldest first; also such that are not there.
    pub pins: Vec<Pin>,
    /// Why the pins could not be read, if they could not: nothing may be moved or removed then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pins_unreadable: Option<String>,
    /// Archived binary logs, in order.
    pub binlogs: Vec<BinlogName>,
    /// What is not ours. Left alone.
    pub strays: Vec<PathBuf>,
    /// What a store elsewhere listed; nothing for a directory of this machine.
    #[serde(skip)]
    pub listing: Option<Arc<Listing>>,
}

impl Catalog {
    /// Looks at the store at `root`. Directories that are missing hold nothing.
    ///
    /// # Errors
    /// [`FsError`] when a directory cannot be read. A backup that cannot be read is an entry that says so.
    pub fn scan(root: &Path) -> Result<Self, FsError> {
        scan::scan(root)
    }

    /// The sets on a shelf, oldest first; none for [`Shelf::Current`], whose sets are [`Catalog::sets`].
    #[must_use]
    pub fn shelved(&self, shelf: Shelf) -> &[ShelvedSet] {
        match shelf {
            Shelf::Current => &[],
            Shelf::Weekly => &self.weekly,
            Shelf::Monthly => &self.monthly,
            Shelf::Yearly => &self.yearly,
        }
    }

    /// The set in the directory `name` of a shelf; among the current ones the set of that name.
    #[must_use]
    pub fn set_at(&self, shelf: Shelf, name: BackupId) -> Option<&BackupSet> {
        match shelf {
            Shelf::Current => self.sets.iter().find(|set| set.id == name),
            shelf => {
                self.shelved(shelf).iter().find(|shelved| shelved.name == name).map(|shelved| &shelved.set)
            }
        }
    }

    /// Every set with its shelf: the current ones, then those on the shelves. A set that stands in two places,
    /// as after a crash while it was moved, comes twice.
    pub fn all_sets(&self) -> impl DoubleEndedIterator<Item = (Shelf, &BackupSet)> {
        let shelved = |shelf: Shelf| self.shelved(shelf).iter().map(move |shelved| (shelf, &shelved.set));
        let current = self.sets.iter().map(|set| (Shelf::Current, set));
        current.chain(Shelf::KEPT.into_iter().flat_map(shelved))
    }

    /// Every backup: the current sets, then those on the shelves, each oldest first, its full one first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &BackupRecord> {
        self.all_sets().flat_map(|(_, set)| set.members())
    }

    /// The newest backup that counts, with or without a chain that does.
    #[must_use]
    pub fn newest(&self) -> Option<&BackupRecord> {
        // Of two copies the current one, so the first of equals.
        self.records().rev().filter(|record| record.is_complete()).max_by_key(|record| record.id())
    }

    /// The greatest name in the store, whole or not, on whatever shelf: the next backup's must be greater.
    #[must_use]
    pub fn newest_name(&self) -> Option<BackupId> {
        let whole = self.records().map(BackupRecord::id);
        let shelved =
            Shelf::KEPT.into_iter().flat_map(|shelf| self.shelved(shelf)).map(|shelved| shelved.name);
        whole.chain(shelved).chain(self.partials.iter().map(|partial| partial.place.id)).max()
    }

    /// What a restore of `target` needs, full backup first, all from one shelf: of the current sets, else of the
    /// first shelf where nothing is missing.
    ///
    /// # Errors
    /// [`ChainError`] of the first copy there is, when none can be restored.
    pub fn chain(&self, target: BackupId) -> Result<Vec<&BackupRecord>, ChainError> {
        chain_in(self.all_sets().map(|(_, set)| set), target)
    }

    /// The newest backup after `chosen`, which was passed over, with the reason why it cannot be restored.
    #[must_use]
    pub fn passed_over(&self, chosen: BackupId) -> Option<ChainError> {
        let newest = self.records().map(BackupRecord::id).filter(|id| *id > chosen).max()?;
        self.chain(newest).err()
    }

    /// The chain of the newest backup, by name and over all shelves, that can be restored.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<Vec<&BackupRecord>> {
        newest_chain(self.all_sets().map(|(_, set)| set))
    }

    /// The chain that the next incremental continues: of current sets only, because a set on a shelf is closed.
    #[must_use]
    pub fn newest_base(&self) -> Option<Vec<&BackupRecord>> {
        self.sets.iter().rev().find_map(BackupSet::newest_restorable)
    }

    /// The newest current backup after the base `chosen`, with the reason why it cannot be one.
    #[must_use]
    pub fn passed_over_as_base(&self, chosen: BackupId) -> Option<ChainError> {
        let members = self.sets.iter().flat_map(BackupSet::members);
        let newest = members.map(BackupRecord::id).filter(|id| *id > chosen).max()?;
        chain_in(self.sets.iter(), newest).err()
    }
}

fn chain_in<'a>(
    sets: impl Iterator<Item = &'a BackupSet>,
    target: BackupId,
) -> Result<Vec<&'a BackupRecord>, ChainError> {
    let mut first_error = None;
    for set in sets.filter(|set| set.members().any(|member| member.id() == target)) {
        match set.chain(target) {
            Ok(chain) => return Ok(chain),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or(ChainError::NoSuchBackup { target }))
}

/// Sets that cannot hold anything newer than what was found are not looked into.
fn newest_chain<'a>(sets: impl DoubleEndedIterator<Item = &'a BackupSet>) -> Option<Vec<&'a BackupRecord>> {
    let name = |chain: &Vec<&BackupRecord>| chain.last().map(|record| record.id());
    let mut newest: Option<Vec<&BackupRecord>> = None;
    // From the shelves to the current sets, so that of two copies the current one is taken.
    for set in sets.rev() {
        if newest.as_ref().and_then(name).is_some_and(|newest| set.newest_member() < newest) {
            continue;
        }
        let found = set.newest_restorable();
        if found.as_ref().and_then(name) >= newest.as_ref().and_then(name) {
            newest = found.or(newest);
        }
    }
    newest
}

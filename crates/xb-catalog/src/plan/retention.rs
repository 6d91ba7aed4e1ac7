//! Which sets stay, which move to a shelf, and which go.
//!
//! There is no clock in this. The calendar is that of the names: a backup is named after the local time at which
//! it began, and a set has the name of its full backup. Running it more often or more seldom, or after a pause,
//! leaves the same sets; what brings a change is a newer backup only.
//!
//! The policy is five numbers, each of which may be zero, and a word on what is broken.
//!
//! 1. Only sets count that can be restored: at least their full backup, wherever they stand.
//! 2. **sets**: so many of the newest stay among the current sets.
//! 3. **days**: counted back from the start of the newest set. Every set stays that is needed to recover a moment
//!    after that: a set covers the time from its start to the start of the next, so the one that began before
//!    the days did stays as well, when the next began within them.
//! 4. **weeks**: of the sets older than those of 2 and 3, the last one of each calendar week (Monday to Sunday, ISO
//!    8601). The newest so many are kept, on the weekly shelf.
//! 5. **months**: of those that 2 to 4 do not keep, the last one of each calendar month. The newest so many are
//!    kept, on the monthly shelf.
//! 6. **years**: of those that 2 to 5 do not keep, the last one of each calendar year, on the yearly shelf.
//! 7. A set with a pinned backup stays, whole and where it is. It takes nobody's place: the numbers are counted as
//!    if it were not pinned.
//! 8. A set stays where it is while a set that stays has a backup that builds on one of it.
//! 9. The newest set that can be restored is kept by every policy, also by five zeros, and stays among the current
//!    ones: the next incremental builds on it. So does the set that holds the newest backup that can be restored,
//!    which is another one when a newer set could not be read for a while.
//! 10. A set of which the full backup cannot be restored stays for its owner to look at: an error while reading, or
//!     a manifest of a newer version, is no reason to remove what may be whole. Only if the policy says **broken**
//!     those go that are older than the oldest set of 2 and 3 (than the newest set, where those are zero), and of
//!     which every member could be looked at. What is broken or unfinished within a set that stays is left alone.
//!
//! The last set of a week is looked for among all that can be restored, also those kept by another rule, so a week
//! is not represented by another of its sets because the last one is kept already. A set that is the last one of
//! its week and of its month is a weekly one first, and becomes a monthly one when it is too old for that; the last
//! one of a month that ends amid a week becomes a monthly one as soon as 2 and 3 let go of it.
//!
//! Where a set stands twice, as after a crash while it was moved, the copy on the shelf where it belongs wins if
//! everything can be restored from it that can be from the other; the other goes, unless something in it cannot be
//! read.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use xb_core::{BackupId, BackupKind};

use crate::catalog::Catalog;
use crate::layout::Shelf;
use crate::set::BackupSet;

mod copies;
mod reason;
mod rules;

pub use reason::{Action, KeepReason, RemoveReason};

use copies::{Copy, decide};

/// How much is kept; the head of this module says by which rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetentionPolicy {
    /// Newest sets.
    pub sets: u32,
    /// Days back from the newest set that can be recovered.
    pub days: u32,
    /// Weekly sets beyond these.
    pub weeks: u32,
    /// Monthly sets beyond these.
    pub months: u32,
    /// Yearly sets beyond these.
    pub years: u32,
    /// Whether older sets that are broken for certain go. Not for a run that nobody watches.
    pub broken: bool,
}

/// What becomes of each set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetentionPlan {
    /// The policy it follows.
    pub policy: RetentionPolicy,
    /// Every set on every shelf, oldest first; one that stands twice has two entries. To be carried out in this
    /// order: of two copies the one that goes comes before the one that moves to where it stood.
    pub sets: Vec<PlannedSet>,
}

/// What becomes of one set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedSet {
    /// The set: the name of its full backup.
    pub id: BackupId,
    /// Where it stands.
    pub shelf: Shelf,
    /// The name of its directory there; that of the set among the current ones.
    pub name: BackupId,
    /// The newest of its members, after which its directory on a shelf is named.
    pub newest_member: BackupId,
    /// Its members, the full backup first.
    pub members: Vec<PlannedMember>,
    /// Whether its full backup can be restored from here.
    pub restorable: bool,
    /// Why it is kept; nothing when it goes.
    pub keep: Vec<KeepReason>,
    /// What is to be done.
    pub action: Action,
    /// Bytes that doing it frees; unknown when the sizes are, or when another copy may share the files. A move
    /// frees none.
    pub frees_bytes: Option<u64>,
}

/// A member of a set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedMember {
    /// Its name.
    pub id: BackupId,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Whether it can be restored, with all it builds on.
    pub restorable: bool,
    /// Bytes it takes in the store, as far as its manifest tells.
    pub stored_bytes: Option<u64>,
}

impl RetentionPlan {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.sets.iter().all(|set| set.action == Action::Stay)
    }

    /// Leaves every set where it stands: for stores where moving would mean to write everything anew. A set that
    /// belongs on a shelf is kept for the same reasons all the same, as one is that was never moved.
    pub fn stay_in_place(&mut self) {
        for set in self.sets.iter_mut().filter(|set| matches!(set.action, Action::Move { .. })) {
            set.action = Action::Stay;
        }
    }

    /// Bytes that carrying it out frees, at least.
    #[must_use]
    pub fn frees_bytes(&self) -> u64 {
        self.sets.iter().filter_map(|set| set.frees_bytes).sum()
    }
}

impl PlannedSet {
    /// The set itself, in the catalog the plan was made from.
    #[must_use]
    pub fn find<'a>(&self, catalog: &'a Catalog) -> Option<&'a BackupSet> {
        catalog.set_at(self.shelf, self.name)
    }
}

/// Decides about every set of a store.
#[must_use]
pub fn plan_retention(catalog: &Catalog, policy: RetentionPolicy) -> RetentionPlan {
    let mut groups: BTreeMap<BackupId, Vec<Copy<'_>>> = BTreeMap::new();
    for copy in Copy::all(catalog) {
        groups.entry(copy.set.id).or_default().push(copy);
    }
    let restorable: Vec<BackupId> = groups
        .iter()
        .filter(|(_, copies)| copies.iter().any(Copy::is_restorable))
        .map(|(id, _)| *id)
        .collect();
    let mut verdicts = rules::by_calendar(&restorable, policy);
    let pins: BTreeSet<BackupId> = catalog.pins.iter().map(|pin| pin.id).collect();
    for (id, copies) in &groups {
        let members = copies.iter().flat_map(|copy| copy.set.members()).map(|member| member.id());
        if let Some(member) = members.chain([*id]).find(|member| pins.contains(member)) {
            verdicts.keep(*id, KeepReason::Pinned { member });
        }
    }
    let oldest_current = verdicts.oldest_current;
    for (id, copies) in groups.iter().filter(|(id, _)| restorable.binary_search(id).is_err()) {
        let is_older = oldest_current.is_some_and(|oldest| *id < oldest);
        let is_proven = !copies.iter().any(Copy::is_unreadable);
        if !(policy.broken && is_older && is_proven) {
            verdicts.keep(*id, KeepReason::NotRestorable);
        }
    }
    keep_needed(&groups, &mut verdicts);
    // An incremental may stand on an older set, while a newer one could not be read.
    let holder = catalog.newest_restorable().and_then(|chain| chain.last().map(|record| record.place.set));
    if let Some(holder) = holder.filter(|holder| !verdicts.reasons.contains_key(holder)) {
        verdicts.keep(holder, KeepReason::Newest);
    }
    let newest = [restorable.last().copied(), holder];
    let sets = groups.into_iter().flat_map(|(id, copies)| {
        let is_newest = newest.contains(&Some(id));
        decide(copies, verdicts.reasons.remove(&id).unwrap_or_default(), is_newest)
    });
    RetentionPlan { policy, sets: sets.collect() }
}

/// Adds the sets that others which are kept build on, and those that these build on.
fn keep_needed(groups: &BTreeMap<BackupId, Vec<Copy<'_>>>, verdicts: &mut rules::Verdicts) {
    let mut foreign: Vec<(BackupId, BackupId)> = Vec::new();
    for (set, copies) in groups {
        for copy in copies {
            let is_own = |base: &BackupId| copy.set.members().any(|member| member.id() == *base);
            let bases = copy.set.members().filter_map(|member| member.base);
            foreign.extend(bases.filter(|base| !is_own(base)).map(|base| (*set, base)));
        }
    }
    let home = |base: &BackupId| {
        let holds = |copy: &Copy<'_>| copy.set.members().any(|member| member.id() == *base);
        groups.iter().find(|(_, copies)| copies.iter().any(holds)).map(|(set, _)| *set)
    };
    let mut needs: Vec<(BackupId, BackupId)> =
        foreign.iter().filter_map(|(set, base)| Some((*set, home(base)?))).collect();
    needs.retain(|(set, needed)| set != needed);
    needs.sort_unstable();
    needs.dedup();
    let mut pending: Vec<BackupId> = verdicts.reasons.keys().copied().collect();
    while let Some(by) = pending.pop() {
        for (_, needed) in needs.iter().filter(|(set, _)| *set == by) {
            if !verdicts.reasons.contains_key(needed) {
                pending.push(*needed);
            }
            verdicts.keep(*needed, KeepReason::Needed { by });
        }
    }
}

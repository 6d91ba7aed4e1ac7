//! What is done with a set where it stands, once it is known whether it is kept: most stand in one place, some
//! after a crash in two.

use std::collections::BTreeSet;

use xb_core::BackupId;

use super::reason::{Action, KeepReason, RemoveReason};
use super::{PlannedMember, PlannedSet};
use crate::catalog::Catalog;
use crate::layout::Shelf;
use crate::record::BackupRecord;
use crate::set::BackupSet;

/// A set in one place.
pub(super) struct Copy<'a> {
    pub(super) set: &'a BackupSet,
    shelf: Shelf,
    name: BackupId,
    restorable: Vec<bool>,
}

impl<'a> Copy<'a> {
    /// Every set of a store.
    pub(super) fn all(catalog: &'a Catalog) -> impl Iterator<Item = Copy<'a>> {
        let current = catalog.sets.iter().map(|set| Copy::new(set, Shelf::Current, set.id));
        let shelved = Shelf::KEPT.into_iter().flat_map(|shelf| {
            catalog.shelved(shelf).iter().map(move |shelved| Copy::new(&shelved.set, shelf, shelved.name))
        });
        current.chain(shelved)
    }

    fn new(set: &'a BackupSet, shelf: Shelf, name: BackupId) -> Self {
        Copy { set, shelf, name, restorable: set.restorable() }
    }

    /// Whether its full backup can be restored.
    pub(super) fn is_restorable(&self) -> bool {
        self.set.full.is_some() && self.restorable.first() == Some(&true)
    }

    /// Whether something in it cannot be read now: it may hold more than can be told.
    pub(super) fn is_unreadable(&self) -> bool {
        self.set.members().any(BackupRecord::is_unreadable)
    }

    /// The names of what can be restored from it.
    fn worth(&self) -> BTreeSet<BackupId> {
        let members = self.set.members().zip(&self.restorable).filter(|(_, restorable)| **restorable);
        members.map(|(member, _)| member.id()).collect()
    }

    fn planned(&self, keep: &[KeepReason], action: Action, is_alone: bool) -> PlannedSet {
        let member = |(member, restorable): (&BackupRecord, &bool)| PlannedMember {
            id: member.id(),
            kind: member.kind,
            restorable: *restorable,
            stored_bytes: member.sizes.map(|sizes| sizes.stored_bytes),
        };
        let members: Vec<PlannedMember> = self.set.members().zip(&self.restorable).map(member).collect();
        let frees_bytes = match action {
            Action::Stay | Action::Move { .. } => Some(0),
            Action::Remove { .. } if is_alone => members.iter().map(|member| member.stored_bytes).sum(),
            Action::Remove { .. } => None,
        };
        PlannedSet {
            id: self.set.id,
            shelf: self.shelf,
            name: self.name,
            newest_member: self.set.newest_member(),
            members,
            restorable: self.is_restorable(),
            keep: keep.to_vec(),
            action,
            frees_bytes,
        }
    }
}

/// Where a set belongs.
enum Home {
    /// Where it is, in every place.
    Everywhere,
    /// In one place, whichever that is now; on this shelf if it stands there.
    Here(Shelf),
    /// On this shelf.
    On(Shelf),
}

fn home(keep: &[KeepReason], is_newest: bool) -> Home {
    let stays = |reason: &KeepReason| matches!(reason, KeepReason::Pinned { .. } | KeepReason::NotRestorable);
    if keep.iter().any(stays) {
        return Home::Everywhere;
    }
    // The next incremental continues the newest set, which therefore is closed by the next one only.
    if is_newest {
        return Home::Here(Shelf::Current);
    }
    let shelf = keep.iter().find_map(|reason| match reason {
        KeepReason::Week { .. } => Some(Shelf::Weekly),
        KeepReason::Month { .. } => Some(Shelf::Monthly),
        KeepReason::Year { .. } => Some(Shelf::Yearly),
        _ => None,
    });
    shelf.map_or(Home::Here(Shelf::Current), Home::On)
}

/// What becomes of each copy of a set that is kept for these reasons, or goes when there are none. Those that
/// go come first.
pub(super) fn decide(copies: Vec<Copy<'_>>, keep: Vec<KeepReason>, is_newest: bool) -> Vec<PlannedSet> {
    let is_alone = copies.len() == 1;
    let can_be_restored = copies.iter().any(Copy::is_restorable);
    if keep.is_empty() {
        let why = if can_be_restored { RemoveReason::Surplus } else { RemoveReason::Broken };
        return copies.iter().map(|copy| copy.planned(&[], Action::Remove { why }, is_alone)).collect();
    }
    let (wanted, moves) = match home(&keep, is_newest) {
        Home::Everywhere => {
            return copies.iter().map(|copy| copy.planned(&keep, Action::Stay, is_alone)).collect();
        }
        Home::Here(shelf) => (shelf, false),
        Home::On(shelf) => (shelf, true),
    };
    let rank = |copy: &&Copy<'_>| {
        (copy.worth().len(), copy.shelf == wanted, copy.name == copy.set.newest_member(), copy.name)
    };
    let Some(best) = copies.iter().max_by_key(rank) else { return Vec::new() };
    let stays_on = if moves { wanted } else { best.shelf };
    let worth = best.worth();
    let may_have_more = |copy: &Copy<'_>| copy.is_unreadable() || !copy.worth().is_subset(&worth);
    if copies.iter().any(|copy| !std::ptr::eq(copy, best) && may_have_more(copy)) {
        // Each has something that the other lacks, or may have it: for somebody to look at.
        return copies.iter().map(|copy| copy.planned(&keep, Action::Stay, is_alone)).collect();
    }
    let decide_one = |copy: &Copy<'_>| {
        if std::ptr::eq(copy, best) {
            let is_there = copy.shelf == stays_on;
            return copy.planned(
                &keep,
                if is_there { Action::Stay } else { Action::Move { to: stays_on } },
                is_alone,
            );
        }
        let why =
            if copy.is_restorable() { RemoveReason::Copied { to: stays_on } } else { RemoveReason::Broken };
        copy.planned(&[], Action::Remove { why }, is_alone)
    };
    let mut planned: Vec<PlannedSet> = copies.iter().map(decide_one).collect();
    planned.sort_by_key(|set| !matches!(set.action, Action::Remove { .. }));
    planned
}

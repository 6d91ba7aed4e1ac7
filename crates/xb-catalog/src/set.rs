//! A set: a full backup and everything built on it. The unit of retention.

use serde::Serialize;
use xb_core::BackupId;

use crate::record::BackupRecord;

/// A full backup and all incrementals of its directory.
#[derive(Clone, Debug, Serialize)]
pub struct BackupSet {
    /// The name of the full backup.
    pub id: BackupId,
    /// The full backup; missing when only incrementals are left.
    pub full: Option<BackupRecord>,
    /// The incrementals, oldest first.
    pub incrementals: Vec<BackupRecord>,
}

/// Why a backup cannot be restored, although it may be whole itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The full backup of the set is not there.
    #[error("the full backup {set} that {target} builds on is missing")]
    FullMissing {
        /// The set.
        set: BackupId,
        /// What was asked for.
        target: BackupId,
    },
    /// A backup on the way is there but does not count.
    #[error("{member}, which {target} needs, is broken: {reason}")]
    MemberBroken {
        /// Which one.
        member: BackupId,
        /// What was asked for.
        target: BackupId,
        /// What is wrong with it.
        reason: String,
    },
    /// No backup of the set ends where one of them begins.
    #[error(
        "{member} begins at LSN {from_lsn}, but no complete backup before it in set {set} ends there: a member of the chain is missing"
    )]
    MemberMissing {
        /// The set.
        set: BackupId,
        /// The one whose base is missing.
        member: BackupId,
        /// Where it begins.
        from_lsn: xb_core::Lsn,
    },
    /// No such backup.
    #[error("there is no backup {target} in the store")]
    NoSuchBackup {
        /// What was asked for.
        target: BackupId,
    },
}

impl BackupSet {
    /// All members, the full one first.
    pub fn members(&self) -> impl DoubleEndedIterator<Item = &BackupRecord> {
        self.full.iter().chain(&self.incrementals)
    }

    /// What a restore of `target` needs, in the order it is applied: the full backup first, `target` last.
    ///
    /// The way back goes by the base that was written down, else by LSN, taking the newest backup that ends
    /// where the next begins.
    ///
    /// # Errors
    /// [`ChainError`] naming the member that is missing or broken.
    pub fn chain(&self, target: BackupId) -> Result<Vec<&BackupRecord>, ChainError> {
        let start = self.members().find(|member| member.id() == target);
        let mut member = start.ok_or(ChainError::NoSuchBackup { target })?;
        let mut chain = Vec::new();
        loop {
            if let Some(reason) = member.state.reason() {
                let reason = reason.to_owned();
                return Err(ChainError::MemberBroken { member: member.id(), target, reason });
            }
            chain.push(member);
            if member.place.set == member.place.id {
                chain.reverse();
                return Ok(chain);
            }
            member = self.base_of(member, target)?;
        }
    }

    fn base_of(&self, member: &BackupRecord, target: BackupId) -> Result<&BackupRecord, ChainError> {
        if self.full.is_none() {
            return Err(ChainError::FullMissing { set: self.id, target });
        }
        let from_lsn = member.lsns.map(|lsns| lsns.from).unwrap_or_default();
        let missing = ChainError::MemberMissing { set: self.id, member: member.id(), from_lsn };
        let mut earlier = self.members().rev().filter(|other| other.id() < member.id());
        match member.base {
            Some(base) => earlier.find(|other| other.id() == base).ok_or(missing),
            None => earlier
                .find(|other| {
                    let ends_there = other.lsns.zip(member.lsns).is_some_and(|(a, b)| b.continues(&a));
                    ends_there && other.is_complete()
                })
                .ok_or(missing),
        }
    }

    /// For each member, in the order of [`BackupSet::members`], whether [`BackupSet::chain`] finds what it needs.
    #[must_use]
    pub fn restorable(&self) -> Vec<bool> {
        let members: Vec<&BackupRecord> = self.members().collect();
        let mut verdicts: Vec<bool> = Vec::with_capacity(members.len());
        for member in &members {
            // A base has a smaller name, so its verdict stands already.
            let base = || self.base_of(member, member.id()).ok().map(|base| base.id());
            let verdict_on = |id: BackupId| {
                members.iter().zip(&verdicts).any(|(other, verdict)| other.id() == id && *verdict)
            };
            let is_first = member.place.set == member.place.id;
            verdicts.push(member.is_complete() && (is_first || base().is_some_and(verdict_on)));
        }
        verdicts
    }

    /// What builds on `target`, directly or not, newest first.
    #[must_use]
    pub fn dependents(&self, target: BackupId) -> Vec<&BackupRecord> {
        let mut lost = vec![target];
        let mut dependents = Vec::new();
        for member in self.incrementals.iter().filter(|member| member.id() != target) {
            // Without the full backup nothing of a set is of use, also what cannot be followed back to it.
            let base = member.base.or_else(|| self.base_of(member, member.id()).ok().map(BackupRecord::id));
            if target == self.id || base.is_some_and(|base| lost.contains(&base)) {
                lost.push(member.id());
                dependents.push(member);
            }
        }
        dependents.reverse();
        dependents
    }

    /// The name of its newest member; its own when it has none.
    #[must_use]
    pub fn newest_member(&self) -> BackupId {
        self.members().map(BackupRecord::id).max().unwrap_or(self.id)
    }

    /// The newest member that can be restored, with its chain.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<Vec<&BackupRecord>> {
        self.members().rev().find_map(|member| self.chain(member.id()).ok())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xb_core::{Lsn, LsnRange};

    use super::*;
    use crate::BackupState;
    use crate::layout::Place;
    use crate::sample::{id, unread};

    /// A member as it is drawn: whether it is whole, the place of its base before it, and whether that was
    /// written down.
    type Drawn = (bool, usize, bool);

    fn set(drawn: &[Drawn], has_full: bool) -> BackupSet {
        let name = |index: usize| id(&format!("10_{index:02}_00"));
        let lsn = |index: usize| Lsn(index as u64 * 10);
        let member = |(index, (is_whole, back, is_written)): (usize, &Drawn)| {
            let base = index.saturating_sub(1 + back);
            let state = match *is_whole {
                true => BackupState::Complete,
                false if index % 2 == 0 => BackupState::Broken("cut".to_owned()),
                false => BackupState::Unreadable("no permission".to_owned()),
            };
            BackupRecord {
                state,
                base: (*is_written && index > 0).then(|| name(base)),
                lsns: Some(LsnRange { from: lsn(base), to: lsn(index), last: lsn(index) }),
                ..unread(Place { set: name(0), id: name(index) })
            }
        };
        let mut members = drawn.iter().enumerate().map(member);
        let full = members.next().filter(|_| has_full);
        BackupSet { id: name(0), full, incrementals: members.collect() }
    }

    proptest! {
        #[test]
        fn the_verdicts_on_all_members_are_those_on_each(
            drawn in prop::collection::vec((prop::bool::weighted(0.8), 0..3_usize, any::<bool>()), 1..12),
            has_full in prop::bool::weighted(0.9),
            missing in 0..20_usize,
        ) {
            let mut set = set(&drawn, has_full);
            if missing < set.incrementals.len() {
                set.incrementals.remove(missing);
            }
            let each: Vec<bool> = set.members().map(|member| set.chain(member.id()).is_ok()).collect();
            prop_assert_eq!(set.restorable(), each);
        }

        #[test]
        fn without_its_dependents_a_member_leaves_nothing_that_cannot_be_restored(
            drawn in prop::collection::vec((Just(true), 0..3_usize, any::<bool>()), 1..12),
            target in 0..12_usize,
        ) {
            let mut set = set(&drawn, true);
            let target = id(&format!("10_{:02}_00", target % drawn.len()));
            let gone: Vec<BackupId> = set.dependents(target).iter().map(|record| record.id()).collect();
            let is_left = |record: &BackupRecord| record.id() != target && !gone.contains(&record.id());
            set.full = set.full.filter(is_left);
            set.incrementals.retain(is_left);
            prop_assert!(set.restorable().iter().all(|restorable| *restorable), "{:?} {:?}", target, set);
        }
    }
}

//! A set: a full backup and everything built on it. The unit of retention.

use serde::Serialize;
use xb_core::BackupId;

use crate::record::{BackupRecord, BackupState};

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
            if let BackupState::Broken(reason) = &member.state {
                let reason = reason.clone();
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

    /// The newest member that can be restored, with its chain.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<Vec<&BackupRecord>> {
        self.members().rev().find_map(|member| self.chain(member.id()).ok())
    }
}

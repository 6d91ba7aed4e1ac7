//! Which backups a second store lacks.

use std::collections::BTreeSet;

use xb_core::BackupId;

use super::{Action, RetentionPolicy, plan_retention};
use crate::catalog::Catalog;
use crate::record::{BackupRecord, Origin};

/// A backup to be copied.
#[derive(Clone, Copy, Debug)]
pub struct CopyStep<'a> {
    /// The backup, as the store has it that it is copied from.
    pub record: &'a BackupRecord,
    /// Whether what stands there under its name is damaged and has to go first.
    pub replaces: bool,
}

/// What `there` lacks of the backups in `here` that can be restored, of the sets `policy` keeps; bases come before
/// what builds on them.
#[must_use]
pub fn plan_copies<'a>(here: &'a Catalog, there: &Catalog, policy: RetentionPolicy) -> Vec<CopyStep<'a>> {
    let kept: BTreeSet<BackupId> = plan_retention(here, policy)
        .sets
        .into_iter()
        .filter(|set| !matches!(set.action, Action::Remove { .. }))
        .map(|set| set.id)
        .collect();
    let members = here.records().filter(|record| kept.contains(&record.place.set));
    let mut names = BTreeSet::new();
    let members = members.filter(|record| names.insert(record.id()));
    members.filter_map(|record| step(here, there, record)).collect()
}

/// The chain of `target` as far as `there` lacks it, full backup first.
///
/// # Errors
/// [`crate::ChainError`] when it cannot be restored from `here`.
pub fn plan_copy_of<'a>(
    here: &'a Catalog,
    there: &Catalog,
    target: BackupId,
) -> Result<Vec<CopyStep<'a>>, crate::ChainError> {
    Ok(here.chain(target)?.into_iter().filter_map(|record| step(here, there, record)).collect())
}

/// The names under which another backup stands there than here: two servers may begin one in the same second.
#[must_use]
pub fn conflicts(here: &Catalog, there: &Catalog) -> Vec<BackupId> {
    let facts = |record: &BackupRecord| (record.lsns, record.started, record.archive_digest);
    let differs = |record: &&BackupRecord| {
        let mut copies = there.records().filter(|copy| copy.id() == record.id() && copy.is_complete());
        copies.any(|copy| facts(copy) != facts(record))
    };
    here.records().filter(|record| record.is_complete()).filter(differs).map(BackupRecord::id).collect()
}

fn step<'a>(here: &Catalog, there: &Catalog, record: &'a BackupRecord) -> Option<CopyStep<'a>> {
    // What the original made has no list of its files with their digests: nobody could prove the copy, nor use one of
    // what builds on it.
    let chain = here.chain(record.id()).ok()?;
    if chain.iter().any(|member| member.origin != Origin::Native) {
        return None;
    }
    match there.records().find(|copy| copy.id() == record.id()) {
        Some(copy) if copy.is_complete() || copy.is_unreadable() => None,
        found => Some(CopyStep { record, replaces: found.is_some() }),
    }
}

//! What a restore does, and what it needs before it may begin.

use std::path::PathBuf;

use xb_core::BackupId;

use crate::catalog::Catalog;
use crate::record::BackupRecord;
use crate::set::ChainError;

/// A restore, step by step.
#[derive(Clone, Debug)]
pub struct RestorePlan {
    /// What is restored.
    pub target: BackupId,
    /// Where it appears when it is done.
    pub destination: PathBuf,
    /// Where it is made.
    pub workplace: PathBuf,
    /// The members in the order they are applied; the full backup first.
    pub members: Vec<BackupRecord>,
    /// Bytes needed below the directory of `destination`; a lower bound where sizes are unknown.
    pub needed_bytes: u64,
    /// A newer backup that was passed over because it cannot be restored, and why.
    pub passed_over: Option<ChainError>,
}

/// Why a restore cannot begin. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The chain is not whole.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is nothing in the store that could be restored.
    #[error("the store holds no backup that can be restored")]
    NothingToRestore,
}

/// Plans the restore of `target`, or of the newest backup, to `P_<name>` in `restore_dir`.
///
/// # Errors
/// [`RestoreError`].
pub fn plan_restore(
    catalog: &Catalog,
    asked_for: Option<BackupId>,
    restore_dir: &std::path::Path,
) -> Result<RestorePlan, RestoreError> {
    let chain = match asked_for {
        Some(target) => catalog.chain(target)?,
        None => catalog.newest_restorable().ok_or(RestoreError::NothingToRestore)?,
    };
    let target = chain.last().ok_or(RestoreError::NothingToRestore)?.id();
    Ok(RestorePlan {
        target,
        destination: restore_dir.join(format!("P_{target}")),
        workplace: restore_dir.join(format!("P_{target}.partial")),
        needed_bytes: needed_bytes(&chain),
        passed_over: catalog.passed_over(target).filter(|_| asked_for.is_none()),
        members: chain.into_iter().cloned().collect(),
    })
}

/// The full backup grows to what its stream held; of the incrementals one at a time is unpacked beside it,
/// and what they change may be new pages.
fn needed_bytes(chain: &[&BackupRecord]) -> u64 {
    let size = |record: &&BackupRecord| record.sizes.map_or(0, |sizes| sizes.stream_bytes);
    let (full, incrementals) = chain.split_at(chain.len().min(1));
    let full: u64 = full.iter().map(size).sum();
    let grown: u64 = incrementals.iter().map(size).sum();
    let largest = incrementals.iter().map(size).max().unwrap_or(0);
    full + grown + largest
}

//! What becomes of backups once they are taken: prepared, kept, removed.

use std::path::PathBuf;

use super::copies::StoreCopied;
use serde::Serialize;
use xb_catalog::Pin;
use xb_catalog::plan::RetentionPlan;
use xb_core::{BackupId, Lsn};

/// The prepared copy was brought up to a backup.
#[derive(Clone, Debug, Serialize)]
pub struct ApplyReport {
    /// Where it is.
    pub directory: PathBuf,
    /// The backups in it, in the order they were applied.
    pub members: Vec<BackupId>,
    /// Those of them that this run applied.
    pub applied: Vec<BackupId>,
    /// Where it ends.
    pub to_lsn: Option<Lsn>,
    /// Why it was made anew, where something was there.
    pub rebuilt: Option<String>,
}

/// What a prune is to do beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PruneOptions {
    /// Also remove sets that are proven damaged and older than what is kept.
    pub broken: bool,
}

/// What retention does with a store.
#[derive(Clone, Debug, Serialize)]
pub struct PruneReport {
    /// The store.
    pub store: PathBuf,
    /// What becomes of each set, and why.
    pub plan: RetentionPlan,
    /// What dead runs left.
    pub leftovers: Vec<LeftBehind>,
    /// Logs of runs that are older than every backup that stays.
    pub logs: Vec<PathBuf>,
    /// Binary logs that no kept backup needs.
    pub binlogs: xb_binlog::prune::PrunePlan,
    /// The pins of the store.
    #[serde(skip)]
    pub(crate) pins: Vec<Pin>,
    /// Whether nobody knows them.
    #[serde(skip)]
    pub(crate) pins_unreadable: bool,
    /// Bytes that all of it frees, at least.
    pub frees_bytes: u64,
    /// Whether it was done; else it was only looked at.
    pub done: bool,
    /// Whether sets were left as they are because a restore was reading.
    pub postponed: bool,
    /// What a store elsewhere keeps for now, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<String>,
    /// What went from the stores with copies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<StoreCopied>,
    /// What could not be done, and why.
    pub problems: Vec<String>,
}

/// Something that a dead run left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftBehind {
    /// Where.
    pub path: PathBuf,
    /// How much of it there is.
    pub bytes: u64,
    /// What it is.
    pub what: String,
}

/// A backup was pinned, or no longer is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PinReport {
    /// The backup.
    pub backup: BackupId,
    /// Its set, which stays with it; unknown when the backup is gone.
    pub set: Option<BackupId>,
    /// Whether it is pinned now.
    pub pinned: bool,
    /// Whether it was before.
    pub was_pinned: bool,
}

/// What a wipeout removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WipeReport {
    /// The store.
    pub store: PathBuf,
    /// What goes.
    pub removes: Vec<WipeItem>,
    /// What stands in the store and is not ours, and stays.
    pub leaves: Vec<PathBuf>,
    /// Bytes that it frees.
    pub frees_bytes: u64,
    /// Whether it was done; else it was only looked at.
    pub done: bool,
}

/// Something that a wipeout removes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WipeItem {
    /// Where.
    pub path: PathBuf,
    /// What it is.
    pub what: String,
    /// How much of it there is.
    pub bytes: u64,
}

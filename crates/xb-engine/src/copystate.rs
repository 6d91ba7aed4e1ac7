//! What is known here of the copies in other stores, for a status that asks none of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use xb_core::BackupId;
use xb_pipeline::fs::write_atomic_readable;

/// The file in `work_dir`.
const NAME: &str = ".pyxbackup.copies.json";

/// How the last attempt to bring a store up ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyState {
    /// When it was.
    pub when: DateTime<FixedOffset>,
    /// The newest backup the store has had by now.
    pub newest: Option<BackupId>,
    /// Why the last attempt did not do it; nothing when it did.
    pub problem: Option<String>,
}

/// By the address of the store.
pub(crate) type CopyStates = BTreeMap<String, CopyState>;

fn path(work_dir: &Path) -> PathBuf {
    work_dir.join(NAME)
}

/// What is known; nothing where that cannot be read.
pub(crate) fn read(work_dir: &Path) -> CopyStates {
    let text = std::fs::read(path(work_dir)).ok();
    text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Notes an attempt. For the holder of the lock.
pub(crate) fn note(
    work_dir: &Path,
    store: &str,
    newest: Option<BackupId>,
    problem: Option<String>,
    when: DateTime<FixedOffset>,
) {
    let mut states = read(work_dir);
    let before = states.get(store).and_then(|state| state.newest);
    let newest = if problem.is_some() { before } else { newest };
    states.insert(store.to_owned(), CopyState { when, newest, problem });
    if let Ok(text) = serde_json::to_vec_pretty(&states) {
        // Without it status warns, which is the safe side.
        let _ = write_atomic_readable(&path(work_dir), &text);
    }
}

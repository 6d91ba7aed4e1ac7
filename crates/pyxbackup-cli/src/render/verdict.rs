//! What an entry of a store is good for.

use xb_catalog::{BackupRecord, BackupSet, Partial};
use xb_engine::LockState;

/// Why a backup does not count, in words; by itself or because of what it builds on.
pub(crate) fn broken(set: &BackupSet, record: &BackupRecord) -> Option<String> {
    match record.state.reason() {
        Some(reason) => Some(reason.to_owned()),
        None => set.chain(record.id()).err().map(|error| error.to_string()),
    }
}

/// Whether `restore-set` can restore it: its chain is whole.
pub(crate) fn is_restorable(set: &BackupSet, record: &BackupRecord) -> bool {
    set.chain(record.id()).is_ok()
}

/// What a half-written backup is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// A run is making it.
    Running {
        /// The process.
        pid: u32,
    },
    /// A run did not get to its end.
    Left,
    /// One of the two: without a `work_dir` nobody can tell.
    Unknown,
}

impl Unfinished {
    pub(crate) fn of(partial: &Partial, lock: Option<&LockState>) -> Self {
        match lock {
            None => Unfinished::Unknown,
            Some(LockState::Held(Some(run))) if run.backup == partial.place.id => {
                Unfinished::Running { pid: run.pid }
            }
            Some(LockState::Held(_) | LockState::Free | LockState::Stale(_)) => Unfinished::Left,
        }
    }

    /// A word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Unfinished::Running { .. } => "Running",
            Unfinished::Left | Unfinished::Unknown => "Incomplete",
        }
    }

    /// What it is, in words.
    pub(crate) fn reason(&self) -> String {
        match self {
            Unfinished::Running { pid } => format!("process {pid} is making it"),
            Unfinished::Left => "left by a run that did not finish".to_owned(),
            Unfinished::Unknown => {
                "left by a run that did not finish, or being made now; set work_dir to tell".to_owned()
            }
        }
    }
}

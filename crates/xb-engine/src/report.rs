//! What flows answer. Everything here serialises; nothing is printed by the library.

use std::path::PathBuf;

use serde::Serialize;
use xb_catalog::Catalog;
use xb_catalog::manifest::{BinlogPoint, Manifest};
use xb_core::{BackupId, BackupKind};

use crate::lock::LockState;

/// A backup was taken and committed.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub directory: PathBuf,
    /// All about it.
    pub manifest: Manifest,
}

/// What is in a store.
#[derive(Clone, Debug, Serialize)]
pub struct ListReport {
    /// Everything found.
    #[serde(flatten)]
    pub catalog: Catalog,
    /// Whether a run is going on; unknown without a `work_dir` or without the right to look.
    pub lock: Option<LockState>,
}

/// A backup was restored and prepared.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreReport {
    /// Which one.
    pub backup: BackupId,
    /// Where it is now.
    pub directory: PathBuf,
    /// The backups that went into it, in order.
    pub members: Vec<BackupId>,
    /// The server's place in its binary log at the end of the backup.
    pub binlog: Option<BinlogPoint>,
    /// What to do next, in order.
    pub next_steps: Vec<NextStep>,
}

/// One thing to do after a restore.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextStep {
    /// What it is for.
    pub purpose: String,
    /// What to type, one line each: into a shell or, where it ends in a semicolon, into a client.
    pub lines: Vec<String>,
}

/// How bad it is. Ordered: the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Critical,
}

impl Level {
    /// The word monitoring systems read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warn => "WARN",
            Level::Critical => "CRITICAL",
        }
    }
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The verdict.
    pub level: Level,
    /// Why, in one line.
    pub message: String,
    /// The newest backup that counts.
    pub last: Option<LastBackup>,
}

/// The newest backup that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastBackup {
    /// Its name.
    pub id: BackupId,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Seconds since it ended.
    pub age_seconds: i64,
}

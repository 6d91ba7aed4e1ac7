//! What flows answer. Everything here serialises; nothing is printed by the library.

mod binlogs;
mod copies;
mod fleet;
mod keep;
mod meta;
mod status;

use std::path::PathBuf;

use serde::Serialize;
use xb_catalog::Catalog;
use xb_catalog::manifest::{BinlogPoint, Manifest};
use xb_core::BackupId;
use xb_pipeline::Digest;
use xb_pipeline::archive::Member;

use crate::lock::LockState;

pub use binlogs::{LogsReport, LogsSummary, RecoveryReport, StreamReport, Window, WindowReport, WithoutLogs};
pub use copies::{CopyReport, StoreCopied};
pub use fleet::{Fleet, FleetServer};
pub use keep::{ApplyReport, LeftBehind, PinReport, PruneOptions, PruneReport, WipeItem, WipeReport};
pub use meta::{LastLsn, MetaItem, MetaReport};
pub use status::{
    Check, LastBackup, LastFull, Level, Limits, LogsValues, Running, StatusReport, StatusValues,
};

/// A backup was taken and committed.
#[derive(Clone, Debug, Serialize)]
pub struct BackupReport {
    /// Where it is.
    pub directory: PathBuf,
    /// All about it.
    pub manifest: Manifest,
    /// The prepared copy it is part of now, with `apply_log`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepared: Option<ApplyReport>,
    /// The stores that got a copy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies: Vec<StoreCopied>,
    /// What was removed afterwards, with `prune_after_backup`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruned: Option<PruneReport>,
}

/// What is in a store.
#[derive(Clone, Debug, Serialize)]
pub struct ListReport {
    /// Everything found.
    #[serde(flatten)]
    pub catalog: Catalog,
    /// Whether a run is going on; unknown without a `work_dir` or without the right to look.
    pub lock: Option<LockState>,
    /// The archive of binary logs, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs: Option<LogsSummary>,
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
    /// How many of them came with the prepared copy it started from.
    pub members_prepared: usize,
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

/// What is in an archive. All of it was read, unpacked and checked for this.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveListing {
    /// The archive.
    pub archive: PathBuf,
    /// Its length in bytes, where it is an ordinary file.
    pub archive_bytes: Option<u64>,
    /// What it is wrapped in, from the outside in, the container last.
    pub layers: Vec<String>,
    /// The bytes of the files below, unpacked.
    pub size_bytes: u64,
    /// Their bytes as the container has them.
    pub stored_bytes: u64,
    /// Its files, by path.
    pub members: Vec<Member>,
}

/// An archive was unpacked.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveExtracted {
    /// The archive.
    pub archive: PathBuf,
    /// Where its files are now.
    pub directory: PathBuf,
    /// What it is wrapped in, from the outside in, the container last.
    pub layers: Vec<String>,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// What to do next, where it is a whole backup.
    pub next_steps: Vec<NextStep>,
}

/// An archive, or a directory, was made into something else.
#[derive(Clone, Debug, Serialize)]
pub struct ArchiveConverted {
    /// What it was made from.
    pub from: PathBuf,
    /// What was made.
    pub to: PathBuf,
    /// Its form: the end of its name without the first dot, or `directory`.
    pub form: String,
    /// How many files are in it, where it is a directory.
    pub files: Option<u64>,
    /// The bytes of the archive, or of the files.
    pub size_bytes: u64,
    /// The digest of the archive.
    pub blake3: Option<Digest>,
}

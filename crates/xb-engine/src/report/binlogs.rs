//! What flows on binary logs answer.

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::Serialize;
use xb_binlog::archive::Picture;
use xb_binlog::gap::Gap;
use xb_binlog::recover::ReplayPlan;
use xb_binlog::state::StreamerState;
use xb_catalog::BackupRecord;
use xb_core::{BackupId, BinlogName};

use super::NextStep;

/// How a streamer ended.
#[derive(Clone, Debug, Serialize)]
pub struct StreamReport {
    /// The archive.
    pub archive: PathBuf,
    /// How it stood in the end.
    #[serde(flatten)]
    pub state: StreamerState,
    /// Logs it closed.
    pub closed: u64,
}

/// An archive of binary logs in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogsSummary {
    /// Its oldest log.
    pub first: BinlogName,
    /// Its newest log.
    pub last: BinlogName,
    /// How many there are.
    pub total: usize,
    /// In how many epochs. Names of several may be in any order.
    pub epochs: usize,
    /// Where something is missing.
    pub gaps: Vec<Gap>,
}

/// What is in an archive of binary logs.
#[derive(Clone, Debug, Serialize)]
pub struct LogsReport {
    /// Where it is.
    pub archive: PathBuf,
    /// All that is in it.
    #[serde(flatten)]
    pub picture: Picture,
    /// Where something is missing.
    pub gaps: Vec<Gap>,
    /// The streamer, or the one that was the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streamer: Option<StreamerState>,
    /// Whether it runs.
    pub is_streaming: bool,
    /// Why there is none any more that was to go on for ever, unless it was asked to end.
    #[serde(rename = "streaming_ended_with", skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
}

/// A recovery to a point, done or planned.
#[derive(Clone, Debug, Serialize)]
pub struct RecoveryReport {
    /// The backup it begins with.
    pub backup: BackupId,
    /// The backups that go into that, in order.
    pub members: Vec<BackupId>,
    /// How many of them came with the prepared copy.
    pub members_prepared: usize,
    /// What leads from there to the point.
    pub plan: ReplayPlan,
    /// Where the result is; nothing where it was only planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// Whether it went on where an earlier run had ended.
    pub resumed: bool,
    /// What to do next, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub next_steps: Vec<NextStep>,
}

impl RecoveryReport {
    pub(crate) fn planned(backup: BackupId, members: Vec<BackupRecord>, plan: ReplayPlan) -> Self {
        RecoveryReport {
            backup,
            members: members.iter().map(BackupRecord::id).collect(),
            members_prepared: 0,
            plan,
            directory: None,
            resumed: false,
            next_steps: Vec::new(),
        }
    }
}

/// From when to when data can be recovered.
#[derive(Clone, Debug, Serialize)]
pub struct WindowReport {
    /// The archive of binary logs.
    pub archive: PathBuf,
    /// Spans within which any moment can be recovered, oldest first.
    pub windows: Vec<Window>,
    /// Backups that logs cannot be replayed on, and why.
    pub without: Vec<WithoutLogs>,
}

/// A span within which any moment can be recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Its beginning: the end of the oldest backup in it.
    pub from: DateTime<Utc>,
    /// Its end: up to here the binary logs are known to be complete.
    pub until: DateTime<Utc>,
    /// The backups in it, oldest first.
    pub backups: Vec<BackupId>,
    /// Why it ends there, where that is not simply the end of the archive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gap: Option<String>,
}

/// A backup that logs cannot be replayed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WithoutLogs {
    /// Which one.
    pub backup: BackupId,
    /// Why not.
    pub reason: String,
}

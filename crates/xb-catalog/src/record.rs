//! One entry of a store, as far as it can be known.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDateTime};
use serde::{Serialize, Serializer};
use xb_core::{BackupId, BackupKind, LsnRange, Version};
use xb_formats::archive::Archive;
use xb_pipeline::Digest;

use crate::layout::Place;
use crate::manifest::{BinlogPoint, EngineRecord, Manifest, ServerRecord, Sizes, SourcePoint};

/// Who made a backup. What the original did not write down is unknown, not guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// This program: there is a manifest.
    Native,
    /// The original tool: `backup.meta` and `xtrabackup_checkpoints`.
    Original,
}

/// Whether a backup counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "lowercase")]
pub enum BackupState {
    /// All that belongs to it is there.
    Complete,
    /// Something is missing or damaged, and that is proven; it says what.
    Broken(String),
    /// Nobody can tell: it cannot be read now, or this version does not understand it; it says why.
    Unreadable(String),
}

impl BackupState {
    /// Why it does not count, in words; nothing when it does.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            BackupState::Complete => None,
            BackupState::Broken(reason) | BackupState::Unreadable(reason) => Some(reason),
        }
    }
}

/// When something happened: with a zone where it was written down, else the local time of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Moment {
    /// An instant.
    Exact(DateTime<FixedOffset>),
    /// What a clock on the wall showed.
    Local(NaiveDateTime),
}

impl Moment {
    /// The time on the wall of the machine that made the backup.
    #[must_use]
    pub fn local(&self) -> NaiveDateTime {
        match self {
            Moment::Exact(instant) => instant.naive_local(),
            Moment::Local(local) => *local,
        }
    }

    /// Seconds from here to `later`; local times are taken to be in the zone of `later`.
    #[must_use]
    pub fn seconds_until(&self, later: DateTime<FixedOffset>) -> i64 {
        match self {
            Moment::Exact(instant) => (later - instant).num_seconds(),
            Moment::Local(local) => (later.naive_local() - *local).num_seconds(),
        }
    }
}

/// One entry of a store. A `None` is something nobody wrote down.
#[derive(Clone, Debug, Serialize)]
pub struct BackupRecord {
    /// Name and set.
    #[serde(flatten)]
    pub place: Place,
    /// Full or incremental.
    pub kind: BackupKind,
    /// Who made it.
    pub origin: Origin,
    /// Whether it counts.
    #[serde(flatten)]
    pub state: BackupState,
    /// Its directory.
    pub directory: PathBuf,
    /// What it builds on, by name.
    pub base: Option<BackupId>,
    /// What it covers.
    pub lsns: Option<LsnRange>,
    /// When it began.
    pub started: Moment,
    /// When it ended.
    pub ended: Option<Moment>,
    /// Its form.
    #[serde(serialize_with = "archive_name")]
    pub archive: Option<Archive>,
    /// Sizes before and after.
    pub sizes: Option<Sizes>,
    /// The server's place in its binary log.
    pub binlog: Option<BinlogPoint>,
    /// The places of a replica's sources.
    pub replica_of: Vec<SourcePoint>,
    /// The server. Shared by the backups of a store that say the same.
    pub server: Option<Arc<ServerRecord>>,
    /// The engine; shared likewise.
    pub engine: Option<Arc<EngineRecord>>,
    /// The engine's version as the original wrote it down, where there is no [`EngineRecord`].
    pub engine_version: Option<Version>,
    /// The digest of the archive, for a native backup that has one.
    pub archive_digest: Option<Digest>,
}

/// `directory`, or the name of the archive's file.
fn archive_name<S: Serializer>(archive: &Option<Archive>, serializer: S) -> Result<S::Ok, S::Error> {
    let name = archive.map(|archive| archive.file_name().unwrap_or_else(|| Manifest::DIRECTORY.to_owned()));
    name.serialize(serializer)
}

impl BackupRecord {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> BackupId {
        self.place.id
    }

    /// Whether it counts.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.state == BackupState::Complete
    }

    /// Whether nobody can tell if it counts.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        matches!(self.state, BackupState::Unreadable(_))
    }

    /// How long the run took, in seconds.
    #[must_use]
    pub fn duration_seconds(&self) -> Option<i64> {
        let ended = self.ended?;
        match (self.started, ended) {
            (Moment::Exact(a), Moment::Exact(b)) => Some((b - a).num_seconds()),
            (a, b) => Some((b.local() - a.local()).num_seconds()),
        }
    }
}

//! The manifest: what a backup is, written last, and the proof that it is whole (docs/FORMAT.md).

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use xb_core::{BackupId, BackupKind, BinlogCoord, Flavor, GtidSet, Lsn, LsnRange, Version};
use xb_pipeline::ObjectReceipt;
use xb_pipeline::monitor::Phase;

/// The file a backup exists by.
pub const MANIFEST_NAME: &str = "manifest.json";
/// The format written, and the newest one read.
pub const MANIFEST_FORMAT: u32 = 1;

/// Everything known of a backup. Fields may be added within a format; readers skip what they do not know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`MANIFEST_FORMAT`] at the time of writing.
    pub format: u32,
    /// Program and version that wrote it.
    pub written_by: String,
    /// The name of the backup.
    pub id: BackupId,
    /// Full or incremental.
    pub kind: BackupKind,
    /// The full backup at the beginning of its set; its own name for a full one.
    pub set: BackupId,
    /// What an incremental builds on; none for a full one.
    pub base: Option<Base>,
    /// When the run began.
    pub started: DateTime<FixedOffset>,
    /// When the engine and everything behind it had ended well.
    pub ended: DateTime<FixedOffset>,
    /// What it covers.
    pub lsns: LsnRange,
    /// Where the server's binary log stood at that moment; none when it has none.
    pub binlog: Option<BinlogPoint>,
    /// Where the sources of a replica stood, with `--slave-info`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica_of: Vec<SourcePoint>,
    /// The state of a Galera node, with `--galera-info`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub galera: Option<String>,
    /// The server.
    pub server: ServerRecord,
    /// Its settings that shape what statements do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_settings: Option<ServerSettings>,
    /// The engine.
    pub engine: EngineRecord,
    /// What the run was told.
    pub options: OptionsRecord,
    /// What took how long.
    pub phases: Vec<PhaseRecord>,
    /// Sizes before and after.
    pub sizes: Sizes,
    /// The form of the backup: `directory`, or the name of the archive.
    pub archive: String,
    /// The files that hold the server's data: the archive, or each file of the tree.
    pub objects: Vec<ObjectReceipt>,
    /// Files beside them: the engine's metadata and log.
    pub beside: Vec<ObjectReceipt>,
}

/// What an incremental builds on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Its name.
    pub id: BackupId,
    /// Its checkpoint, at which the incremental begins.
    pub to_lsn: Lsn,
}

/// A place in a server's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogPoint {
    /// File and position, as far as the engine gave them.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub coord: Option<BinlogCoord>,
    /// The transactions included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<GtidSet>,
}

/// Where a source of a replica stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePoint {
    /// The name of the connection or channel, if it has one.
    pub channel: Option<String>,
    /// The place in the source's history.
    #[serde(flatten)]
    pub point: BinlogPoint,
    /// The statement the engine proposes to connect a copy to the same source.
    pub statement: String,
}

/// What tells one server from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// `server_uuid` of MySQL and Percona Server; a data directory gets one when it is made, a copy another.
    pub server_uuid: Option<String>,
    /// MariaDB has no such thing; Aria's control file holds an id made with the data directory.
    pub aria_uuid: Option<String>,
    /// The machine.
    pub hostname: String,
    /// The data directory.
    pub datadir: PathBuf,
    /// The system tablespace as a file: its inode, and when it was made. A restore in place brings another
    /// file, and with it a history that the backups taken before do not share.
    #[serde(default)]
    pub data_file: Option<String>,
    /// The replication id. Told, not compared: it may change with a restart.
    pub server_id: u64,
}

impl ServerIdentity {
    /// Whether both are the same data directory of the same server; the difference if they are not.
    ///
    /// # Errors
    /// What differs, in words.
    pub fn same_as(&self, other: &ServerIdentity) -> Result<(), String> {
        let differ =
            |what: &str, a: &str, b: &str| if a == b { Ok(()) } else { Err(format!("{what} {a}, not {b}")) };
        let known = |what: &str, a: &Option<String>, b: &Option<String>| match (a, b) {
            (Some(a), Some(b)) => differ(what, a, b),
            _ => Ok(()),
        };
        differ("host", &self.hostname, &other.hostname)?;
        known("server_uuid", &self.server_uuid, &other.server_uuid)?;
        known("a data directory with id", &self.aria_uuid, &other.aria_uuid)?;
        known("a system tablespace restored or made anew,", &self.data_file, &other.data_file)?;
        let both_named = self.server_uuid.is_some() && other.server_uuid.is_some();
        let place = |identity: &ServerIdentity| identity.datadir.to_string_lossy().into_owned();
        if both_named { Ok(()) } else { differ("datadir", &place(self), &place(other)) }
    }
}

/// The server that was backed up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerRecord {
    /// Whose it is.
    pub flavor: Flavor,
    /// Its version as it tells it.
    pub version_text: String,
    /// The same as numbers.
    pub version: Version,
    /// Which one it is.
    pub identity: ServerIdentity,
}

/// What a server has to be told so that statements of another one do the same there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerSettings {
    /// Global variables by name, as far as the server has them.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What the server means by the time zone `SYSTEM`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<TimeZoneRecord>,
}

/// A time zone, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeZoneRecord {
    /// Its name in the time zone database, such as `Europe/Prague`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seconds east of UTC when the backup was begun.
    pub offset_seconds: i32,
}

/// The engine that made the backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRecord {
    /// `mariadb-backup`, `xtrabackup` or `innobackupex`.
    pub tool: String,
    /// Its version.
    pub version: Version,
    /// What it says of itself.
    pub version_text: String,
    /// Why it was no match for the server, when `allow_version_mismatch` let it run all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mismatch_allowed: Option<String>,
}

/// What the run was told, as far as it shaped the result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OptionsRecord {
    /// The engine's command line. Holds no secret.
    pub command: Vec<String>,
    /// Threads the engine copied with.
    pub engine_parallel: usize,
    /// Further settings by key.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
}

/// How long a phase took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// Which one.
    pub phase: Phase,
    /// When it began.
    pub started: DateTime<FixedOffset>,
    /// How long it took, in seconds.
    pub seconds: f64,
}

/// Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// The server's data directory before the run; unknown when it cannot be read from here.
    pub datadir_bytes: Option<u64>,
    /// What the engine wrote.
    pub stream_bytes: u64,
    /// What the store holds of it.
    pub stored_bytes: u64,
}

/// A manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is not JSON of the expected form.
    #[error("the manifest cannot be read: {0}")]
    Syntax(#[from] serde_json::Error),
    /// It names a file outside of its directory.
    #[error("the manifest names {}, which is no path within a backup", path.display())]
    Path {
        /// The path.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error(
        "the manifest has format {found}, this version reads up to {MANIFEST_FORMAT}: use a newer pyxbackup"
    )]
    Format {
        /// The format it claims.
        found: u32,
    },
}

impl Manifest {
    /// What [`Manifest::archive`] says of a backup that is a directory.
    pub const DIRECTORY: &'static str = "directory";

    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ManifestError`].
    pub fn parse(text: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(text)?;
        if head.format > MANIFEST_FORMAT {
            return Err(ManifestError::Format { found: head.format });
        }
        let manifest: Manifest = serde_json::from_slice(text)?;
        let mut paths = manifest.objects.iter().chain(&manifest.beside).map(|object| &object.path);
        match paths.find(|path| !is_inside(path)) {
            Some(path) => Err(ManifestError::Path { path: path.clone() }),
            None => Ok(manifest),
        }
    }

    /// The text of a manifest, for people and programs.
    ///
    /// # Errors
    /// [`ManifestError::Syntax`] when a path in it is not UTF-8.
    pub fn render(&self) -> Result<Vec<u8>, ManifestError> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Whether a path in a manifest is one of a file within the backup.
pub(crate) fn is_inside(path: &Path) -> bool {
    !path.as_os_str().is_empty() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(uuid: Option<&str>, aria: Option<&str>, datadir: &str) -> ServerIdentity {
        ServerIdentity {
            server_uuid: uuid.map(str::to_owned),
            aria_uuid: aria.map(str::to_owned),
            hostname: "db1".into(),
            datadir: datadir.into(),
            data_file: None,
            server_id: 1,
        }
    }

    #[test]
    fn a_restore_in_place_is_another_history() {
        let file = |text: &str| ServerIdentity {
            data_file: Some(text.into()),
            ..identity(Some("a"), Some("1"), "/data")
        };
        assert!(file("12 made 1").same_as(&file("12 made 1")).is_ok());
        assert!(file("12 made 1").same_as(&file("13 made 2")).is_err());
        assert!(file("12 made 1").same_as(&identity(Some("a"), Some("1"), "/data")).is_ok(), "not known");
    }

    #[test]
    fn with_a_uuid_the_data_directory_may_move() {
        let a = identity(Some("a"), None, "/data");
        assert!(a.same_as(&identity(Some("a"), None, "/moved")).is_ok());
        assert_eq!(a.same_as(&identity(Some("b"), None, "/data")), Err("server_uuid a, not b".to_owned()));
    }

    #[test]
    fn without_a_uuid_place_and_birth_decide() {
        let a = identity(None, Some("1"), "/data");
        assert!(a.same_as(&identity(None, Some("1"), "/data")).is_ok());
        assert!(a.same_as(&identity(None, None, "/data")).is_ok());
        assert!(a.same_as(&identity(None, Some("2"), "/data")).is_err(), "made anew in the same place");
        assert!(a.same_as(&identity(None, Some("1"), "/copy")).is_err(), "a copy elsewhere");
    }

    #[test]
    fn a_newer_format_is_refused_by_its_number() {
        let error = Manifest::parse(br#"{"format": 99, "id": 7}"#).unwrap_err();
        assert!(error.to_string().contains("format 99"), "{error}");
        assert!(matches!(Manifest::parse(b"{"), Err(ManifestError::Syntax(_))));
    }
}

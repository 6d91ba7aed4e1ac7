//! What a prepared copy says of itself: which backups are in it, and whether somebody was at work on it when it
//! was last written. A copy whose state cannot be read, or does not fit its files, is never built upon.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xb_catalog::manifest::MANIFEST_NAME;
use xb_catalog::{BackupRecord, Repository};
use xb_core::{BackupId, Lsn};
use xb_formats::meta::backup_meta::FILE_NAMES;
use xb_pipeline::Digest;
use xb_pipeline::copy::list_tree;
use xb_pipeline::fs::{FsError, write_atomic};

/// The file, among those of the data directory.
pub(crate) const STATE_NAME: &str = "pyxbackup_prepared.json";
/// The format written, and the only one read: what another version left is made anew.
const FORMAT: u32 = 1;

/// What is in a prepared copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    /// The store its backups are of.
    pub(crate) store: PathBuf,
    /// The set.
    pub(crate) set: BackupId,
    /// The backups in it, in the order they were applied.
    pub(crate) applied: Vec<Applied>,
    /// What is going on.
    pub(crate) step: Step,
}

/// A backup in a prepared copy. Its name alone would not do: at three in the morning many servers begin one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied {
    /// Its name.
    pub(crate) id: BackupId,
    /// Where it ends, as far as that was written down.
    pub(crate) to_lsn: Option<Lsn>,
    /// The digest of its manifest, or of what the original wrote instead: no other backup has the same.
    pub(crate) mark: Digest,
}

impl Applied {
    /// For a backup of a store.
    pub(crate) fn of(home: &Repository, record: &BackupRecord) -> Result<Self, FsError> {
        let unreadable = |reason: String| {
            FsError::on("read the description of", &record.directory)(io::Error::other(reason))
        };
        let names = [MANIFEST_NAME].into_iter().chain(FILE_NAMES);
        let mut texts = names.map(|name| home.read_beside(record, name)).filter_map(Result::transpose);
        let text = texts.next().unwrap_or_else(|| Err("there is none".to_owned())).map_err(unreadable)?;
        Ok(Applied { id: record.id(), to_lsn: record.lsns.map(|lsns| lsns.to), mark: Digest::of(&text) })
    }
}

/// What is going on with a prepared copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub(crate) enum Step {
    /// Nothing: the files are as they were left.
    Ready {
        /// How they were left.
        files: Fingerprint,
    },
    /// A backup is being applied. Read by anybody else: it was, and that never ended.
    Applying {
        /// Which one.
        backup: BackupId,
    },
}

/// Enough to see that somebody has changed the files, such as a server that was started on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    count: u64,
    bytes: u64,
    newest_mtime_ns: i64,
    newest_ctime_ns: i64,
}

impl Fingerprint {
    /// Of the files below `directory`, but the state itself.
    pub(crate) fn of(directory: &Path) -> Result<Self, FsError> {
        let mut all = Fingerprint { count: 0, bytes: 0, newest_mtime_ns: 0, newest_ctime_ns: 0 };
        for path in list_tree(directory)?.into_iter().filter(|path| path != Path::new(STATE_NAME)) {
            let full = directory.join(path);
            let meta = std::fs::metadata(&full).map_err(FsError::on("examine", &full))?;
            let nanoseconds =
                |seconds: i64, part: i64| seconds.saturating_mul(1_000_000_000).saturating_add(part);
            all.count += 1;
            all.bytes += meta.len();
            all.newest_mtime_ns = all.newest_mtime_ns.max(nanoseconds(meta.mtime(), meta.mtime_nsec()));
            // Nobody can set this one back.
            all.newest_ctime_ns = all.newest_ctime_ns.max(nanoseconds(meta.ctime(), meta.ctime_nsec()));
        }
        Ok(all)
    }

    /// The bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl State {
    /// A copy with these backups, to which another is being applied.
    pub(crate) fn applying(store: &Path, set: BackupId, applied: Vec<Applied>, backup: BackupId) -> Self {
        State { format: FORMAT, store: store.to_owned(), set, applied, step: Step::Applying { backup } }
    }

    /// The same once that has ended well and everything is on the disk.
    pub(crate) fn ready(mut self, backup: Applied, files: Fingerprint) -> Self {
        self.applied.push(backup);
        State { step: Step::Ready { files }, ..self }
    }

    /// Writes it into the copy.
    pub(crate) fn write(&self, directory: &Path) -> Result<(), FsError> {
        let path = directory.join(STATE_NAME);
        let text =
            serde_json::to_vec_pretty(self).map_err(|error| FsError::on("write", &path)(error.into()))?;
        write_atomic(&path, &text)
    }

    /// Reads it.
    ///
    /// # Errors
    /// Why the copy cannot be built upon, in words.
    pub(crate) fn read(directory: &Path) -> Result<Self, String> {
        let text = std::fs::read(directory.join(STATE_NAME)).map_err(|error| error.to_string())?;
        let state: State =
            serde_json::from_slice(&text).map_err(|error| format!("its state cannot be read: {error}"))?;
        if state.format == FORMAT {
            Ok(state)
        } else {
            Err("another version of pyxbackup made it".to_owned())
        }
    }
}

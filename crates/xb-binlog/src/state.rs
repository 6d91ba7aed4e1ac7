//! What a streamer leaves behind for those who ask how it does: a small file in the archive.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use xb_core::BinlogCoord;
use xb_pipeline::fs::{FsError, write_atomic_readable};

use crate::archive::EpochNumber;
use crate::stream::Snapshot;

/// The file in the archive.
pub const STATE_FILE: &str = "streamer.json";

/// How a streamer does, or did when it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamerState {
    /// When this was written.
    pub updated: DateTime<Utc>,
    /// When the streamer began.
    pub started: DateTime<Utc>,
    /// Its process.
    pub pid: u32,
    /// Whether it is to go on for ever.
    pub is_continuous: bool,
    /// Whether it has ended.
    pub is_over: bool,
    /// The server, and as whom it speaks to it.
    pub server: String,
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Whether the server waits for its acknowledgements.
    pub is_semi_sync: bool,
    /// The epoch it writes.
    pub epoch: Option<EpochNumber>,
    /// Everything before is on the disk.
    pub synced: Option<BinlogCoord>,
    /// All that was committed before this moment is on the disk.
    pub seen_until: Option<DateTime<Utc>>,
    /// What the server had more when it was last asked, in bytes.
    pub bytes_behind: Option<u64>,
    /// How old what came last is, in seconds; 0 where the server has nothing more.
    pub seconds_behind: Option<u64>,
    /// Bytes written.
    pub received_bytes: u64,
    /// Connections that failed or broke.
    pub failures: u64,
    /// Why the last one did.
    pub last_error: Option<String>,
    /// Closed logs that other stores do not have yet.
    pub unpushed: Option<u64>,
    /// Why not, when the last attempt failed.
    pub push_error: Option<String>,
}

/// A streamer writes its state every few seconds.
const SILENT: TimeDelta = TimeDelta::seconds(30);

impl StreamerState {
    /// Of one that has just begun, of which nothing else is known.
    #[must_use]
    pub fn begun(now: DateTime<Utc>, pid: u32, server: String) -> Self {
        StreamerState {
            updated: now,
            started: now,
            pid,
            is_continuous: true,
            is_over: false,
            server,
            is_connected: false,
            is_semi_sync: false,
            epoch: None,
            synced: None,
            seen_until: None,
            bytes_behind: None,
            seconds_behind: None,
            received_bytes: 0,
            failures: 0,
            last_error: None,
            unpushed: None,
            push_error: None,
        }
    }

    /// Whether the streamer runs, as far as can be told from when it last wrote.
    #[must_use]
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        !self.is_over && now - self.updated < SILENT
    }

    /// Takes over what a streamer says of itself.
    pub fn update(&mut self, snapshot: Snapshot, now: DateTime<Utc>) {
        self.updated = now;
        self.is_connected = snapshot.is_connected;
        self.is_semi_sync = snapshot.is_semi_sync;
        // A place in one epoch is none in the next.
        let before = self.synced.take().filter(|_| self.epoch == snapshot.epoch);
        (self.epoch, self.synced) = (snapshot.epoch, snapshot.synced.or(before));
        self.seen_until = self.seen_until.max(snapshot.seen_until);
        self.bytes_behind = snapshot.bytes_behind;
        self.seconds_behind = snapshot.seconds_behind;
        self.received_bytes = snapshot.received_bytes;
        self.failures = snapshot.failures;
        self.last_error = snapshot.last_error;
    }

    /// Reads that of an archive; none where no streamer has left one.
    ///
    /// # Errors
    /// [`FsError`], also when it is not what a streamer writes.
    pub fn read(archive: &Path) -> Result<Option<Self>, FsError> {
        let path = archive.join(STATE_FILE);
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|error| FsError::on("understand", &path)(io::Error::other(error))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FsError::on("read", &path)(error)),
        }
    }

    /// Writes it into an archive, in place of one that is there.
    ///
    /// # Errors
    /// [`FsError`].
    pub fn write(&self, archive: &Path) -> Result<(), FsError> {
        let path = archive.join(STATE_FILE);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| FsError::on("write", &path)(io::Error::other(error)))?;
        write_atomic_readable(&path, &text)
    }
}

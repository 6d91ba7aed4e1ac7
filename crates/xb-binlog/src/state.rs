//! What a streamer leaves behind for those who ask how it does: a small file in the archive.

use std::fs;
use std::io;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use xb_core::BinlogCoord;
use xb_pipeline::fs::{FsError, write_atomic_readable};
use xb_pipeline::presence::{Presence, ProcessMark};

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
    /// By what it is told whether that still runs. Older streamers did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<ProcessMark>,
    /// Whether it is to go on for ever.
    pub is_continuous: bool,
    /// Whether it has ended.
    pub is_over: bool,
    /// Why there is no continuous streamer any more although nobody asked it to end. Stays until another one begins,
    /// or one that was to take what there is has done so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_with: Option<String>,
    /// The server, and as whom it speaks to it.
    pub server: String,
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Whether the server waits for its acknowledgements.
    pub is_semi_sync: bool,
    /// The epoch it writes.
    pub epoch: Option<EpochNumber>,
    /// Everything before was on the disk; see [`lost`](mod@crate::lost).
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

/// A streamer writes its state every few seconds. One that has not for so long does not stream.
const SILENT: TimeDelta = TimeDelta::seconds(30);

/// How a streamer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It took what there was, as it was to.
    Done,
    /// Somebody asked it to end.
    Asked,
    /// With an error.
    Error(String),
}

/// What is said of one that ended without a word.
const KILLED: &str = "the streamer is gone (killed?)";

impl StreamerState {
    /// Of one that has just begun, of which nothing else is known.
    #[must_use]
    pub fn begun(now: DateTime<Utc>, pid: u32, server: String) -> Self {
        StreamerState {
            updated: now,
            started: now,
            pid,
            process: None,
            is_continuous: true,
            is_over: false,
            ended_with: None,
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

    /// Whether the streamer runs, and does something: by its process, as far as that can be seen from here, and by
    /// when it last wrote.
    #[must_use]
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        !self.is_over && !self.is_silent(now) && self.presence() != Presence::Gone
    }

    /// Why nobody streams any more who was to go on for ever, and was not asked to end.
    #[must_use]
    pub fn gone(&self, now: DateTime<Utc>) -> Option<&str> {
        let is_gone = || match self.presence() {
            Presence::Here => false,
            Presence::Gone => true,
            Presence::Unknown => self.is_silent(now),
        };
        self.left().filter(|_| self.ended_with.is_some() || is_gone())
    }

    /// The same for who holds the archive, so that nobody else streams into it.
    #[must_use]
    pub fn left(&self) -> Option<&str> {
        let is_killed = self.is_continuous && !self.is_over;
        self.ended_with.as_deref().or(is_killed.then_some(KILLED))
    }

    fn is_silent(&self, now: DateTime<Utc>) -> bool {
        now - self.updated >= SILENT
    }

    fn presence(&self) -> Presence {
        self.process.as_ref().map_or(Presence::Unknown, ProcessMark::presence)
    }

    /// Notes that it has ended, and how.
    pub fn end(&mut self, end: End) {
        self.is_over = true;
        self.is_connected = false;
        match end {
            // Whoever takes what there is now and then does not replace a streamer by failing.
            End::Error(_) | End::Asked if !self.is_continuous => {}
            End::Error(error) => self.ended_with = Some(error),
            End::Done | End::Asked => self.ended_with = None,
        }
    }

    /// Takes over what a streamer says of itself.
    pub fn update(&mut self, snapshot: Snapshot, now: DateTime<Utc>) {
        self.updated = now;
        self.is_connected = snapshot.is_connected && !self.is_over;
        self.is_semi_sync = snapshot.is_semi_sync;
        // What was once on the disk is to be there again, or is lost. A place in one epoch is none in the next.
        if snapshot.epoch.is_some() {
            let before = self.synced.take().filter(|_| self.epoch == snapshot.epoch);
            let now = snapshot.synced.filter(|now| before.as_ref().is_none_or(|before| before < now));
            (self.epoch, self.synced) = (snapshot.epoch, now.or(before));
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Progress;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn begun() -> StreamerState {
        StreamerState::begun(at(0), 1, "db1".to_owned())
    }

    fn own() -> ProcessMark {
        ProcessMark::own().unwrap()
    }

    /// A process that had our number before us.
    fn dead() -> ProcessMark {
        ProcessMark { started_ticks: own().started_ticks - 1, ..own() }
    }

    #[test]
    fn a_streamer_whose_process_is_gone_does_not_run_and_one_that_is_silent_neither() {
        let of = |process| StreamerState { process, ..begun() };
        let runs = |state: StreamerState| [0, 29, 30].map(|now| state.is_running(at(now)));
        assert_eq!(runs(of(None)), [true, true, false]);
        assert_eq!(runs(of(Some(own()))), [true, true, false]);
        assert_eq!(runs(of(Some(dead()))), [false; 3]);
        assert_eq!(runs(StreamerState { is_over: true, ..of(Some(own())) }), [false; 3]);
    }

    #[test]
    fn a_continuous_streamer_that_was_killed_is_gone_and_one_that_hangs_is_not() {
        let gone = |process, now| StreamerState { process, ..begun() }.gone(at(now)).map(str::to_owned);
        assert_eq!(gone(Some(dead()), 0).as_deref(), Some(KILLED));
        assert_eq!(gone(Some(own()), 1000), None);
        assert_eq!(begun().left(), Some(KILLED));
        assert_eq!((gone(None, 29), gone(None, 30).as_deref()), (None, Some(KILLED)));
        let once = StreamerState { process: Some(dead()), is_continuous: false, ..begun() };
        assert_eq!(once.gone(at(0)), None);
        let over = StreamerState { process: Some(dead()), is_over: true, ..begun() };
        assert_eq!((over.gone(at(1000)), over.left()), (None, None));
    }

    #[test]
    fn what_a_continuous_streamer_ended_with_stays_until_one_was_well() {
        let error = || End::Error("gone".to_owned());
        let ended = |is_continuous, before: Option<&str>, end| {
            let ended_with = before.map(str::to_owned);
            let mut state = StreamerState { is_continuous, ended_with, is_connected: true, ..begun() };
            state.end(end);
            assert!(state.is_over && !state.is_connected);
            state.ended_with
        };
        assert_eq!(ended(true, None, error()).as_deref(), Some("gone"));
        assert_eq!(ended(true, None, End::Asked), None);
        assert_eq!(ended(false, Some("before"), error()).as_deref(), Some("before"));
        assert_eq!(ended(false, Some("before"), End::Asked).as_deref(), Some("before"));
        assert_eq!(ended(false, Some("before"), End::Done), None);
        assert_eq!(ended(false, None, error()), None);
    }

    #[test]
    fn what_was_on_the_disk_stays_what_is_to_be_there() {
        let place = |position| Some(BinlogCoord { file: "b.000001".parse().unwrap(), position });
        let mut state = StreamerState { epoch: Some(1), synced: place(100), ..begun() };
        let mut after = |epoch, synced| {
            state.update(Snapshot { epoch, synced, ..Progress::default().snapshot(0) }, at(0));
            (state.epoch, state.synced.clone())
        };
        assert_eq!(after(None, None), (Some(1), place(100)));
        assert_eq!(after(Some(1), None), (Some(1), place(100)));
        assert_eq!(after(Some(1), place(90)), (Some(1), place(100)));
        assert_eq!(after(Some(1), place(110)), (Some(1), place(110)));
        assert_eq!(after(Some(2), None), (Some(2), None));
        assert_eq!(after(Some(2), place(4)), (Some(2), place(4)));
    }

    #[test]
    fn a_state_of_before_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let state = StreamerState { process: Some(own()), ended_with: Some("gone".to_owned()), ..begun() };
        state.write(directory.path()).unwrap();
        assert_eq!(StreamerState::read(directory.path()).unwrap(), Some(state));
        begun().write(directory.path()).unwrap();
        let text = fs::read_to_string(directory.path().join(STATE_FILE)).unwrap();
        assert!(!text.contains("process") && !text.contains("ended_with"), "{text}");
        assert_eq!(StreamerState::read(directory.path()).unwrap(), Some(begun()));
    }
}

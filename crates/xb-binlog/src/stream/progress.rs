//! How far a streamer has come, for others to look at.

use std::sync::{Mutex, MutexGuard, PoisonError};

use xb_core::BinlogCoord;

use crate::source::native::LogFile;

/// Shared between a streamer and those who want to know.
#[derive(Debug, Default)]
pub struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_connected: bool,
    at: Option<BinlogCoord>,
    synced: Option<BinlogCoord>,
    server: Vec<LogFile>,
    caught_up: bool,
    last_time: Option<u32>,
    received_bytes: u64,
    completed: u64,
    failures: u64,
    last_error: Option<String>,
}

/// How far a streamer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Where the next event belongs.
    pub at: Option<BinlogCoord>,
    /// Everything before is on the disk.
    pub synced: Option<BinlogCoord>,
    /// What the server had more when it was last asked, in bytes. Nothing while it was not.
    pub bytes_behind: Option<u64>,
    /// 0 where the server has nothing more, else the age of the last event, in seconds.
    pub seconds_behind: Option<u64>,
    /// Bytes written by this streamer.
    pub received_bytes: u64,
    /// Files it made complete.
    pub completed: u64,
    /// Connections that failed or broke.
    pub failures: u64,
    /// Why the last one did.
    pub last_error: Option<String>,
}

impl Progress {
    /// What is known, at a time in seconds since 1970.
    #[must_use]
    pub fn snapshot(&self, now: i64) -> Snapshot {
        let state = self.lock();
        let bytes_behind = if state.caught_up { Some(0) } else { state.bytes_behind() };
        let age = |time: u32| u64::try_from(now - i64::from(time)).unwrap_or(0);
        let seconds_behind = if bytes_behind == Some(0) { Some(0) } else { state.last_time.map(age) };
        Snapshot {
            is_connected: state.is_connected,
            at: state.at.clone(),
            synced: state.synced.clone(),
            bytes_behind,
            seconds_behind,
            received_bytes: state.received_bytes,
            completed: state.completed,
            failures: state.failures,
            last_error: state.last_error.clone(),
        }
    }

    pub(super) fn connected(&self) {
        self.lock().is_connected = true;
    }

    pub(super) fn server_has(&self, logs: Vec<LogFile>) {
        let mut state = self.lock();
        state.server = logs;
        state.caught_up = false;
    }

    /// A heartbeat came: the server has nothing to send.
    pub(super) fn caught_up(&self) {
        self.lock().caught_up = true;
    }

    pub(super) fn stands_at(&self, at: BinlogCoord) {
        self.lock().at = Some(at);
    }

    pub(super) fn received(&self, at: BinlogCoord, bytes: u64, time: u32) {
        let mut state = self.lock();
        state.at = Some(at);
        state.caught_up = false;
        state.received_bytes += bytes;
        state.last_time = if time == 0 { state.last_time } else { Some(time) };
    }

    pub(super) fn synced(&self, at: BinlogCoord) {
        self.lock().synced = Some(at);
    }

    pub(super) fn completed(&self) {
        self.lock().completed += 1;
    }

    pub(super) fn failed(&self, error: &dyn std::fmt::Display) {
        let mut state = self.lock();
        state.is_connected = false;
        state.failures += 1;
        state.last_error = Some(error.to_string());
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().received_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes_behind(&self) -> Option<u64> {
        let at = self.at.as_ref()?;
        let behind = |log: &LogFile| {
            if log.name == at.file {
                log.size_bytes.saturating_sub(at.position)
            } else if at.file < log.name {
                log.size_bytes
            } else {
                0
            }
        };
        (!self.server.is_empty()).then(|| self.server.iter().map(behind).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(number: u32, position: u64) -> BinlogCoord {
        BinlogCoord { file: format!("b.{number:06}").parse().unwrap(), position }
    }

    #[test]
    fn what_is_behind_is_the_rest_of_this_file_and_all_later_ones() {
        let progress = Progress::default();
        assert_eq!(progress.snapshot(0).bytes_behind, None);
        let log = |number, size_bytes| LogFile { name: at(number, 0).file, size_bytes };
        progress.server_has(vec![log(1, 1000), log(2, 500), log(3, 70)]);
        progress.received(at(2, 400), 10, 1_000);
        let snapshot = progress.snapshot(1_007);
        assert_eq!((snapshot.bytes_behind, snapshot.seconds_behind), (Some(170), Some(7)));
        progress.caught_up();
        let snapshot = progress.snapshot(1_007);
        assert_eq!((snapshot.bytes_behind, snapshot.seconds_behind), (Some(0), Some(0)));
    }
}

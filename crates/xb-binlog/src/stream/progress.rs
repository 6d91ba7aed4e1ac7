//! How far a streamer has come, for others to look at.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use xb_core::BinlogCoord;
use xb_pipeline::clock::{Clock as _, SystemClock};

use crate::archive::EpochNumber;
use crate::source::native::LogFile;

/// A server that says it has nothing to send may have had something this long ago that is still on its way.
const ON_ITS_WAY: TimeDelta = TimeDelta::seconds(1);

/// Shared between a streamer and those who want to know.
#[derive(Debug, Default)]
pub struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_connected: bool,
    is_semi_sync: bool,
    epoch: Option<EpochNumber>,
    at: Option<BinlogCoord>,
    synced: Option<BinlogCoord>,
    server: Vec<LogFile>,
    /// Where the server's log ended, and when it said so.
    asked: Option<(BinlogCoord, DateTime<Utc>)>,
    seen_until: Option<DateTime<Utc>>,
    caught_up: bool,
    last_time: Option<u32>,
    received_bytes: u64,
    completed: u64,
    failures: u64,
    retries: u64,
    last_error: Option<String>,
    /// When the streamer last showed that it is not stuck.
    sign_of_life: Option<Instant>,
}

/// How far a streamer has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whether there is a connection.
    pub is_connected: bool,
    /// Whether the server waits for acknowledgements.
    pub is_semi_sync: bool,
    /// The epoch that is written.
    pub epoch: Option<EpochNumber>,
    /// Where the next event belongs.
    pub at: Option<BinlogCoord>,
    /// Everything before is on the disk.
    pub synced: Option<BinlogCoord>,
    /// All that was committed before this moment is on the disk.
    pub seen_until: Option<DateTime<Utc>>,
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
    /// Those of them after which it was tried again.
    pub retries: u64,
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
            is_semi_sync: state.is_semi_sync,
            epoch: state.epoch,
            seen_until: state.seen_until,
            at: state.at.clone(),
            synced: state.synced.clone(),
            bytes_behind,
            seconds_behind,
            received_bytes: state.received_bytes,
            completed: state.completed,
            failures: state.failures,
            retries: state.retries,
            last_error: state.last_error.clone(),
        }
    }

    /// How long ago the streamer last did anything, be it waiting for a server that is away. None before it began.
    #[must_use]
    pub fn silent_for(&self) -> Option<Duration> {
        self.lock().sign_of_life.map(|sign| sign.elapsed())
    }

    pub(super) fn shows_life(&self) {
        self.lock().sign_of_life = Some(Instant::now());
    }

    pub(super) fn connected(&self, is_semi_sync: bool) {
        let mut state = self.lock();
        (state.is_connected, state.is_semi_sync) = (true, is_semi_sync);
    }

    /// From here on it is about another epoch.
    pub(super) fn goes_on_in(&self, epoch: EpochNumber) {
        let mut state = self.lock();
        if state.epoch != Some(epoch) {
            (state.epoch, state.at, state.synced, state.asked) = (Some(epoch), None, None, None);
            (state.server, state.caught_up) = (Vec::new(), false);
        }
    }

    /// What the server had when it was asked.
    pub(super) fn server_has(&self, logs: Vec<LogFile>, asked: DateTime<Utc>) {
        let mut state = self.lock();
        let end = logs.last().map(|log| BinlogCoord { file: log.name.clone(), position: log.size_bytes });
        state.asked = end.map(|end| (end, asked));
        state.server = logs;
        state.caught_up = false;
        state.look_back();
    }

    /// A heartbeat came: the server has nothing to send.
    pub(super) fn caught_up(&self, is_all_synced: bool) {
        let mut state = self.lock();
        state.caught_up = true;
        if is_all_synced {
            state.seen_until = state.seen_until.max(Some(SystemClock.now().to_utc() - ON_ITS_WAY));
        }
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
        let mut state = self.lock();
        state.synced = Some(at);
        state.look_back();
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

    /// The last failure is no reason to end.
    pub(super) fn tries_again(&self) {
        self.lock().retries += 1;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.lock().received_bytes
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether what is on the disk reaches to where the server was when it was asked.
    fn look_back(&mut self) {
        let reached = |(end, _): &(BinlogCoord, _)| self.synced.as_ref().is_some_and(|synced| end <= synced);
        if let Some((_, asked)) = self.asked.take_if(|asked| reached(asked)) {
            self.seen_until = self.seen_until.max(Some(asked));
        }
    }

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
        progress.server_has(vec![log(1, 1000), log(2, 500), log(3, 70)], DateTime::UNIX_EPOCH);
        progress.received(at(2, 400), 10, 1_000);
        let snapshot = progress.snapshot(1_007);
        assert_eq!((snapshot.bytes_behind, snapshot.seconds_behind), (Some(170), Some(7)));
        progress.caught_up(false);
        let snapshot = progress.snapshot(1_007);
        assert_eq!((snapshot.bytes_behind, snapshot.seconds_behind), (Some(0), Some(0)));
        assert_eq!(snapshot.seen_until, None);
    }

    #[test]
    fn a_moment_is_seen_once_all_that_the_server_had_then_is_on_the_disk() {
        let progress = Progress::default();
        let asked = DateTime::from_timestamp(1_000, 0).unwrap();
        progress.server_has(vec![LogFile { name: at(2, 0).file, size_bytes: 500 }], asked);
        progress.synced(at(2, 499));
        assert_eq!(progress.snapshot(0).seen_until, None);
        progress.received(at(2, 500), 1, 0);
        assert_eq!(progress.snapshot(0).seen_until, None);
        progress.synced(at(2, 500));
        assert_eq!(progress.snapshot(0).seen_until, Some(asked));
    }
}

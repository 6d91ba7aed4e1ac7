//! What there is to do with logs beside streaming them: closed ones are compressed and encrypted, brought to other
//! stores, and removed when nobody needs them; and somebody is told how the streamer does. None of it may hold up
//! the streamer, for whom a server may be waiting.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use xb_binlog::archive::{BinlogArchive, EpochNumber, LogState, Picture, Place, convert};
use xb_binlog::push::{Pusher, Unclosed};
use xb_binlog::state::{End, StreamerState};
use xb_binlog::stream::Progress;
use xb_core::ErrorClass;
use xb_pipeline::Packing;
use xb_pipeline::keys::Keys;
use xb_pipeline::presence::ProcessMark;
use xb_pipeline::store::StoreAddress;

use super::connection::{Connection, Line};
use super::stream::StreamRequest;
use super::{forms, prune};
use crate::context::Context;
use crate::encryption;
use crate::error::EngineError;
use crate::stores;

/// How often it is told how the streamer does.
const BEAT: Duration = Duration::from_secs(1);
/// How often that is written down. When a connection comes or goes, at once.
const NOTE: Duration = Duration::from_secs(5);
/// A streamer that has not done anything for so long is stuck.
const STUCK: Duration = Duration::from_secs(90);
/// How often logs that nobody needs are looked for.
const PRUNE: Duration = Duration::from_secs(30 * 60);
/// How long to wait after something failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// Said once where `binlog_semisync` is set for nothing.
const NO_SEMI_SYNC: &str = "the server does not wait for its replicas, so that what it commits may be lost with its \
     disk: turn rpl_semi_sync_source_enabled on there (MariaDB, and MySQL before 8.0.26: rpl_semi_sync_master_enabled)";

/// What brings logs to each store.
type Pushers = BTreeMap<String, Pusher>;

/// Keeps an archive while it is streamed into.
pub(super) struct Keeper<'a> {
    context: &'a Context,
    archive: &'a BinlogArchive,
    progress: &'a Progress,
    request: &'a StreamRequest,
    /// The form closed logs get, if another than their own.
    packing: Option<Packing>,
    keys: Keys,
    stores: Vec<StoreAddress>,
    state: Mutex<StreamerState>,
}

impl<'a> Keeper<'a> {
    pub(super) fn new(
        context: &'a Context,
        archive: &'a BinlogArchive,
        progress: &'a Progress,
        request: &'a StreamRequest,
        server: String,
    ) -> Result<Self, EngineError> {
        let now = context.now().to_utc();
        // What an earlier one was sure of stays true, as long as somebody did not throw its logs away.
        let has_logs = archive.newest().is_ok_and(|newest| newest.is_some());
        let before = StreamerState::read(archive.root()).ok().flatten().filter(|_| has_logs);
        let lost = before.as_ref().and_then(StreamerState::left).map(ToOwned::to_owned);
        let state = StreamerState {
            process: ProcessMark::own(),
            is_continuous: !request.once,
            ended_with: lost.filter(|_| request.once),
            epoch: before.as_ref().and_then(|before| before.epoch),
            synced: before.as_ref().and_then(|before| before.synced.clone()),
            seen_until: before.and_then(|before| before.seen_until),
            ..StreamerState::begun(now, std::process::id(), server)
        };
        Ok(Keeper {
            context,
            archive,
            progress,
            request,
            packing: forms::packing(context)?,
            keys: encryption::keys(context)?,
            stores: super::push_targets(context)?,
            state: Mutex::new(state),
        })
    }

    /// Keeps the archive until the streamer, which holds the other end of `streaming`, is over and the last of
    /// its logs are dealt with.
    pub(super) fn run(&self, streaming: Receiver<()>) -> StreamerState {
        std::thread::scope(|scope| {
            let (end, doing) = channel();
            scope.spawn(move || {
                let _until_here = end;
                self.chores(&streaming);
            });
            self.beat(&doing);
        });
        let state = self.lock().clone();
        self.note(&state);
        state
    }

    /// Streaming is over. What is left to do with logs may take long, and who asks is to know before.
    pub(super) fn ended(&self, end: End) {
        self.lock().end(end);
    }

    /// Tells how the streamer does, until there is nothing left to do.
    fn beat(&self, doing: &Receiver<()>) {
        let mut noted: Option<(Instant, bool)> = None;
        let (mut has_warned, mut connection) = (false, Connection::default());
        loop {
            let (state, retries) = self.look();
            match connection.look(&state, retries, Instant::now()) {
                Some(Line::Warn(text)) => self.context.monitor().warn(&text),
                Some(Line::Info(text)) => self.context.monitor().info(&text),
                None => {}
            }
            let waits = state.is_semi_sync || !state.is_connected;
            if self.context.settings.binlogs.binlog_semisync && !waits && !has_warned {
                self.context.monitor().warn(NO_SEMI_SYNC);
                has_warned = true;
            }
            let is_alive = self.progress.silent_for().is_none_or(|silent| silent < STUCK);
            (self.request.beat)(&state, is_alive);
            let is_due = |(at, was_connected): (Instant, bool)| {
                at.elapsed() >= NOTE || was_connected != state.is_connected
            };
            if noted.is_none_or(is_due) {
                self.note(&state);
                noted = Some((Instant::now(), state.is_connected));
            }
            if is_over(doing, BEAT) {
                break;
            }
        }
        self.look();
    }

    /// How the streamer does now, and how often it was tried again so far.
    fn look(&self) -> (StreamerState, u64) {
        let now = self.context.now().to_utc();
        let mut state = self.lock();
        let snapshot = self.progress.snapshot(now.timestamp());
        let retries = snapshot.retries;
        state.update(snapshot, now);
        (state.clone(), retries)
    }

    /// A state that cannot be written is no reason to stop streaming.
    fn note(&self, state: &StreamerState) {
        if let Err(error) = state.write(self.archive.root()) {
            self.context.monitor().debug(&format!("the streamer's state is not written down: {error}"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, StreamerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything but telling.
    fn chores(&self, streaming: &Receiver<()>) {
        let (mut last, mut pushers) = (Last::default(), Pushers::new());
        let mut is_last = is_over(streaming, Duration::ZERO);
        loop {
            let snapshot = self.progress.snapshot(0);
            // The last log of an epoch that has ended is never closed, and as much to be dealt with.
            let ended = (snapshot.epoch, snapshot.completed);
            if last.is_due(ended, self.push_interval()) || is_last {
                last.ended = Some(ended);
                last.done = Instant::now();
                last.has_failed = !self.deal_with_logs(&mut pushers);
            }
            if last.pruned.elapsed() >= PRUNE {
                last.pruned = Instant::now();
                self.prune();
            }
            if is_last {
                return;
            }
            // Asked first: what was closed before the end is dealt with after it.
            is_last = is_over(streaming, BEAT);
        }
    }

    /// How often the open log is pushed, if it is.
    fn push_interval(&self) -> Option<Duration> {
        let seconds = self.context.settings.binlogs.binlog_push_interval_seconds;
        (seconds > 0 && !self.stores.is_empty()).then(|| Duration::from_secs(seconds))
    }

    /// Gives closed logs their form and brings them elsewhere; whether all went well.
    fn deal_with_logs(&self, pushers: &mut Pushers) -> bool {
        let mut round = Round::default();
        if let Err(error) = self.give_form() {
            self.warn("a closed log stays as it is", &error);
            round.failed("their form", &error);
        }
        self.push(pushers, &mut round);
        let is_good = round.failure.is_none() && !round.is_broken_off;
        round.settle(&mut self.lock());
        is_good
    }

    /// All that is closed, without reading what is not.
    fn picture(&self) -> Result<Picture, EngineError> {
        Ok(BinlogArchive::look(self.archive.root()).brief().with_keys(self.keys.clone()).picture()?)
    }

    fn give_form(&self) -> Result<(), EngineError> {
        let Some(packing) = &self.packing else { return Ok(()) };
        for epoch in self.picture()?.epochs.iter().filter(|epoch| epoch.record.number > 0) {
            let directory = self.archive.directory(epoch.record.number);
            for log in epoch.logs.iter().filter(|log| log.state == LogState::Closed && log.stored.is_none()) {
                convert(&directory, log, packing, &self.keys, self.context.cancel())?;
            }
        }
        Ok(())
    }

    /// Brings what is new to the other stores.
    fn push(&self, pushers: &mut Pushers, round: &mut Round) {
        if self.stores.is_empty() {
            return;
        }
        let snapshot = self.progress.snapshot(0);
        let synced = snapshot.epoch.zip(snapshot.synced).map(|(epoch, at)| Place { epoch, at });
        let open = synced.filter(|_| self.push_interval().is_some());
        let picture = match self.picture() {
            Ok(picture) => picture,
            Err(error) => {
                self.warn("binary logs are not pushed", &error);
                return round.failed("other stores", &error);
            }
        };
        let (mut missing, mut is_known) = (0, true);
        for address in &self.stores {
            let pusher = match pushers.entry(address.to_string()) {
                Entry::Occupied(entry) => Ok(entry.into_mut()),
                Entry::Vacant(entry) => {
                    let opened = stores::open_store(self.context, address);
                    opened.map(|store| entry.insert(Pusher::new(store)))
                }
            };
            match pusher.and_then(|pusher| self.push_to(pusher, &picture, open.as_ref())) {
                Ok(left) => missing += left,
                Err(error) => {
                    is_known = false;
                    pushers.remove(&address.to_string());
                    self.warn(&format!("binary logs did not get to {address}; this is tried again"), &error);
                    round.failed(&address.to_string(), &error);
                }
            }
        }
        round.missing = is_known.then_some(missing);
    }

    /// How many closed logs the store still lacks.
    fn push_to(
        &self,
        pusher: &mut Pusher,
        picture: &Picture,
        open: Option<&Place>,
    ) -> Result<u64, EngineError> {
        let packing = self.packing.clone().unwrap_or_else(forms::plain);
        let unclosed = Unclosed { packing: &packing, synced: open };
        let pushed = pusher.push(self.archive, picture, unclosed, self.context.cancel())?;
        for (epoch, fault) in &pushed.damaged {
            let text = format!("{} of epoch {epoch} is damaged here: {}", fault.name, fault.reason);
            self.context.monitor().warn(&text);
        }
        Ok(pushed.damaged.len() as u64)
    }

    fn prune(&self) {
        match prune::run(self.context, self.archive, &|_| false, false) {
            Ok(_) => {}
            Err(error) => self.warn("binary logs that nobody needs stay", &error),
        }
    }

    fn warn(&self, what: &str, error: &EngineError) {
        if self.context.cancel().check().is_ok() {
            self.context.monitor().warn(&format!("{what}: {error}"));
        }
    }
}

/// What came of dealing with logs once.
#[derive(Default)]
struct Round {
    /// Logs that other stores do not have yet, where that is known.
    missing: Option<u64>,
    failure: Option<String>,
    /// Somebody asked to stop before it was done.
    is_broken_off: bool,
}

impl Round {
    fn failed(&mut self, what: &str, error: &EngineError) {
        if error.class() == ErrorClass::Cancelled {
            self.is_broken_off = true;
        } else {
            self.failure = Some(format!("{what}: {error}"));
        }
    }

    /// Notes it. What was broken off says nothing new of what went wrong before.
    fn settle(self, state: &mut StreamerState) {
        state.unpushed = self.missing;
        if self.failure.is_some() || !self.is_broken_off {
            state.push_error = self.failure;
        }
    }
}

/// What tells that a log came to its end: in which epoch, and how many were closed.
type Ended = (Option<EpochNumber>, u64);

/// When what was last done.
struct Last {
    /// The epoch, and how many of its logs were closed.
    ended: Option<Ended>,
    done: Instant,
    pruned: Instant,
    has_failed: bool,
}

impl Default for Last {
    fn default() -> Self {
        let now = Instant::now();
        Last { ended: None, done: now, pruned: now, has_failed: false }
    }
}

impl Last {
    /// Whether logs are to be dealt with now: one was closed, or it is time to try again or to push the open one.
    fn is_due(&self, ended: Ended, push_interval: Option<Duration>) -> bool {
        let waited = self.done.elapsed();
        if self.has_failed {
            return waited >= AFTER_FAILURE;
        }
        self.ended != Some(ended) || push_interval.is_some_and(|interval| waited >= interval)
    }
}

/// Waits so long for somebody to end, and says whether they have: theirs is the other end, which goes with them.
fn is_over(other: &Receiver<()>, length: Duration) -> bool {
    other.recv_timeout(length) == Err(RecvTimeoutError::Disconnected)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use xb_pipeline::cancel::{CancelReason, Cancelled};
    use xb_pipeline::store::{StoreError, StoreErrorKind};

    use super::*;

    /// What is noted as push error when this went wrong, and that was known before.
    fn settled(errors: &[EngineError], before: Option<&str>) -> Option<String> {
        let mut round = Round::default();
        errors.iter().for_each(|error| round.failed("/copies", error));
        let mut state = StreamerState::begun(DateTime::UNIX_EPOCH, 1, "db1".to_owned());
        (state.unpushed, state.push_error) = (Some(7), before.map(str::to_owned));
        round.settle(&mut state);
        assert_eq!(state.unpushed, None);
        state.push_error
    }

    #[test]
    fn a_push_that_somebody_broke_off_is_no_push_error() {
        let stopped = || EngineError::from(Cancelled(CancelReason::Terminate));
        let store = |kind| {
            let (store, action, reason) = ("/copies".to_owned(), "write", "full".to_owned());
            EngineError::from(StoreError { kind, store, action, path: None, reason })
        };
        let full = || store(StoreErrorKind::Full);
        let said = Some(format!("/copies: {}", full()));
        assert_eq!(settled(&[], Some("before")), None);
        assert_eq!(settled(&[full()], None), said);
        assert_eq!(settled(&[stopped()], None), None);
        assert_eq!(settled(&[store(StoreErrorKind::Cancelled)], None), None);
        assert_eq!(settled(&[stopped()], Some("before")), Some("before".to_owned()));
        assert_eq!(settled(&[full(), stopped()], Some("before")), said);
    }

    #[test]
    fn logs_are_dealt_with_when_one_was_closed_and_again_a_minute_after_a_failure() {
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
        let interval = Some(Duration::from_secs(30));
        let mut last = Last { ended: None, done: ago(29), pruned: ago(0), has_failed: false };
        assert!(last.is_due((None, 0), None), "what an earlier one left");
        let ended = |closed| (Some(1), closed);
        last.ended = Some(ended(1));
        assert!(!last.is_due(ended(1), None) && !last.is_due(ended(1), interval));
        assert!(last.is_due(ended(2), None) && last.is_due((Some(2), 1), None));
        last.done = ago(30);
        assert!(!last.is_due(ended(1), None) && last.is_due(ended(1), interval));
        last.has_failed = true;
        assert!(!last.is_due(ended(2), interval));
        last.done = ago(60);
        assert!(last.is_due(ended(1), None));
    }
}

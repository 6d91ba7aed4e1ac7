//! One connection of a streamer: from the place where the archive ends to where the connection does.

use std::time::{Duration, Instant};

use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::{EventKind, FIRST_EVENT};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::clock::{Clock as _, SystemClock};

use super::StreamOptions;
use super::begin::{Expected, Plan, StreamStart, first_of, go_on};
use super::error::StreamError;
use super::feed::Feed;
use super::progress::Progress;
use crate::archive::{ArchiveEnd, ArchiveError, EpochDirectory, LastEvent, Partial};
use crate::source::native::{Event, LogFile, NativeError, NativeSource, Next, Start};

/// How often the server is asked how much it has, for the lag.
const ASK_EVERY: Duration = Duration::from_secs(10);
/// How long to wait for an event at most, to look at other things between.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the end of a log that was asked for once may take.
const LAST_WORD: Duration = Duration::from_millis(200);

/// What outlives a connection: the archive's newest file, which is read only once, and what it takes to go on
/// behind it.
pub(super) struct Session<'s> {
    archive: &'s EpochDirectory,
    options: &'s StreamOptions,
    progress: &'s Progress,
    cancel: &'s CancelToken,
    /// For questions while the log is sent on another connection.
    control: Option<NativeSource>,
    asked: Instant,
    /// The file that is being written.
    partial: Option<Partial>,
    /// The end of the newest complete file and all that was committed by then, if there is one.
    complete: Option<(ArchiveEnd, Option<GtidSet>)>,
    expected: Expected,
    /// Where to end, when once is enough.
    target: Option<BinlogCoord>,
    synced: Instant,
}

impl<'s> Session<'s> {
    /// Opens the archive's newest file.
    pub(super) fn open(
        archive: &'s EpochDirectory,
        options: &'s StreamOptions,
        progress: &'s Progress,
        cancel: &'s CancelToken,
    ) -> Result<Self, StreamError> {
        let partial = archive.partial()?;
        let complete = match &partial {
            Some(_) => None,
            None => archive.newest()?.map(|(end, entry)| (end, entry.gtids_at_end)),
        };
        let now = Instant::now();
        Ok(Session {
            archive,
            options,
            progress,
            cancel,
            control: None,
            asked: now,
            partial,
            complete,
            expected: Expected::Anything,
            target: None,
            synced: now,
        })
    }

    /// Connects and follows the log until the connection ends, or once is enough. May be called again after
    /// an error that is transient.
    pub(super) fn run(&mut self) -> Result<(), StreamError> {
        let outcome = self.follow();
        // What has come in is kept, whatever else went wrong.
        let kept = self.sync();
        outcome.and(kept)
    }

    fn follow(&mut self) -> Result<(), StreamError> {
        self.control = Some(NativeSource::connect(self.options.source.clone())?);
        let plan = self.plan()?;
        self.expected = plan.expected;
        let mut stream = Feed::open(self.options, plan.from)?;
        let _stop_on_cancel = stream.stop_on(self.cancel)?;
        let waits = self.control.as_ref().is_some_and(NativeSource::waits_for_replicas);
        self.progress.connected(stream.is_semi_sync() && waits);
        loop {
            self.cancel.check()?;
            self.progress.shows_life();
            match stream.next(self.patience()).map_err(|error| self.explain(error))? {
                Next::Event(event) => self.take(event, &mut stream)?,
                Next::Idle => {}
                Next::End => return self.end_of_log(),
            }
            if self.is_sync_due() {
                self.sync()?;
            }
            if self.is_enough() {
                // The server says next that this was all: it warns in its error log of clients that go before it
                // is done. What it has got since then, and sends instead, is for another time.
                let _ = stream.next(LAST_WORD);
                return Ok(());
            }
            self.ask_server();
        }
    }

    /// A server that goes down says the same as one that was asked not to wait.
    fn end_of_log(&self) -> Result<(), StreamError> {
        if self.target.is_some() && self.is_enough() {
            return Ok(());
        }
        let ended = std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the server ended its log");
        Err(NativeError::Lost(ended).into())
    }

    /// How long to wait for the next event: what has come in is not to wait for its sync.
    fn patience(&self) -> Duration {
        if self.partial.as_ref().is_none_or(Partial::is_synced) {
            return LOOK_EVERY;
        }
        LOOK_EVERY.min(self.options.sync_every.saturating_sub(self.synced.elapsed()))
    }

    fn is_sync_due(&self) -> bool {
        self.synced.elapsed() >= self.options.sync_every
            && self.partial.as_ref().is_some_and(|partial| !partial.is_synced())
    }

    /// Compares archive and server.
    fn plan(&mut self) -> Result<Plan, StreamError> {
        let Some(control) = &mut self.control else {
            return Err(NativeError::Protocol { what: "no connection for questions" }.into());
        };
        if let Some(found) = &control.identity().uuid {
            let expected = self.archive.claim(found)?;
            if expected != *found {
                return Err(StreamError::OtherServer { expected, found: found.clone() });
            }
        }
        let asked = SystemClock.now().to_utc();
        let logs = control.binary_logs()?;
        if self.options.once {
            self.target = Some(control.end()?);
        }
        self.progress.server_has(logs.clone(), asked);
        if let Some(partial) = &self.partial {
            let (next, last) = (partial.end(), partial.last());
            self.progress.stands_at(next.clone());
            return go_on(&ArchiveEnd { next, last, is_complete: false }, None, &logs);
        }
        if let Some((end, gtids)) = &self.complete {
            self.progress.stands_at(end.next.clone());
            return go_on(end, gtids.clone(), &logs);
        }
        let file = self.first_file(&logs)?;
        Ok(Plan { from: first_of(&file), expected: Expected::Anything })
    }

    /// Where an empty archive begins.
    fn first_file(&mut self, logs: &[LogFile]) -> Result<BinlogName, StreamError> {
        let (Some(oldest), Some(newest)) = (logs.first(), logs.last()) else {
            return Err(NativeError::NoBinlog.into());
        };
        match &self.options.start {
            StreamStart::Oldest => Ok(oldest.name.clone()),
            StreamStart::Newest => Ok(newest.name.clone()),
            StreamStart::File(file) if logs.iter().any(|log| log.name == *file) => Ok(file.clone()),
            StreamStart::File(file) => {
                Err(StreamError::LogGone { file: file.clone(), oldest: oldest.name.clone() })
            }
            StreamStart::Gtid(set) => locate(self.options, set, self.cancel),
        }
    }

    /// A place the server does not have, where the archive has an event, is told as what it means.
    fn explain(&self, error: StreamError) -> StreamError {
        match (error, self.end()) {
            (StreamError::Source(NativeError::NoSuchPosition { message, .. }), Some(at))
                if matches!(self.expected, Expected::Again(_)) =>
            {
                StreamError::Diverged { at, reason: message }
            }
            (error, _) => error,
        }
    }

    /// Where the archive ends.
    fn end(&self) -> Option<BinlogCoord> {
        let complete = || self.complete.as_ref().map(|(end, _)| end.next.clone());
        self.partial.as_ref().map(Partial::end).or_else(complete)
    }

    fn diverged(&self, reason: &str) -> StreamError {
        match self.end() {
            Some(at) => StreamError::Diverged { at, reason: reason.to_owned() },
            None => NativeError::Protocol { what: "events that were not asked for" }.into(),
        }
    }

    fn take(&mut self, event: Event, stream: &mut Feed) -> Result<(), StreamError> {
        if event.is_artificial {
            return self.take_artificial(&event);
        }
        let (file, end) = (event.file.clone(), event.position + event.bytes.len() as u64);
        let needs_ack = event.needs_ack;
        if let Expected::Again(last) = self.expected {
            self.compare(&event, last)?;
        } else {
            self.write(event)?;
        }
        if needs_ack {
            self.sync()?;
            stream.acknowledge(&file, end)?;
            // It may have been turned on at the server only now.
            self.progress.connected(true);
        }
        Ok(())
    }

    fn take_artificial(&mut self, event: &Event) -> Result<(), StreamError> {
        if event.header.kind.is_heartbeat() {
            self.progress.caught_up(self.partial.as_ref().is_none_or(Partial::is_synced));
        }
        let goes_on = event.header.kind == EventKind::ROTATE
            && self.partial.as_ref().is_some_and(|partial| *partial.name() != event.file);
        if goes_on {
            // A server that died goes on in a new file and leaves the old one without an end.
            if matches!(self.expected, Expected::Again(_)) {
                return Err(self.diverged("the server goes on in another file before it"));
            }
            self.complete()?;
        }
        Ok(())
    }

    /// Looks whether an event is the last one of the archive.
    fn compare(&mut self, event: &Event, last: LastEvent) -> Result<(), StreamError> {
        let is_same_file = self.end().is_some_and(|end| end.file == event.file);
        if is_same_file && event.position < last.position {
            // A place behind 4 GiB cannot be asked for; the file comes from its head on.
            return Ok(());
        }
        if !is_same_file || LastEvent::of(event.position, &event.bytes) != last {
            return Err(self.diverged("the last event is another one"));
        }
        self.expected = Expected::Anything;
        Ok(())
    }

    fn write(&mut self, event: Event) -> Result<(), StreamError> {
        let partial = match self.partial.take() {
            Some(partial) if *partial.name() == event.file => partial,
            Some(partial) => {
                self.partial = Some(partial);
                return Err(NativeError::Protocol { what: "events of another file" }.into());
            }
            None => self.begin(&event)?,
        };
        let partial = self.partial.insert(partial);
        let header = event.header;
        match partial.append(event.bytes) {
            Ok(length) => self.progress.received(partial.end(), length, header.timestamp),
            Err(error) => return Err(self.give_up_on(error)),
        }
        self.compare_gtids(header.kind)?;
        if header.kind == EventKind::ROTATE {
            self.complete()?;
        }
        Ok(())
    }

    /// A file of which a write or a sync failed may hold anything behind what was synced before. The next run
    /// reads it again.
    fn give_up_on(&mut self, error: ArchiveError) -> StreamError {
        if matches!(error, ArchiveError::Fs(_)) {
            self.partial = None;
        }
        error.into()
    }

    /// Begins the file of an event.
    fn begin(&mut self, event: &Event) -> Result<Partial, StreamError> {
        if event.position != FIRST_EVENT {
            return Err(NativeError::Protocol { what: "a file does not begin with its first event" }.into());
        }
        let follows = |last: &BinlogName| {
            last.prefix() == event.file.prefix() && last.number() + 1 == event.file.number()
        };
        if self.complete.as_ref().is_some_and(|(end, _)| !follows(&end.next.file)) {
            return Err(self.diverged(&format!("the server goes on with {}", event.file)));
        }
        Ok(self.archive.begin(event.file.clone())?)
    }

    /// Where the archive's last file is gone at the server, the next one has to have been written behind it.
    fn compare_gtids(&mut self, kind: EventKind) -> Result<(), StreamError> {
        let Expected::Behind(archived) = &self.expected else { return Ok(()) };
        if !matches!(kind, EventKind::PREVIOUS_GTIDS | EventKind::MARIA_GTID_LIST) {
            return Ok(());
        }
        let server = self.partial.as_ref().and_then(|partial| partial.facts().gtids_at_end());
        let has_all = match (archived, &server) {
            (Some(GtidSet::MySql(own)), Some(GtidSet::MySql(server))) => server.includes(own),
            (Some(GtidSet::MariaDb(own)), Some(GtidSet::MariaDb(server))) => server.includes(own),
            (own, _) => own.is_none(),
        };
        if !has_all {
            return Err(
                self.diverged("the server's next file does not follow the transactions in the archive")
            );
        }
        self.expected = Expected::Anything;
        Ok(())
    }

    /// The file that is being written is all there.
    fn complete(&mut self) -> Result<(), StreamError> {
        let Some(partial) = self.partial.take() else { return Ok(()) };
        let end = ArchiveEnd { next: partial.end(), last: partial.last(), is_complete: true };
        let gtids = partial.facts().gtids_at_end();
        partial.complete()?;
        self.progress.synced(end.next.clone());
        self.progress.completed();
        self.complete = Some((end, gtids));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StreamError> {
        if let Some(partial) = &mut self.partial {
            match partial.sync() {
                Ok(()) => self.progress.synced(partial.end()),
                Err(error) => return Err(self.give_up_on(error)),
            }
        }
        self.synced = Instant::now();
        Ok(())
    }

    /// Whether the archive has come to where the server was when it was asked.
    fn is_enough(&self) -> bool {
        let is_there = |target: &BinlogCoord| self.end().is_some_and(|end| *target <= end);
        let is_certain = !matches!(self.expected, Expected::Again(_));
        is_certain && self.target.as_ref().is_some_and(is_there)
    }

    /// Asks now and then how much the server has. Without an answer the lag is not known, no more.
    fn ask_server(&mut self) {
        if self.asked.elapsed() < ASK_EVERY {
            return;
        }
        self.asked = Instant::now();
        let asked = SystemClock.now().to_utc();
        let Some(control) = &mut self.control else { return };
        let is_semi_sync = self.options.source.semi_sync && self.options.vendor.is_none();
        let answers = control
            .binary_logs()
            .and_then(|logs| Ok((logs, if is_semi_sync { control.waits_now()? } else { false })));
        match answers {
            Ok((logs, waits)) => {
                self.progress.server_has(logs, asked);
                self.progress.connected(waits);
            }
            Err(_) => self.control = None,
        }
    }
}

/// The file to which a server leads one who has these transactions. Its log is then asked for by place: by
/// GTIDs the server would leave events out.
pub(super) fn locate(
    options: &StreamOptions,
    set: &GtidSet,
    cancel: &CancelToken,
) -> Result<BinlogName, StreamError> {
    let source = NativeSource::connect(options.source.clone())?;
    let mut stream = source.dump(&Start::Gtid(set.clone()), false)?;
    loop {
        cancel.check()?;
        match stream.next(LOOK_EVERY)? {
            Next::Event(event) => return Ok(event.file),
            Next::Idle => {}
            Next::End => {
                return Err(NativeError::Protocol { what: "it names no file for a GTID set" }.into());
            }
        }
    }
}

//! Keeping an archive of several epochs: where a log cannot be gone on with, another epoch begins.

use std::time::{Duration, Instant};

use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::clock::Clock;
use xb_pipeline::monitor::Monitor;

use super::begin::StreamStart;
use super::error::StreamError;
use super::join::has_all;
use super::start::{FirstLog, decide};
use super::{Backoff, Progress, StreamOptions, locate, pause, stream};
use crate::archive::{Beginning, BinlogArchive, EpochDirectory, EpochNumber, EpochRecord, EpochServer};
use crate::source::native::{NativeError, NativeSource};

/// How long a server that has just taken over may take to apply what it has not yet of the one before it.
const TAKING_OVER: Duration = Duration::from_secs(60);
/// How often it is asked meanwhile.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How to keep an archive.
#[derive(Clone, Debug)]
pub struct FollowOptions {
    /// How to stream. Where to begin is decided here.
    pub stream: StreamOptions,
    /// Where an archive that is empty begins.
    pub first: FirstLog,
    /// Whether to go on behind logs that the server no longer has.
    pub resume: bool,
    /// The newest epoch that copies of the archive have, where it is empty itself; else 0.
    pub taken: EpochNumber,
}

/// Who is told, and by what clock.
pub struct Around<'a> {
    /// How far it is.
    pub progress: &'a Progress,
    /// Who hears of a new epoch.
    pub monitor: &'a dyn Monitor,
    /// The time at which epochs begin.
    pub clock: &'a dyn Clock,
    /// By what it is stopped.
    pub cancel: &'a CancelToken,
}

/// Adds to an archive what a server's log has more, as [`stream`] does for one epoch, and begins another epoch
/// where the server's log is not the one in the archive any more. What can be shown by GTIDs to go on without
/// a gap is joined; else the gap is noted, and somebody is warned.
///
/// # Errors
/// [`StreamError`]. What the server has removed before it was taken is an error unless `resume` is set.
pub fn follow(
    archive: &BinlogArchive,
    options: &FollowOptions,
    around: &Around<'_>,
) -> Result<(), StreamError> {
    let follower = Follower { archive, options, around };
    let mut start = StreamStart::default();
    let mut epoch = match archive.newest()? {
        Some(epoch) => epoch,
        None => {
            let (first, epoch) = follower.begin_first()?;
            start = first;
            epoch
        }
    };
    let mut is_second_look = false;
    loop {
        around.progress.goes_on_in(epoch.0.number);
        let before = around.progress.bytes();
        let stream_options = StreamOptions { start: start.clone(), ..options.stream.clone() };
        let Err(error) = stream(&epoch.1, &stream_options, around.progress, around.cancel) else {
            return Ok(());
        };
        let something_came = around.progress.bytes() > before;
        // The log went from under the connection. What that means is seen by comparing anew.
        let lost_place = matches!(
            error,
            StreamError::Source(NativeError::LogGone { .. } | NativeError::NoSuchPosition { .. })
        );
        if lost_place && (something_came || !is_second_look) {
            is_second_look = true;
            continue;
        }
        is_second_look = false;
        // Epochs that stay empty would follow one another for ever.
        if !error.is_about_history() || end_of(&epoch.1)?.is_none() {
            return Err(error);
        }
        // Of several epochs the newest one is held.
        (start, epoch) = follower.begin_next(epoch, error)?;
    }
}

/// Where an epoch ends, and all that is committed there.
fn end_of(epoch: &EpochDirectory) -> Result<Option<(BinlogCoord, Option<GtidSet>)>, StreamError> {
    if let Some(partial) = epoch.partial()? {
        return Ok(partial.last().map(|_| (partial.end(), partial.facts().gtids_at_end())));
    }
    Ok(epoch.newest()?.map(|(end, entry)| (end.next, entry.gtids_at_end)))
}

struct Follower<'a> {
    archive: &'a BinlogArchive,
    options: &'a FollowOptions,
    around: &'a Around<'a>,
}

type Begun = (StreamStart, (EpochRecord, EpochDirectory));

impl Follower<'_> {
    /// The first epoch.
    fn begin_first(&self) -> Result<Begun, StreamError> {
        let (server, first) = self.patiently(|options| {
            let mut source = NativeSource::connect(options.source.clone())?;
            let logs = source.binary_logs()?;
            Ok((self.server(&source), decide(&self.options.first, &logs, self.options.resume)?))
        })?;
        if let Some(missing) = &first.missing {
            self.around.monitor.warn(&format!(
                "the server has no {missing} any more; the archive begins with the oldest log there is, and what \
                 was before cannot be recovered: take a full backup"
            ));
        }
        let begun = self.begin(server, Beginning::First)?;
        Ok((first.start, begun))
    }

    /// The epoch behind one that cannot be gone on with.
    fn begin_next(
        &self,
        (before, directory): (EpochRecord, EpochDirectory),
        error: StreamError,
    ) -> Result<Begun, StreamError> {
        let end = end_of(&directory)?;
        drop(directory);
        let gtids = end.as_ref().and_then(|(_, gtids)| gtids.clone()).filter(|set| !is_empty(set));
        let at = end.map(|(at, _)| at);
        let begun = Instant::now();
        let (server, joined) = self.patiently(|options| {
            let mut source = NativeSource::connect(options.source.clone())?;
            let server = self.server(&source);
            let is_other = (server.server_id, &server.uuid) != (before.server.server_id, &before.server.uuid);
            let Some(gtids) = &gtids else { return Ok((server, None)) };
            loop {
                let joined = self.join(options, &mut source, gtids)?;
                if joined.is_some() || !is_other || begun.elapsed() > TAKING_OVER {
                    return Ok((server, joined));
                }
                self.around.cancel.check()?;
                pause(ASK_AGAIN, self.around.cancel);
            }
        })?;
        // What the server has removed before it was taken is gone, unless it is another server's log that goes on
        // where this one ended.
        if joined.is_none() && matches!(error, StreamError::LogGone { .. }) && !self.options.resume {
            return Err(error);
        }
        let beginning = match (joined.is_some(), gtids, at) {
            (true, Some(gtids), Some(at)) => Beginning::Joined { epoch: before.number, at, gtids },
            (_, _, at) => Beginning::Broken { epoch: before.number, at, reason: error.to_string() },
        };
        self.tell(&beginning);
        let begun = self.begin(server, beginning)?;
        let start = joined.map_or(StreamStart::Oldest, StreamStart::File);
        Ok((start, begun))
    }

    /// The log of the server in which what comes behind `archived` begins, if it has all of that.
    fn join(
        &self,
        options: &StreamOptions,
        source: &mut NativeSource,
        archived: &GtidSet,
    ) -> Result<Option<BinlogName>, StreamError> {
        let state = source.gtid_state(archived)?;
        if !state.is_some_and(|state| has_all(archived, &state)) {
            return Ok(None);
        }
        match locate(options, archived, self.around.cancel) {
            Ok(file) => Ok(Some(file)),
            // It has the transactions, but not the logs any more, or says that they are not its own.
            Err(StreamError::Source(
                NativeError::Refused { .. }
                | NativeError::NoSuchPosition { .. }
                | NativeError::LogGone { .. },
            )) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn begin(
        &self,
        server: EpochServer,
        beginning: Beginning,
    ) -> Result<(EpochRecord, EpochDirectory), StreamError> {
        let now = self.around.clock.now().to_utc();
        Ok(self.archive.begin_epoch(self.options.taken, server, beginning, now)?)
    }

    fn tell(&self, beginning: &Beginning) {
        let place = |at: &Option<BinlogCoord>| at.as_ref().map_or("nothing".to_owned(), ToString::to_string);
        match beginning {
            Beginning::Joined { at, .. } => self.around.monitor.info(&format!(
                "another log goes on where the archive ends, at {at}: its GTIDs have all that is in the archive"
            )),
            Beginning::Broken { at, reason, .. } => self.around.monitor.warn(&format!(
                "the archive has a gap behind {}: {reason}. Logs go on in a new epoch; data can be recovered \
                 across it from a backup taken behind it: take a full backup now",
                place(at)
            )),
            Beginning::First => {}
        }
    }

    fn server(&self, source: &NativeSource) -> EpochServer {
        let identity = source.identity();
        EpochServer {
            address: self.options.stream.source.connect.to_string(),
            flavor: identity.flavor,
            version: identity.version.clone(),
            server_id: identity.server_id,
            uuid: identity.uuid.clone(),
        }
    }

    /// Asks the server until it answers, or that was tried often enough.
    fn patiently<T>(&self, ask: impl Fn(&StreamOptions) -> Result<T, StreamError>) -> Result<T, StreamError> {
        let Around { progress, cancel, .. } = self.around;
        let mut backoff = Backoff::new(&self.options.stream);
        loop {
            cancel.check()?;
            match ask(&self.options.stream) {
                Ok(answer) => return Ok(answer),
                Err(error) => backoff.after(error, false, progress, cancel)?,
            }
        }
    }
}

fn is_empty(set: &GtidSet) -> bool {
    match set {
        GtidSet::MySql(set) => set.is_empty(),
        GtidSet::MariaDb(list) => list.is_empty(),
    }
}

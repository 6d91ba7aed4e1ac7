//! `binlog-stream`: server, archive and backups → where to go on → events, until somebody asks to stop. Beside it
//! a keeper does what else there is to do with logs.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use xb_binlog::archive::{BinlogArchive, EpochNumber};
use xb_binlog::elsewhere::Elsewhere;
use xb_binlog::source::mysqlbinlog::VendorOptions;
use xb_binlog::source::native::{NativeOptions, Tls};
use xb_binlog::state::{End, StreamerState};
use xb_binlog::stream::{
    Around, BackupPoint, FirstLog, FollowOptions, Progress, StreamError, StreamOptions, follow,
};
use xb_core::settings::BinlogTls;
use xb_core::{BinlogName, ErrorClass};
use xb_pipeline::fs::create_dir_private;
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Phase;

use super::keeper::Keeper;
use super::{directory, kept_for, point};
use crate::context::Context;
use crate::error::EngineError;
use crate::report::StreamReport;
use crate::server;
use crate::stores;

/// Told about every second how a streamer does, and whether it does anything at all.
pub type Beat = Arc<dyn Fn(&StreamerState, bool) + Send + Sync>;

/// How to stream.
#[derive(Clone)]
pub struct StreamRequest {
    /// Take what the server has now, and end.
    pub once: bool,
    /// Told how it does.
    pub beat: Beat,
}

impl Default for StreamRequest {
    fn default() -> Self {
        StreamRequest { once: false, beat: Arc::new(|_, _| ()) }
    }
}

pub(crate) fn run(context: &Context, request: &StreamRequest) -> Result<StreamReport, EngineError> {
    let root = directory(context)?;
    create_dir_private(&root)?;
    let archive = BinlogArchive::open(&root)?;
    let progress = Progress::default();
    let begun = begin(context, request, &archive, &progress);
    let (options, keeper) = begun.inspect_err(|error| note_unbegun(context, request, &archive, error))?;
    let (end, streaming) = channel();
    let (outcome, mut state) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| keeper.run(streaming));
        let around = Around {
            progress: &progress,
            monitor: &**context.monitor(),
            clock: &*context.around.clock,
            cancel: context.cancel(),
        };
        let outcome = follow(&archive, &options, &around);
        keeper.ended(match &outcome {
            Ok(()) => End::Done,
            Err(error) => end_of(error.class(), error),
        });
        drop(end);
        (outcome, watching.join())
    });
    let kept = state.as_mut().map_err(|_| EngineError::KeeperLost)?;
    let closed = progress.snapshot(0).completed;
    match outcome {
        Ok(()) => {}
        // A service that was told to stop has done what it should; somebody who wanted all there is has not got it.
        Err(StreamError::Cancelled(_)) if !request.once => {}
        Err(error) => return Err(error.into()),
    }
    if let (true, Some(problem)) = (request.once, &kept.push_error) {
        return Err(EngineError::LogsNotPushed { reason: problem.clone() });
    }
    if request.once {
        // It came too late for streaming, but what is behind it was broken off.
        context.cancel().check()?;
    }
    Ok(StreamReport { archive: root, state: kept.clone(), closed })
}

/// Gets all ready. The archive is held, so that no other streamer is at it.
fn begin<'a>(
    context: &'a Context,
    request: &'a StreamRequest,
    archive: &'a BinlogArchive,
    progress: &'a Progress,
) -> Result<(FollowOptions, Keeper<'a>), EngineError> {
    let options = FollowOptions {
        stream: stream_options(context, request)?,
        first: first_log(context, archive)?,
        resume: context.settings.binlogs.binlog_resume,
        taken: taken(context, archive)?,
    };
    let (connect, root) = (options.stream.source.connect.to_string(), archive.root().display());
    context.monitor().phase(Phase::Stream, &connect, None);
    context.monitor().info(&format!("streaming the binary logs of {connect} into {root}"));
    let keeper = Keeper::new(context, archive, progress, request, connect)?;
    Ok((options, keeper))
}

fn end_of(class: ErrorClass, error: &dyn std::fmt::Display) -> End {
    if class == ErrorClass::Cancelled { End::Asked } else { End::Error(error.to_string()) }
}

/// Where there was a streamer before, whoever asks how it does is to know that it cannot begin again.
fn note_unbegun(context: &Context, request: &StreamRequest, archive: &BinlogArchive, error: &EngineError) {
    let before = StreamerState::read(archive.root()).ok().flatten();
    let Some(mut state) = before.filter(|_| !request.once) else { return };
    if let end @ End::Error(_) = end_of(error.class(), error) {
        state.is_continuous = true;
        state.end(end);
        if let Err(error) = state.write(archive.root()) {
            context.monitor().debug(&format!("the streamer's state is not written down: {error}"));
        }
    }
}

fn stream_options(context: &Context, request: &StreamRequest) -> Result<StreamOptions, EngineError> {
    let settings = &context.settings.binlogs;
    let connect =
        server::connection(&context.settings, &context.around).map_err(server::ServerError::from)?;
    let tls = match settings.binlog_tls {
        BinlogTls::Off => Tls::Off,
        BinlogTls::On => Tls::Unverified,
        BinlogTls::Verify => Tls::Verified { ca: settings.binlog_tls_ca.clone() },
    };
    let defaults = NativeOptions::default();
    let source = NativeOptions {
        connect,
        tls,
        server_id: settings.binlog_server_id.unwrap_or(defaults.server_id),
        semi_sync: settings.binlog_semisync,
        ..defaults
    };
    let vendor = settings.binlog_binary.clone().map(|program| VendorOptions {
        program,
        scratch: context.work_dir().map(ToOwned::to_owned).unwrap_or_default(),
    });
    if vendor.is_some() && settings.binlog_semisync {
        context
            .monitor()
            .warn("binlog_binary cannot acknowledge transactions: leave it out, or binlog_semisync");
    }
    let usual = StreamOptions::new(source);
    // A server that waits for us is not to wait for our pauses.
    let longest_pause = if settings.binlog_semisync { Duration::from_secs(2) } else { usual.longest_pause };
    Ok(StreamOptions {
        vendor,
        longest_pause,
        once: request.once,
        retries: settings.binlog_retries.or(request.once.then_some(ONCE_RETRIES)),
        ..usual
    })
}

/// Whoever wants what there is now does not wait for ever.
const ONCE_RETRIES: u32 = 10;

/// The newest epoch in copies of an archive that is empty here, so that what comes is not taken for that. A store
/// that does not answer holds nobody up: what it has under the same number stays, and is told of at every push.
fn taken(context: &Context, archive: &BinlogArchive) -> Result<EpochNumber, EngineError> {
    let mut newest = 0;
    if archive.newest()?.is_none() {
        for address in super::push_targets(context)? {
            let look = |store| Ok(Elsewhere::look(store, Keys::default())?.newest());
            match stores::open_store(context, &address).and_then(look) {
                Ok(there) => newest = newest.max(there),
                Err(error) => {
                    context.cancel().check()?;
                    let text =
                        format!("whether there are binary logs of before in {address} is not known: {error}");
                    context.monitor().warn(&text);
                }
            }
        }
    }
    if newest > 0 {
        context.monitor().warn(&format!(
            "there are no binary logs here, and those of {newest} earlier epochs elsewhere: streaming begins epoch {}, \
             which does not go on from them. Bring the newest epoch of the copy here first if it should",
            newest + 1
        ));
    }
    Ok(newest)
}

/// What an empty archive begins with.
fn first_log(context: &Context, archive: &BinlogArchive) -> Result<FirstLog, EngineError> {
    let named = context.settings.binlogs.first_binlog.clone();
    let view = BinlogArchive::look(archive.root()).brief();
    let stored: Option<BinlogName> =
        view.picture()?.epoch(0).and_then(|epoch| Some(epoch.logs.last()?.name.clone()));
    let catalog = context.repository()?.scan()?;
    let mut points = kept_for(context, &catalog)
        .filter(|record| record.is_complete())
        .filter_map(|record| point(context, record));
    let backup = points.next().and_then(|point| match (point.coord, point.gtid) {
        (Some(place), _) => Some(BackupPoint::At(place)),
        (None, Some(set)) => Some(BackupPoint::Behind(set)),
        (None, None) => None,
    });
    if named.is_none() && stored.is_none() && backup.is_none() && archive.newest()?.is_none() {
        context.monitor().info(
            "there is no backup yet that says where its binary logs begin: streaming begins with the log the \
             server writes now, and recovery with the next full backup",
        );
    }
    Ok(FirstLog { named, stored, backup })
}

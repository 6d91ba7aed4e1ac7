//! Looking into the archive, without a server.

use chrono::{DateTime, Utc};
use xb_binlog::archive::{Epoch, EpochNumber, Logs as _, Picture, Place};
use xb_binlog::gap::gaps;
use xb_binlog::recover::{Found, ReadingLimits, TransactionSummary, find_gtid, find_time, transactions};
use xb_binlog::state::StreamerState;
use xb_core::gtid::Gtid;
use xb_core::{BinlogCoord, BinlogName};

use super::directory;
use crate::context::Context;
use crate::error::EngineError;
use crate::flow::recover::archive::Archive;
use crate::report::LogsReport;

/// What is in it.
pub(crate) fn list(context: &Context) -> Result<LogsReport, EngineError> {
    let archive = Archive::look(context)?;
    let picture = archive.picture().clone();
    let mut streamer = StreamerState::read(&archive.root).ok().flatten();
    let now = context.now().to_utc();
    let is_streaming = streamer.as_ref().is_some_and(|state| state.is_running(now));
    let lost = streamer.as_ref().and_then(|state| state.gone(now)).map(ToOwned::to_owned);
    if let Some(state) = streamer.as_mut().filter(|_| !is_streaming) {
        // One that was killed could not say that it is not.
        state.is_connected = false;
    }
    let gaps = gaps(&picture);
    Ok(LogsReport { archive: directory(context)?, picture, gaps, streamer, is_streaming, lost })
}

/// The transactions of a log from the one on that `from` lies in, one after the other, until `tell` has had enough.
pub(crate) fn show(
    context: &Context,
    log: &BinlogName,
    epoch: Option<EpochNumber>,
    from: u64,
    tell: &mut dyn FnMut(&Place, &TransactionSummary) -> bool,
) -> Result<(), EngineError> {
    let archive = Archive::look(context)?;
    let has = |candidate: &&Epoch| {
        candidate.log(log).is_some() && epoch.is_none_or(|wanted| wanted == candidate.record.number)
    };
    let epochs: Vec<EpochNumber> =
        archive.picture().epochs.iter().filter(has).map(|epoch| epoch.record.number).collect();
    let number = match epochs.as_slice() {
        [number] => *number,
        [] => return Err(EngineError::NoSuchLog { log: log.clone(), archive: directory(context)? }),
        _ => return Err(EngineError::SeveralLogs { log: log.clone(), epochs }),
    };
    let mut has_told = false;
    for transaction in transactions(archive.logs.read(number, log)?, LIMITS) {
        context.cancel().check()?;
        let transaction = transaction.map_err(|source| EngineError::DamagedLog {
            log: log.clone(),
            epoch: number,
            source,
        })?;
        if transaction.end <= from {
            continue;
        }
        has_told = true;
        let at = BinlogCoord { file: log.clone(), position: transaction.begin };
        if !tell(&Place { epoch: number, at }, &transaction) {
            break;
        }
    }
    if !has_told {
        let epoch = archive.picture().epoch(number);
        let end = epoch.and_then(|epoch| epoch.log(log)).map_or(0, |entry| entry.size_bytes);
        let behind = if from > 0 { format!(" at or behind {from}") } else { String::new() };
        context
            .monitor()
            .warn(&format!("{log} of epoch {number} ends at {end}, and has no transaction{behind}"));
    }
    Ok(())
}

/// Statements are told as long as people and programs may want them.
const LIMITS: ReadingLimits = ReadingLimits { statement_bytes: 64 * 1024, items: 20 };

/// What is sought.
#[derive(Clone, Debug)]
pub enum Sought {
    /// The first transaction at or behind a moment.
    Time(DateTime<Utc>),
    /// A transaction.
    Gtid(Gtid),
}

/// Finds it.
pub(crate) fn find(
    context: &Context,
    sought: &Sought,
    epoch: Option<EpochNumber>,
) -> Result<Option<Found>, EngineError> {
    let archive = Archive::look(context)?;
    let mut picture = archive.picture().clone();
    picture.epochs.retain(|candidate| epoch.is_none_or(|wanted| wanted == candidate.record.number));
    let found = match sought {
        Sought::Time(time) => find_time(&picture, &archive.logs, *time)?,
        Sought::Gtid(gtid) => find_gtid(&picture, &archive.logs, gtid)?,
    };
    if found.is_none() {
        context.monitor().warn(&ends(&picture, archive.seen_until()));
    }
    Ok(found)
}

/// How far an archive goes.
fn ends(picture: &Picture, seen_until: Option<DateTime<Utc>>) -> String {
    let last = picture.epochs.iter().rev().find_map(|epoch| Some((epoch, epoch.logs.last()?, epoch.end()?)));
    let Some((epoch, log, end)) = last else {
        return "there are no binary logs".to_owned();
    };
    let latest = log.times.and_then(|(_, latest)| DateTime::from_timestamp(latest.into(), 0));
    let event = latest.map(|time| format!(", with an event of {time}")).unwrap_or_default();
    let seen = seen_until.map(|until| format!("; all that was committed before {until} is in it"));
    let end = Place { epoch: epoch.record.number, at: end };
    format!("the archive ends at {end}{event}{}", seen.unwrap_or_default())
}

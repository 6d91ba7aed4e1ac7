//! Which backup a recovery begins with: the newest that stands before the target.

use chrono::{DateTime, TimeDelta, Utc};
use xb_binlog::archive::LogFault;
use xb_binlog::recover::{Base, RecoverError, ReplayPlan, Target, find_base, plan};
use xb_catalog::{BackupRecord, Catalog, Moment};
use xb_core::{BackupId, Flavor};

use super::archive::Archive;
use super::{RecoveryRequest, options};
use crate::context::Context;
use crate::error::EngineError;
use crate::flow::binlogs::point;

/// The base and what leads from it to the target.
pub(super) struct Choice {
    pub(super) backup: BackupId,
    pub(super) record: BackupRecord,
    pub(super) plan: ReplayPlan,
}

/// Chooses.
pub(super) fn choose(
    context: &Context,
    catalog: &Catalog,
    archive: &Archive,
    request: &RecoveryRequest,
) -> Result<Choice, EngineError> {
    let mut candidates: Vec<&BackupRecord> =
        catalog.records().filter(|record| record.is_complete()).collect();
    candidates.sort_by_key(|record| std::cmp::Reverse(record.id()));
    candidates.dedup_by_key(|record| record.id());
    if let Some(wanted) = context.settings.restore_backup {
        catalog.chain(wanted)?;
        candidates.retain(|record| record.id() == wanted);
    }
    let mut reasons: Vec<(BackupId, EngineError)> = Vec::new();
    for record in candidates.into_iter().filter(|record| may_be_before(record, &request.to, context)) {
        if let Err(error) = catalog.chain(record.id()) {
            reasons.push((record.id(), error.into()));
            continue;
        }
        match from(context, archive, record, request) {
            Ok(plan) => {
                let choice = Choice { backup: record.id(), record: record.clone(), plan };
                told(context, &reasons);
                return Ok(choice);
            }
            Err(EngineError::Recover(error)) if leads_to_older(&error) => {
                reasons.push((record.id(), EngineError::Recover(error)));
            }
            Err(error @ EngineError::NoBinlog { .. }) => reasons.push((record.id(), error)),
            Err(error) => return Err(error),
        }
    }
    match reasons.pop() {
        // The oldest one's reason says why there is no way at all.
        Some((_, error)) => Err(error),
        None => Err(EngineError::NoBase { target: request.to.to_string() }),
    }
}

/// What was passed over for a reason other than that it is behind the target.
fn told(context: &Context, reasons: &[(BackupId, EngineError)]) {
    let is_news = |error: &EngineError| {
        !matches!(
            error,
            EngineError::Recover(error)
                if matches!(**error, RecoverError::BeforeBase { .. } | RecoverError::AlreadyInBase { .. })
        )
    };
    for (backup, error) in reasons.iter().filter(|(_, error)| is_news(error)) {
        context.monitor().warn(&format!("not beginning with {backup}: {error}"));
    }
}

/// Whether an older backup may do where this one does not.
fn leads_to_older(error: &RecoverError) -> bool {
    matches!(
        error,
        RecoverError::BeforeBase { .. }
            | RecoverError::AlreadyInBase { .. }
            | RecoverError::NoBase { .. }
            | RecoverError::NoSuchLog { .. }
    )
}

fn may_be_before(record: &BackupRecord, target: &Target, context: &Context) -> bool {
    let Target::Time(time) = target else { return true };
    // It stands where it ended; what was committed while it was made is in it.
    instant(record.ended.unwrap_or(record.started), context) <= *time
}

/// A local time is taken to be in the zone of now.
pub(crate) fn instant(moment: Moment, context: &Context) -> DateTime<Utc> {
    let now = context.now();
    match moment {
        Moment::Exact(instant) => instant.to_utc(),
        Moment::Local(_) => (now - TimeDelta::seconds(moment.seconds_until(now))).to_utc(),
    }
}

/// The way from one backup.
fn from(
    context: &Context,
    archive: &Archive,
    record: &BackupRecord,
    request: &RecoveryRequest,
) -> Result<ReplayPlan, EngineError> {
    let base = base(context, record, request.base_epoch)
        .ok_or_else(|| EngineError::NoBinlog { backup: record.id() })?;
    let place = find_base(archive.picture(), &archive.logs, &base)?;
    let way = plan(
        archive.picture(),
        &archive.logs,
        &place,
        base.gtids.as_ref(),
        &request.to,
        &options(request, archive),
        context.cancel(),
    )?;
    check_end(archive, request, &way)?;
    Ok(way)
}

/// A log behind the end of the way that cannot be used may have what the target wants.
fn check_end(archive: &Archive, request: &RecoveryRequest, way: &ReplayPlan) -> Result<(), EngineError> {
    let is_open_ended = matches!(request.to, Target::Latest | Target::Time(_)) && !request.best_effort;
    match fault_behind(archive, way).filter(|_| is_open_ended) {
        Some(fault) => {
            Err(EngineError::LogUnusable { log: fault.name.clone(), reason: fault.reason.clone() })
        }
        None => Ok(()),
    }
}

/// The log behind the end of a way that cannot be used, where the way ends for it.
pub(crate) fn fault_behind<'a>(archive: &'a Archive, way: &ReplayPlan) -> Option<&'a LogFault> {
    let epoch = archive.picture().epoch(way.stop.epoch)?;
    let ends_there = epoch.end().as_ref() == Some(&way.stop.at);
    epoch.faults.iter().find(|fault| ends_there && way.stop.at.file < fault.name)
}

/// Where a backup stands in the logs that are archived.
pub(crate) fn base(context: &Context, record: &BackupRecord, epoch: Option<u32>) -> Option<Base> {
    let point = point(context, record)?;
    let server = record.server.as_ref();
    let is_own = !context.settings.binlogs.binlog_from_master;
    Some(Base {
        coord: point.coord,
        gtids: point.gtid,
        server_uuid: server.filter(|_| is_own).and_then(|server| server.identity.server_uuid.clone()),
        flavor: server.map_or(Flavor::MySql, |server| server.flavor),
        ended: Some(instant(record.ended.unwrap_or(record.started), context)),
        epoch,
    })
}

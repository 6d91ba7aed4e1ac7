//! Which backup a recovery begins with: the newest that stands before the target.

use chrono::{DateTime, TimeDelta, Utc};
use xb_binlog::archive::{LogFault, Place};
use xb_binlog::recover::{Base, RecoverError, ReplayPlan, Target, find_base, find_gtid, plan};
use xb_catalog::{BackupRecord, Catalog, Moment};
use xb_core::gtid::Gtid;
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
    let mut choosing = Choosing { context, archive, request, passed: Vec::new(), sought: Vec::new() };
    for record in candidates(context, catalog)? {
        if !may_be_before(record, &request.to, context) {
            continue;
        }
        if let Err(error) = catalog.chain(record.id()) {
            choosing.passed.push((record, error.into()));
            continue;
        }
        match choosing.from(record) {
            Ok(plan) => {
                choosing.check_newer(record, &plan)?;
                choosing.tell();
                return Ok(Choice { backup: record.id(), record: record.clone(), plan });
            }
            Err(error) => choosing.pass(record, error)?,
        }
    }
    match choosing.passed.pop() {
        // The oldest one's reason says why there is no way at all.
        Some((_, error)) => Err(error),
        None => {
            let (target, only) = (request.to.to_string(), context.settings.restore_backup);
            Err(EngineError::NoBase { target, only })
        }
    }
}

/// The backups, newest first, or the one that was named.
fn candidates<'c>(context: &Context, catalog: &'c Catalog) -> Result<Vec<&'c BackupRecord>, EngineError> {
    let mut candidates: Vec<&BackupRecord> =
        catalog.records().filter(|record| record.is_complete()).collect();
    candidates.sort_by_key(|record| std::cmp::Reverse(record.id()));
    candidates.dedup_by_key(|record| record.id());
    if let Some(wanted) = context.settings.restore_backup {
        catalog.chain(wanted)?;
        candidates.retain(|record| record.id() == wanted);
    }
    Ok(candidates)
}

/// Looking for a backup to begin with.
struct Choosing<'a> {
    context: &'a Context,
    archive: &'a Archive,
    request: &'a RecoveryRequest,
    /// Newer backups, and why not they.
    passed: Vec<(&'a BackupRecord, EngineError)>,
    /// What the way must lead through and was not behind a newer backup.
    sought: Vec<Sought>,
}

/// A transaction of the archive that is to be reached or left out.
struct Sought {
    gtid: Gtid,
    begin: Place,
    is_excluded: bool,
}

impl Sought {
    /// Why a backup that stands behind it does not do.
    fn missed(&self, base: &Place) -> RecoverError {
        if self.is_excluded {
            return RecoverError::NotExcluded { gtid: self.gtid.clone() };
        }
        RecoverError::BeforeBase { target: self.gtid.to_string(), base: base.clone() }
    }
}

impl<'a> Choosing<'a> {
    /// Goes on to an older backup, if that may do where this one does not.
    fn pass(&mut self, record: &'a BackupRecord, error: EngineError) -> Result<(), EngineError> {
        let leads_to_older = match &error {
            EngineError::NoBinlog { .. } => true,
            EngineError::Recover(error) => match &**error {
                RecoverError::NotExcluded { gtid } => self.seek(gtid, true)?,
                RecoverError::NotInArchive { gtids, .. } => {
                    gtids.any().map_or(Ok(false), |gtid| self.seek(&gtid, false))?
                }
                other => is_behind(other) || is_elsewhere(other),
            },
            _ => false,
        };
        if !leads_to_older {
            return Err(error);
        }
        self.passed.push((record, error));
        Ok(())
    }

    /// Whether the archive has a transaction at all. It is looked for once.
    fn seek(&mut self, gtid: &Gtid, is_excluded: bool) -> Result<bool, EngineError> {
        if self.sought.iter().any(|sought| sought.gtid == *gtid) {
            return Ok(true);
        }
        let Some(found) = find_gtid(self.archive.picture(), &self.archive.logs, gtid)? else {
            return Ok(false);
        };
        self.sought.push(Sought { gtid: gtid.clone(), begin: found.begin, is_excluded });
        Ok(true)
    }

    /// The way from one backup.
    fn from(&self, record: &BackupRecord) -> Result<ReplayPlan, EngineError> {
        let Choosing { context, archive, request, .. } = *self;
        let base = base(context, record, request.base_epoch)
            .ok_or_else(|| EngineError::NoBinlog { backup: record.id() })?;
        let place = find_base(archive.picture(), &archive.logs, &base)?;
        let is_before = |begin: &Place| begin.epoch == place.epoch && begin.at < place.at;
        // To read all the logs behind it once more would only say the same.
        if let Some(sought) = self.sought.iter().find(|sought| is_before(&sought.begin)) {
            return Err(sought.missed(&place).into());
        }
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

    /// The end of the logs is not the latest state, where a newer backup stands behind it.
    fn check_newer(&self, record: &BackupRecord, way: &ReplayPlan) -> Result<(), EngineError> {
        let Choosing { context, archive, request, .. } = *self;
        if !matches!(request.to, Target::Latest) || request.best_effort {
            return Ok(());
        }
        let ended = |record: &BackupRecord| instant(record.ended.unwrap_or(record.started), context);
        let reached = way.last_time.max(archive.seen_until()).max(Some(ended(record)));
        let is_newer = |(newer, error): &&(&BackupRecord, EngineError)| {
            let is_whole = match error {
                EngineError::NoBinlog { .. } => true,
                EngineError::Recover(error) => is_elsewhere(error),
                _ => false,
            };
            is_whole && Some(ended(newer)) > reached
        };
        match self.passed.iter().find(is_newer) {
            Some((newer, _)) => Err(EngineError::BehindTheLogs {
                backup: newer.id(),
                base: record.id(),
                end: way.stop.clone(),
            }),
            None => Ok(()),
        }
    }

    /// What was passed over for a reason other than that it is behind what is wanted.
    fn tell(&self) {
        let is_news = |error: &EngineError| match error {
            EngineError::Recover(error) => is_elsewhere(error),
            _ => true,
        };
        for (record, error) in self.passed.iter().filter(|(_, error)| is_news(error)) {
            self.context.monitor().warn(&format!("not beginning with {}: {error}", record.id()));
        }
    }
}

/// Whether a backup stands behind what is wanted.
fn is_behind(error: &RecoverError) -> bool {
    matches!(error, RecoverError::BeforeBase { .. } | RecoverError::AlreadyInBase { .. })
}

/// Whether a backup stands nowhere in the archive, or where no log leads from to what is wanted.
fn is_elsewhere(error: &RecoverError) -> bool {
    matches!(error, RecoverError::NoBase { .. } | RecoverError::NoSuchLog { .. })
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

/// A log behind the end of the way that cannot be used may have what the target wants.
fn check_end(archive: &Archive, request: &RecoveryRequest, way: &ReplayPlan) -> Result<(), EngineError> {
    let is_open_ended = matches!(request.to, Target::Latest | Target::Time(_)) && !request.best_effort;
    match fault_behind(archive, way).filter(|_| is_open_ended) {
        Some(LogFault { name, reason }) => Err(EngineError::LogUnusable { log: name, reason }),
        None => Ok(()),
    }
}

/// The log behind the end of a way that cannot be used or is gone, where the way ends for it.
pub(crate) fn fault_behind(archive: &Archive, way: &ReplayPlan) -> Option<LogFault> {
    let epoch = archive.picture().epoch(way.stop.epoch)?;
    if epoch.end().as_ref() != Some(&way.stop.at) {
        return None;
    }
    let fault = epoch.faults.iter().find(|fault| way.stop.at.file < fault.name).cloned();
    let lost = || archive.lost().filter(|(number, _)| *number == way.stop.epoch);
    fault.or_else(|| lost().map(|(_, fault)| fault))
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

//! `status`: one verdict on how things stand. [`judge`] is pure.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, FixedOffset};
use xb_catalog::{BackupRecord, BackupSet, Catalog, ChainError, Moment, Shelf};
use xb_core::settings::Settings;
use xb_core::{BackupId, BackupKind};
use xb_pipeline::fs::free_bytes;

use crate::context::Context;
use crate::copystate::{self, CopyState};
use crate::error::EngineError;
use crate::flow::binlogs::glance::{Glance, glance};
use crate::lock::LockState;
use crate::report::{
    Check, LastBackup, LastFull, Level, Limits, ListReport, Running, StatusReport, StatusValues,
};
use crate::stores;

/// So many of the last incrementals tell how large the next may be: a week of daily ones, with its busiest
/// day.
const INCREMENTALS_LOOKED_AT: usize = 7;

/// Said where a full backup must come first.
const NO_BASE: &str = "No current full backup: the next incremental has nothing to build on";

/// Everything a verdict is made from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) catalog: &'a Catalog,
    /// `None` where nobody can tell.
    pub(super) lock: Option<&'a LockState>,
    /// The same.
    pub(super) free_bytes: Option<u64>,
    /// The stores with copies, with what is known of each here.
    pub(super) copies: &'a [(String, Option<CopyState>)],
    /// What is known of binary logs.
    pub(super) logs: &'a Glance,
    pub(super) limits: Thresholds,
    pub(super) now: DateTime<FixedOffset>,
}

/// When things become old, in hours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    pub(super) running: u64,
    pub(super) age: u64,
    /// In seconds.
    pub(super) binlog_lag_seconds: u64,
}

impl Thresholds {
    pub(super) fn of(settings: &Settings) -> Self {
        Thresholds {
            running: settings.status_running_hours,
            age: settings.status_age_hours,
            binlog_lag_seconds: settings.binlogs.status_binlog_lag_seconds,
        }
    }
}

pub(crate) fn run(context: &Context) -> Result<StatusReport, EngineError> {
    let ListReport { catalog, lock, .. } = super::list::run(context)?;
    let logs = glance(context, &catalog);
    let settings = &context.settings;
    let copies = copies(context)?;
    Ok(judge(Facts {
        catalog: &catalog,
        copies: &copies,
        logs: &logs,
        lock: lock.as_ref(),
        // Some file systems of the network do not tell. That is no reason to say nothing of the backups.
        free_bytes: context.repository()?.directory().and_then(|store| free_bytes(store).ok()),
        limits: Thresholds::of(settings),
        now: context.now(),
    }))
}

/// The worst thing there is to say, and all the others. A run that is going on does not hide that the last
/// backup is old.
pub(super) fn judge(facts: Facts<'_>) -> StatusReport {
    let space = Space::of(facts.catalog);
    let values = values(facts, space);
    let last = check_last(facts, &values.last);
    let store = check(Check::STORE, Level::Ok, format!("{} can be read", facts.catalog.root.display()));
    let others = [
        check_running(facts, &values.running),
        check_chain(facts),
        check_space(facts, space),
        Some(store),
        check_copies(facts),
        facts
            .logs
            .check(facts.now.to_utc(), i64::try_from(facts.limits.binlog_lag_seconds).unwrap_or(i64::MAX)),
    ];
    let others = others.into_iter().flatten();
    let checks = match last {
        Some(last) => std::iter::once(last).chain(others).collect(),
        // Of what is equally bad the first is told, and why there is no backup says more than that there is none.
        None => others.chain(std::iter::once(no_backup())).collect(),
    };
    StatusReport::of(checks, values)
}

fn values(facts: Facts<'_>, space: Option<Space>) -> StatusValues {
    let Facts { catalog, limits, now, .. } = facts;
    let good = || catalog.records().filter(|record| record.is_complete());
    let full = good().filter(|record| record.kind == BackupKind::Full).max_by_key(|record| record.id());
    let incrementals = catalog.sets.last().map(|set| set.incrementals.iter());
    let incrementals = incrementals.map(|records| records.filter(|record| record.is_complete()).count());
    StatusValues {
        last: catalog.newest().map(|last| last_backup(last, now)).unwrap_or_default(),
        last_full: full.map(|full| last_full(full, now)).unwrap_or_default(),
        sets: Some(count(catalog.sets.len())),
        shelved_sets: Some(count(shelved_sets(catalog))),
        // After a crash a set may stand in two places.
        backups: Some(count(good().map(BackupRecord::id).collect::<BTreeSet<_>>().len())),
        incrementals_since_full: incrementals.map(count),
        oldest_restorable_unix: oldest_restorable(catalog).map(|record| unix(end_of(record), now)),
        running: running(facts.lock, now),
        free_bytes: facts.free_bytes,
        needed_bytes: space.map(|space| space.needed),
        binlogs: facts.logs.values(now.to_utc()),
        limits: Limits {
            age_seconds: Some(hours(limits.age)),
            running_seconds: Some(hours(limits.running)),
            free_warn_bytes: space.map(Space::warn_below),
            free_critical_bytes: space.map(|space| space.next),
        },
    }
}

fn last_backup(last: &BackupRecord, now: DateTime<FixedOffset>) -> LastBackup {
    LastBackup {
        id: Some(last.id()),
        kind: Some(last.kind),
        ended_unix: Some(unix(end_of(last), now)),
        age_seconds: Some(end_of(last).seconds_until(now)),
        duration_seconds: last.duration_seconds(),
        stored_bytes: last.sizes.map(|sizes| sizes.stored_bytes),
        stream_bytes: last.sizes.map(|sizes| sizes.stream_bytes),
    }
}

fn last_full(full: &BackupRecord, now: DateTime<FixedOffset>) -> LastFull {
    let end = end_of(full);
    LastFull {
        id: Some(full.id()),
        ended_unix: Some(unix(end, now)),
        age_seconds: Some(end.seconds_until(now)),
    }
}

fn running(lock: Option<&LockState>, now: DateTime<FixedOffset>) -> Running {
    let since = match lock {
        Some(LockState::Held(Some(run))) => Some(Moment::Local(run.backup.local_time()).seconds_until(now)),
        _ => None,
    };
    Running { now: lock.map(|lock| matches!(lock, LockState::Held(_))), seconds: since }
}

fn end_of(record: &BackupRecord) -> Moment {
    record.ended.unwrap_or(record.started)
}

/// A local time is taken to be in the zone of now, as its age is.
fn unix(moment: Moment, now: DateTime<FixedOffset>) -> i64 {
    now.timestamp() - moment.seconds_until(now)
}

/// How many sets are on the shelves and not current ones, too.
fn shelved_sets(catalog: &Catalog) -> usize {
    let current: BTreeSet<BackupId> = catalog.sets.iter().map(|set| set.id).collect();
    let all: BTreeSet<BackupId> = catalog.all_sets().map(|(_, set)| set.id).collect();
    all.difference(&current).count()
}

/// The oldest backup on any shelf that has all it builds on, in forms that can be read. Each chain begins with a
/// full backup, which is a chain itself, so it is a full one.
fn oldest_restorable(catalog: &Catalog) -> Option<&BackupRecord> {
    let fulls = catalog.all_sets().filter_map(|(_, set)| set.full.as_ref());
    fulls.filter(|full| full.is_complete() && full.archive.is_some()).min_by_key(|full| full.id())
}

/// What the next backup may need. Nobody knows whether it will be a full or an incremental one, so both are
/// estimated by those before: a full by the newest full, an incremental by the largest of the last few among the
/// current sets. Where there is nothing to build on the next can only be a full one.
/// WARN: there is less room than 1.2 times the larger of both, so a full may not fit. CRITICAL: there is less
/// than what the likelier next one needs, which is an incremental where there are any. The old backups are
/// still there while the new one is made, so what pruning will free does not count. What has no known size
/// (backups by the original) is left out; without any nothing is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space {
    /// What the likelier next backup takes.
    next: u64,
    /// What the larger kind takes.
    needed: u64,
}

impl Space {
    fn of(catalog: &Catalog) -> Option<Self> {
        let stored = |record: &BackupRecord| record.sizes.map(|sizes| sizes.stored_bytes);
        let base = catalog.newest_base();
        let incrementals = if base.is_some() { newest_incrementals(catalog) } else { Vec::new() };
        let incremental = incrementals.into_iter().filter_map(stored).max();
        let chain = base.or_else(|| catalog.newest_restorable())?;
        let full = chain.first().and_then(|full| stored(full));
        Some(Space { next: incremental.or(full)?, needed: full.max(incremental)? })
    }

    fn warn_below(self) -> u64 {
        self.needed.saturating_add(self.needed / 5)
    }
}

/// The newest first, of current sets: those on the shelves are of long ago.
fn newest_incrementals(catalog: &Catalog) -> Vec<&BackupRecord> {
    let all = catalog.sets.iter().flat_map(|set| &set.incrementals);
    let mut good: Vec<&BackupRecord> = all.filter(|record| record.is_complete()).collect();
    // Those of two sets may alternate: a newer set that is broken is built on no longer, but an older one.
    good.sort_by_key(|record| Reverse(record.id()));
    good.truncate(INCREMENTALS_LOOKED_AT);
    good
}

fn check(name: &'static str, level: Level, message: String) -> Check {
    Check { name, level, message }
}

fn check_last(facts: Facts<'_>, last: &LastBackup) -> Option<Check> {
    let name = format!("{} from {}", last.kind?, last.id?);
    let (age, limit) = (last.age_seconds?, facts.limits.age);
    Some(if age > hours(limit) {
        let text = format!("Last backup {name} is {} hours old, more than {limit}", age / 3600);
        check(Check::LAST_BACKUP, Level::Warn, text)
    } else {
        check(Check::LAST_BACKUP, Level::Ok, format!("Last backup {name}"))
    })
}

fn no_backup() -> Check {
    check(Check::LAST_BACKUP, Level::Critical, "No backup found".to_owned())
}

fn check_running(facts: Facts<'_>, running: &Running) -> Option<Check> {
    let (level, text) = match facts.lock? {
        LockState::Free => (Level::Ok, "No backup is running".to_owned()),
        LockState::Held(None) => (Level::Ok, "A run is going on".to_owned()),
        LockState::Held(Some(run)) => {
            let seconds = running.seconds.unwrap_or_default();
            let level = if seconds > hours(facts.limits.running) { Level::Warn } else { Level::Ok };
            let hours = seconds / 3600;
            (level, format!("Backup {} {} has been running for {hours} hours", run.kind, run.backup))
        }
        LockState::Stale(run) => {
            let text =
                format!("Backup {} {} by process {} ended without finishing", run.kind, run.backup, run.pid);
            (Level::Critical, text)
        }
    };
    Some(check(Check::RUNNING, level, text))
}

/// The newest current set counts: an older one that is broken is shown by `list`. Where backups that count are on
/// shelves only, all looks well, and yet no incremental can be taken.
fn check_chain(facts: Facts<'_>) -> Option<Check> {
    let catalog = facts.catalog;
    let newest = catalog.sets.last();
    let broken = newest.and_then(|newest| Some((newest.id, why_broken(newest)?)));
    let (level, text) = match (lacks_base(catalog), broken) {
        (true, None) => (Level::Critical, NO_BASE.to_owned()),
        (true, Some((set, error))) => (Level::Critical, format!("{NO_BASE}; set {set} is broken: {error}")),
        (false, Some((set, error))) => (Level::Critical, format!("Set {set} is broken: {error}")),
        (false, None) => (Level::Ok, format!("Set {} is whole", newest?.id)),
    };
    Some(check(Check::CHAIN, level, text))
}

/// What its newest member that cannot be restored misses.
fn why_broken(set: &BackupSet) -> Option<ChainError> {
    set.members().rev().find_map(|member| set.chain(member.id()).err())
}

/// Whether backups count on the shelves, and among the current sets there is none to build on.
fn lacks_base(catalog: &Catalog) -> bool {
    let mut shelved = catalog.all_sets().filter(|(shelf, _)| *shelf != Shelf::Current);
    catalog.newest_base().is_none() && shelved.any(|(_, set)| set.members().any(BackupRecord::is_complete))
}

/// While a run is going on, what it has written so far is missing already, so nothing is said.
fn check_space(facts: Facts<'_>, space: Option<Space>) -> Option<Check> {
    if matches!(facts.lock, Some(LockState::Held(_))) {
        return None;
    }
    let (free, space) = (facts.free_bytes?, space?);
    let (level, text) = if free < space.next {
        (
            Level::Critical,
            format!("{} are free, the next backup needs about {}", size(free), size(space.next)),
        )
    } else if free < space.warn_below() {
        (Level::Warn, format!("{} are free, a full backup needs about {}", size(free), size(space.needed)))
    } else {
        (Level::Ok, format!("{} are free", size(free)))
    };
    Some(check(Check::SPACE, level, text))
}

/// What is known here of the stores with copies.
fn copies(context: &Context) -> Result<Vec<(String, Option<CopyState>)>, EngineError> {
    let mut states = context.settings.work_dir.as_deref().map(copystate::read).unwrap_or_default();
    let addresses = stores::copies(&context.settings)?.into_iter().map(|address| address.to_string());
    Ok(addresses.map(|address| (address.clone(), states.remove(&address))).collect())
}

/// A copy that is missing is not as bad as a backup that is: the next run makes it.
fn check_copies(facts: Facts<'_>) -> Option<Check> {
    let newest = facts.catalog.newest_restorable().and_then(|chain| chain.last().map(|record| record.id()));
    let fault = |(store, state): &(String, Option<CopyState>)| match state {
        None => Some(format!("{store} never got a copy from here")),
        Some(CopyState { problem: Some(problem), when, .. }) => {
            Some(format!("No copy in {store} since {}: {problem}", when.format("%Y-%m-%d %H:%M")))
        }
        Some(state) if state.newest < newest => Some(format!("{store} lacks the newest backup")),
        Some(_) => None,
    };
    if facts.copies.is_empty() {
        return None;
    }
    let faults: Vec<String> = facts.copies.iter().filter_map(fault).collect();
    Some(if faults.is_empty() {
        check(Check::COPIES, Level::Ok, "Every copy is up to date".to_owned())
    } else {
        check(Check::COPIES, Level::Warn, faults.join("; "))
    })
}

/// Bytes in the unit that people think of them in.
fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0);
    unit.map_or_else(
        || format!("{bytes} bytes"),
        |(unit, shift)| {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn hours(count: u64) -> i64 {
    i64::try_from(count.saturating_mul(3600)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

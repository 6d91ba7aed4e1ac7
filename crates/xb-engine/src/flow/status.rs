//! `status`: one verdict on how things stand. [`judge`] is pure.

use chrono::{DateTime, FixedOffset};
use xb_catalog::{Catalog, Moment};

use crate::context::Context;
use crate::error::EngineError;
use crate::lock::LockState;
use crate::report::{LastBackup, Level, ListReport, StatusReport};

/// When things become old, in hours.
#[derive(Clone, Copy, Debug)]
struct Thresholds {
    running: u64,
    age: u64,
}

pub(crate) fn run(context: &Context) -> Result<StatusReport, EngineError> {
    let ListReport { catalog, lock } = super::list::run(context)?;
    let settings = &context.settings;
    let thresholds = Thresholds { running: settings.status_running_hours, age: settings.status_age_hours };
    Ok(judge(&catalog, lock.as_ref().unwrap_or(&LockState::Free), thresholds, context.now()))
}

/// The worst thing there is to say. A run that is going on does not hide that the last backup is old.
fn judge(
    catalog: &Catalog,
    lock: &LockState,
    limits: Thresholds,
    now: DateTime<FixedOffset>,
) -> StatusReport {
    let last = last_backup(catalog, now);
    let verdicts = [from_last(last.as_ref(), limits), from_lock(lock, limits, now), from_sets(catalog)];
    let worst =
        verdicts.into_iter().flatten().reduce(|worst, next| if next.0 > worst.0 { next } else { worst });
    let (level, message) = worst.unwrap_or((Level::Critical, "No backup found".to_owned()));
    StatusReport { level, message, last }
}

fn last_backup(catalog: &Catalog, now: DateTime<FixedOffset>) -> Option<LastBackup> {
    let last = catalog.newest()?;
    let ended: Moment = last.ended.unwrap_or(last.started);
    Some(LastBackup { id: last.id(), kind: last.kind, age_seconds: ended.seconds_until(now) })
}

fn from_last(last: Option<&LastBackup>, limits: Thresholds) -> Option<(Level, String)> {
    let last = last?;
    let name = format!("{} from {}", last.kind, last.id);
    if last.age_seconds > hours(limits.age) {
        let age = last.age_seconds / 3600;
        return Some((
            Level::Warn,
            format!("Last backup {name} is {age} hours old, more than {}", limits.age),
        ));
    }
    Some((Level::Ok, format!("Last backup {name}")))
}

fn from_lock(lock: &LockState, limits: Thresholds, now: DateTime<FixedOffset>) -> Option<(Level, String)> {
    match lock {
        LockState::Held(Some(run)) => {
            let running = Moment::Local(run.backup.local_time()).seconds_until(now);
            let text =
                format!("Backup {} {} has been running for {} hours", run.kind, run.backup, running / 3600);
            (running > hours(limits.running)).then_some((Level::Warn, text))
        }
        LockState::Stale(run) => {
            let text =
                format!("Backup {} {} by process {} ended without finishing", run.kind, run.backup, run.pid);
            Some((Level::Critical, text))
        }
        LockState::Held(None) | LockState::Free => None,
    }
}

/// The newest set counts: an older one that is broken is shown by `list`.
fn from_sets(catalog: &Catalog) -> Option<(Level, String)> {
    let newest = catalog.sets.last()?;
    let broken = newest.members().rev().find_map(|member| newest.chain(member.id()).err());
    broken.map(|error| (Level::Critical, format!("Set {} is broken: {error}", newest.id)))
}

fn hours(count: u64) -> i64 {
    i64::try_from(count.saturating_mul(3600)).unwrap_or(i64::MAX)
}

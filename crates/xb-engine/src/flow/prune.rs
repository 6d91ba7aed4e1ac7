//! `prune`: what is there → what is to be kept → sets move and go, leftovers of dead runs go, logs go with their
//! backups. The plan is a value; without the lock it is only shown.

use std::path::{Path, PathBuf};

use xb_catalog::Catalog;
use xb_catalog::pins::PINS_DIRECTORY;
use xb_catalog::plan::{Action, PlannedSet, RetentionPlan, RetentionPolicy, plan_retention};
use xb_catalog::remove::{Leftover, leftovers, remove_at};
use xb_catalog::shelve::{ShelveError, shelve};
use xb_core::BackupId;
use xb_core::settings::Settings;
use xb_pipeline::fs::{FsError, remove_tree, tree_bytes};
use xb_pipeline::monitor::Phase;

use super::backup::create_lock_directories;
use crate::context::{Context, Phases};
use crate::error::EngineError;
use crate::lock::{LockState, RunLock, lock_state};
use crate::prepared;
use crate::private;
use crate::readers::{self, ReadersLock};
use crate::report::{LeftBehind, PruneOptions, PruneReport};
use crate::runlogs::logs_before;

/// Prunes, or with `dry_run` tells what it would do.
pub(crate) fn run(
    context: &Context,
    options: PruneOptions,
    dry_run: bool,
) -> Result<PruneReport, EngineError> {
    if dry_run {
        return plan(context, options, false).map(|(_, report)| report);
    }
    let (store, work_dir) = (context.store()?, context.work_dir()?);
    create_lock_directories(store, work_dir)?;
    let _lock = RunLock::acquire(work_dir, store)?;
    carry_out(context, &mut Phases::new(context), options)
}

/// Prunes. For the holder of the lock.
pub(super) fn carry_out(
    context: &Context,
    phases: &mut Phases<'_>,
    options: PruneOptions,
) -> Result<PruneReport, EngineError> {
    phases.begin(Phase::Prune, "what is no longer kept", None);
    let (catalog, mut report) = plan(context, options, true)?;
    // First what is of no use to anybody: moving sets may need the room.
    for left in &report.leftovers {
        context.monitor().info(&format!("removing {}: {}", left.path.display(), left.what));
        let done = remove_leftover(&left.path);
        report.postponed |= matches!(done, Ok(false));
        attempt(context, &mut report.problems, done.map(drop))?;
    }
    let reading = ReadersLock::try_exclusive(&catalog.root.join(readers::STORE))?;
    if reading.is_none() && !report.plan.is_idle() {
        context
            .monitor()
            .warn("a restore reads from the store: no set is moved or removed now, the next prune does it");
        report.postponed = true;
    }
    if let Some(reason) = &catalog.pins_unreadable {
        let text = format!("no set is moved or removed, because nobody knows which are pinned: {reason}");
        context.monitor().warn(&text);
        report.problems.push(text);
    }
    let may_touch = reading.is_some() && catalog.pins_unreadable.is_none();
    for set in report.plan.sets.iter().filter(|_| may_touch) {
        let done = one_set(context, &catalog, set);
        attempt(context, &mut report.problems, done)?;
    }
    // That of a restore that goes on may be older than what is kept.
    for log in report.logs.iter().filter(|_| reading.is_some()) {
        // A log in the way of nobody is not worth a word.
        let _ = std::fs::remove_file(log);
    }
    report.done = true;
    Ok(report)
}

/// Whatever goes wrong with one thing keeps the others from nothing.
fn attempt(
    context: &Context,
    problems: &mut Vec<String>,
    done: Result<(), EngineError>,
) -> Result<(), EngineError> {
    match done {
        Err(error) if error.cancelled().is_some() => Err(error),
        Err(error) => {
            context.monitor().warn(&error.to_string());
            problems.push(error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn one_set(context: &Context, catalog: &Catalog, planned: &PlannedSet) -> Result<(), EngineError> {
    let name = planned.newest_member;
    let is_pinned = |id: BackupId| catalog.root.join(PINS_DIRECTORY).join(id.to_string()).exists();
    if planned.action != Action::Stay && planned.members.iter().any(|member| is_pinned(member.id)) {
        context.monitor().info(&format!("set {} was pinned meanwhile, and stays", planned.id));
        return Ok(());
    }
    match planned.action {
        Action::Stay => return Ok(()),
        Action::Move { to } => {
            let Some(set) = planned.find(catalog) else { return Ok(()) };
            let monitor = &**context.monitor();
            context.monitor().info(&format!("moving set {} to {to}/{name}", planned.id));
            shelve(&catalog.root, set, to, monitor, context.cancel()).map_err(of_moving)?;
        }
        Action::Remove { why } => {
            context.monitor().info(&format!("removing set {} from {}: {why}", planned.id, planned.shelf));
        }
    }
    Ok(remove_at(catalog, planned.shelf, planned.name, context.cancel())?)
}

fn of_moving(error: ShelveError) -> EngineError {
    match error {
        ShelveError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
        other => EngineError::Shelve(other),
    }
}

/// What is there and what is to become of it. Who does not hold the lock cannot tell the work of a run that goes
/// on from what a dead one left.
fn plan(
    context: &Context,
    options: PruneOptions,
    is_locked: bool,
) -> Result<(Catalog, PruneReport), EngineError> {
    let catalog = Catalog::scan(context.store()?)?;
    let work_dir = context.settings.work_dir.as_deref();
    let is_idle = is_locked || work_dir.map(lock_state).transpose()?.flatten() == Some(LockState::Free);
    let mut left: Vec<LeftBehind> = if is_idle {
        leftovers(&catalog)?.into_iter().map(|left| of_store(&left)).collect()
    } else {
        Vec::new()
    };
    let plan = plan_retention(&catalog, policy(&context.settings, options));
    let mut logs = Vec::new();
    if let Some(work_dir) = work_dir {
        if is_idle {
            left.extend(of_work_dir(work_dir, &context.store_name()?, &catalog, &plan)?);
        }
        logs =
            oldest_kept(&plan).map(|oldest| logs_before(work_dir, oldest)).transpose()?.unwrap_or_default();
    }
    let frees_bytes = plan.frees_bytes() + left.iter().map(|left| left.bytes).sum::<u64>();
    let store = catalog.root.clone();
    Ok((
        catalog,
        PruneReport {
            store,
            plan,
            leftovers: left,
            logs,
            frees_bytes,
            done: false,
            postponed: false,
            problems: Vec::new(),
        },
    ))
}

fn policy(settings: &Settings, options: PruneOptions) -> RetentionPolicy {
    RetentionPolicy {
        sets: settings.retention_sets,
        days: settings.retention_days,
        weeks: settings.retention_weeks,
        months: settings.retention_months,
        years: settings.retention_years,
        broken: options.broken,
    }
}

/// The oldest backup that is still there afterwards, on any shelf.
fn oldest_kept(plan: &RetentionPlan) -> Option<BackupId> {
    plan.sets.iter().filter(|set| !matches!(set.action, Action::Remove { .. })).map(|set| set.id).min()
}

fn of_store(left: &Leftover) -> LeftBehind {
    let what = "left in the store by a run that did not finish".to_owned();
    LeftBehind { path: left.partial.directory.clone(), bytes: left.bytes, what }
}

fn of_work_dir(
    work_dir: &Path,
    store: &Path,
    catalog: &Catalog,
    plan: &RetentionPlan,
) -> Result<Vec<LeftBehind>, FsError> {
    let kept: Vec<BackupId> = catalog
        .sets
        .iter()
        .map(|set| set.id)
        .filter(|id| plan.sets.iter().any(|set| set.id == *id && set.action == Action::Stay))
        .collect();
    let mut left = Vec::new();
    let mut add = |path: PathBuf, what: &str| {
        let bytes = tree_bytes(&path).unwrap_or(0);
        left.push(LeftBehind { path, bytes, what: what.to_owned() });
    };
    for path in prepared::others(work_dir, store, None)? {
        match prepared::set_of(&path) {
            Some(set) if kept.contains(&set) => (),
            Some(_) => add(path, "the prepared copy of a set that goes or is gone"),
            None => add(path, "files of a backup that was never applied"),
        }
    }
    private::left_behind(work_dir)?
        .into_iter()
        .for_each(|path| add(path, "the private directory of a dead run"));
    Ok(left)
}

/// False when a restore copies from it, and it has to stay for now.
fn remove_leftover(path: &Path) -> Result<bool, EngineError> {
    if prepared::set_of(path).is_none() {
        return Ok(remove_tree(path).map(|()| true)?);
    }
    let work_dir = path.parent().unwrap_or(path);
    match ReadersLock::try_exclusive(&work_dir.join(readers::PREPARED))? {
        Some(_alone) => Ok(prepared::remove(path).map(|()| true)?),
        None => Ok(false),
    }
}

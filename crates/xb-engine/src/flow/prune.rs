//! `prune`: what is there → what is to be kept → sets move and go, leftovers of dead runs go, logs go with their
//! backups. The plan is a value; without the lock it is only shown.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xb_binlog::archive::BinlogArchive;
use xb_binlog::prune::PrunePlan;
use xb_catalog::plan::{Action, PlannedSet, RetentionPlan, RetentionPolicy, plan_retention};
use xb_catalog::remove::Outcome;
use xb_catalog::shelve::{ShelveError, shelve};
use xb_catalog::{Catalog, Remnant, Repository};
use xb_core::BackupId;
use xb_core::settings::Settings;
use xb_pipeline::fs::{FsError, remove_tree, tree_bytes};
use xb_pipeline::monitor::Phase;

use super::backup::create_lock_directories;
use super::binlogs;
use super::remote_script;
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
        let (_, _, mut report) = plan(context, options, false)?;
        report.binlogs = binary_logs(context, &report.plan, true)?;
        report.frees_bytes += bytes_of(&report.binlogs);
        return Ok(report);
    }
    let (home, work_dir) = (context.repository()?, context.work_dir()?);
    create_lock_directories(&home, work_dir)?;
    let _lock = RunLock::acquire(work_dir, home.directory())?;
    if remote_script::is_of_home(context) {
        context.monitor().warn("pruning by the rules here; remote_script prunes the same store by its own");
    }
    let mut report = carry_out(context, &mut Phases::new(context), options)?;
    super::copies::prune_all(context, &mut report)?;
    Ok(report)
}

/// Prunes. For the holder of the lock.
pub(super) fn carry_out(
    context: &Context,
    phases: &mut Phases<'_>,
    options: PruneOptions,
) -> Result<PruneReport, EngineError> {
    phases.begin(Phase::Prune, "what is no longer kept", None);
    let home = context.repository()?;
    let (catalog, remnants, mut report) = plan(context, options, true)?;
    // First what is of no use to anybody: moving sets may need the room.
    for remnant in &remnants {
        context.monitor().info(&format!("removing {}: {}", remnant.path.display(), LEFT_IN_STORE));
        let done = home.sweep(remnant).map_err(EngineError::from);
        defer(context, &mut report, &remnant.path, done)?;
    }
    for left in report.leftovers.clone().iter().skip(remnants.len()) {
        context.monitor().info(&format!("removing {}: {}", left.path.display(), left.what));
        let done = remove_leftover(&left.path);
        report.postponed |= matches!(done, Ok(false));
        attempt(context, &mut report.problems, done.map(drop))?;
    }
    let lock = home.directory().map(|store| ReadersLock::try_exclusive(&store.join(readers::STORE)));
    let lock = lock.transpose()?;
    let is_read = lock.as_ref().is_some_and(Option::is_none);
    if is_read && !report.plan.is_idle() {
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
    let may_touch = !is_read && catalog.pins_unreadable.is_none();
    for set in report.plan.sets.clone().iter().filter(|_| may_touch) {
        let done = one_set(context, &home, &catalog, set);
        defer(context, &mut report, &catalog.root.join(set.id.to_string()), done)?;
    }
    // That of a restore that goes on may be older than what is kept.
    for log in report.logs.iter().filter(|_| !is_read) {
        // A log in the way of nobody is not worth a word.
        let _ = std::fs::remove_file(log);
    }
    match context.settled(binary_logs(context, &report.plan, false)) {
        Ok(gone) => {
            report.frees_bytes += bytes_of(&gone);
            report.binlogs = gone;
        }
        Err(error) => attempt(context, &mut report.problems, Err(error))?,
    }
    report.done = true;
    Ok(report)
}

/// Removes binary logs that what stays does not need, or with `dry_run` only says which.
fn binary_logs(context: &Context, plan: &RetentionPlan, dry_run: bool) -> Result<PrunePlan, EngineError> {
    let going = plan.sets.iter().filter(|set| matches!(set.action, Action::Remove { .. }));
    let going: BTreeSet<BackupId> =
        going.flat_map(|set| set.members.iter().map(|member| member.id)).collect();
    let archive = BinlogArchive::look(binlogs::directory(context)?);
    binlogs::prune::run(context, &archive, &|id| dry_run && going.contains(&id), dry_run)
}

fn bytes_of(plan: &PrunePlan) -> u64 {
    plan.logs.iter().map(|log| log.stored_bytes).sum()
}

/// Whatever goes wrong with one thing keeps the others from nothing.
fn attempt(
    context: &Context,
    problems: &mut Vec<String>,
    done: Result<(), EngineError>,
) -> Result<(), EngineError> {
    match context.settled(done) {
        Err(error) if error.cancelled().is_some() => Err(error),
        Err(error) => {
            context.monitor().warn(&error.to_string());
            problems.push(error.to_string());
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// The same for what a store elsewhere may keep for now, which is no failure.
fn defer(
    context: &Context,
    report: &mut PruneReport,
    what: &Path,
    done: Result<Outcome, EngineError>,
) -> Result<(), EngineError> {
    if let Ok(Outcome::Deferred(reason)) = &done {
        let text = format!("{} stays for now: {reason}", what.display());
        context.monitor().info(&text);
        report.deferred.push(text);
    }
    attempt(context, &mut report.problems, done.map(drop))
}

fn one_set(
    context: &Context,
    home: &Repository,
    catalog: &Catalog,
    planned: &PlannedSet,
) -> Result<Outcome, EngineError> {
    let name = planned.newest_member;
    if planned.action == Action::Stay {
        return Ok(Outcome::Removed);
    }
    for member in &planned.members {
        if home.is_pinned(member.id)? {
            context.monitor().info(&format!("set {} was pinned meanwhile, and stays", planned.id));
            return Ok(Outcome::Removed);
        }
    }
    match planned.action {
        Action::Stay => return Ok(Outcome::Removed),
        Action::Move { to } => {
            let Some(set) = planned.find(catalog) else { return Ok(Outcome::Removed) };
            let monitor = &**context.monitor();
            context.monitor().info(&format!("moving set {} to {to}/{name}", planned.id));
            shelve(&catalog.root, set, to, monitor, context.cancel()).map_err(of_moving)?;
        }
        Action::Remove { why } => {
            context.monitor().info(&format!("removing set {} from {}: {why}", planned.id, planned.shelf));
        }
    }
    Ok(home.remove_at(catalog, planned.shelf, planned.name, context.cancel())?)
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
) -> Result<(Catalog, Vec<Remnant>, PruneReport), EngineError> {
    let home = context.repository()?;
    let catalog = home.scan()?;
    let work_dir = context.settings.work_dir.as_deref();
    let is_idle = is_locked || work_dir.map(lock_state).transpose()?.flatten() == Some(LockState::Free);
    let remnants = if is_idle { home.remnants(&catalog, context.now().to_utc())? } else { Vec::new() };
    let mut left: Vec<LeftBehind> = remnants.iter().map(of_store).collect();
    let mut plan = plan_retention(&catalog, policy(&context.settings, options));
    if home.directory().is_none() {
        plan.stay_in_place();
    }
    let mut logs = Vec::new();
    if let Some(work_dir) = work_dir {
        if is_idle {
            left.extend(of_work_dir(work_dir, &context.store_name()?, &catalog, &plan)?);
        }
        logs =
            oldest_kept(&plan).map(|oldest| logs_before(work_dir, oldest)).transpose()?.unwrap_or_default();
    }
    let frees_bytes = plan.frees_bytes() + left.iter().map(|left| left.bytes).sum::<u64>();
    let (store, pins) = (catalog.root.clone(), catalog.pins.clone());
    let pins_unreadable = catalog.pins_unreadable.is_some();
    Ok((
        catalog,
        remnants,
        PruneReport {
            store,
            plan,
            leftovers: left,
            logs,
            binlogs: xb_binlog::prune::PrunePlan::default(),
            pins,
            pins_unreadable,
            frees_bytes,
            done: false,
            postponed: false,
            deferred: Vec::new(),
            copies: Vec::new(),
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

/// What a remnant is.
const LEFT_IN_STORE: &str = "left in the store by a run that did not finish";

fn of_store(left: &Remnant) -> LeftBehind {
    LeftBehind { path: left.path.clone(), bytes: left.bytes, what: LEFT_IN_STORE.to_owned() }
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

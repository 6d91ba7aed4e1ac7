//! Copies in other stores: what is there → what it lacks → copied object by object, each held against its digest →
//! what retention there no longer keeps goes. A copy that fails is tried again by the next run.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use xb_catalog::manifest::Manifest;
use xb_catalog::plan::{
    Action, CopyStep, RetentionPolicy, conflicts, plan_copies, plan_copy_of, plan_retention,
};
use xb_catalog::remove::Outcome;
use xb_catalog::{BACKUP_META_NAME, Catalog, NewBackup, Origin, Repository};
use xb_core::settings::Settings;
use xb_core::{BackupId, ErrorClass};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::ObjectReceipt;
use xb_pipeline::monitor::Phase;
use xb_pipeline::store::{About, StoreAddress, StoreError, StoreErrorKind};

use super::describe::backup_meta;
use super::remote_script;
use crate::context::{Context, Phases};
use crate::copystate;
use crate::error::EngineError;
use crate::lock::RunLock;
use crate::report::{CopyReport, PruneReport, StoreCopied};
use crate::stores;

/// Objects of a backup that is kept as files are sent by so many threads: each waits for its round trips.
const THREADS: usize = 4;
const BLOCK_BYTES: usize = 1024 * 1024;

/// Copies `backup` with all it builds on, or whatever is missing, to the stores `to`, or to those of the settings.
pub(crate) fn run(
    context: &Context,
    backup: Option<BackupId>,
    to: &[String],
) -> Result<CopyReport, EngineError> {
    let (home, work_dir) = (context.repository()?, context.work_dir()?);
    let named = to.iter().map(|address| StoreAddress::parse(address)).collect::<Result<Vec<_>, _>>()?;
    let stores = if to.is_empty() { stores::copies(&context.settings)? } else { named };
    if stores.is_empty() {
        return Err(EngineError::NotSet { key: "copy_to" });
    }
    let _lock = RunLock::acquire(work_dir, home.directory())?;
    let catalog = home.scan()?;
    let mut report = CopyReport { store: home.root().to_owned(), copies: Vec::new() };
    for address in &stores {
        let copied = bring_up(context, &home, &catalog, address, backup);
        let copied = copied.map_err(|source| failed(address, None, source))?;
        report.copies.push(copied);
    }
    Ok(report)
}

/// Brings every store of the settings up to this one, for a run that has just committed `backup`. What fails is told
/// and noted; that the host of `remote_host` did not get the backup is an error of the run.
pub(super) fn after_run(context: &Context, backup: BackupId) -> Result<Vec<StoreCopied>, EngineError> {
    let stores = stores::copies(&context.settings)?;
    if stores.is_empty() {
        return Ok(Vec::new());
    }
    let home = context.repository()?;
    let pushed_to = stores::remote_host(&context.settings)?;
    let catalog = match home.scan() {
        Ok(catalog) => catalog,
        Err(error) => {
            context.monitor().warn(&format!("nothing was copied: {error}; the next run tries again"));
            return Ok(Vec::new());
        }
    };
    let (mut copies, mut not_pushed, mut asked) = (Vec::new(), None, Ok(()));
    for address in &stores {
        match bring_up(context, &home, &catalog, address, None) {
            Ok(copied) => {
                copies.push(copied);
                if remote_script::is_of(context, address) {
                    asked = remote_script::after_push(context, &context.remote(address)?, backup);
                }
            }
            Err(error) if context.cancel().check().is_err() => {
                return Err(failed(address, Some(backup), error));
            }
            Err(error) => {
                context.monitor().warn(&format!("no copy in {address}: {error}; the next run tries again"));
                if pushed_to.as_ref() == Some(address) {
                    not_pushed = Some(failed(address, Some(backup), error));
                }
            }
        }
    }
    asked?;
    not_pushed.map_or(Ok(copies), Err)
}

fn failed(address: &StoreAddress, backup: Option<BackupId>, source: EngineError) -> EngineError {
    EngineError::NotCopied { store: address.to_string(), backup, source: Box::new(source) }
}

/// How much is kept in a store with copies.
fn policy(settings: &Settings) -> RetentionPolicy {
    RetentionPolicy {
        sets: settings.copy_retention_sets.unwrap_or(settings.retention_sets),
        days: settings.copy_retention_days.unwrap_or(settings.retention_days),
        weeks: settings.copy_retention_weeks.unwrap_or(settings.retention_weeks),
        months: settings.copy_retention_months.unwrap_or(settings.retention_months),
        years: settings.copy_retention_years.unwrap_or(settings.retention_years),
        broken: false,
    }
}

/// Copies what the store at `address` lacks, and notes how that ended.
fn bring_up(
    context: &Context,
    home: &Repository,
    catalog: &Catalog,
    address: &StoreAddress,
    only: Option<BackupId>,
) -> Result<StoreCopied, EngineError> {
    let done = context.settled(copy_all(context, home, catalog, address, only));
    let newest = done.as_ref().ok().and_then(|copied| copied.newest);
    if let Some(work_dir) = &context.settings.work_dir
        && only.is_none()
    {
        let problem = done.as_ref().err().map(ToString::to_string);
        copystate::note(work_dir, &address.to_string(), newest, problem, context.now());
    }
    done
}

fn copy_all(
    context: &Context,
    home: &Repository,
    catalog: &Catalog,
    address: &StoreAddress,
    only: Option<BackupId>,
) -> Result<StoreCopied, EngineError> {
    let there = Repository::Elsewhere(context.remote(address)?);
    let mut found = there.scan()?;
    let policy = policy(&context.settings);
    let steps = match only {
        Some(backup) => plan_copy_of(catalog, &found, backup)?,
        None => plan_copies(catalog, &found, policy),
    };
    let wanted: BTreeSet<BackupId> = steps.iter().map(|step| step.record.id()).collect();
    for remnant in there.remnants(&found, context.now().to_utc())? {
        // What is there of a backup that is about to be copied need not be sent again.
        let is_wanted = remnant.backup().is_some_and(|backup| wanted.contains(&backup));
        let done = if is_wanted { there.release(&remnant) } else { there.sweep(&remnant) };
        warn_of(context, done.map_err(|error| format!("{} stays for now: {error}", remnant.path.display())));
    }
    let mut copied = StoreCopied { store: address.to_string(), ..StoreCopied::default() };
    let mut phases = Phases::new(context);
    let (mut failed, mut failed_sets) = (None, BTreeSet::new());
    if let Some(name) = conflicts(catalog, &found).first() {
        let error = not_ours(address, *name);
        context.monitor().warn(&error.to_string());
        failed = Some(error);
    }
    for step in &steps {
        let id = step.record.id();
        if failed_sets.contains(&step.record.place.set) {
            continue;
        }
        phases.begin(
            Phase::Copy,
            &format!("{id} to {address}"),
            step.record.sizes.map(|sizes| sizes.stored_bytes),
        );
        if step.replaces {
            context.monitor().info(&format!("the copy of {id} in {address} is damaged and made anew"));
        }
        match replace_and_copy(context, home, &there, &found, step) {
            Ok(bytes) => {
                copied.bytes += bytes;
                copied.backups.push(id);
            }
            // One that is bad keeps nobody from the others, but for those that build on it.
            Err(error) if error.class() == ErrorClass::Permanent => {
                context.monitor().warn(&format!("no copy of {id} in {address}: {error}"));
                failed_sets.insert(step.record.place.set);
                failed.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    if only.is_none() {
        found = there.scan()?;
        copied.newest = found.newest_restorable().and_then(|chain| chain.last().map(|record| record.id()));
        let is_left_to_host = remote_script::is_of(context, address);
        if context.settings.prune_after_backup && !is_left_to_host && catalog.pins_unreadable.is_none() {
            found.pins.extend(catalog.pins.iter().cloned());
            let pruned = prune(context, &there, &found, policy, &mut copied);
            warn_of(context, pruned.map_err(|error| format!("{address} was not pruned: {error}")));
        }
    }
    failed.map_or(Ok(copied), Err)
}

/// What fails beside the copies themselves does them no harm.
fn warn_of<T>(context: &Context, done: Result<T, String>) {
    if let Err(text) = done {
        context.monitor().warn(&text);
    }
}

/// Copies one backup, in place of a damaged copy; gives the bytes that were sent.
fn replace_and_copy(
    context: &Context,
    home: &Repository,
    there: &Repository,
    found: &Catalog,
    step: &CopyStep<'_>,
) -> Result<u64, EngineError> {
    if step.replaces
        && let Outcome::Deferred(reason) = there.remove_backup(found, step.record.id())?
    {
        let kept = format!("what is damaged there cannot be replaced for now: {reason}");
        return Err(EngineError::Store(StoreError {
            kind: StoreErrorKind::Denied,
            store: there.root().display().to_string(),
            action: "replace",
            path: Some(step.record.id().to_string()),
            reason: kept,
        }));
    }
    copy_one(context, home, there, found, step)
}

/// Prunes every store with copies. One that cannot be reached is a problem of the prune.
pub(super) fn prune_all(context: &Context, report: &mut PruneReport) -> Result<(), EngineError> {
    let pins = report.pins.clone();
    for address in stores::copies(&context.settings)? {
        if remote_script::is_of(context, &address) || report.pins_unreadable {
            continue;
        }
        let mut copied = StoreCopied { store: address.to_string(), ..StoreCopied::default() };
        let mut work = || {
            let there = Repository::Elsewhere(context.remote(&address)?);
            let mut found = there.scan()?;
            for remnant in there.remnants(&found, context.now().to_utc())? {
                there.sweep(&remnant)?;
            }
            found.pins.extend(pins.iter().cloned());
            prune(context, &there, &found, policy(&context.settings), &mut copied)
        };
        match context.settled(work()) {
            Err(error) if error.cancelled().is_some() => return Err(error),
            Err(error) => {
                let text = format!("{address} was not pruned: {error}");
                context.monitor().warn(&text);
                report.problems.push(text);
            }
            Ok(()) => report.copies.push(copied),
        }
    }
    Ok(())
}

/// Removes from a store with copies what its own retention does not keep.
fn prune(
    context: &Context,
    there: &Repository,
    found: &Catalog,
    policy: RetentionPolicy,
    copied: &mut StoreCopied,
) -> Result<(), EngineError> {
    if let Some(reason) = &found.pins_unreadable {
        context.monitor().warn(&format!("nothing is removed from {}: {reason}", copied.store));
        return Ok(());
    }
    for set in plan_retention(found, policy).sets {
        if !matches!(set.action, Action::Remove { .. }) {
            continue;
        }
        let made_here = found
            .set_at(set.shelf, set.name)
            .is_some_and(|set| set.members().all(|member| member.origin == Origin::Native));
        if !made_here {
            context
                .monitor()
                .info(&format!("set {} in {} is the original's and stays", set.id, copied.store));
            continue;
        }
        context.monitor().info(&format!("removing set {} from {}", set.id, copied.store));
        match there.remove_at(found, set.shelf, set.name, context.cancel())? {
            Outcome::Removed => copied.removed.push(set.id),
            Outcome::Deferred(reason) => copied.deferred.push(format!("{} stays for now: {reason}", set.id)),
        }
    }
    Ok(())
}

/// Copies one backup; gives the bytes that were sent.
fn copy_one(
    context: &Context,
    home: &Repository,
    there: &Repository,
    found: &Catalog,
    step: &CopyStep<'_>,
) -> Result<u64, EngineError> {
    let record = step.record;
    let damaged = |reason: String| {
        EngineError::Store(StoreError {
            kind: StoreErrorKind::Damaged,
            store: home.root().display().to_string(),
            action: "copy",
            path: Some(record.id().to_string()),
            reason,
        })
    };
    let text = home.read_beside(record, xb_catalog::manifest::MANIFEST_NAME).map_err(&damaged)?;
    let text = text.ok_or_else(|| damaged("its manifest is gone".to_owned()))?;
    let manifest = Manifest::parse(&text).map_err(|error| damaged(error.to_string()))?;
    let meta = home.read_beside(record, BACKUP_META_NAME).ok().flatten();
    let meta = meta.and_then(|text| BackupMeta::parse(&String::from_utf8_lossy(&text)).ok());
    let meta = meta.unwrap_or_else(|| backup_meta(context, &manifest));
    let draft = there.begin(record.place, context.now())?;
    let objects: Vec<&ObjectReceipt> = manifest.objects.iter().chain(&manifest.beside).collect();
    let sent = Mutex::new((0_u64, None::<EngineError>));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
            let done = copy_object(context, home, &draft, found, step, object);
            let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
            match done {
                Ok(bytes) => sent.0 += bytes,
                Err(error) => {
                    sent.1.get_or_insert(error);
                }
            }
            if sent.1.is_some() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        (1..THREADS.min(objects.len())).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let (bytes, error) = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
    match error {
        Some(error) => Err(error),
        None => {
            draft.commit_text(&text, &meta)?;
            Ok(bytes)
        }
    }
}

/// Sends an object unless it is there already; gives the bytes that were sent.
fn copy_object(
    context: &Context,
    home: &Repository,
    draft: &NewBackup,
    found: &Catalog,
    step: &CopyStep<'_>,
    object: &ObjectReceipt,
) -> Result<u64, EngineError> {
    let open = || home.open(step.record, &object.path);
    if draft.holds(found, object, open)? {
        context.monitor().advance(object.size);
        return Ok(0);
    }
    let about = About { expected_bytes: Some(object.size), digest: Some(object.blake3) };
    let mut out = draft.create(&object.path, about)?;
    let mut input = open()?;
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        context.cancel().check()?;
        let got = match input.read(&mut block) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(StoreError::from_io(error, &home.root().display().to_string(), "read").into());
            }
        };
        out.write(block.get(..got).unwrap_or_default()).map_err(xb_catalog::CommitError::from)?;
        context.monitor().advance(u64::try_from(got).unwrap_or(u64::MAX));
    }
    if out.digest() != object.blake3 {
        let path = step.record.directory.join(&object.path);
        return Err(changed(&path));
    }
    out.finish().map_err(xb_catalog::CommitError::from)?;
    Ok(object.size)
}

fn not_ours(address: &StoreAddress, name: BackupId) -> EngineError {
    EngineError::Store(StoreError {
        kind: StoreErrorKind::Exists,
        store: address.to_string(),
        action: "copy",
        path: Some(name.to_string()),
        reason: "another backup of this name stands there: give each server a directory or prefix of its own"
            .to_owned(),
    })
}

fn changed(path: &Path) -> EngineError {
    EngineError::Store(StoreError {
        kind: StoreErrorKind::Damaged,
        store: path.display().to_string(),
        action: "copy",
        path: None,
        reason: "it has changed since it was written: its digest is not that of the manifest".to_owned(),
    })
}

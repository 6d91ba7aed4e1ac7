//! `restore-set`: chain → checks → unpack and prepare in a workplace → rename.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use xb_binlog::archive::BinlogArchive;
use xb_catalog::layout::PARTIAL_SUFFIX;
use xb_catalog::plan::{RestorePlan, plan_restore};
use xb_catalog::{BackupRecord, Catalog};
use xb_core::BackupId;
use xb_pipeline::copy::list_tree;
use xb_pipeline::fs::{FilesystemSync, FsError, create_dir_private, free_bytes, remove_tree, rename};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Phase;

use super::apply::reached_lsn;
use super::binlogs::directory;
use super::from_prepared::{Head, head};
use super::next_steps::next_steps;
use super::prepare::{find_tool, prepare};
use super::unpack::{check_keys, unpack_member};
use crate::context::{Context, Phases};
use crate::encryption::keys;
use crate::error::{EngineError, LastWords};
use crate::readers::{self, ReadersLock};
use crate::report::RestoreReport;
use crate::tool::{PrepareMode, Tool};

pub(crate) fn run(context: &Context) -> Result<RestoreReport, EngineError> {
    let mut phases = Phases::new(context);
    let ready = Ready::look(context, &mut phases, context.settings.restore_backup)?;
    let workplace = ready.enter(context)?;
    let prepared = ready.make(context, &mut phases, &workplace)?;
    ready.finish(&mut phases, workplace)?;
    report(ready.plan, prepared, has_logs(context))
}

/// The lock of a workplace.
const LOCK: &str = "lock";

/// A restore that can begin.
pub(super) struct Ready {
    pub(super) plan: RestorePlan,
    restore_dir: PathBuf,
    tool: Tool,
    keys: Keys,
    /// While it is held no set is moved or removed. A store elsewhere has no such lock: a member that goes meanwhile
    /// is an error that says so.
    _reading: Option<ReadersLock>,
}

impl Ready {
    /// Looks at the chain of `target`, or of the newest backup.
    pub(super) fn look(
        context: &Context,
        phases: &mut Phases<'_>,
        target: Option<BackupId>,
    ) -> Result<Self, EngineError> {
        let restore_dir = context.settings.restore_dir.clone();
        let restore_dir = restore_dir.ok_or(EngineError::NotSet { key: "restore_dir" })?;
        phases.begin(Phase::Probe, "looking at the chain", None);
        let home = context.repository()?;
        let reading =
            home.directory().map(|store| ReadersLock::reading(context, &store.join(readers::STORE)));
        let reading = reading.transpose()?;
        let plan = plan_restore(&home.scan()?, target, &restore_dir)?;
        if let Some(error) = &plan.passed_over {
            context.monitor().warn(&format!("a newer backup cannot be restored: {error}"));
        }
        let tool = find_tool(context, &plan.members)?;
        Ok(Ready { plan, restore_dir, tool, keys: keys(context)?, _reading: reading.flatten() })
    }

    /// Fails where something stands in the way of the result.
    pub(super) fn check_destination(&self) -> Result<(), EngineError> {
        match self.plan.destination.symlink_metadata() {
            Ok(_) => Err(EngineError::TargetExists { path: self.plan.destination.clone() }),
            Err(_) => Ok(()),
        }
    }

    /// Enters the place where it is made. What a dead restore left there is gone then.
    pub(super) fn enter(&self, context: &Context) -> Result<Workplace, EngineError> {
        check_room(&self.plan, &self.restore_dir)?;
        let count = head(context, &self.plan, &self.restore_dir).map_or(0, |head| head.count);
        check_keys(context, self.plan.members.get(count..).unwrap_or_default(), &self.keys)?;
        Workplace::enter(&self.plan.workplace)
    }

    /// Makes the data. Gives how many members came with the prepared copy.
    pub(super) fn make(
        &self,
        context: &Context,
        phases: &mut Phases<'_>,
        workplace: &Workplace,
    ) -> Result<usize, EngineError> {
        let Ready { plan, tool, keys, .. } = self;
        let head = head(context, plan, &self.restore_dir);
        let prepared = Restore { context, plan, tool, keys, workplace }.make(phases, head)?;
        remove_links(context, &workplace.data())?;
        Ok(prepared)
    }

    /// Makes it appear.
    pub(super) fn finish(&self, phases: &mut Phases<'_>, workplace: Workplace) -> Result<(), EngineError> {
        phases.begin(Phase::Commit, &self.plan.target.to_string(), None);
        workplace.disk.sync()?;
        rename(&workplace.data(), &self.plan.destination)?;
        drop(workplace);
        Ok(())
    }
}

/// A restore at work.
struct Restore<'a> {
    context: &'a Context,
    plan: &'a RestorePlan,
    tool: &'a Tool,
    keys: &'a Keys,
    workplace: &'a Workplace,
}

impl Restore<'_> {
    /// Makes the data, from the prepared copy where that works, else from the store. Gives how many members came
    /// with the copy.
    fn make(&self, phases: &mut Phases<'_>, head: Option<Head>) -> Result<usize, EngineError> {
        if let Some(head) = head {
            let count = head.count;
            match self.by_copying(phases, head) {
                Ok(true) => return Ok(count),
                Ok(false) => (),
                Err(error) if error.cancelled().is_some() => return Err(error),
                Err(error) => self.context.monitor().warn(&format!(
                    "starting from the prepared copy did not work ({error}); starting from the store instead"
                )),
            }
            remove_tree(&self.workplace.data())?;
            remove_tree(&self.workplace.incremental())?;
            check_keys(self.context, &self.plan.members, self.keys)?;
        }
        self.apply_members(phases, 0)?;
        check_result(self.plan, &self.workplace.data())?;
        Ok(0)
    }

    /// Copies what the prepared copy holds of the chain, and applies the rest. False when the copy was changed
    /// meanwhile.
    fn by_copying(&self, phases: &mut Phases<'_>, head: Head) -> Result<bool, EngineError> {
        let count = head.count;
        let last = self.plan.members.get(count.saturating_sub(1)).map_or(self.plan.target, BackupRecord::id);
        let text = format!("starting from the prepared copy, which holds all up to {last}");
        self.context.monitor().info(&text);
        if !head.copy(self.context, phases, &self.workplace.data())? {
            return Ok(false);
        }
        // From here on a run may change it again.
        drop(head);
        self.apply_members(phases, count)?;
        check_result(self.plan, &self.workplace.data())?;
        Ok(true)
    }

    /// Unpacks and applies the members that the first `prepared` do not cover.
    fn apply_members(&self, phases: &mut Phases<'_>, prepared: usize) -> Result<(), EngineError> {
        let Restore { context, plan, tool, keys, workplace } = *self;
        let missing = plan.members.get(prepared..).unwrap_or_default();
        let names = missing.iter().map(|member| member.id().to_string()).collect::<Vec<_>>();
        let from = if names.is_empty() { String::new() } else { format!(" from {}", names.join(", ")) };
        context.monitor().info(&format!("restoring {}{from} with {tool}", plan.target));
        if missing.is_empty() && tool.dialect.redo_only.is_some() {
            phases.begin(Phase::Prepare, &plan.target.to_string(), None);
            prepare(context, tool, plan.target, &workplace.data(), None, PrepareMode::Final)?;
        }
        for (index, member) in plan.members.iter().enumerate().skip(prepared) {
            let directory = if index == 0 { workplace.data() } else { workplace.incremental() };
            unpack_member(context, phases, member, keys, &directory)?;
            phases.begin(Phase::Prepare, &member.id().to_string(), None);
            for (incremental, mode) in steps(tool, index, plan.members.len()) {
                let incremental = incremental.then(|| workplace.incremental());
                prepare(context, tool, member.id(), &workplace.data(), incremental.as_deref(), mode)?;
            }
            remove_tree(&workplace.incremental())?;
        }
        Ok(())
    }
}

/// Whether there is an archive of binary logs. One that cannot be read is not worth failing a restore that is done.
fn has_logs(context: &Context) -> bool {
    let picture = directory(context).map(|root| BinlogArchive::look(root).brief().picture());
    picture.is_ok_and(|picture| picture.is_ok_and(|picture| !picture.epochs.is_empty()))
}

fn report(plan: RestorePlan, members_prepared: usize, has_logs: bool) -> Result<RestoreReport, EngineError> {
    let members = plan.members.iter().map(BackupRecord::id).collect();
    let target = plan.members.into_iter().next_back();
    let next =
        target.as_ref().map(|target| next_steps(target, &plan.destination, has_logs)).unwrap_or_default();
    Ok(RestoreReport {
        backup: plan.target,
        directory: plan.destination,
        members,
        members_prepared,
        binlog: target.and_then(|target| target.binlog),
        next_steps: next,
    })
}

/// Fails where a restore of `target` would for the place it is to appear in.
pub(super) fn check_place(context: &Context, catalog: &Catalog, target: BackupId) -> Result<(), EngineError> {
    let restore_dir = context.settings.restore_dir.clone();
    let restore_dir = restore_dir.ok_or(EngineError::NotSet { key: "restore_dir" })?;
    is_free(&plan_restore(catalog, Some(target), &restore_dir)?, &restore_dir)
}

fn is_free(plan: &RestorePlan, restore_dir: &Path) -> Result<(), EngineError> {
    std::fs::metadata(restore_dir).map_err(FsError::on("open restore_dir", restore_dir))?;
    match plan.destination.symlink_metadata() {
        Ok(_) => Err(EngineError::TargetExists { path: plan.destination.clone() }),
        Err(_) => Ok(()),
    }
}

/// Everything that can be known to fail is found before any work. What dead restores left is no reason to.
fn check_room(plan: &RestorePlan, restore_dir: &Path) -> Result<(), EngineError> {
    is_free(plan, restore_dir)?;
    remove_left_behind(restore_dir)?;
    let free = free_bytes(restore_dir)?;
    if free < plan.needed_bytes {
        return Err(EngineError::NoSpace {
            task: "the restore",
            path: restore_dir.to_owned(),
            free_bytes: free,
            needed_bytes: plan.needed_bytes,
        });
    }
    Ok(())
}

/// `P_<name>.partial`: where a restore is made. Gone when dropped.
pub(super) struct Workplace {
    path: PathBuf,
    disk: FilesystemSync,
    /// Held so that another restore to the same place knows that this one lives.
    _lock: File,
    /// Whether it stays when this is dropped.
    stays: bool,
}

impl Workplace {
    /// Enters it, after removing what a dead run left there.
    fn enter(path: &Path) -> Result<Self, EngineError> {
        let workplace = Self::enter_as_it_is(path)?;
        workplace.clear()?;
        Ok(workplace)
    }

    /// Enters it with all that a dead run left there.
    pub(super) fn enter_as_it_is(path: &Path) -> Result<Self, EngineError> {
        create_dir_private(path)?;
        let lock = lock(path)?.ok_or_else(|| EngineError::RestoreRunning { path: path.to_owned() })?;
        let disk = FilesystemSync::open(path)?;
        Ok(Workplace { path: path.to_owned(), disk, _lock: lock, stays: false })
    }

    /// What is made.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// A file or directory beside it.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes all but what is made.
    pub(super) fn clear_beside(&self) -> Result<(), FsError> {
        let entries = std::fs::read_dir(&self.path).map_err(FsError::on("read directory", &self.path))?;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path != self.data() && path != self.path.join(LOCK) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    /// Removes what is made, and all else.
    pub(super) fn clear(&self) -> Result<(), FsError> {
        self.clear_beside()?;
        remove_tree(&self.data())
    }

    /// Leaves it for a later run to go on with.
    pub(super) fn leave(mut self) {
        self.stays = true;
    }

    fn incremental(&self) -> PathBuf {
        self.path.join("incremental")
    }
}

/// Removes a file, or a directory with all in it.
fn remove(path: &Path) -> Result<(), FsError> {
    if path.is_dir() && !path.is_symlink() {
        return remove_tree(path);
    }
    std::fs::remove_file(path).map_err(FsError::on("remove", path))
}

/// Takes the lock of a workplace; `None` when a living restore has it.
fn lock(workplace: &Path) -> Result<Option<File>, FsError> {
    let path = workplace.join(LOCK);
    let mut options = std::fs::OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).open(&path).map_err(FsError::on("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(FsError::on("lock", &path)(error)),
    }
}

/// Removes what dead restores left in `restore_dir`: as much as a whole server, and of no use.
fn remove_left_behind(restore_dir: &Path) -> Result<(), FsError> {
    let entries = std::fs::read_dir(restore_dir).map_err(FsError::on("read directory", restore_dir))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let id = name.strip_prefix("P_").and_then(|name| name.strip_suffix(PARTIAL_SUFFIX));
        let is_ours = id.is_some_and(|id| id.parse::<BackupId>().is_ok()) && path.join(LOCK).exists();
        if is_ours && lock(&path)?.is_some() {
            remove_tree(&path)?;
        }
    }
    Ok(())
}

/// Tables that stood outside the data directory are restored into it; the links to where they stood would make
/// a server on this machine find them twice, and open none.
fn remove_links(context: &Context, data: &Path) -> Result<(), FsError> {
    let is_link = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "isl");
    for path in list_tree(data)?.into_iter().filter(is_link) {
        context
            .monitor()
            .info(&format!("{} now stands in the data directory", path.with_extension("ibd").display()));
        let full = data.join(path);
        std::fs::remove_file(&full).map_err(FsError::on("remove", &full))?;
    }
    Ok(())
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if self.stays {
            return;
        }
        // What cannot be removed now is removed by the next restore to the same place.
        let _ = remove_tree(&self.path);
    }
}

/// The prepare steps of the member at `index` of `count`: whether it is applied as an incremental, and how.
/// Everything but the very last step leaves the data open for more. An engine without a redo-only mode needs
/// no last step of its own: each of its steps leaves the data ready.
fn steps(tool: &Tool, index: usize, count: usize) -> Vec<(bool, PrepareMode)> {
    let (is_full, is_last) = (index == 0, index + 1 == count);
    match (is_full, is_last) {
        (true, true) => vec![(false, PrepareMode::Final)],
        (true, false) => vec![(false, PrepareMode::RedoOnly)],
        (false, true) if tool.dialect.redo_only.is_some() => {
            vec![(true, PrepareMode::RedoOnly), (false, PrepareMode::Final)]
        }
        (false, _) => vec![(true, PrepareMode::RedoOnly)],
    }
}

/// Reads back what the engine says it prepared: it must reach where the target ends.
fn check_result(plan: &RestorePlan, data: &Path) -> Result<(), EngineError> {
    let reached = reached_lsn(data, plan.target)?;
    let wanted = plan.members.last().and_then(|target| target.lsns);
    match wanted.filter(|wanted| wanted.to != reached) {
        Some(wanted) => {
            let reason = format!("the result ends at LSN {reached}, not at {}", wanted.to);
            Err(EngineError::Prepare { member: plan.target, reason, said: LastWords::default() })
        }
        None => Ok(()),
    }
}

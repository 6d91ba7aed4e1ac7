//! Bringing the prepared copy up to a chain: plan → unpack → apply → note what is in it.

use std::path::{Path, PathBuf};

use xb_catalog::BackupRecord;
use xb_core::{BackupId, Lsn};
use xb_formats::meta::checkpoints::Checkpoints;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::fs::{FilesystemSync, create_new_dir_private, free_bytes, remove_tree, rename, tree_bytes};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Phase;

use super::prepare::{find_tool, prepare};
use super::unpack::{check_keys, unpack_member};
use crate::context::{Context, Phases};
use crate::encryption::keys;
use crate::error::{EngineError, LastWords};
use crate::prepared::{self, Applied, ApplyPlan, Fingerprint, Found, State, plan_apply};
use crate::readers::{self, ReadersLock};
use crate::report::ApplyReport;
use crate::tool::{PrepareMode, Tool};

/// Files of a backup in `work_dir` on their way into the prepared copy. Gone when dropped.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// An empty one for the files of `id`, in the place of what a dead run left there.
    pub(super) fn create(work_dir: &Path, id: BackupId) -> Result<Self, EngineError> {
        let path = prepared::workplace(work_dir, id);
        remove_tree(&path)?;
        create_new_dir_private(&path)?;
        Ok(Staging { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = remove_tree(&self.path);
    }
}

/// Brings the copy of the chain's set up to its last member. `staged` holds the files of that member, where
/// they are at hand. For the holder of the lock.
pub(super) fn bring_up(
    context: &Context,
    phases: &mut Phases<'_>,
    chain: &[BackupRecord],
    staged: Option<Staging>,
) -> Result<ApplyReport, EngineError> {
    let (work_dir, store) = (context.work_dir()?, context.store_name()?);
    let home = context.repository()?;
    let members = chain.iter().map(|member| Applied::of(&home, member)).collect::<Result<Vec<_>, _>>()?;
    let ids: Vec<BackupId> = chain.iter().map(BackupRecord::id).collect();
    let set = ids.first().copied().ok_or(xb_catalog::plan::RestoreError::NothingToRestore)?;
    let _lock = ReadersLock::exclusive(context, &work_dir.join(readers::PREPARED))?;
    let found = prepared::find(work_dir, &store, set)?;
    if matches!(found, Found::Foreign) {
        return Err(EngineError::NotOurs { path: prepared::directory(work_dir, set) });
    }
    let plan = plan_apply(&members, &found);
    let before = match (&plan, found) {
        (ApplyPlan::Nothing | ApplyPlan::Continue { .. }, Found::Usable(state)) => Some(state),
        _ => None,
    };
    tell(context, &plan, set);
    let mut copy = Copying { context, work_dir, store: &store, set, chain, members: &members, staged };
    let rebuilt = match plan {
        ApplyPlan::Nothing => None,
        ApplyPlan::Continue { from } => {
            copy.go_on(phases, from)?;
            None
        }
        ApplyPlan::Build { reason } => {
            copy.build(phases)?;
            reason
        }
    };
    drop(copy);
    for path in prepared::others(work_dir, &store, Some(set))? {
        context.monitor().info(&format!("removing {}, which {set} replaces", path.display()));
        prepared::remove(&path)?;
    }
    let had: Vec<BackupId> =
        before.map(|state| state.applied.iter().map(|applied| applied.id).collect()).unwrap_or_default();
    Ok(ApplyReport {
        directory: prepared::directory(work_dir, set),
        to_lsn: chain.last().and_then(|member| member.lsns).map(|lsns| lsns.to),
        applied: ids.iter().filter(|id| !had.contains(id)).copied().collect(),
        members: ids,
        rebuilt,
    })
}

fn tell(context: &Context, plan: &ApplyPlan, set: BackupId) {
    match plan {
        ApplyPlan::Nothing => context.monitor().info(&format!("the prepared copy of {set} is up to date")),
        ApplyPlan::Build { reason: Some(reason) } => {
            context.monitor().warn(&format!("making the prepared copy of {set} anew: {reason}"));
        }
        ApplyPlan::Continue { .. } | ApplyPlan::Build { reason: None } => (),
    }
}

/// A prepared copy being worked on.
struct Copying<'a> {
    context: &'a Context,
    work_dir: &'a Path,
    store: &'a Path,
    set: BackupId,
    chain: &'a [BackupRecord],
    /// The same as they are written down in the copy.
    members: &'a [Applied],
    staged: Option<Staging>,
}

impl Copying<'_> {
    /// Applies what is missing to what is there. A step that fails leaves nothing that could be built upon.
    fn go_on(&mut self, phases: &mut Phases<'_>, from: usize) -> Result<(), EngineError> {
        let tool = find_tool(self.context, self.chain)?;
        let keys = self.keys(from)?;
        let directory = prepared::directory(self.work_dir, self.set);
        let done =
            (from..self.chain.len()).try_for_each(|index| self.step(phases, &tool, &keys, &directory, index));
        let is_spoilt = !matches!(prepared::find(self.work_dir, self.store, self.set)?, Found::Usable(_));
        if done.is_err() && is_spoilt {
            prepared::remove(&directory)?;
        }
        done
    }

    /// Makes the copy from the store, beside what is there, and takes its place.
    fn build(&mut self, phases: &mut Phases<'_>) -> Result<(), EngineError> {
        let tool = find_tool(self.context, self.chain)?;
        let directory = prepared::directory(self.work_dir, self.set);
        let staged_full = self.staged.take_if(|_| self.chain.len() == 1);
        let first_is_there = staged_full.is_some();
        let keys = self.keys(usize::from(first_is_there))?;
        if !first_is_there {
            self.check_room(&directory)?;
        }
        // Of no use, and its room is needed.
        prepared::remove(&directory)?;
        let workplace = match staged_full {
            Some(staged) => staged,
            None => Staging::create(self.work_dir, self.set)?,
        };
        if !first_is_there {
            unpack_member(self.context, phases, &self.chain[0], &keys, workplace.path())?;
        }
        for index in 0..self.chain.len() {
            self.step(phases, &tool, &keys, workplace.path(), index)?;
        }
        rename(workplace.path(), &directory)?;
        Ok(())
    }

    fn keys(&self, from: usize) -> Result<Keys, EngineError> {
        let keys = keys(self.context)?;
        let to = self.chain.len() - usize::from(self.staged.is_some());
        check_keys(self.context, self.chain.get(from..to).unwrap_or_default(), &keys)?;
        Ok(keys)
    }

    /// What stands there now makes room.
    fn check_room(&self, old: &Path) -> Result<(), EngineError> {
        let free = free_bytes(self.work_dir)?.saturating_add(tree_bytes(old).unwrap_or(0));
        let needed =
            self.chain.iter().filter_map(|member| member.sizes).map(|sizes| sizes.stream_bytes).sum();
        if free >= needed {
            return Ok(());
        }
        let path = self.work_dir.to_owned();
        Err(EngineError::NoSpace { task: "the prepared copy", path, free_bytes: free, needed_bytes: needed })
    }

    /// Applies the member at `index` to the files in `directory`; those of a full backup are there already.
    fn step(
        &mut self,
        phases: &mut Phases<'_>,
        tool: &Tool,
        keys: &Keys,
        directory: &Path,
        index: usize,
    ) -> Result<(), EngineError> {
        let member = &self.chain[index];
        let id = member.id();
        let incremental = match index {
            0 => None,
            _ => Some(self.incremental(phases, keys, index)?),
        };
        let state = State::applying(self.store, self.set, self.members[..index].to_vec(), id);
        let disk = FilesystemSync::open(directory)?;
        state.write(directory)?;
        phases.begin(Phase::Prepare, &format!("{id} into the prepared copy"), None);
        let from = incremental.as_ref().map(Staging::path);
        prepare(self.context, tool, id, directory, from, PrepareMode::RedoOnly)?;
        let to_lsn = reached_lsn(directory, id)?;
        if let Some(lsns) = member.lsns.filter(|lsns| lsns.to != to_lsn) {
            let reason = format!("the copy ends at LSN {to_lsn}, not at {}", lsns.to);
            return Err(EngineError::Prepare { member: id, reason, said: LastWords::default() });
        }
        disk.sync()?;
        state.ready(self.members[index].clone(), Fingerprint::of(directory)?).write(directory)?;
        Ok(())
    }

    /// The files of an incremental: those at hand, or out of the store.
    fn incremental(
        &mut self,
        phases: &mut Phases<'_>,
        keys: &Keys,
        index: usize,
    ) -> Result<Staging, EngineError> {
        let is_last = index + 1 == self.chain.len();
        if let Some(staged) = self.staged.take_if(|_| is_last) {
            return Ok(staged);
        }
        let member = &self.chain[index];
        let staging = Staging::create(self.work_dir, member.id())?;
        unpack_member(self.context, phases, member, keys, staging.path())?;
        Ok(staging)
    }
}

/// Where the engine says that prepared files end.
pub(super) fn reached_lsn(directory: &Path, member: BackupId) -> Result<Lsn, EngineError> {
    let failed = |reason: String| EngineError::Prepare { member, reason, said: LastWords::default() };
    let names = MetaKind::Checkpoints.names();
    let text = names.iter().find_map(|name| std::fs::read_to_string(directory.join(name)).ok());
    let text = text.ok_or_else(|| failed(format!("the result has no {}", names.join(" or "))))?;
    let reached = Checkpoints::parse(&text).map_err(|error| failed(error.to_string()))?;
    Ok(reached.lsns.to)
}

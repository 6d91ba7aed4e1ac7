//! `apply-last`: the prepared copy is brought up to the newest backup, from wherever it stands.

use xb_catalog::BackupRecord;
use xb_catalog::plan::RestoreError;
use xb_pipeline::monitor::Phase;

use super::apply::bring_up;
use super::backup::create_lock_directories;
use crate::context::{Context, Phases};
use crate::error::EngineError;
use crate::lock::RunLock;
use crate::report::ApplyReport;

pub(crate) fn run(context: &Context) -> Result<ApplyReport, EngineError> {
    let (home, work_dir) = (context.repository()?, context.work_dir()?);
    create_lock_directories(&home, work_dir)?;
    let _lock = RunLock::acquire(work_dir, home.directory())?;
    let mut phases = Phases::new(context);
    phases.begin(Phase::Probe, "looking at the newest backup", None);
    let catalog = home.scan()?;
    let chain = catalog.newest_restorable().ok_or(RestoreError::NothingToRestore)?;
    if let Some(error) = chain.last().and_then(|last| catalog.passed_over(last.id())) {
        context.monitor().warn(&format!("a newer backup cannot be applied: {error}"));
    }
    let chain: Vec<BackupRecord> = chain.into_iter().cloned().collect();
    bring_up(context, &mut phases, &chain, None)
}

//! A restore that starts from the prepared copy: where it holds the first members of a chain, those need not be
//! unpacked and prepared again.

use std::path::{Path, PathBuf};

use xb_catalog::plan::RestorePlan;
use xb_formats::archive::Archive;
use xb_pipeline::copy::{CopyItem, CopySource, can_clone, copy_tree, list_tree};
use xb_pipeline::extract::ExtractError;
use xb_pipeline::fs::{create_dir_private, remove_tree};
use xb_pipeline::monitor::Phase;

use crate::context::{Context, Phases};
use crate::error::EngineError;
use crate::prepared::{self, Applied, Fingerprint, Found, STATE_NAME, State, Step, is_prefix};
use crate::readers::{self, ReadersLock};

/// The prepared copy of the first members of a chain. While it is held no run changes it.
#[derive(Debug)]
pub(super) struct Head {
    directory: PathBuf,
    files: Fingerprint,
    /// So many members of the chain are in it.
    pub(super) count: usize,
    _lock: ReadersLock,
}

/// The prepared copy, where there is one, it holds a beginning of the chain, and starting from it is quicker.
pub(super) fn head(context: &Context, plan: &RestorePlan, restore_dir: &Path) -> Option<Head> {
    let work_dir = context.settings.work_dir.as_deref()?;
    let lock = ReadersLock::shared(&work_dir.join(readers::PREPARED))?;
    let store = context.store_name().ok()?;
    let home = context.repository().ok()?;
    let marks = plan.members.iter().map(|member| Applied::of(&home, member));
    let chain: Vec<Applied> = marks.collect::<Result<_, _>>().ok()?;
    let set = chain.first()?.id;
    // Whatever is wrong with it, the store has all that is needed.
    let Ok(Found::Usable(State { applied, step: Step::Ready { files }, .. })) =
        prepared::find(work_dir, &store, set)
    else {
        return None;
    };
    let head =
        Head { directory: prepared::directory(work_dir, set), files, count: applied.len(), _lock: lock };
    (is_prefix(&applied, &chain) && head.is_quicker(plan, restore_dir)).then_some(head)
}

impl Head {
    /// A clone takes no time. A copy reads and writes as much as unpacking does, and spares applying; for one
    /// member alone that is worth it where the store would have to be read as much.
    fn is_quicker(&self, plan: &RestorePlan, restore_dir: &Path) -> bool {
        let is_plain = plan.members.first().is_some_and(|full| full.archive == Some(Archive::Directory));
        self.count > 1 || is_plain || can_clone(&self.directory.join(STATE_NAME), restore_dir)
    }

    /// Copies it to `data`; false when somebody changed it meanwhile, and nothing is left in `data` then.
    pub(super) fn copy(
        &self,
        context: &Context,
        phases: &mut Phases<'_>,
        data: &Path,
    ) -> Result<bool, EngineError> {
        phases.begin(Phase::Copy, &self.directory.display().to_string(), Some(self.files.bytes()));
        create_dir_private(data)?;
        let files = list_tree(&self.directory)?.into_iter().filter(|path| path != Path::new(STATE_NAME));
        let items: Vec<CopyItem> = files.map(|path| CopyItem { path, expected: None }).collect();
        let (monitor, cancel) = (&**context.monitor(), context.cancel());
        copy_tree(
            &items,
            CopySource::Directory(&self.directory),
            data,
            context.compress_threads(),
            monitor,
            cancel,
        )
        .map_err(of_copying)?;
        if Fingerprint::of(&self.directory)? == self.files {
            return Ok(true);
        }
        context.monitor().warn(&format!(
            "{} was changed while it was copied; starting from the store instead",
            self.directory.display()
        ));
        remove_tree(data)?;
        Ok(false)
    }
}

fn of_copying(error: ExtractError) -> EngineError {
    match error {
        ExtractError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
        ExtractError::Fs(error) => EngineError::Fs(error),
        other => EngineError::Archive { source: Box::new(other), left_in: None },
    }
}

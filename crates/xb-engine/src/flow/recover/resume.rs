//! What a recovery leaves beside the restored base, so that the next run need not restore it again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xb_binlog::archive::Place;
use xb_binlog::recover::{Excluded, Gap, Segment};
use xb_core::BackupId;
use xb_pipeline::fs::{FsError, write_atomic};

use super::choose::Choice;
use crate::error::EngineError;
use crate::flow::restore_set::Workplace;

/// The file in the workplace.
const FILE: &str = "recovery.json";

/// What is in a workplace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    /// The backup that is restored in it.
    backup: BackupId,
    /// Where that stands in the logs.
    start: Place,
    /// What is replayed on it.
    segments: Vec<Segment>,
    /// What is left out.
    excluded: Vec<Excluded>,
    /// What is gone across.
    gaps: Vec<Gap>,
    /// The run of the machine: what has not reached its disk is gone with it.
    boot: String,
}

/// Notes that the base is restored and nothing is replayed yet.
pub(super) fn note(workplace: &Workplace, choice: &Choice) -> Result<(), EngineError> {
    let Some(boot) = boot() else { return Ok(()) };
    let plan = &choice.plan;
    let left = Left {
        backup: choice.backup,
        start: plan.start.clone(),
        segments: plan.segments.clone(),
        excluded: plan.excluded.clone(),
        gaps: plan.gaps.clone(),
        boot,
    };
    let text = serde_json::to_vec_pretty(&left).unwrap_or_default();
    Ok(write_atomic(&workplace.beside(FILE), &text)?)
}

/// Whether an earlier run left something that fits.
pub(super) fn is_there(workplace: &Path, choice: &Choice) -> bool {
    fits(&workplace.join(FILE), choice).is_some()
}

/// Forgets it: what follows makes it untrue.
pub(super) fn forget(workplace: &Workplace) -> Result<(), FsError> {
    let path = workplace.beside(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(FsError::on("remove", &path)(error))
        }
        _ => Ok(()),
    }
}

fn fits(path: &Path, choice: &Choice) -> Option<Left> {
    let left: Left = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let plan = &choice.plan;
    // Of another target or with other exceptions, what was replayed may be too much.
    let is_same = (left.backup, &left.start) == (choice.backup, &plan.start)
        && (&left.excluded, &left.gaps) == (&plan.excluded, &plan.gaps)
        && goes_on(&left.segments, &plan.segments)
        && Some(&left.boot) == boot().as_ref();
    is_same.then_some(left)
}

/// Whether what is to be replayed is what was to be replayed, or more behind it.
fn goes_on(before: &[Segment], now: &[Segment]) -> bool {
    let Some((last, whole)) = before.split_last() else { return true };
    let is_longer = |next: &Segment| {
        (next.epoch, &next.log, next.from) == (last.epoch, &last.log, last.from) && next.to >= last.to
    };
    now.starts_with(whole) && now.get(whole.len()).is_some_and(is_longer)
}

fn boot() -> Option<String> {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

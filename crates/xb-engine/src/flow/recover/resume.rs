//! What a recovery leaves beside the restored base, so that the next run need not restore it again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xb_binlog::archive::Place;
use xb_binlog::recover::{Excluded, Gap, ReplayPlan, Segment};
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

impl Left {
    fn of(backup: BackupId, plan: &ReplayPlan, boot: String) -> Self {
        Left {
            backup,
            start: plan.start.clone(),
            segments: plan.segments.clone(),
            excluded: plan.excluded.clone(),
            gaps: plan.gaps.clone(),
            boot,
        }
    }
}

/// Notes that the base is restored and nothing is replayed yet.
pub(super) fn note(workplace: &Workplace, choice: &Choice) -> Result<(), EngineError> {
    let Some(boot) = boot() else { return Ok(()) };
    let left = Left::of(choice.backup, &choice.plan, boot);
    let text = serde_json::to_vec_pretty(&left).unwrap_or_default();
    Ok(write_atomic(&workplace.beside(FILE), &text)?)
}

/// Whether an earlier run left something that fits.
pub(super) fn is_there(workplace: &Path, choice: &Choice) -> bool {
    let text = fs::read(workplace.join(FILE)).unwrap_or_default();
    let left: Option<Left> = serde_json::from_slice(&text).ok();
    left.zip(boot()).is_some_and(|(left, boot)| fits(&left, choice.backup, &choice.plan, &boot))
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

fn fits(left: &Left, backup: BackupId, plan: &ReplayPlan, boot: &str) -> bool {
    // Of another target or with other exceptions, what was replayed may be too much.
    (left.backup, &left.start) == (backup, &plan.start)
        && (&left.excluded, &left.gaps) == (&plan.excluded, &plan.gaps)
        && goes_on(&left.segments, &plan.segments)
        && left.boot == boot
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

#[cfg(test)]
mod tests {
    use xb_core::BinlogCoord;

    use super::*;

    fn place(position: u64) -> Place {
        Place { epoch: 1, at: BinlogCoord { file: "b.000001".parse().unwrap(), position } }
    }

    /// From 500 in the first log on, to the ends given.
    fn plan(ends: &[u64]) -> ReplayPlan {
        let segment = |(number, to): (u32, &u64)| Segment {
            epoch: 1,
            log: format!("b.{number:06}").parse().unwrap(),
            from: if number == 1 { 500 } else { 4 },
            to: *to,
        };
        let segments = (1..).zip(ends).map(segment).collect();
        ReplayPlan { segments, ..ReplayPlan::empty(place(500)) }
    }

    fn backup() -> BackupId {
        "2026_11_22-10_00_00".parse().unwrap()
    }

    /// Whether a run with the one plan is gone on with by one with the other.
    fn is_of_use(left: &ReplayPlan, now: &ReplayPlan) -> bool {
        fits(&Left::of(backup(), left, "this".to_owned()), backup(), now, "this")
    }

    #[test]
    fn an_earlier_run_is_gone_on_with_to_its_target_or_to_a_later_one() {
        let left = plan(&[900, 700]);
        for ends in [&[900, 700][..], &[900, 701], &[900, 999, 50]] {
            assert!(is_of_use(&left, &plan(ends)), "{ends:?}");
        }
        // What is behind the target may be there already.
        for ends in [&[900, 699][..], &[900], &[800], &[901, 700], &[]] {
            assert!(!is_of_use(&left, &plan(ends)), "{ends:?}");
        }
        assert!(is_of_use(&plan(&[]), &left));
    }

    #[test]
    fn an_earlier_run_that_did_something_else_is_of_no_use() {
        let whole = plan(&[900]);
        assert!(is_of_use(&whole, &whole));
        let behind = ReplayPlan { start: place(501), ..whole.clone() };
        assert!(!is_of_use(&behind, &whole));
        let excluded = vec![Excluded { gtid: "0-1-7".parse().unwrap(), begin: place(600), end: 700 }];
        let without = ReplayPlan { excluded, ..whole.clone() };
        assert!(!is_of_use(&without, &whole) && !is_of_use(&whole, &without));
        let gap = Gap { from: place(600), to: place(4), reason: "reset".to_owned() };
        let across = ReplayPlan { gaps: vec![gap], ..whole.clone() };
        assert!(!is_of_use(&across, &whole));
        let left = Left::of(backup(), &whole, "this".to_owned());
        let other = "2026_11_22-11_00_00".parse().unwrap();
        assert!(!fits(&left, other, &whole, "this"));
        assert!(!fits(&left, backup(), &whole, "the boot after it"));
    }
}

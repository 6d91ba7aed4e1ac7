//! `restore-set`: restore a backup with all it builds on.

use std::io::Write;

use xb_catalog::ChainError;
use xb_catalog::plan::RestoreError;
use xb_core::BackupId;
use xb_core::settings::Task;
use xb_engine::{Engine, EngineError};

use super::print;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

/// So many names are proposed in place of one that does not exist.
const PROPOSED: usize = 3;

pub(super) fn run(call: &Call, out: &mut dyn Write) -> Result<Exit, CliError> {
    let report = wire::recorded(call, Task::RestoreSet, |engine| {
        engine.restore_set().map_err(|error| with_names(engine, error))
    })?;
    let text = match (call.json, call.quiet) {
        (true, _) => render::json(&report)?,
        (false, true) => format!("{}\n", report.directory.display()),
        (false, false) => render::restore::summary(&report),
    };
    print(out, &text)
}

/// To a name that does not exist, adds those that come nearest in time.
pub(super) fn with_names(engine: &Engine, error: EngineError) -> CliError {
    let EngineError::Restore(RestoreError::Chain(ChainError::NoSuchBackup { target })) = &error else {
        return error.into();
    };
    // Whether the store can be listed once more is not what went wrong.
    let names = engine.list().map(|report| report.catalog.records().map(|record| record.id()).collect());
    let nearest = nearest(*target, names.unwrap_or_default());
    if nearest.is_empty() {
        return error.into();
    }
    CliError::from(error).with_hint(format!("nearest in time: {}", nearest.join(", ")))
}

fn nearest(target: BackupId, mut names: Vec<BackupId>) -> Vec<String> {
    names.sort_by_key(|name| (name.local_time() - target.local_time()).abs());
    names.iter().take(PROPOSED).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_proposed_by_their_distance_in_time() {
        let names =
            ["2026_11_20-10_00_00", "2026_11_22-14_28_07", "2026_11_22-14_28_13", "2026_11_25-10_00_00"];
        let names = names.map(|name| name.parse().unwrap()).to_vec();
        let found = nearest("2026_11_22-14_28_12".parse().unwrap(), names);
        assert_eq!(found, ["2026_11_22-14_28_13", "2026_11_22-14_28_07", "2026_11_20-10_00_00"]);
    }
}

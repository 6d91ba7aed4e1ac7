//! `restore-set --to-…`: recover to a point beyond the backup.

use std::io::Write;

use xb_binlog::recover::Target;
use xb_core::settings::Task;
use xb_engine::RecoveryRequest;

use super::binlog::one;
use super::print;
use super::restore_set::with_names;
use crate::args::{Recovery, Wanted};
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire::{self, Aloud};

pub(super) fn run(call: &Call, recovery: &Recovery, out: &mut dyn Write) -> Result<Exit, CliError> {
    let request = request(recovery)?;
    if recovery.dry_run {
        let report = wire::heard(call, Aloud::Warnings, |engine| {
            engine.recovery_plan(&request).map_err(|error| with_names(engine, error))
        })?;
        let text = if call.json { render::json(&report)? } else { render::binlogs::plan(&report) };
        return print(out, &text);
    }
    let report = wire::recorded(call, Task::RestoreSet, |engine| {
        engine.recover(&request).map_err(|error| with_names(engine, error))
    })?;
    let text = match (call.json, call.quiet) {
        (true, _) => render::json(&report)?,
        (false, true) => {
            report.directory.as_ref().map(|path| format!("{}\n", path.display())).unwrap_or_default()
        }
        (false, false) => render::binlogs::recovered(&report),
    };
    print(out, &text)
}

fn request(recovery: &Recovery) -> Result<RecoveryRequest, CliError> {
    let to = match &recovery.to {
        Wanted::Time(time) => Target::Time(time.to_utc()),
        Wanted::Gtid(set) => Target::Gtid(set.clone()),
        Wanted::Position(coord) => Target::Position { epoch: recovery.epoch, coord: coord.clone() },
        Wanted::Latest => Target::Latest,
    };
    let exclude = recovery.exclude.iter().map(one).collect::<Result<_, _>>()?;
    let (base_epoch, best_effort, across_gaps) =
        (recovery.base_epoch, recovery.best_effort, recovery.across_gaps);
    Ok(RecoveryRequest { to, base_epoch, exclude, best_effort, across_gaps })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_of_the_target_is_not_that_of_the_backup() {
        let coord = xb_core::BinlogCoord { file: "b.000042".parse().unwrap(), position: 1234 };
        let recovery = Recovery {
            to: Wanted::Position(coord.clone()),
            epoch: Some(2),
            base_epoch: Some(1),
            exclude: Vec::new(),
            best_effort: false,
            across_gaps: false,
            dry_run: false,
        };
        let request = request(&recovery).unwrap();
        assert_eq!(request.to, Target::Position { epoch: Some(2), coord });
        assert_eq!(request.base_epoch, Some(1));
    }
}

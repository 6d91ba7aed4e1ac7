//! `full` and `incr`: take a backup.

use std::io::Write;

use xb_core::BackupKind;
use xb_core::settings::Task;

use super::print;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn run(call: &Call, kind: BackupKind, out: &mut dyn Write) -> Result<Exit, CliError> {
    let task = match kind {
        BackupKind::Full => Task::Full,
        BackupKind::Incremental => Task::Incr,
    };
    let report = wire::recorded(call, task, |engine| {
        Ok(match kind {
            BackupKind::Full => engine.full(),
            BackupKind::Incremental => engine.incr(),
        }?)
    })?;
    let text = match (call.json, call.quiet) {
        (true, _) => render::json(&report)?,
        // For scripts: what restore_backup takes.
        (false, true) => format!("{}\n", report.manifest.id),
        (false, false) => render::backup::summary(&report),
    };
    print(out, &text)
}

//! `apply-last`: bring the prepared copy up to the newest backup.

use std::io::Write;

use xb_core::settings::Task;

use super::print;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn run(call: &Call, out: &mut dyn Write) -> Result<Exit, CliError> {
    let report = wire::recorded(call, Task::ApplyLast, |engine| Ok(engine.apply_last()?))?;
    let text = match (call.json, call.quiet) {
        (true, _) => render::json(&report)?,
        (false, true) => format!("{}\n", report.directory.display()),
        (false, false) => render::restore::applied(&report),
    };
    print(out, &text)
}

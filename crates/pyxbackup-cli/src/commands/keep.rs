//! `prune`, `copy`, `pin`, `unpin` and `wipeout`: what is kept, and what goes.

use std::io::Write;

use xb_core::settings::Task;
use xb_engine::{PruneOptions, WipeReport};

use super::print;
use crate::args::{KeepCommand, KeepFormat};
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire::{self, Aloud};

pub(super) fn run(
    call: &Call,
    command: KeepCommand,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    let text = match command {
        KeepCommand::Prune { dry_run, broken, format } => {
            return prune(call, dry_run, PruneOptions { broken }, format, out);
        }
        KeepCommand::Wipeout { format } => return wipeout(call, format, out, err),
        KeepCommand::Copy { backup, to, format } => {
            let report = wire::recorded(call, Task::Copy, |engine| {
                engine.copy(backup, &to).map_err(|error| super::restore_set::with_names(engine, error))
            })?;
            if format == KeepFormat::Json || call.json {
                return print(out, &render::json(&report)?);
            }
            render::keep::copied(&report)
        }
        KeepCommand::Pin { backup, note } => {
            let report = wire::heard(call, Aloud::Warnings, |engine| {
                engine
                    .pin(backup, note.as_deref())
                    .map_err(|error| super::restore_set::with_names(engine, error))
            })?;
            if call.json { render::json(&report)? } else { render::keep::pinned(&report) }
        }
        KeepCommand::Unpin { backup } => {
            let report = wire::heard(call, Aloud::Warnings, |engine| {
                engine.unpin(backup).map_err(|error| super::restore_set::with_names(engine, error))
            })?;
            if call.json { render::json(&report)? } else { render::keep::pinned(&report) }
        }
    };
    print(out, if call.quiet { "" } else { &text })
}

fn prune(
    call: &Call,
    dry_run: bool,
    options: PruneOptions,
    format: KeepFormat,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let report = if dry_run {
        wire::onlooker(call).prune_plan(options)?
    } else {
        wire::recorded(call, Task::Prune, |engine| Ok(engine.prune(options)?))?
    };
    let text = match format {
        KeepFormat::Json => render::json(&report)?,
        KeepFormat::Table => render::keep::table(&report),
        // What was done is in the lines of the run; scripts want to know no more.
        KeepFormat::Text if call.quiet && !dry_run => String::new(),
        KeepFormat::Text => render::keep::text(&report),
    };
    print(out, &text)?;
    // Each was told when it happened; a run that left something undone is no success.
    Ok(match (report.problems.is_empty(), report.postponed) {
        (false, _) => Exit::Fatal,
        (true, true) => Exit::Locked,
        (true, false) => Exit::Success,
    })
}

/// What goes is said before it does.
fn wipeout(
    call: &Call,
    format: KeepFormat,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    let shown = |report: &WipeReport| match format {
        KeepFormat::Json => render::json(report),
        KeepFormat::Text | KeepFormat::Table => Ok(render::keep::wipeout(report)),
    };
    if !call.resolved.settings.i_am_absolutely_sure_wipeout {
        print(out, &shown(&wire::onlooker(call).wipeout_plan()?)?)?;
        // Whoever cannot read it is told by nothing being gone.
        let _ = writeln!(
            err,
            "pyxbackup: note: nothing was removed; add --i-am-absolutely-sure-wipeout to remove all of it"
        );
        return Ok(Exit::Success);
    }
    if format != KeepFormat::Json && !call.quiet {
        print(out, &shown(&wire::onlooker(call).wipeout_plan()?)?)?;
    }
    let report = wire::recorded(call, Task::Wipeout, |engine| Ok(engine.wipeout()?))?;
    let text = match format {
        KeepFormat::Json => render::json(&report)?,
        _ if call.quiet => String::new(),
        _ if report.leaves.is_empty() => format!("all of it is gone from {}\n", report.store.display()),
        _ => format!("all of it is gone from {}, but for what stays\n", report.store.display()),
    };
    print(out, &text)
}

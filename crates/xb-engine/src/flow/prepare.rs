//! Preparing: the engine applies its redo log to unpacked files.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use xb_catalog::BackupRecord;
use xb_core::{BackupId, EngineChoice, Version};
use xb_pipeline::process::describe;

use crate::context::Context;
use crate::error::EngineError;
use crate::listen::Listener;
use crate::memory;
use crate::tool::{self, Prepare, PrepareMode, ProbeError, Tool, ToolKind};

/// The signal of a system that is out of memory.
const KILL: i32 = 9;

/// Who made a backup: written down, or told by the version the original wrote down.
fn maker(member: &BackupRecord) -> Option<(ToolKind, Version)> {
    let version = member.engine_version?;
    let kinds = [ToolKind::MariadbBackup, ToolKind::Xtrabackup, ToolKind::Innobackupex];
    let named =
        member.engine.as_ref().and_then(|engine| kinds.into_iter().find(|kind| kind.word() == engine.tool));
    let guessed = match version.major {
        10.. => ToolKind::MariadbBackup,
        2 if version < Version::new(2, 3, 0) => ToolKind::Innobackupex,
        _ => ToolKind::Xtrabackup,
    };
    Some((named.unwrap_or(guessed), version))
}

/// Finds an engine that can prepare all of `members`.
pub(crate) fn find_tool(context: &Context, members: &[BackupRecord]) -> Result<Tool, EngineError> {
    let makers: Vec<_> = members.iter().filter_map(maker).collect();
    let wanted = makers.last().map_or(ToolKind::MariadbBackup, |(kind, _)| *kind);
    let choice = match (context.settings.engine, wanted) {
        (EngineChoice::Auto, ToolKind::MariadbBackup) => EngineChoice::MariadbBackup,
        (EngineChoice::Auto, ToolKind::Xtrabackup) => EngineChoice::Xtrabackup,
        (EngineChoice::Auto, ToolKind::Innobackupex) => EngineChoice::Innobackupex,
        (chosen, _) => chosen,
    };
    let directories = context.search_path();
    // The flavour plays no part in a definite choice.
    let found = tool::probe(choice, xb_core::Flavor::MariaDb, &directories);
    let tool = match found {
        Err(ProbeError::NotFound { .. }) if wanted == ToolKind::Innobackupex => {
            tool::probe(EngineChoice::Xtrabackup, xb_core::Flavor::MySql, &directories)?
        }
        other => other?,
    };
    for (kind, version) in makers {
        if let Err(mismatch) = tool::check_prepare(&tool, kind, version) {
            if !context.settings.allow_version_mismatch {
                return Err(mismatch.into());
            }
            context.monitor().warn(&format!("{mismatch}; going on, because allow_version_mismatch is set"));
        }
    }
    Ok(tool)
}

/// Applies `incremental`, or the full backup's own log, to the files in `directory`.
pub(crate) fn prepare(
    context: &Context,
    tool: &Tool,
    member: BackupId,
    directory: &Path,
    incremental: Option<&Path>,
    mode: PrepareMode,
) -> Result<(), EngineError> {
    let (memory_mib, extra) =
        (memory::for_prepare(context), context.settings.extra_prepare_options.as_slice());
    let command = Prepare { directory, incremental, mode, memory_mib, extra }.invocation(tool);
    context.monitor().debug(&format!("running {command}"));
    let listener = Listener::new(command.name(), context.masker(None), context.monitor().clone(), None)?;
    let mut child = command.spawn(listener.ear())?;
    let stopper = child.stopper();
    let _stop = context.cancel().on_cancel(move || stopper.stop());
    // Engines say nothing there; one that does must not die of nobody listening.
    if let Some(mut stdout) = child.take_stdout() {
        let _ = std::io::copy(&mut stdout, &mut std::io::sink());
    }
    let status = child.wait()?;
    context.cancel().check()?;
    let reason = match (status.success(), listener.success().is_set()) {
        (true, true) => {
            memory::did_well(context, memory_mib);
            return Ok(());
        }
        (true, false) => format!("{tool} ended with exit code 0 but never wrote \"completed OK!\""),
        // Nobody else kills an engine that asks for nothing.
        (false, _) if status.signal() == Some(KILL) => {
            memory::was_killed(context, memory_mib);
            format!("{tool} was killed, probably for want of memory: it was given {memory_mib} MB")
        }
        (false, _) => format!("{tool} ended with {}", describe(status)),
    };
    Err(EngineError::Prepare { member, reason, said: listener.last_words() })
}

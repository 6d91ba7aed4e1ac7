//! From arguments as typed to a call ready for use: the configuration file is found and read, everything is
//! merged and checked, and what deserves a word is said.

use std::io::Write;
use std::path::PathBuf;

use xb_core::settings::{self, Layer, Origin, Resolved};

use crate::args::{Command, StatusFormat, Typed};
use crate::error::CliError;
use crate::files;

/// Everything a command is called with.
pub(crate) struct Call {
    /// Settings, their origins, warnings and notes.
    pub(crate) resolved: Resolved,
    /// Warnings of all kinds and notes, printed already; for the log of the run.
    pub(crate) remarks: Vec<String>,
    /// The configuration file that was read.
    pub(crate) config: Option<PathBuf>,
    /// Print nothing but what was asked for.
    pub(crate) quiet: bool,
    /// Print more.
    pub(crate) debug: bool,
    /// Print results as JSON.
    pub(crate) json: bool,
}

/// Gets a call ready. Warnings and notes go to `err`, unless the run is to be quiet.
pub(crate) fn prepare(typed: Typed, err: &mut dyn Write) -> Result<(Call, Command), CliError> {
    let task = typed.command.task();
    if typed.debug && typed.quiet {
        return Err(CliError::usage("--debug and --quiet exclude each other", "leave out one of them"));
    }
    let file = files::read(typed.config.as_deref(), &typed.section)?;
    let mut warnings = command_line_warnings(&typed.layer);
    let (config, layers) = match file {
        Some(file) => {
            warnings.extend(file.warning);
            (Some(file.path), vec![file.layer, typed.layer])
        }
        None => (None, vec![typed.layer]),
    };
    let layers =
        layers.into_iter().map(|layer| layer.in_section(&typed.section)).collect::<Result<Vec<_>, _>>();
    let layers = layers.map_err(|error| CliError::settings(error, config.clone()))?;
    let resolved =
        settings::resolve(&layers, task).map_err(|error| CliError::settings(error, config.clone()))?;
    warnings.extend(resolved.warnings.iter().map(ToString::to_string));
    // A monitoring system would take remarks for the answer.
    let is_for_machines =
        matches!(&typed.command, Command::Status(asked) if asked.format != StatusFormat::None);
    if !typed.quiet && !is_for_machines {
        // A closed standard error must not keep a backup from being taken.
        let _ = say(err, &warnings);
    }
    let remarks = warnings;
    let Typed { quiet, debug, json, .. } = typed;
    let call = Call { resolved, remarks, config, quiet, debug, json };
    Ok((call, typed.command))
}

fn say(err: &mut dyn Write, lines: &[String]) -> std::io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(err, "pyxbackup: warning: {line}"))
}

fn command_line_warnings(layer: &Layer) -> Vec<String> {
    let typed = layer.entries.iter().filter(|entry| entry.key.is_secret());
    typed
        .filter_map(|entry| match &entry.origin {
            Origin::CommandLine { option } => Some((option, entry.key.name)),
            _ => None,
        })
        .map(|(option, name)| {
            format!(
                "{option}: every user of this machine can read it in the process list; \
                 put {name} into a configuration file of mode 0600"
            )
        })
        .collect()
}

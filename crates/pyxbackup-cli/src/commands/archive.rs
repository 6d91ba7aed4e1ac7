//! `archive`: work on an archive by itself.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use xb_engine::{ArchiveConverted, ArchiveExtracted, ArchiveInput, ArchiveSelection, EngineError};
use xb_pipeline::FlowError;
use xb_pipeline::extract::ExtractError;

use super::print;
use crate::args::{ArchiveCommand, MembersFormat};
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire::{self, Aloud};

/// How the address of an object begins that is not a file of this machine.
const ELSEWHERE: [&str; 4] = ["s3://", "gs://", "az://", "ssh://"];

pub(super) fn run(call: &Call, command: ArchiveCommand, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        ArchiveCommand::List { file, patterns, as_stored, format } => {
            let (input, wanted) = (input(file)?, ArchiveSelection { patterns, as_stored });
            let report = wire::heard(call, Aloud::Brief, |engine| Ok(engine.archive_list(input, &wanted)?))?;
            let text = match format {
                MembersFormat::Table => render::archive::table(&report),
                MembersFormat::Lines => render::archive::lines(&report),
                MembersFormat::Json => render::json(&report)?,
            };
            print(out, &text)
        }
        ArchiveCommand::Cat { file, member, as_stored } => {
            let input = input(file)?;
            // A bar would get between the lines of the file.
            let aloud = if io::stdout().is_terminal() { Aloud::Warnings } else { Aloud::Brief };
            wire::heard(call, aloud, |engine| {
                engine.archive_cat(input, member.as_bytes(), as_stored, out).map_err(printing_failed)?;
                Ok(out.flush()?)
            })?;
            Ok(Exit::Success)
        }
        ArchiveCommand::Extract { file, into, patterns, as_stored } => {
            let (input, wanted) = (input(file)?, ArchiveSelection { patterns, as_stored });
            // It ends in command lines that may be run elsewhere.
            let into = std::path::absolute(&into).unwrap_or(into);
            let report =
                wire::heard(call, Aloud::Usual, |engine| Ok(engine.archive_extract(input, &into, &wanted)?))?;
            print(out, &extracted(call, &report)?)
        }
        ArchiveCommand::Convert { from, to, encrypt_members } => {
            let input = input(from)?;
            let report = wire::heard(call, Aloud::Usual, |engine| {
                Ok(engine.archive_convert(input, &to, encrypt_members)?)
            })?;
            print(out, &converted(call, &report)?)
        }
    }
}

/// `-` is standard input.
fn input(file: PathBuf) -> Result<ArchiveInput, CliError> {
    if file.as_os_str() != "-" {
        let elsewhere = file.to_str().filter(|text| ELSEWHERE.iter().any(|scheme| text.starts_with(scheme)));
        return Ok(match elsewhere {
            Some(address) => ArchiveInput::Elsewhere(address.to_owned()),
            None => ArchiveInput::File(file),
        });
    }
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(CliError::usage(
            "standard input is a terminal",
            "send an archive into it: `ssh HOST cat FILE | pyxbackup archive list -`",
        ));
    }
    let stream = stdin.as_fd().try_clone_to_owned().map_err(|error| {
        CliError::usage(format!("standard input: {error}"), "send an archive into it, or name a file")
    })?;
    Ok(ArchiveInput::Stream { name: "standard input".into(), stream: File::from(stream) })
}

/// That standard output took no more is no fault of the archive.
fn printing_failed(error: EngineError) -> CliError {
    let EngineError::Archive { source, left_in } = error else { return error.into() };
    match *source {
        ExtractError::Archive { source: FlowError::Write(error), .. } => CliError::Output(error),
        source => EngineError::Archive { source: Box::new(source), left_in }.into(),
    }
}

fn extracted(call: &Call, report: &ArchiveExtracted) -> Result<String, CliError> {
    Ok(match (call.json, call.quiet) {
        (true, _) => render::json(report)?,
        (false, true) => format!("{}\n", report.directory.display()),
        (false, false) => render::archive::extracted(report),
    })
}

fn converted(call: &Call, report: &ArchiveConverted) -> Result<String, CliError> {
    Ok(match (call.json, call.quiet) {
        (true, _) => render::json(report)?,
        (false, true) => format!("{}\n", report.to.display()),
        (false, false) => render::archive::converted(report),
    })
}

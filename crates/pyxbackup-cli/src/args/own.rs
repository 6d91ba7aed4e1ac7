//! The arguments of `meta`, `last-lsn`, `completions` and `manual` that no other command has.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};
use xb_core::BackupId;
use xb_core::settings::{Group, Task};

use super::Command;
use super::build::FORMAT;

const BACKUP: &str = "meta_backup";
const SHELL: &str = "completions_shell";
const DIRECTORY: &str = "manual_directory";

/// How `meta` and `last-lsn` print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FactsFormat {
    Lines,
    Json,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The arguments that only this command has.
pub(super) fn args(task: Task) -> Vec<Arg> {
    match task {
        Task::Meta => vec![
            Arg::new(BACKUP)
                .long("backup")
                .value_name("NAME")
                .value_parser(backup)
                .help("the backup the facts are about: a name out of list, or last [default: last]")
                .help_heading(Group::Output.title()),
        ],
        Task::Completions => vec![
            Arg::new(SHELL)
                .value_name("SHELL")
                .required(true)
                .value_parser(["bash", "zsh", "fish"])
                .hide_possible_values(true)
                .help("bash, zsh or fish"),
        ],
        Task::Manual => vec![
            Arg::new(DIRECTORY)
                .value_name("DIR")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("where to; made if it is not there"),
        ],
        _ => Vec::new(),
    }
}

/// The name of a backup; `None` for the last.
fn backup(text: &str) -> Result<Option<BackupId>, String> {
    if text.eq_ignore_ascii_case("last") {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error: xb_core::ParseBackupIdError| error.to_string())
}

/// The command; `task` is one of these.
pub(super) fn command(task: Task, matches: &ArgMatches) -> Option<Command> {
    let format = || match matches.get_one::<String>(FORMAT).map(String::as_str) {
        Some("json") => FactsFormat::Json,
        None if matches.get_flag("json") => FactsFormat::Json,
        _ => FactsFormat::Lines,
    };
    Some(match task {
        Task::Meta => {
            let backup = matches.get_one::<Option<BackupId>>(BACKUP).copied().flatten();
            Command::Meta { backup, format: format() }
        }
        Task::LastLsn => Command::LastLsn { format: format() },
        Task::Completions => {
            let shell = match matches.get_one::<String>(SHELL).map(String::as_str) {
                Some("zsh") => Shell::Zsh,
                Some("fish") => Shell::Fish,
                _ => Shell::Bash,
            };
            Command::Completions { shell }
        }
        Task::Manual => {
            Command::Manual { directory: matches.get_one::<PathBuf>(DIRECTORY).cloned().unwrap_or_default() }
        }
        _ => return None,
    })
}

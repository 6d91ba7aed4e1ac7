//! The commands on what is kept as typed: `prune`, `copy`, `pin`, `unpin` and `wipeout`.

use clap::{Arg, ArgAction, ArgMatches};
use xb_core::BackupId;
use xb_core::settings::{Group, Task};

use super::build::FORMAT;

const DRY_RUN: &str = "keep_dry_run";
const BROKEN: &str = "keep_broken";
const BACKUP: &str = "keep_backup";
const NOTE: &str = "keep_note";
const TO: &str = "keep_to";

/// A command on what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeepCommand {
    Prune { dry_run: bool, broken: bool, format: KeepFormat },
    Pin { backup: BackupId, note: Option<String> },
    Unpin { backup: BackupId },
    Wipeout { format: KeepFormat },
    Copy { backup: Option<BackupId>, to: Vec<String>, format: KeepFormat },
}

impl KeepCommand {
    pub(super) fn task(&self) -> Task {
        match self {
            KeepCommand::Prune { .. } => Task::Prune,
            KeepCommand::Pin { .. } => Task::Pin,
            KeepCommand::Unpin { .. } => Task::Unpin,
            KeepCommand::Wipeout { .. } => Task::Wipeout,
            KeepCommand::Copy { .. } => Task::Copy,
        }
    }
}

/// How they print what they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepFormat {
    Text,
    Table,
    Json,
}

/// The arguments that only this command has.
pub(super) fn args(task: Task) -> Vec<Arg> {
    let backup = |help: &'static str| {
        Arg::new(BACKUP).value_name("NAME").required(true).value_parser(parse_backup).help(help)
    };
    match task {
        Task::Prune => vec![
            Arg::new(DRY_RUN)
                .long("dry-run")
                .action(ArgAction::SetTrue)
                .help("print what would be done and what that frees, and change nothing")
                .help_heading(Group::Retention.title()),
            Arg::new(BROKEN)
                .long("broken")
                .action(ArgAction::SetTrue)
                .help("remove sets that are proven damaged, too, if they are older than what is kept")
                .help_heading(Group::Retention.title()),
        ],
        Task::Pin => vec![
            backup("the backup to keep, with its set: a name out of list"),
            Arg::new(NOTE)
                .long("note")
                .value_name("TEXT")
                .help("why, for people")
                .help_heading(Group::Retention.title()),
        ],
        Task::Unpin => vec![backup("the backup to leave to retention again")],
        Task::Copy => vec![
            backup("the backup to copy, with all it builds on; without it, whatever is missing")
                .required(false),
            Arg::new(TO)
                .long("to")
                .value_name("STORE")
                .action(ArgAction::Append)
                .help("the store that gets it, instead of those of copy_to; may be given more than once")
                .help_heading(Group::Remote.title()),
        ],
        _ => Vec::new(),
    }
}

fn parse_backup(text: &str) -> Result<BackupId, String> {
    text.parse().map_err(|error: xb_core::ParseBackupIdError| error.to_string())
}

/// The command, if `task` is one of these.
pub(super) fn command(task: Task, matches: &ArgMatches) -> Option<KeepCommand> {
    let format = || match matches.get_one::<String>(FORMAT).map(String::as_str) {
        Some("json") => KeepFormat::Json,
        Some("table") => KeepFormat::Table,
        None if matches.get_flag("json") => KeepFormat::Json,
        _ => KeepFormat::Text,
    };
    let backup = || matches.get_one::<BackupId>(BACKUP).copied();
    match task {
        Task::Prune => Some(KeepCommand::Prune {
            dry_run: matches.get_flag(DRY_RUN),
            broken: matches.get_flag(BROKEN),
            format: format(),
        }),
        Task::Pin => {
            Some(KeepCommand::Pin { backup: backup()?, note: matches.get_one::<String>(NOTE).cloned() })
        }
        Task::Unpin => Some(KeepCommand::Unpin { backup: backup()? }),
        Task::Wipeout => Some(KeepCommand::Wipeout { format: format() }),
        Task::Copy => Some(KeepCommand::Copy {
            backup: backup(),
            to: matches.get_many::<String>(TO).into_iter().flatten().cloned().collect(),
            format: format(),
        }),
        _ => None,
    }
}

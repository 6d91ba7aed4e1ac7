//! The commands on archives as typed: their arguments and the options that no file can set.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use xb_core::settings::Task;

use super::build::FORMAT;

const FILE: &str = "archive_file";
const PATTERNS: &str = "archive_patterns";
const MEMBER: &str = "archive_member";
const TARGET: &str = "archive_target";
const INTO: &str = "archive_into";
const AS_STORED: &str = "archive_as_stored";
const ENCRYPT_MEMBERS: &str = "archive_encrypt_members";

const ARCHIVE_OPTIONS: &str = "Archives";

/// A command on an archive by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveCommand {
    List { file: PathBuf, patterns: Vec<String>, as_stored: bool, format: MembersFormat },
    Cat { file: PathBuf, member: OsString, as_stored: bool },
    Extract { file: PathBuf, into: PathBuf, patterns: Vec<String>, as_stored: bool },
    Convert { from: PathBuf, to: PathBuf, encrypt_members: bool },
}

impl ArchiveCommand {
    pub(super) fn task(&self) -> Task {
        match self {
            ArchiveCommand::List { .. } => Task::ArchiveList,
            ArchiveCommand::Cat { .. } => Task::ArchiveCat,
            ArchiveCommand::Extract { .. } => Task::ArchiveExtract,
            ArchiveCommand::Convert { .. } => Task::ArchiveConvert,
        }
    }
}

/// How `archive list` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MembersFormat {
    Table,
    /// One path per line.
    Lines,
    Json,
}

/// The arguments that only this command has.
pub(super) fn args(task: Task) -> Vec<Arg> {
    let file = path(FILE, "FILE", "an archive of any form; - for standard input");
    let patterns = Arg::new(PATTERNS)
        .value_name("PATTERN")
        .num_args(0..)
        .action(ArgAction::Append)
        .help("which files: paths, directories, or globs such as 'shop/*.ibd'; all if none is given");
    let as_stored = flag(AS_STORED, "as-stored", "leave files that are packed one by one as they are");
    match task {
        Task::ArchiveList => vec![file, patterns, as_stored],
        Task::ArchiveCat => {
            let member = Arg::new(MEMBER)
                .value_name("MEMBER")
                .required(true)
                .value_parser(value_parser!(OsString))
                .help("the path of one file, as `archive list` prints it");
            vec![file, member, as_stored]
        }
        Task::ArchiveExtract => {
            let into = path(INTO, "DIR", "where to; made if it is not there, nothing in it is replaced");
            vec![file, patterns, into.long("to").help_heading(ARCHIVE_OPTIONS), as_stored]
        }
        Task::ArchiveConvert => {
            let from = path(FILE, "FILE", "an archive of any form, or a directory");
            let to = path(TARGET, "TO", "the archive to make; the end of its name says the form");
            let members = flag(
                ENCRYPT_MEMBERS,
                "encrypt-members",
                "encrypt each file in a .xbs.qp.xbcrypt, not the whole",
            );
            vec![from, to, members]
        }
        _ => Vec::new(),
    }
}

fn path(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id).value_name(name).required(true).value_parser(value_parser!(PathBuf)).help(help)
}

fn flag(id: &'static str, long: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(long).action(ArgAction::SetTrue).help(help).help_heading(ARCHIVE_OPTIONS)
}

/// The command; `task` is one of those on archives.
pub(super) fn command(task: Task, matches: &ArgMatches) -> ArchiveCommand {
    let path = |id: &str| matches.get_one::<PathBuf>(id).cloned().unwrap_or_default();
    let file = path(FILE);
    let patterns = || matches.get_many::<String>(PATTERNS).unwrap_or_default().cloned().collect();
    let as_stored = || matches.get_flag(AS_STORED);
    match task {
        Task::ArchiveCat => {
            let member = matches.get_one::<OsString>(MEMBER).cloned().unwrap_or_default();
            ArchiveCommand::Cat { file, member, as_stored: as_stored() }
        }
        Task::ArchiveExtract => {
            let (patterns, as_stored) = (patterns(), as_stored());
            ArchiveCommand::Extract { file, into: path(INTO), patterns, as_stored }
        }
        Task::ArchiveConvert => {
            let encrypt_members = matches.get_flag(ENCRYPT_MEMBERS);
            ArchiveCommand::Convert { from: file, to: path(TARGET), encrypt_members }
        }
        _ => {
            let format = match matches.get_one::<String>(FORMAT).map(String::as_str) {
                Some("json") => MembersFormat::Json,
                Some("lines") => MembersFormat::Lines,
                None if matches.get_flag("json") => MembersFormat::Json,
                _ => MembersFormat::Table,
            };
            ArchiveCommand::List { file, patterns: patterns(), as_stored: as_stored(), format }
        }
    }
}

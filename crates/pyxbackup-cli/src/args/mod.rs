//! Arguments as typed. clap is used here and nowhere else; what it is told comes from the table of settings.

mod archive;
mod binlog;
mod build;
mod help;
mod keep;
mod own;
mod shown;
mod status;
mod time;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use xb_core::BackupId;
use xb_core::settings::{Given, KEYS, Key, Kind, Layer, Origin, Place, Task};

use crate::error::CliError;
use build::Detail;

pub(crate) use archive::{ArchiveCommand, MembersFormat};
pub(crate) use binlog::{BinlogCommand, LogsFormat, Recovery, Wanted};
pub(crate) use keep::{KeepCommand, KeepFormat};
pub(crate) use own::{FactsFormat, Shell};
pub(crate) use shown::{completions, pages};
pub(crate) use status::{Question, StatusCommand, StatusFormat};

/// What the arguments ask for.
pub(crate) enum Parsed {
    /// A text to print: help, or the version.
    Text(String),
    /// A command.
    Typed(Box<Typed>),
}

/// A command as typed: checked for form, not for meaning.
pub(crate) struct Typed {
    pub(crate) command: Command,
    /// The settings among the options.
    pub(crate) layer: Layer,
    /// The file named with `--config`.
    pub(crate) config: Option<PathBuf>,
    /// The section to read.
    pub(crate) section: String,
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
    pub(crate) json: bool,
}

impl Typed {
    /// Whether errors are to be printed as JSON.
    pub(crate) fn wants_json(&self) -> bool {
        let by_format = matches!(
            self.command,
            Command::List { format: ListFormat::Json, .. }
                | Command::ConfigShow { format: Some(ConfigFormat::Json) }
                | Command::Archive(ArchiveCommand::List { format: MembersFormat::Json, .. })
                | Command::Meta { format: FactsFormat::Json, .. }
                | Command::LastLsn { format: FactsFormat::Json }
                | Command::Keep(
                    KeepCommand::Prune { format: KeepFormat::Json, .. }
                        | KeepCommand::Wipeout { format: KeepFormat::Json }
                        | KeepCommand::Copy { format: KeepFormat::Json, .. }
                )
        );
        let of_logs = matches!(&self.command, Command::Binlog(command) if command.is_json());
        self.json || by_format || of_logs
    }
}

/// A command with the options that only it has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Command {
    Full,
    Incr,
    List {
        format: ListFormat,
        /// The stores of all servers beside this one, too.
        all: bool,
    },
    Status(StatusCommand),
    RestoreSet(Option<Box<Recovery>>),
    ApplyLast,
    ConfigShow {
        /// `None`: whatever suits where the output goes.
        format: Option<ConfigFormat>,
    },
    /// Work on an archive by itself.
    Archive(ArchiveCommand),
    Meta {
        /// `None`: the newest.
        backup: Option<BackupId>,
        format: FactsFormat,
    },
    LastLsn {
        format: FactsFormat,
    },
    Completions {
        shell: Shell,
    },
    Manual {
        directory: PathBuf,
    },
    /// Decide what is kept.
    Keep(KeepCommand),
    /// Work on binary logs.
    Binlog(BinlogCommand),
}

impl Command {
    pub(crate) fn task(&self) -> Task {
        match self {
            Command::Full => Task::Full,
            Command::Incr => Task::Incr,
            Command::List { .. } => Task::List,
            Command::Status(_) => Task::Status,
            Command::RestoreSet(_) => Task::RestoreSet,
            Command::ApplyLast => Task::ApplyLast,
            Command::ConfigShow { .. } => Task::ConfigShow,
            Command::Archive(command) => command.task(),
            Command::Meta { .. } => Task::Meta,
            Command::LastLsn { .. } => Task::LastLsn,
            Command::Completions { .. } => Task::Completions,
            Command::Manual { .. } => Task::Manual,
            Command::Keep(command) => command.task(),
            Command::Binlog(command) => command.task(),
        }
    }
}

/// How `list` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListFormat {
    /// The lines of the Python tool.
    Lines,
    Table,
    Json,
}

/// How `config show` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConfigFormat {
    Table,
    Json,
}

/// Reads the arguments. The first is the program's own name.
pub(crate) fn parse(args: &[OsString]) -> Result<Parsed, CliError> {
    let matches = match build::command(Detail::Long).try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => return without_matches(args, &error),
    };
    let (path, matches) = innermost(&matches);
    let task = Task::ALL.into_iter().find(|task| task.word() == path);
    let task = task.ok_or_else(|| CliError::Internal(format!("no command {path:?}")))?;
    if task == Task::Status {
        status::check(matches)?;
    }
    let flag = |name: &str| matches.get_flag(name);
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    Ok(Parsed::Typed(Box::new(Typed {
        command: command(task, matches)
            .ok_or_else(|| CliError::Internal(format!("{task} came without its arguments")))?,
        layer: layer(matches),
        config: text("config").map(PathBuf::from),
        section: text("config_section").unwrap_or_else(|| build::DEFAULT_SECTION.to_owned()),
        debug: flag("debug"),
        quiet: flag("quiet"),
        json: flag("json"),
    })))
}

/// Whether unread arguments ask for JSON, for errors in reading them.
pub(crate) fn looks_for_json(args: &[OsString]) -> bool {
    let is_pair = |pair: &[OsString]| pair[0] == "--format" && pair[1] == "json";
    args.iter().any(|arg| arg == "--json" || arg == "--format=json") || args.windows(2).any(is_pair)
}

/// Help, the version, or what is wrong with the arguments.
fn without_matches(args: &[OsString], error: &clap::Error) -> Result<Parsed, CliError> {
    match error.kind() {
        ErrorKind::DisplayHelp if !help::is_long_wanted(args) => {
            // The same question again, to the brief form.
            let brief = build::command(Detail::Short).try_get_matches_from(args).err();
            Ok(Parsed::Text(brief.map(|error| error.to_string()).unwrap_or_default()))
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(Parsed::Text(error.to_string())),
        _ => Err(usage_error(error)),
    }
}

/// Takes clap's message apart: what is wrong in the first paragraph, advice in lines that begin with `tip:`.
fn usage_error(error: &clap::Error) -> CliError {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim);
    let message: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let message = match error.kind() {
        // clap lists every command here, also those that are hidden because they are absent.
        ErrorKind::MissingSubcommand => "no command is given".to_owned(),
        _ => message.join(" "),
    };
    let mut hints: Vec<String> =
        lines.filter_map(|line| line.strip_prefix("tip: ")).map(|tip| tip.trim().to_owned()).collect();
    hints.push(
        "`pyxbackup --help` lists commands and options, `pyxbackup COMMAND --help` those of one".to_owned(),
    );
    CliError::Usage { message: message.strip_prefix("error: ").unwrap_or(&message).to_owned(), hints }
}

/// The words of the command and its own matches, into which clap has put what stood before the command.
fn innermost(matches: &ArgMatches) -> (String, &ArgMatches) {
    let mut words = Vec::new();
    let mut innermost = matches;
    while let Some((word, matches)) = innermost.subcommand() {
        words.push(word);
        innermost = matches;
    }
    (words.join(" "), innermost)
}

fn command(task: Task, matches: &ArgMatches) -> Option<Command> {
    let json = matches.get_flag("json");
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    Some(match task {
        Task::Full => Command::Full,
        Task::Incr => Command::Incr,
        Task::RestoreSet => Command::RestoreSet(binlog::recovery(matches).map(Box::new)),
        Task::ApplyLast => Command::ApplyLast,
        Task::List => Command::List {
            format: match text(build::FORMAT) {
                Some("json") => ListFormat::Json,
                Some("table") => ListFormat::Table,
                None if json => ListFormat::Json,
                _ => ListFormat::Lines,
            },
            all: matches.get_flag(build::ALL),
        },
        Task::Status => Command::Status(status::command(matches)),
        Task::ConfigShow => Command::ConfigShow {
            format: match text(build::FORMAT) {
                Some("table") => Some(ConfigFormat::Table),
                Some("json") => Some(ConfigFormat::Json),
                _ => json.then_some(ConfigFormat::Json),
            },
        },
        Task::ArchiveList | Task::ArchiveCat | Task::ArchiveExtract | Task::ArchiveConvert => {
            Command::Archive(archive::command(task, matches))
        }
        Task::Prune | Task::Copy | Task::Pin | Task::Unpin | Task::Wipeout => {
            Command::Keep(keep::command(task, matches)?)
        }
        Task::BinlogStream
        | Task::BinlogList
        | Task::BinlogShow
        | Task::BinlogFind
        | Task::RecoveryWindow => Command::Binlog(binlog::command(task, matches)?),
        Task::Meta | Task::LastLsn | Task::Completions | Task::Manual => own::command(task, matches)?,
    })
}

/// The settings among the options.
fn layer(matches: &ArgMatches) -> Layer {
    let mut layer = Layer::default();
    for key in KEYS.iter().filter(|key| !is_about_the_run(key)) {
        if matches.value_source(key.name) != Some(ValueSource::CommandLine) {
            continue;
        }
        let text = if takes_no_value(key) {
            "1".to_owned()
        } else {
            matches.get_one::<String>(key.name).cloned().unwrap_or_default()
        };
        layer.set(key, Given::Text(text), Origin::CommandLine { option: format!("--{}", key.long) });
    }
    layer
}

/// Options that the command line itself heeds.
fn is_about_the_run(key: &Key) -> bool {
    matches!(key.name, "config" | "config_section" | "debug" | "quiet" | "json")
}

/// A flag that no file can set is never taken back, so it needs no value.
fn takes_no_value(key: &Key) -> bool {
    matches!((key.kind, key.place), (Kind::Flag, Place::CommandLine))
}

#[cfg(test)]
mod tests;

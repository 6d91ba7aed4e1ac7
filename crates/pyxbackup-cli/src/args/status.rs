//! `status` as typed: the form of the answer, and which part of it is wanted.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use xb_core::settings::{Group, Task};

use super::build;
use crate::error::CliError;
use crate::render::status::keys;

const OUTPUT: &str = "status_output";
const KEY: &str = "status_key";
const DISCOVERY: &str = "status_discovery";

/// What `status` is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatusCommand {
    pub(crate) format: StatusFormat,
    pub(crate) question: Question,
    /// Where to, instead of standard output.
    pub(crate) output: Option<PathBuf>,
    /// The section of the configuration file; tells the servers of one machine apart.
    pub(crate) section: String,
    /// The stores of all servers beside this one, too.
    pub(crate) all: bool,
}

/// How `status` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatusFormat {
    None,
    Nagios,
    Zabbix,
    Prometheus,
    Json,
}

/// Which part of the answer is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// The verdict, with all that the form has room for.
    Verdict,
    /// One value, by its name.
    Key(String),
    /// The backups, for Zabbix to make items of.
    Discovery,
}

/// The options that only `status` has.
pub(super) fn args(task: Task) -> Vec<Arg> {
    if task != Task::Status {
        return Vec::new();
    }
    let args = [
        Arg::new(OUTPUT)
            .long("output")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("with prometheus: replace FILE, which everyone may read, in one step"),
        Arg::new(KEY).long("key").value_name("NAME").help("with zabbix: print this value alone"),
        Arg::new(DISCOVERY)
            .long("discovery")
            .action(ArgAction::SetTrue)
            .conflicts_with(KEY)
            .help("with zabbix: print the backups as JSON for low-level discovery"),
    ];
    args.map(|arg| arg.help_heading(Group::Status.title())).to_vec()
}

/// The command.
pub(super) fn command(matches: &ArgMatches) -> StatusCommand {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let question = match text(KEY) {
        Some(key) => Question::Key(key),
        None if matches.get_flag(DISCOVERY) => Question::Discovery,
        None => Question::Verdict,
    };
    StatusCommand {
        format: format(matches),
        question,
        output: matches.get_one::<PathBuf>(OUTPUT).cloned(),
        section: text("config_section").unwrap_or_else(|| build::DEFAULT_SECTION.to_owned()),
        all: matches.get_flag(build::ALL),
    }
}

/// A word that is none of these is refused when settings are resolved.
fn format(matches: &ArgMatches) -> StatusFormat {
    let word = matches.get_one::<String>("status_format").map(|word| word.to_ascii_lowercase());
    match word.as_deref() {
        _ if matches.get_flag("json") => StatusFormat::Json,
        Some("nagios") => StatusFormat::Nagios,
        Some("zabbix") => StatusFormat::Zabbix,
        Some("prometheus") => StatusFormat::Prometheus,
        Some("json") => StatusFormat::Json,
        _ => StatusFormat::None,
    }
}

/// Refuses what goes with another form only, and names of values that do not exist: Zabbix would show an
/// item without a value for good, and nobody would know why.
pub(super) fn check(matches: &ArgMatches) -> Result<(), CliError> {
    let command = command(matches);
    let needs = |option: &str, word: &str| {
        CliError::usage(
            format!("{option} goes with --status-format={word} only"),
            format!("add --status-format={word}, or leave out {option}"),
        )
    };
    if command.output.is_some() && command.format != StatusFormat::Prometheus {
        return Err(needs("--output", "prometheus"));
    }
    let is_single = matches!(command.format, StatusFormat::Zabbix | StatusFormat::Prometheus);
    if command.all && (is_single || command.output.is_some()) {
        return Err(CliError::usage(
            "--all goes with nagios and json, and with --status-format=none",
            "ask for each server with a call of its own, or use --status-format=json",
        ));
    }
    match &command.question {
        Question::Verdict => Ok(()),
        Question::Key(_) if command.format != StatusFormat::Zabbix => Err(needs("--key", "zabbix")),
        Question::Discovery if command.format != StatusFormat::Zabbix => Err(needs("--discovery", "zabbix")),
        Question::Key(key) => known(key),
        Question::Discovery => Ok(()),
    }
}

fn known(wanted: &str) -> Result<(), CliError> {
    let keys = keys();
    if keys.iter().any(|key| key == wanted) {
        return Ok(());
    }
    // A name that was not written to its end is nearer than any that is as long.
    let distance = |key: &&String| (!key.starts_with(wanted), strsim::damerau_levenshtein(key, wanted));
    let nearest = keys.iter().min_by_key(distance);
    let nearest = nearest.map(|key| format!("the nearest is {key}"));
    let all = format!("there are {}", keys.join(", "));
    Err(CliError::Usage {
        message: format!("status has no value {wanted:?}"),
        hints: nearest.into_iter().chain([all]).collect(),
    })
}

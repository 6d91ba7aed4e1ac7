//! What clap is told: commands, and one option for every row of the table of settings.

use clap::{Arg, ArgAction, Command};
use xb_core::settings::{Group, KEYS, Key, Kind, Task};

use super::{archive, binlog, help, keep, own, shown, status, takes_no_value};

/// The id of `--format`.
pub(super) const FORMAT: &str = "format";
/// The id of `--all`.
pub(super) const ALL: &str = "all_servers";
/// The section that is read when none is named.
pub(super) const DEFAULT_SECTION: &str = "pyxbackup";

/// Wide terminals do not make long lines readable.
const MAX_WIDTH: usize = 100;
/// The options that `-h` shows.
const BRIEF: &[&str] = &[
    "mysql_user",
    "mysql_sock",
    "mysql_cnf",
    "stor_dir",
    "work_dir",
    "compress",
    "compress_with",
    "restore_backup",
    "restore_dir",
    "status_format",
    "config",
    "debug",
    "quiet",
    "json",
];

/// How much help tells.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// `-h`: what is needed most.
    Short,
    /// `--help`: everything.
    Long,
    /// Completions and the manual: the same, and what help hides is not there at all.
    Shown,
}

/// The whole command line.
pub(super) fn command(detail: Detail) -> Command {
    let mut top = Command::new("pyxbackup")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Backup manager for MySQL, Percona Server and MariaDB")
        .max_term_width(MAX_WIDTH)
        .subcommand_required(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .infer_long_args(true)
        .after_help(match detail {
            Detail::Short => help::MORE.to_owned(),
            Detail::Long | Detail::Shown => help::top(),
        });
    top = with_options(top, None, detail).arg(
        Arg::new("version")
            .short('V')
            .long("version")
            .action(ArgAction::Version)
            .help("print the version")
            .help_heading(Group::Output.title()),
    );
    let single = Task::ALL.into_iter().filter(|task| !task.word().contains(' '));
    for task in single {
        top = top.subcommand(of_task(task, task.word(), detail));
    }
    let about_config = "Show the settings and where each comes from (config show)";
    let about_archive = "Work on any archive by itself: list, cat, extract, convert";
    let about_binlog = "Look into the archive of binary logs: list, show, find";
    top.subcommand(of_group("config", about_config, detail))
        .subcommand(of_group("archive", about_archive, detail))
        .subcommand(of_group("binlog", about_binlog, detail))
}

/// The command in front of commands of two words.
fn of_group(word: &'static str, about: &'static str, detail: Detail) -> Command {
    let of = |task: Task| Some((task, task.word().strip_prefix(word)?.strip_prefix(' ')?));
    let tasks: Vec<(Task, &'static str)> = Task::ALL.into_iter().filter_map(of).collect();
    let concerned: Vec<Task> = tasks.iter().map(|(task, _)| *task).collect();
    let group = Command::new(word).about(about).after_help(match detail {
        Detail::Short => help::MORE,
        Detail::Long | Detail::Shown => help::examples_of_group(word),
    });
    let group = with_options(group, Some(&concerned), detail).subcommand_required(true);
    group.subcommands(tasks.into_iter().map(|(task, word)| of_task(task, word, detail)))
}

fn of_task(task: Task, word: &'static str, detail: Detail) -> Command {
    let command = Command::new(word).about(help::about(task)).after_help(match detail {
        Detail::Short => help::MORE,
        Detail::Long | Detail::Shown => help::examples(task),
    });
    let command = binlog::groups(task, command.args(own_args(task)));
    let command = with_options(command, Some(&[task]), detail);
    match help::formats(task) {
        [] => command,
        formats => command.arg(format_option(formats)),
    }
}

/// The arguments that only this command has.
fn own_args(task: Task) -> Vec<Arg> {
    [
        archive::args(task),
        binlog::args(task),
        status::args(task),
        own::args(task),
        keep::args(task),
        all(task),
    ]
    .concat()
}

/// The option that asks for more servers than this one.
fn all(task: Task) -> Vec<Arg> {
    if !matches!(task, Task::List | Task::Status) {
        return Vec::new();
    }
    let arg = Arg::new(ALL).long("all").action(ArgAction::SetTrue);
    let help = "every server whose store stands in the same bucket or directory as this one's";
    vec![arg.help(help).help_heading(Group::Remote.title())]
}

fn format_option(formats: &'static [&'static str]) -> Arg {
    Arg::new(FORMAT)
        .long("format")
        .value_name("FORMAT")
        .value_parser(formats.to_vec())
        .hide_possible_values(true)
        .help(format!("how to print: {}", formats.join(", ")))
        .help_heading(Group::Output.title())
}

/// Every option, at every level, so that options may stand before and after the command. Each level has its
/// own copies, because what help shows differs between commands.
fn with_options(command: Command, tasks: Option<&[Task]>, detail: Detail) -> Command {
    let options = KEYS.iter().filter(|key| detail != Detail::Shown || is_shown(key, tasks, detail));
    let options = options.map(|key| match detail {
        Detail::Shown => shown::option(key, option(key)),
        _ => option(key).hide(!is_shown(key, tasks, detail)),
    });
    command.args(options).arg(
        Arg::new("help")
            .short('h')
            .long("help")
            // The short action for both: the long one puts every description on a line of its own.
            .action(ArgAction::HelpShort)
            .help("print help; --help tells more than -h")
            .help_heading(Group::Output.title()),
    )
}

fn is_shown(key: &Key, tasks: Option<&[Task]>, detail: Detail) -> bool {
    let does_to = |task: &Task| task.takes_settings() && key.matters_to.contains(task);
    let concerns = tasks.is_none_or(|tasks| tasks.iter().any(does_to));
    let is_told = detail != Detail::Short || BRIEF.contains(&key.name);
    concerns && is_told
}

fn option(key: &'static Key) -> Arg {
    let arg = Arg::new(key.name)
        .long(key.long)
        .global(true)
        .help(help::of_key(key))
        .help_heading(key.group.title());
    let arg = match key.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match key.kind {
        _ if takes_no_value(key) => arg.action(ArgAction::SetTrue),
        // `--compress` turns on, `--compress=0` takes back what the file says.
        Kind::Flag => arg.num_args(0..=1).require_equals(true).default_missing_value("1").value_name("0|1"),
        // Such values begin with a dash in good faith: -p -secret, --ssh-opts '-i key'.
        Kind::Text | Kind::Secret | Kind::Words => {
            arg.value_name(value_name(key.kind)).allow_hyphen_values(true)
        }
        Kind::Number { .. } => arg.value_name(value_name(key.kind)).allow_negative_numbers(true),
        _ => arg.value_name(value_name(key.kind)),
    }
}

fn value_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "0|1",
        Kind::Text => "TEXT",
        Kind::Secret => "PASSWORD",
        Kind::File => "FILE",
        Kind::Directory => "DIR",
        Kind::Directories => "DIRS",
        Kind::Number { .. } => "N",
        Kind::NumberOr { .. } => "N|WORD",
        Kind::Choice(_) => "WORD",
        Kind::List => "LIST",
        Kind::Words => "OPTIONS",
        Kind::Backup => "NAME",
        Kind::Ports => "PORT",
    }
}

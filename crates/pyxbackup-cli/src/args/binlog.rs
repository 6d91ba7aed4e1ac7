//! The commands on binary logs, and recovery to a point in time, as typed.

use chrono::{DateTime, FixedOffset};
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command as Clap, value_parser};
use xb_core::gtid::GtidSet;
use xb_core::settings::{Group, Task};
use xb_core::{BinlogCoord, BinlogName};

use super::build::FORMAT;
use super::time;

const ONCE: &str = "binlog_once";
const TO_TIME: &str = "recover_to_time";
const TO_GTID: &str = "recover_to_gtid";
const TO_POSITION: &str = "recover_to_position";
const TO_LATEST: &str = "recover_to_latest";
const TARGET: &str = "recover_target";
const EXCLUDE: &str = "recover_exclude";
const BEST_EFFORT: &str = "recover_best_effort";
const ACROSS_GAPS: &str = "recover_across_gaps";
const EPOCH: &str = "binlog_epoch";
const BASE_EPOCH: &str = "recover_base_epoch";
const DRY_RUN: &str = "recover_dry_run";
const LOG: &str = "binlog_log";
const FROM: &str = "binlog_from";
const LIMIT: &str = "binlog_limit";
const TIME: &str = "binlog_time";
const GTID: &str = "binlog_gtid";
const WHAT: &str = "binlog_what";

/// A command on binary logs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BinlogCommand {
    Stream { once: bool },
    List { format: LogsFormat },
    Show { log: BinlogName, epoch: Option<u32>, from: u64, limit: Option<usize>, format: LogsFormat },
    Find { what: Wanted, epoch: Option<u32>, format: LogsFormat },
    Window { format: LogsFormat },
}

impl BinlogCommand {
    pub(super) fn task(&self) -> Task {
        match self {
            BinlogCommand::Stream { .. } => Task::BinlogStream,
            BinlogCommand::List { .. } => Task::BinlogList,
            BinlogCommand::Show { .. } => Task::BinlogShow,
            BinlogCommand::Find { .. } => Task::BinlogFind,
            BinlogCommand::Window { .. } => Task::RecoveryWindow,
        }
    }

    pub(super) fn is_json(&self) -> bool {
        match self {
            BinlogCommand::Stream { .. } => false,
            BinlogCommand::List { format }
            | BinlogCommand::Show { format, .. }
            | BinlogCommand::Find { format, .. }
            | BinlogCommand::Window { format } => *format == LogsFormat::Json,
        }
    }
}

/// How they print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogsFormat {
    Text,
    Json,
}

/// What is sought in the archive, or recovered to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wanted {
    Time(DateTime<FixedOffset>),
    Gtid(GtidSet),
    Position(BinlogCoord),
    Latest,
}

/// Recovery beyond the backup, as asked of `restore-set`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Recovery {
    pub(crate) to: Wanted,
    /// Of the position to recover to.
    pub(crate) epoch: Option<u32>,
    /// Where the backup stands.
    pub(crate) base_epoch: Option<u32>,
    pub(crate) exclude: Vec<GtidSet>,
    pub(crate) best_effort: bool,
    pub(crate) across_gaps: bool,
    pub(crate) dry_run: bool,
}

/// The arguments that only this command has.
pub(super) fn args(task: Task) -> Vec<Arg> {
    let epoch =
        value(EPOCH, "epoch", "N", "the epoch that is meant, where the archive has a name more than once")
            .value_parser(value_parser!(u32));
    match task {
        Task::BinlogStream => vec![flag(ONCE, "once", "take what the server has now, and end")],
        Task::BinlogShow => vec![
            Arg::new(LOG)
                .value_name("LOG")
                .required(true)
                .value_parser(|text: &str| text.parse::<BinlogName>())
                .help("a binary log of the archive, as `binlog list` prints it"),
            epoch,
            value(FROM, "from", "POS", "begin with the transaction that this position lies in")
                .value_parser(value_parser!(u64)),
            value(LIMIT, "limit", "N", "show so many transactions at most")
                .value_parser(value_parser!(usize)),
        ],
        Task::BinlogFind => {
            vec![time_arg(TIME, "time"), gtid_arg(GTID, "gtid", "a GTID, or a set of them"), epoch]
        }
        Task::RestoreSet => recovery_args(epoch),
        _ => Vec::new(),
    }
}

/// Of which arguments exactly one is wanted, or at most one.
pub(super) fn groups(task: Task, command: Clap) -> Clap {
    match task {
        Task::BinlogFind => command.group(ArgGroup::new(WHAT).args([TIME, GTID]).required(true)),
        Task::RestoreSet => {
            command.group(ArgGroup::new(TARGET).args([TO_TIME, TO_GTID, TO_POSITION, TO_LATEST]))
        }
        _ => command,
    }
}

fn recovery_args(epoch: Arg) -> Vec<Arg> {
    let beyond = |arg: Arg| arg.requires(TARGET).help_heading(Group::Restore.title());
    let target = |arg: Arg| arg.help_heading(Group::Restore.title());
    vec![
        target(time_arg(TO_TIME, "to-time").help(
            "recover the state of this moment from backup and binary logs: \"2026-11-22 14:28:07\", \
             with +02:00 or UTC behind it for another zone than that of this machine",
        )),
        target(gtid_arg(TO_GTID, "to-gtid", "recover up to and with this transaction, or set of them")),
        target(
            value(TO_POSITION, "to-position", "LOG:POS", "recover up to this place in the binary logs")
                .value_parser(position),
        ),
        target(
            epoch
                .requires(TO_POSITION)
                .conflicts_with_all([TO_TIME, TO_GTID, TO_LATEST])
                .help("the epoch of that place, as `binlog list` prints it, where several have such a log"),
        ),
        target(flag(TO_LATEST, "to-latest", "recover all that the binary logs have")),
        beyond(
            gtid_arg(EXCLUDE, "exclude-gtid", "leave this transaction out; may be given more than once")
                .action(ArgAction::Append),
        ),
        beyond(flag(
            BEST_EFFORT,
            "best-effort",
            "where the archive ends before the wanted time, recover what there is",
        )),
        beyond(flag(
            ACROSS_GAPS,
            "across-gaps",
            "go on behind binary logs that are missing; what was in them is lost",
        )),
        beyond(
            value(
                BASE_EPOCH,
                "base-epoch",
                "N",
                "the epoch the backup stands in, where the archive cannot tell",
            )
            .value_parser(value_parser!(u32)),
        ),
        beyond(flag(DRY_RUN, "dry-run", "print backup, binary logs and the exact end, and change nothing")),
    ]
}

fn value(id: &'static str, long: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(long).value_name(name).help(help).help_heading(Group::BinaryLogs.title())
}

fn flag(id: &'static str, long: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(long).action(ArgAction::SetTrue).help(help).help_heading(Group::BinaryLogs.title())
}

fn time_arg(id: &'static str, long: &'static str) -> Arg {
    value(
        id,
        long,
        "TIME",
        "a moment: \"2026-11-22 14:28:07\", with +02:00 or UTC behind it for another zone",
    )
    .value_parser(time::parse)
}

fn gtid_arg(id: &'static str, long: &'static str, help: &'static str) -> Arg {
    value(id, long, "GTID", help).value_parser(|text: &str| text.parse::<GtidSet>())
}

/// `mysql-bin.000042:1234`
fn position(text: &str) -> Result<BinlogCoord, String> {
    let parts = text.rsplit_once(':').and_then(|(file, at)| Some((file.parse().ok()?, at.parse().ok()?)));
    let (file, position) =
        parts.ok_or("write the log and the position in it, such as mysql-bin.000042:1234")?;
    Ok(BinlogCoord { file, position })
}

/// The command; `task` is one of these.
pub(super) fn command(task: Task, matches: &ArgMatches) -> Option<BinlogCommand> {
    let format = || match matches.get_one::<String>(FORMAT).map(String::as_str) {
        Some("json") => LogsFormat::Json,
        None if matches.get_flag("json") => LogsFormat::Json,
        _ => LogsFormat::Text,
    };
    let epoch = || matches.get_one::<u32>(EPOCH).copied();
    match task {
        Task::BinlogStream => Some(BinlogCommand::Stream { once: matches.get_flag(ONCE) }),
        Task::BinlogList => Some(BinlogCommand::List { format: format() }),
        Task::BinlogShow => Some(BinlogCommand::Show {
            log: matches.get_one::<BinlogName>(LOG)?.clone(),
            epoch: epoch(),
            from: matches.get_one::<u64>(FROM).copied().unwrap_or(0),
            limit: matches.get_one::<usize>(LIMIT).copied(),
            format: format(),
        }),
        Task::BinlogFind => {
            let time = matches.get_one(TIME).copied().map(Wanted::Time);
            let what = time.or_else(|| matches.get_one(GTID).cloned().map(Wanted::Gtid))?;
            Some(BinlogCommand::Find { what, epoch: epoch(), format: format() })
        }
        Task::RecoveryWindow => Some(BinlogCommand::Window { format: format() }),
        _ => None,
    }
}

/// What `restore-set` is to recover beyond the backup.
pub(super) fn recovery(matches: &ArgMatches) -> Option<Recovery> {
    let to = if let Some(time) = matches.get_one(TO_TIME) {
        Wanted::Time(*time)
    } else if let Some(set) = matches.get_one::<GtidSet>(TO_GTID) {
        Wanted::Gtid(set.clone())
    } else if let Some(place) = matches.get_one::<BinlogCoord>(TO_POSITION) {
        Wanted::Position(place.clone())
    } else if matches.get_flag(TO_LATEST) {
        Wanted::Latest
    } else {
        return None;
    };
    Some(Recovery {
        to,
        epoch: matches.get_one::<u32>(EPOCH).copied(),
        base_epoch: matches.get_one::<u32>(BASE_EPOCH).copied(),
        exclude: matches.get_many::<GtidSet>(EXCLUDE).into_iter().flatten().cloned().collect(),
        best_effort: matches.get_flag(BEST_EFFORT),
        across_gaps: matches.get_flag(ACROSS_GAPS),
        dry_run: matches.get_flag(DRY_RUN),
    })
}

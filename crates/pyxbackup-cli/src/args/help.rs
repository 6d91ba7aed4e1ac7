//! What help says beyond the options.

use std::ffi::OsString;

use xb_core::settings::{Availability, KEYS, Key, Task};

use crate::compat;

/// The end of brief help.
pub(super) const MORE: &str = "--help shows every option, and examples.";

const EXAMPLES: &str = "\
Examples:
  A first backup, once stor_dir and work_dir exist:
    pyxbackup -s /backups/stor -w /backups/work -S /run/mysqld/mysqld.sock -u backup full
  The same, with all of this in /etc/pyxbackup.cnf under [pyxbackup]:
    pyxbackup full
  What has changed since:
    pyxbackup incr
  What there is:
    pyxbackup list
  The newest backup, ready to start a server on:
    pyxbackup --restore-dir=/restore restore-set";

/// Whether help was asked for in full.
pub(super) fn is_long_wanted(args: &[OsString]) -> bool {
    // Any beginning of --help will do, as with every long option.
    args.iter()
        .filter_map(|arg| arg.to_str())
        .any(|arg| arg == "help" || (arg.len() > 2 && "--help".starts_with(arg)))
}

/// One line on a command.
pub(super) fn about(task: Task) -> &'static str {
    match task {
        Task::Full => "Take a full backup",
        Task::Incr => "Take an incremental backup: what changed since the newest backup",
        Task::List => "List the backups in the store",
        Task::Status => "Report how the last backup went, for Nagios and Zabbix",
        Task::RestoreSet => "Restore a backup with all it builds on, ready to start a server on",
        Task::ConfigShow => "Show every setting, its value and where it comes from",
        Task::ApplyLast => "Bring the prepared copy up to the newest incremental",
        Task::Prune => "Remove what retention no longer keeps",
        Task::BinlogStream => "Copy binary logs continuously",
        Task::Wipeout => "Remove every backup",
        Task::Meta => "Print single facts about the store",
        Task::LastLsn => "Print the LSN at which the next incremental begins",
    }
}

/// What stands below the options of a command.
pub(super) fn examples(task: Task) -> &'static str {
    match task {
        Task::Full => {
            "\
Examples:
  pyxbackup full
  pyxbackup --compress --compress-with=zstd full

The settings come from a configuration file; `pyxbackup config show` prints them. Exit code 0
means that the backup is complete, checked and listed. With --quiet only its name is printed."
        }
        Task::Incr => {
            "\
Example:
  pyxbackup incr

It builds on the newest complete backup. Exit code 16 means that there is no full backup yet."
        }
        Task::List => {
            "\
Examples:
  pyxbackup list
  pyxbackup list --format table
  pyxbackup list --format json

A backup is named after its start. What is broken or half-written, or builds on something that is,
stands on lines of its own that begin with `# Broken:`, `# Incomplete:` or `# Running:`."
        }
        Task::Status => {
            "\
Examples:
  pyxbackup --status-format=nagios status
  pyxbackup --status-format=zabbix status

Exit code 0: all is well; 1: someone should look; 2: someone must look, also when
nobody can tell how things stand."
        }
        Task::RestoreSet => {
            "\
Examples:
  pyxbackup --restore-dir=/restore restore-set
  pyxbackup --restore-backup=2026_11_22-14_28_07 --restore-dir=/restore restore-set

The first restores the newest backup. The result is /restore/P_<name>, which appears when it is
complete; what to do next is printed at the end. With --quiet only its path is printed."
        }
        Task::ConfigShow => {
            "\
Examples:
  pyxbackup config show
  pyxbackup --compress config show
  pyxbackup --config ./test.toml config show --format json

Any option may be given, to see what becomes of it."
        }
        _ => "",
    }
}

/// What `--format` takes; empty where there is no such option.
pub(super) fn formats(task: Task) -> &'static [&'static str] {
    match task {
        Task::List => &["lines", "table", "json"],
        Task::ConfigShow => &["table", "json"],
        _ => &[],
    }
}

/// What an option does.
pub(super) fn of_key(key: &Key) -> String {
    let off_or_none = key.default.is_empty() || key.default == "0";
    if off_or_none { key.help.to_owned() } else { format!("{} [default: {}]", key.help, key.default) }
}

/// What stands below the options of the program.
pub(super) fn top() -> String {
    let is_later = |key: &&Key| matches!(key.availability, Availability::Later(_));
    let options = KEYS.iter().filter(is_later).map(|key| format!("--{}", key.long));
    let absent = Task::ALL.into_iter().filter(|task| compat::instead_of(*task).is_some());
    let absent = absent.map(|task| task.word().to_owned());
    let known: Vec<String> = absent.chain(options).collect();
    format!(
        "Configuration is read from --config, else /etc/pyxbackup.cnf (or .toml), else the same beside the \
         program. Every option but those for one run can be set there, under the name that \
         `pyxbackup config show` prints. The command line goes before the file.\n\n\
         {EXAMPLES}\n\n\
         Known, refused in this version:\n  {}",
        known.join(", ")
    )
}

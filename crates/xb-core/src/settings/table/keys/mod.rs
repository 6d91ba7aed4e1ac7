//! The rows of the table. Names, options and defaults of the settings that pyxbackup has always had are
//! what its users' files and scripts are written in: they do not change.

mod binlogs;
mod elsewhere;
mod encryption;
mod form;
mod keep;
mod reach;
mod tell;

use super::{Group, Key, Kind, Place};
use crate::settings::Task;

/// The rows by subject, in the order in which help and `config show` list them.
const PARTS: [&[Key]; 7] =
    [reach::KEYS, form::KEYS, keep::KEYS, elsewhere::KEYS, binlogs::KEYS, encryption::KEYS, tell::KEYS];

/// Every setting.
pub static KEYS: &[Key] = &joined::<{ count(&PARTS) }>(&PARTS);

const fn count(parts: &[&[Key]]) -> usize {
    let (mut count, mut part) = (0, 0);
    while part < parts.len() {
        count += parts[part].len();
        part += 1;
    }
    count
}

const fn joined<const N: usize>(parts: &[&[Key]]) -> [Key; N] {
    let mut all = [parts[0][0]; N];
    let (mut next, mut part) = (0, 0);
    while part < parts.len() {
        let mut row = 0;
        while row < parts[part].len() {
            all[next] = parts[part][row];
            next += 1;
            row += 1;
        }
        part += 1;
    }
    all
}

/// The commands that make a backup.
const TAKING: &[Task] = &[Task::Full, Task::Incr];
/// The commands that ask the server.
const SERVER: &[Task] = &[Task::Full, Task::Incr, Task::BinlogStream];
/// The commands that read the server's option file.
const REACHING: &[Task] = &[Task::Full, Task::Incr, Task::RestoreSet, Task::ApplyLast, Task::BinlogStream];
/// The commands that run an engine.
const ENGINE: &[Task] = &[Task::Full, Task::Incr, Task::RestoreSet, Task::ApplyLast];
/// The commands that prepare backups.
const PREPARING: &[Task] = ENGINE;
/// The commands that look into a store.
const STORE: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::List,
    Task::Status,
    Task::RestoreSet,
    Task::ApplyLast,
    Task::Prune,
    Task::Copy,
    Task::Pin,
    Task::Unpin,
    Task::Wipeout,
    Task::Meta,
    Task::LastLsn,
    Task::BinlogStream,
    Task::BinlogList,
    Task::BinlogShow,
    Task::BinlogFind,
    Task::RecoveryWindow,
];
/// The commands that may have to do with a store elsewhere.
const STORES: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::List,
    Task::Status,
    Task::RestoreSet,
    Task::ApplyLast,
    Task::Prune,
    Task::Copy,
    Task::Pin,
    Task::Unpin,
    Task::Wipeout,
    Task::Meta,
    Task::LastLsn,
    Task::ArchiveList,
    Task::ArchiveCat,
    Task::ArchiveExtract,
    Task::ArchiveConvert,
    Task::BinlogStream,
    Task::BinlogList,
    Task::BinlogShow,
    Task::BinlogFind,
    Task::RecoveryWindow,
];
/// The commands that make copies in other stores, or tell of them.
const COPYING: &[Task] = &[Task::Full, Task::Incr, Task::Prune, Task::Copy, Task::Status, Task::BinlogStream];
/// The commands that write into `work_dir` or look for a running backup there.
const WORK: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::List,
    Task::Status,
    Task::RestoreSet,
    Task::ApplyLast,
    Task::Prune,
    Task::Copy,
    Task::Wipeout,
    Task::BinlogStream,
    Task::BinlogList,
    Task::BinlogShow,
    Task::BinlogFind,
    Task::RecoveryWindow,
];
/// The commands that cannot do without a `work_dir`.
const WORKING: &[Task] =
    &[Task::Full, Task::Incr, Task::ApplyLast, Task::Prune, Task::Copy, Task::Wipeout, Task::BinlogStream];
const STATUS: &[Task] = &[Task::Status];
const RESTORE: &[Task] = &[Task::RestoreSet];
/// The commands that remove what is no longer kept.
const PRUNING: &[Task] = &[Task::Full, Task::Incr, Task::Prune];
/// The commands whose end others are told of.
const TOLD: &[Task] = &[Task::Full, Task::Incr, Task::ApplyLast, Task::Prune];
/// The commands that read archives.
const READING: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::RestoreSet,
    Task::ApplyLast,
    Task::ArchiveList,
    Task::ArchiveCat,
    Task::ArchiveExtract,
    Task::ArchiveConvert,
    Task::BinlogStream,
    Task::BinlogShow,
    Task::BinlogFind,
    Task::RecoveryWindow,
];
/// The commands that write archives.
const WRITING: &[Task] = &[Task::Full, Task::Incr, Task::ArchiveConvert, Task::BinlogStream];

const THREADS: Kind = Kind::Number { min: 1, max: 256 };
const HOURS: Kind = Kind::Number { min: 1, max: 87_600 };
const COUNT: Kind = Kind::Number { min: 0, max: 100_000 };
const PORT: Kind = Kind::Number { min: 1, max: 65_535 };
const SECONDS: Kind = Kind::Number { min: 1, max: 86_400 };

pub(super) const fn key(
    group: Group,
    name: &'static str,
    long: &'static str,
    kind: Kind,
    help: &'static str,
) -> Key {
    Key {
        name,
        long,
        short: None,
        place: Place::Anywhere,
        kind,
        default: "",
        help,
        group,
        matters_to: TAKING,
        required_by: &[],
    }
}

impl Key {
    pub(super) const fn short(self, short: char) -> Key {
        Key { short: Some(short), ..self }
    }

    pub(super) const fn default(self, default: &'static str) -> Key {
        Key { default, ..self }
    }

    pub(super) const fn of(self, matters_to: &'static [Task]) -> Key {
        Key { matters_to, ..self }
    }

    pub(super) const fn required_by(self, required_by: &'static [Task]) -> Key {
        Key { required_by, ..self }
    }

    /// For one run only: no file can set it.
    pub(super) const fn cli(self) -> Key {
        Key { place: Place::CommandLine, ..self }
    }
}

//! What a run is asked to do, as far as settings are concerned.

use std::fmt;

use serde::{Serialize, Serializer};

/// A command. Decides which settings are needed, and which of them may stop the run when they cannot be
/// honoured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Take a full backup.
    Full,
    /// Take an incremental backup.
    Incr,
    /// Show the backups of a store.
    List,
    /// Tell a monitoring system how the backups are doing.
    Status,
    /// Restore a backup with all it builds on.
    RestoreSet,
    /// Show the settings and their origins.
    ConfigShow,
    /// List what is in an archive.
    ArchiveList,
    /// Print one file of an archive.
    ArchiveCat,
    /// Unpack an archive.
    ArchiveExtract,
    /// Make an archive of another form.
    ArchiveConvert,
    /// Bring the prepared copy up to the newest incremental.
    ApplyLast,
    /// Remove what retention no longer keeps.
    Prune,
    /// Copy a backup to another store.
    Copy,
    /// Keep a set whatever retention says.
    Pin,
    /// Leave a set to retention again.
    Unpin,
    /// Copy binary logs continuously.
    BinlogStream,
    /// List the archive of binary logs.
    BinlogList,
    /// Show the transactions of a binary log.
    BinlogShow,
    /// Find a transaction or a time in the archive.
    BinlogFind,
    /// Tell from when to when data can be recovered.
    RecoveryWindow,
    /// Remove every backup.
    Wipeout,
    /// Print single facts about a store, for scripts.
    Meta,
    /// Print the LSN at which the next incremental would begin.
    LastLsn,
    /// Print what a shell needs to complete the command line.
    Completions,
    /// Write the manual's pages.
    Manual,
}

impl Task {
    /// Every command, in the order in which help lists them.
    pub const ALL: [Task; 25] = [
        Task::Full,
        Task::Incr,
        Task::List,
        Task::Status,
        Task::RestoreSet,
        Task::ConfigShow,
        Task::ArchiveList,
        Task::ArchiveCat,
        Task::ArchiveExtract,
        Task::ArchiveConvert,
        Task::ApplyLast,
        Task::Prune,
        Task::Copy,
        Task::Pin,
        Task::Unpin,
        Task::BinlogStream,
        Task::BinlogList,
        Task::BinlogShow,
        Task::BinlogFind,
        Task::RecoveryWindow,
        Task::Wipeout,
        Task::Meta,
        Task::LastLsn,
        Task::Completions,
        Task::Manual,
    ];

    /// Whether it reads any setting. What tells of the program itself does not, and works where the
    /// configuration is broken or missing.
    #[must_use]
    pub const fn takes_settings(self) -> bool {
        !matches!(self, Task::Completions | Task::Manual)
    }

    /// The command as it is typed.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Task::Full => "full",
            Task::Incr => "incr",
            Task::List => "list",
            Task::Status => "status",
            Task::RestoreSet => "restore-set",
            Task::ConfigShow => "config show",
            Task::ArchiveList => "archive list",
            Task::ArchiveCat => "archive cat",
            Task::ArchiveExtract => "archive extract",
            Task::ArchiveConvert => "archive convert",
            Task::ApplyLast => "apply-last",
            Task::Prune => "prune",
            Task::Copy => "copy",
            Task::Pin => "pin",
            Task::Unpin => "unpin",
            Task::BinlogStream => "binlog-stream",
            Task::BinlogList => "binlog list",
            Task::BinlogShow => "binlog show",
            Task::BinlogFind => "binlog find",
            Task::RecoveryWindow => "recovery-window",
            Task::Wipeout => "wipeout",
            Task::Meta => "meta",
            Task::LastLsn => "last-lsn",
            Task::Completions => "completions",
            Task::Manual => "manual",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl Serialize for Task {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

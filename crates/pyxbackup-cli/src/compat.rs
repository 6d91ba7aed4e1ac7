//! Habits of the Python tool's users: its commands and what this version has instead of them.
//!
//! Of its ways to write options, three are kept in [`crate::args`]: they may stand before or after the
//! command, a long option may be shortened as long as it stays unambiguous, and of an option given twice the
//! last counts.

use xb_core::settings::Task;

/// What to do while a command is not in this version; `None` for those that are.
pub(crate) fn instead_of(task: Task) -> Option<&'static str> {
    match task {
        Task::Full
        | Task::Incr
        | Task::List
        | Task::Status
        | Task::RestoreSet
        | Task::ApplyLast
        | Task::Prune
        | Task::Copy
        | Task::Pin
        | Task::Unpin
        | Task::Wipeout
        | Task::ConfigShow
        | Task::ArchiveList
        | Task::ArchiveCat
        | Task::ArchiveExtract
        | Task::ArchiveConvert
        | Task::Meta
        | Task::LastLsn
        | Task::Completions
        | Task::Manual => None,
        Task::BinlogStream => Some("`mysqlbinlog --read-from-remote-server --raw --stop-never` streams them"),
    }
}

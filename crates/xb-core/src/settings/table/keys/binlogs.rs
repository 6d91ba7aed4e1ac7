//! Binary logs: how they are streamed, kept and replayed.

use super::*;

const STREAM: &[Task] = &[Task::BinlogStream];
/// The commands that read the archive of binary logs.
const LOGS: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::List,
    Task::Status,
    Task::RestoreSet,
    Task::Prune,
    Task::BinlogStream,
    Task::BinlogList,
    Task::BinlogShow,
    Task::BinlogFind,
    Task::RecoveryWindow,
    Task::Wipeout,
];
/// The commands that remove binary logs nobody needs.
const LOG_PRUNING: &[Task] = &[Task::Full, Task::Incr, Task::Prune, Task::BinlogStream];

pub(super) const KEYS: &[Key] = &[
    of_logs(
        "retention_binlogs",
        "retention-binlogs",
        COUNT,
        "days to keep binary logs at least; what a kept backup needs stays anyway",
    )
    .short('b')
    .of(LOG_PRUNING),
    of_logs(
        "binlog_for_shelves",
        "binlog-for-shelves",
        Kind::Flag,
        "keep binary logs back to the oldest weekly, monthly or yearly set, not only to the oldest of the others",
    )
    .default("1")
    .of(LOG_PRUNING),
    of_logs(
        "binlog_dir",
        "binlog-dir",
        Kind::Directory,
        "where binary logs are kept [default: binlogs in stor_dir, or in work_dir when the store is elsewhere]",
    )
    .of(LOGS),
    of_logs("first_binlog", "first-binlog", Kind::Text, "binary log to begin with").short('n').of(STREAM),
    of_logs(
        "binlog_from_master",
        "binlog-from-master",
        Kind::Flag,
        "stream from the source of this replica: backups begin where that stood",
    )
    .default("0")
    .of(LOGS),
    of_logs(
        "binlog_resume",
        "binlog-resume",
        Kind::Flag,
        "when the wanted binary log is gone, go on from the oldest there is, and note the gap",
    )
    .default("0")
    .of(STREAM),
    of_logs("binlog_binary", "binlog-binary", Kind::File, "stream with this mysqlbinlog instead, and replay with it")
        .short('l')
        .of(&[Task::BinlogStream, Task::RestoreSet]),
    of_logs(
        "binlog_semisync",
        "binlog-semisync",
        Kind::Flag,
        "be a semisynchronous replica: tell the server that a transaction is kept once it is on the disk",
    )
    .default("0")
    .of(STREAM),
    of_logs("binlog_tls", "binlog-tls", Kind::Choice(TLS), "protect the connection: off, on, or verify the server too")
        .default("off")
        .of(STREAM),
    of_logs("binlog_tls_ca", "binlog-tls-ca", Kind::File, "certificates (PEM) that vouch for the server").of(STREAM),
    of_logs(
        "binlog_server_id",
        "binlog-server-id",
        Kind::Number { min: 1, max: 4_294_967_295 },
        "id among the server's replicas [default: drawn by lot]",
    )
    .of(STREAM),
    of_logs(
        "binlog_retries",
        "binlog-retries",
        COUNT,
        "attempts to connect again before giving up; 0 goes on for ever",
    )
    .default("0")
    .of(STREAM),
    of_logs("binlog_compress", "binlog-compress", Kind::Flag, "compress closed binary logs, by compress_with")
        .default("0")
        .of(STREAM),
    of_logs("binlog_encrypt", "binlog-encrypt", Kind::Flag, "encrypt closed binary logs, by encrypt")
        .default("0")
        .of(STREAM),
    of_logs(
        "binlog_push_interval",
        "binlog-push-interval",
        Kind::Number { min: 0, max: 86_400 },
        "seconds after which what is new in the open log goes to copy_to and store, too; 0 waits until it is closed",
    )
    .default("0")
    .of(STREAM),
    of_logs(
        "status_binlog_lag",
        "status-binlog-lag",
        Kind::Number { min: 1, max: 86_400 },
        "status warns when binary logs are so many seconds behind",
    )
    .default("300")
    .of(STATUS),
    key(
        Group::Restore,
        "recovery_server",
        "recovery-server",
        Kind::File,
        "the server program binary logs are replayed with: mariadbd or mysqld, when not in PATH",
    )
    .of(RESTORE),
    key(
        Group::Restore,
        "recovery_options",
        "recovery-options",
        Kind::Words,
        "more options for that server, such as the plugins that its data need",
    )
    .of(RESTORE),
    key(
        Group::Restore,
        "recovery_time_zone",
        "recovery-time-zone",
        Kind::Text,
        "time zone of the server that was backed up: Europe/Prague, or +02:00 [default: what the backup says]",
    )
    .of(RESTORE),
];

const TLS: &[&str] = &["off", "on", "verify"];

const fn of_logs(name: &'static str, long: &'static str, kind: Kind, help: &'static str) -> Key {
    key(Group::BinaryLogs, name, long, kind, help)
}

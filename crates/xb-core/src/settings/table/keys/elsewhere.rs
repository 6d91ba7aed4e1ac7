//! Copies on other hosts, and binary logs.

use super::*;

pub(super) const KEYS: &[Key] = &[
    // Remote
    key(Group::Remote, "remote_stor_dir", "remote-stor-dir", Kind::Directory, "the store on the remote host")
        .short('R')
        .awaits(REMOTE),
    key(Group::Remote, "remote_host", "remote-host", Kind::Text, "host to send backups to")
        .short('T')
        .awaits(REMOTE),
    key(
        Group::Remote,
        "remote_push_only",
        "remote-push-only",
        Kind::Flag,
        "keep only metadata here and the backup on the remote host",
    )
    .short('L')
    .default("0")
    .awaits(REMOTE),
    key(
        Group::Remote,
        "remote_script",
        "remote-script",
        Kind::Text,
        "the pyxbackup to call on the remote host, with options",
    )
    .short('B')
    .default("pyxbackup")
    .awaits(REMOTE),
    key(
        Group::Remote,
        "remote_nc_port",
        "remote-nc-port",
        Kind::Ports,
        "port to stream to over netcat, or a range as two ports with a comma",
    )
    .awaits(REMOTE),
    key(Group::Remote, "ssh_opts", "ssh-opts", Kind::Words, "more options for ssh").short('C').awaits(REMOTE),
    key(Group::Remote, "ssh_user", "ssh-user", Kind::Text, "account on the remote host")
        .short('U')
        .default("root")
        .awaits(REMOTE),
    // Binary logs
    key(
        Group::BinaryLogs,
        "retention_binlogs",
        "retention-binlogs",
        COUNT,
        "days to keep binary logs, instead of back to the oldest full",
    )
    .short('b')
    .awaits(BINLOGS),
    key(Group::BinaryLogs, "first_binlog", "first-binlog", Kind::Text, "binary log to begin with")
        .short('n')
        .awaits(BINLOGS),
    key(
        Group::BinaryLogs,
        "binlog_from_master",
        "binlog-from-master",
        Kind::Flag,
        "stream from the source of this replica",
    )
    .default("0")
    .awaits(BINLOGS),
    key(
        Group::BinaryLogs,
        "binlog_resume",
        "binlog-resume",
        Kind::Flag,
        "when the wanted binary log is gone, go on from the oldest there is",
    )
    .default("0")
    .awaits(BINLOGS),
    key(Group::BinaryLogs, "binlog_binary", "binlog-binary", Kind::File, "mysqlbinlog, when not in PATH")
        .short('l')
        .awaits(BINLOGS),
];

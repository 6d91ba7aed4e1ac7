//! Copies on other hosts, and binary logs.

use super::*;

pub(super) const KEYS: &[Key] = &[
    // Stores elsewhere
    key(
        Group::Remote,
        "store",
        "store",
        Kind::Text,
        "the store, when it is elsewhere: s3://bucket/prefix, gs://, az://, ssh://user@host/path, file:///path",
    )
    .of(STORES),
    key(Group::Remote, "copy_to", "copy-to", Kind::Words, "stores that get a copy of each backup")
        .of(COPYING),
    key(
        Group::Remote,
        "copy_retention_sets",
        "copy-retention-sets",
        COUNT,
        "sets to keep there; retention_sets when it is not given, and so for the others",
    )
    .of(COPYING),
    key(Group::Remote, "copy_retention_days", "copy-retention-days", COUNT, "days to keep there").of(COPYING),
    key(Group::Remote, "copy_retention_weeks", "copy-retention-weeks", COUNT, "weekly sets to keep there")
        .of(COPYING),
    key(Group::Remote, "copy_retention_months", "copy-retention-months", COUNT, "monthly sets to keep there")
        .of(COPYING),
    key(Group::Remote, "copy_retention_years", "copy-retention-years", COUNT, "yearly sets to keep there")
        .of(COPYING),
    key(
        Group::Remote,
        "store_rate_limit",
        "store-rate-limit",
        Kind::Number { min: 0, max: 1_000_000 },
        "most MiB a second to and from stores elsewhere; 0 is no limit",
    )
    .default("0")
    .of(STORES),
    key(Group::Remote, "s3_endpoint", "s3-endpoint", Kind::Text, "address of an S3-compatible server")
        .of(STORES),
    key(Group::Remote, "s3_region", "s3-region", Kind::Text, "region of the bucket").of(STORES),
    key(Group::Remote, "s3_access_key", "s3-access-key", Kind::Text, "access key id").of(STORES),
    key(
        Group::Remote,
        "s3_secret_key",
        "s3-secret-key",
        Kind::Secret,
        "its secret; better in a configuration file of mode 0600, or where the cloud's own tools look",
    )
    .of(STORES),
    key(
        Group::Remote,
        "s3_path_style",
        "s3-path-style",
        Kind::Choice(&["auto", "on", "off"]),
        "whether the bucket stands in the path and not in the host name; auto: with s3_endpoint",
    )
    .default("auto")
    .of(STORES),
    // A host behind ssh
    key(Group::Remote, "remote_stor_dir", "remote-stor-dir", Kind::Text, "the store on the remote host")
        .short('R')
        .of(STORES),
    key(Group::Remote, "remote_host", "remote-host", Kind::Text, "host to send backups to")
        .short('T')
        .of(STORES),
    key(
        Group::Remote,
        "remote_push_only",
        "remote-push-only",
        Kind::Flag,
        "keep only metadata here and the backup on the remote host",
    )
    .short('L')
    .default("0")
    .of(STORES),
    key(
        Group::Remote,
        "remote_script",
        "remote-script",
        Kind::Words,
        "the remote host's own pyxbackup, with options, to prune there; without it a shell will do",
    )
    .short('B')
    .of(STORES),
    key(
        Group::Remote,
        "remote_nc_port",
        "remote-nc-port",
        Kind::Ports,
        "port to stream to over netcat, or a range as two ports with a comma",
    )
    .of(STORES),
    key(Group::Remote, "ssh_opts", "ssh-opts", Kind::Words, "more options for ssh").short('C').of(STORES),
    key(Group::Remote, "ssh_user", "ssh-user", Kind::Text, "account on the remote host")
        .short('U')
        .default("root")
        .of(STORES),
];

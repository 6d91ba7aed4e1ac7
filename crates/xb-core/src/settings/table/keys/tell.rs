//! Who is told what.

use super::*;

const STATUS_FORMATS: &[&str] = &["none", "nagios", "zabbix", "prometheus", "json"];
const SECURITY: &[&str] = &["none", "starttls", "tls"];

pub(super) const KEYS: &[Key] = &[
    // Notices
    key(
        Group::Notices,
        "notify_by_email",
        "notify-by-email",
        Kind::List,
        "addresses told of failures, separated by commas",
    )
    .short('M')
    .of(TOLD),
    key(
        Group::Notices,
        "notify_on_success",
        "notify-on-success",
        Kind::List,
        "addresses told of finished backups, separated by commas",
    )
    .of(TOLD),
    key(Group::Notices, "smtp_host", "smtp-host", Kind::Text, "the mail server")
        .of(TOLD)
        .default("127.0.0.1"),
    key(Group::Notices, "smtp_port", "smtp-port", PORT, "its port").of(TOLD).default("25"),
    key(
        Group::Notices,
        "smtp_security",
        "smtp-security",
        Kind::Choice(SECURITY),
        "none, starttls or tls from the first byte",
    )
    .of(TOLD)
    .default("none"),
    key(
        Group::Notices,
        "smtp_ca_file",
        "smtp-ca-file",
        Kind::File,
        "certificates (PEM) that vouch for the mail server, instead of the usual ones",
    )
    .of(TOLD),
    key(Group::Notices, "smtp_user", "smtp-user", Kind::Text, "account on the mail server").of(TOLD),
    key(Group::Notices, "smtp_pass", "smtp-pass", Kind::Secret, "its password").of(TOLD),
    key(
        Group::Notices,
        "smtp_from",
        "smtp-from",
        Kind::Text,
        "the sender's address; without it the account of this process at this host",
    )
    .of(TOLD),
    key(
        Group::Notices,
        "notify_command",
        "notify-command",
        Kind::Words,
        "a program with its arguments, given the result as JSON on standard input",
    )
    .of(TOLD),
    key(
        Group::Notices,
        "notify_url",
        "notify-url",
        Kind::Secret,
        "where the same JSON is sent to by HTTP POST; never shown, it may hold a token",
    )
    .of(TOLD),
    key(
        Group::Notices,
        "notify_timeout",
        "notify-timeout",
        SECONDS,
        "seconds a notice may take, with all its attempts",
    )
    .of(TOLD)
    .default("30"),
    // Hooks
    key(
        Group::Hooks,
        "hook_before",
        "hook-before",
        Kind::Words,
        "a program run before a backup begins; when it fails, no backup is taken",
    ),
    key(
        Group::Hooks,
        "hook_after_success",
        "hook-after-success",
        Kind::Words,
        "a program run after a backup was taken",
    ),
    key(
        Group::Hooks,
        "hook_after_failure",
        "hook-after-failure",
        Kind::Words,
        "a program run after a backup failed",
    ),
    key(Group::Hooks, "hook_timeout", "hook-timeout", SECONDS, "seconds a hook may take").default("600"),
    // Status
    key(
        Group::Status,
        "status_format",
        "status-format",
        Kind::Choice(STATUS_FORMATS),
        "what status prints: none, nagios, zabbix, prometheus or json",
    )
    .short('o')
    .cli()
    .of(STATUS)
    .default("none"),
    key(
        Group::Status,
        "status_running_hours",
        "status-running-hours",
        HOURS,
        "warn when a backup has been running for longer",
    )
    .of(STATUS)
    .default("24"),
    key(Group::Status, "status_age_hours", "status-age-hours", HOURS, "warn when the last backup is older")
        .of(STATUS)
        .default("36"),
    // Configuration and output
    key(Group::Output, "config", "config", Kind::File, "configuration file, .cnf or .toml")
        .short('f')
        .cli()
        .of(&Task::ALL),
    key(Group::Output, "config_section", "config-section", Kind::Text, "section of it to read")
        .cli()
        .of(&Task::ALL)
        .default("pyxbackup"),
    key(
        Group::Output,
        "meta_item",
        "meta-item",
        Kind::List,
        "the facts that meta prints, separated by commas",
    )
    .short('t')
    .cli()
    .of(&[Task::Meta])
    .required_by(&[Task::Meta]),
    key(Group::Output, "debug", "debug", Kind::Flag, "print more: every command run, secrets masked")
        .short('d')
        .cli()
        .of(&Task::ALL),
    key(Group::Output, "quiet", "quiet", Kind::Flag, "print nothing but what was asked for, and errors")
        .short('q')
        .cli()
        .of(&Task::ALL),
    key(Group::Output, "json", "json", Kind::Flag, "print results and errors as JSON").cli().of(&Task::ALL),
];

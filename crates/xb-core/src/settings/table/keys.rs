//! The rows of the table. Names, options and defaults of the settings that pyxbackup has always had are
//! what its users' files and scripts are written in: they do not change.

use super::{Availability, Group, Key, Kind, Place, Word};
use crate::settings::Task;

/// The commands that make a backup.
const TAKING: &[Task] = &[Task::Full, Task::Incr];
/// The commands that run an engine.
const ENGINE: &[Task] = &[Task::Full, Task::Incr, Task::RestoreSet];
/// The commands that look into a store.
const STORE: &[Task] = &[Task::Full, Task::Incr, Task::List, Task::Status, Task::RestoreSet];
/// The commands that write into `work_dir` or look for a running backup there.
const WORK: &[Task] = &[Task::Full, Task::Incr, Task::Status, Task::RestoreSet];
const STATUS: &[Task] = &[Task::Status];
const RESTORE: &[Task] = &[Task::RestoreSet];
/// The commands that read archives.
const READING: &[Task] =
    &[Task::RestoreSet, Task::ArchiveList, Task::ArchiveCat, Task::ArchiveExtract, Task::ArchiveConvert];
/// The commands that write archives.
const WRITING: &[Task] = &[Task::Full, Task::Incr, Task::ArchiveConvert];
/// The commands that do either.
const ARCHIVES: &[Task] = &[
    Task::Full,
    Task::Incr,
    Task::RestoreSet,
    Task::ArchiveList,
    Task::ArchiveCat,
    Task::ArchiveExtract,
    Task::ArchiveConvert,
];

const REMOTE: Availability = Availability::Later("sending backups to another host");
const BINLOGS: Availability = Availability::Later("streaming binary logs");
const MAIL: Availability = Availability::Later("sending mail");
const PREPARED: Availability = Availability::Later("keeping a prepared copy of every backup");
const PRUNING: Availability = Availability::WithoutEffect("pruning");

const COMPRESSORS: &[Word] = &[now("gzip"), now("zstd"), now("lz4"), now("qpress")];
const CIPHERS: &[Word] = &[now("AES128"), now("AES192"), now("AES256"), now("age")];
const ENGINES: &[Word] = &[now("auto"), now("mariadb-backup"), now("xtrabackup"), now("innobackupex")];
const STATUS_FORMATS: &[Word] = &[now("none"), now("nagios"), now("zabbix")];

const THREADS: Kind = Kind::Number { min: 1, max: 256 };
const HOURS: Kind = Kind::Number { min: 1, max: 87_600 };
const COUNT: Kind = Kind::Number { min: 0, max: 100_000 };

const fn now(text: &'static str) -> Word {
    Word { text, availability: Availability::Now }
}

const fn key(group: Group, name: &'static str, long: &'static str, kind: Kind, help: &'static str) -> Key {
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
        availability: Availability::Now,
    }
}

impl Key {
    const fn short(self, short: char) -> Key {
        Key { short: Some(short), ..self }
    }

    const fn default(self, default: &'static str) -> Key {
        Key { default, ..self }
    }

    const fn of(self, matters_to: &'static [Task]) -> Key {
        Key { matters_to, ..self }
    }

    const fn required_by(self, required_by: &'static [Task]) -> Key {
        Key { required_by, ..self }
    }

    const fn cli(self) -> Key {
        Key { place: Place::CommandLine, ..self }
    }

    const fn awaits(self, availability: Availability) -> Key {
        Key { availability, ..self }
    }
}

/// Every setting, in the order in which help and `config show` list them.
pub static KEYS: &[Key] = &[
    // Server
    key(Group::Server, "mysql_user", "mysql-user", Kind::Text, "account on the server").short('u'),
    key(
        Group::Server,
        "mysql_pass",
        "mysql-pass",
        Kind::Secret,
        "its password; safer in a configuration file of mode 0600",
    )
    .short('p'),
    key(Group::Server, "mysql_host", "mysql-host", Kind::Text, "host of the server")
        .short('H')
        .default("localhost"),
    key(
        Group::Server,
        "mysql_port",
        "mysql-port",
        Kind::Number { min: 1, max: 65_535 },
        "port of the server; a socket goes before it",
    )
    .short('P')
    .default("3306"),
    key(Group::Server, "mysql_sock", "mysql-socket", Kind::File, "socket of the server").short('S'),
    key(
        Group::Server,
        "mysql_cnf",
        "mysql-cnf",
        Kind::File,
        "the server's option file, for the engine's --defaults-file",
    )
    .short('c')
    .of(ENGINE),
    // Store
    key(Group::Store, "stor_dir", "stor-dir", Kind::Directory, "the store: where backups are kept")
        .short('s')
        .of(STORE)
        .required_by(STORE),
    key(Group::Store, "work_dir", "work-dir", Kind::Directory, "scratch space, run logs and the lock")
        .short('w')
        .of(WORK)
        .required_by(TAKING),
    key(
        Group::Store,
        "i_am_absolutely_sure_wipeout",
        "i-am-absolutely-sure-wipeout",
        Kind::Flag,
        "let wipeout remove every backup",
    )
    .short('X')
    .cli()
    .of(&[Task::Wipeout])
    .awaits(Availability::Later("removing every backup")),
    // Compression
    key(
        Group::Compression,
        "compress",
        "compress",
        Kind::Flag,
        "stream the backup into one compressed file instead of a directory",
    )
    .short('z')
    .default("0"),
    key(
        Group::Compression,
        "compress_with",
        "compress-with",
        Kind::Choice(COMPRESSORS),
        "gzip, zstd, lz4 or qpress",
    )
    .short('Z')
    .default("gzip"),
    key(
        Group::Compression,
        "compress_level",
        "compress-level",
        Kind::Number { min: -7, max: 19 },
        "gzip 1 to 12, zstd -7 to 19",
    )
    .of(WRITING)
    .default("the compressor's own"),
    key(
        Group::Compression,
        "compress_threads",
        "compress-threads",
        THREADS,
        "threads that compress, encrypt, decrypt or decompress",
    )
    .of(ARCHIVES)
    .default("one per core, at most 8"),
    // Engine
    key(
        Group::Engine,
        "extra_ibx_options",
        "extra-ibx-options",
        Kind::Words,
        "more options for the engine, quoted as for a shell",
    ),
    key(
        Group::Engine,
        "extra_prepare_options",
        "extra-prepare-options",
        Kind::Words,
        "more options for the engine when it prepares, such as a keyring's",
    )
    .of(RESTORE),
    key(
        Group::Engine,
        "engine",
        "engine",
        Kind::Choice(ENGINES),
        "auto (the one that fits the server), mariadb-backup, xtrabackup or innobackupex",
    )
    .of(ENGINE)
    .default("auto"),
    key(Group::Engine, "engine_parallel", "engine-parallel", THREADS, "threads that copy")
        .of(ENGINE)
        .default("one per core, at most 4"),
    key(
        Group::Engine,
        "engine_dir",
        "engine-dir",
        Kind::Directories,
        "directories, with colons between, searched before PATH",
    )
    .of(ENGINE),
    key(
        Group::Engine,
        "allow_version_mismatch",
        "allow-version-mismatch",
        Kind::Flag,
        "use an engine not made for this server's version",
    )
    .of(ENGINE)
    .default("0"),
    key(
        Group::Engine,
        "prepare_memory",
        "prepare-memory",
        Kind::Number { min: 1, max: 16_777_216 },
        "memory for preparing a backup, in MB",
    )
    .short('m')
    .of(RESTORE)
    .default("128"),
    key(
        Group::Engine,
        "apply_log",
        "apply-log",
        Kind::Flag,
        "prepare each backup into a rolling copy under work_dir",
    )
    .short('x')
    .default("0")
    .awaits(PREPARED),
    key(
        Group::Engine,
        "purge_bitmaps",
        "purge-bitmaps",
        Kind::Flag,
        "drop Percona Server's changed page bitmaps that an incremental has used",
    )
    .default("0")
    .awaits(Availability::Later("purging changed page bitmaps")),
    // Restore
    key(
        Group::Restore,
        "restore_backup",
        "restore-backup",
        Kind::Backup,
        "the backup to restore: a name out of list, or last",
    )
    .short('r')
    .cli()
    .of(RESTORE)
    .default("last"),
    key(
        Group::Restore,
        "restore_dir",
        "restore-dir",
        Kind::Directory,
        "existing directory in which P_<name> is made",
    )
    .short('e')
    .cli()
    .of(RESTORE)
    .required_by(RESTORE),
    // Retention
    key(
        Group::Retention,
        "retention_sets",
        "retention-sets",
        Kind::Number { min: 1, max: 100_000 },
        "fulls to keep, with their incrementals; nothing is pruned yet",
    )
    .short('i')
    .default("2")
    .awaits(PRUNING),
    key(
        Group::Retention,
        "retention_months",
        "retention-months",
        COUNT,
        "monthly sets to keep; nothing is pruned yet",
    )
    .short('j')
    .default("0")
    .awaits(PRUNING),
    key(
        Group::Retention,
        "retention_weeks",
        "retention-weeks",
        COUNT,
        "weekly sets to keep; nothing is pruned yet",
    )
    .short('k')
    .default("0")
    .awaits(PRUNING),
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
    // Encryption
    key(
        Group::Encryption,
        "encrypt",
        "encrypt",
        Kind::Choice(CIPHERS),
        "AES128, AES192 or AES256 with a key, or age for recipients",
    ),
    key(
        Group::Encryption,
        "encrypt_key_file",
        "encrypt-key-file",
        Kind::File,
        "file that holds the key: 16, 24 or 32 bytes and nothing else",
    )
    .of(ARCHIVES),
    key(
        Group::Encryption,
        "encrypt_recipients",
        "encrypt-recipients",
        Kind::List,
        "who can decrypt with age: age1... or files of such, separated by commas",
    )
    .of(WRITING),
    key(
        Group::Encryption,
        "encrypt_identity_file",
        "encrypt-identity-file",
        Kind::File,
        "file of age-keygen that decrypts; the server that is backed up needs none",
    )
    .of(READING),
    key(
        Group::Encryption,
        "strict_permissions",
        "strict-permissions",
        Kind::Flag,
        "refuse key files that others can read, instead of warning",
    )
    .of(ARCHIVES)
    .default("0"),
    // Notices
    key(
        Group::Notices,
        "notify_by_email",
        "notify-by-email",
        Kind::List,
        "addresses told of failures, separated by commas",
    )
    .short('M')
    .awaits(MAIL),
    key(
        Group::Notices,
        "notify_on_success",
        "notify-on-success",
        Kind::List,
        "addresses told of finished backups, separated by commas",
    )
    .awaits(MAIL),
    // Status
    key(
        Group::Status,
        "status_format",
        "status-format",
        Kind::Choice(STATUS_FORMATS),
        "what status prints: none, nagios or zabbix",
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
    .awaits(Availability::Later("printing single facts of a store")),
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

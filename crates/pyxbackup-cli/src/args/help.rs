//! What help says beyond the options.

use std::ffi::OsString;

use xb_core::settings::{Key, Task};

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

const ARCHIVE: &str = "\
Examples:
  What is in an archive, and how it is packed:
    pyxbackup archive list backup.xbs.zst
  One file of it:
    pyxbackup archive cat backup.xbs.zst xtrabackup_info
  All of it, or one database:
    pyxbackup archive extract backup.xbs.zst --to /restore/files
    pyxbackup archive extract backup.xbs.zst --to /restore/shop shop
  The same as another kind of archive, here encrypted for age:
    pyxbackup archive convert backup.tar.gz backup.xbs.zst.age --encrypt-recipients=age1...

No store and no server is needed: FILE is any archive of pyxbackup, xtrabackup or mariadb-backup, an
xbstream, a tar or a qpress archive, compressed and encrypted in any way. Its first bytes, not its
name, say what it is.";

const LIST_EXAMPLES: &str = "\
Examples:
  pyxbackup archive list backup.xbs.gz
  pyxbackup archive list backup.xbs.gz 'shop/*.ibd' --format lines
  ssh db1 cat /backups/backup.xbs.zst | pyxbackup archive list -
  pyxbackup archive list backup.xbs.qp.xbcrypt --encrypt-key-file /etc/pyxbackup.key

All of the archive is read and all its checksums are held: exit code 4 means that it is damaged, 32
that its key is missing or wrong. An xbstream that was cut between two files cannot be told from a
whole one, and a plain tar has no checksum of its data. A pattern is a path or a glob in quotes;
`*` stays within a directory, and what names a directory means all in it. STORED is what a file
takes in the container, which is less than SIZE where files are packed one by one.";

const CAT_EXAMPLES: &str = "\
Examples:
  pyxbackup archive cat backup.xbs.zst xtrabackup_checkpoints
  pyxbackup archive cat backup.xbs.zst shop/orders.ibd > orders.ibd

The file is unpacked, unless --as-stored leaves it compressed and encrypted. A run that ends with
another exit code than 0 may have printed a part of it.";

const EXTRACT_EXAMPLES: &str = "\
Examples:
  pyxbackup archive extract backup.xbs.zst --to /restore/files
  pyxbackup archive extract backup.xbs.zst --to /restore/files shop 'sys/*.ibd'
  ssh db1 cat /backups/backup.xbs.zst | pyxbackup archive extract - --to /restore/files

Files come out as they were backed up, not prepared: `pyxbackup restore-set` is what makes the data
directory of a server. When the run fails, a DIR that it made is removed; but of a damaged archive,
what is whole stays. With --quiet only DIR is printed.";

const CONVERT_EXAMPLES: &str = "\
Examples:
  pyxbackup archive convert backup.tar.gz backup.xbs.zst
  pyxbackup archive convert backup.xbs.gz backup.xbs.zst.age --encrypt-recipients=age1...
  pyxbackup archive convert backup.xbs.qp.xbcrypt files/ --encrypt-key-file=/etc/pyxbackup.key
  pyxbackup archive convert /backups/files backup.xbs.qp.xbcrypt --encrypt-members

The end of TO says what it becomes:
  .xbs .tar            an xbstream or a tar; .gz, .zst or .lz4 behind it compress the whole
  .xbs.qp              an xbstream in which each file is compressed, as `xtrabackup --compress` does
  .qp                  a qpress archive
  .xbcrypt             behind any of them: encrypted with the key of encrypt_key_file
  .age                 behind any of them: encrypted for encrypt_recipients
  a slash, or no dot   a directory

One key file serves both sides: what is encrypted with another has to be decrypted first.
--compress-level counts for .gz and .zst. TO must not exist; when the run fails, nothing is left
of it. For a tar or .qp the files of an archive are unpacked beside TO first, in the clear, and need
room there. An xbstream holds no directories without files; those that are left out are named.";

const STATUS_EXAMPLES: &str = "\
Examples:
  pyxbackup --status-format=nagios status
  pyxbackup --status-format=zabbix status
  pyxbackup --status-format=zabbix status --key last.age_seconds
  pyxbackup --status-format=zabbix status --discovery
  pyxbackup --status-format=prometheus status --output /var/lib/node_exporter/pyxbackup.prom
  pyxbackup --status-format=json status

Exit code 0: all is well; 1: someone should look; 2: someone must look, also when
nobody can tell how things stand. A value that nobody can tell is not printed.";

const META_EXAMPLES: &str = "\
Examples:
  pyxbackup --meta-item=xb_last_backup,xb_last_backup_is,xb_last_full meta
  pyxbackup --meta-item=lsns.to,sizes.stored_bytes,server.version_text meta --format json
  pyxbackup --meta-item=end_backup meta --backup 2026_11_22-14_28_07

The values stand on one line with a blank between; NULL is one that nobody knows. Names are
xb_last_backup, xb_last_backup_is and xb_last_full of the store; the keys of the backup's
backup.meta; and the fields of its manifest.json, with dots into objects and lists. What
`pyxbackup list --format json` tells of a backup can be asked for too.";

const LAST_LSN_EXAMPLES: &str = "\
Examples:
  pyxbackup last-lsn
  pyxbackup last-lsn --format json

It is the to_lsn of the backup that incr would build on. Exit code 16 means that there is none.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  pyxbackup completions bash > /usr/share/bash-completion/completions/pyxbackup
  pyxbackup completions zsh > /usr/share/zsh/site-functions/_pyxbackup
  pyxbackup completions fish > ~/.config/fish/completions/pyxbackup.fish

No configuration is read.";

const MANUAL_EXAMPLES: &str = "\
Example:
  pyxbackup manual /usr/local/share/man/man1

There is pyxbackup.1, and one page for every command. Pages that are there already are replaced.
No configuration is read.";

const APPLY_LAST_EXAMPLES: &str = "\
Example:
  pyxbackup apply-last

P_<full> in work_dir then holds everything up to the newest backup, whatever it held before; a copy
that was interrupted, or that somebody changed, is made anew. A restore starts from it. Copy it
before you start a server on it. With --quiet only its path is printed.";

const PRUNE_EXAMPLES: &str = "\
Examples:
  pyxbackup prune --dry-run
  pyxbackup prune --dry-run --format table --retention-sets=4 --retention-weeks=8
  pyxbackup prune

A set is a full backup with its incrementals; it is kept or removed as a whole. The newest
retention_sets stay, of older ones the last of a week, month or year; the last set that can be
restored never goes. A set that cannot be restored stays for you to look at, until --broken. What dead runs left goes too, and logs of runs older than every backup. full and
incr do the same at their end, unless prune_after_backup = 0.";

const COPY_EXAMPLES: &str = "\
Examples:
  pyxbackup copy
  pyxbackup copy 2026_11_22-14_28_07 --to s3://bucket/db1
  pyxbackup copy --to /mnt/nas/db1

The first brings every store of copy_to up to this one, as full and incr do at their end. A backup
counts in the other store when all of it is there and its digests fit; what is there already is not
sent again. Exit code 2 means that a store did not get its copy.";

const PIN_EXAMPLES: &str = "\
Examples:
  pyxbackup pin 2026_11_22-14_28_07 --note 'before the migration'
  pyxbackup unpin 2026_11_22-14_28_07

A pinned backup keeps its whole set; it takes nobody's place in retention.";

const WIPEOUT_EXAMPLES: &str = "\
Examples:
  pyxbackup wipeout
  pyxbackup wipeout --i-am-absolutely-sure-wipeout

The first only prints the store and what would go: every backup, also pinned ones, prepared copies,
binary logs, logs of runs. What is not ours stays.";

const STREAM_EXAMPLES: &str = "\
Examples:
  pyxbackup binlog-stream
  pyxbackup binlog-stream --once
  pyxbackup binlog-stream --first-binlog=mysql-bin.000042
  pyxbackup binlog-stream --binlog-semisync

It is a replica that applies nothing: every event is checked, written as it is, and on the disk
within a second; it goes on at the exact byte after any interruption, and ends at a signal. The
account needs REPLICATION SLAVE and REPLICATION CLIENT, on MariaDB 10.5 and later REPLICATION SLAVE
and BINLOG MONITOR. It begins at first_binlog, else where the archive ends, else where the oldest
backup begins. With binlog_semisync and a server that waits for its replicas, nothing that was
committed is lost even if the server's disk is. For systemd there is
contrib/systemd/pyxbackup-binlog-stream.service.";

const BINLOG: &str = "\
Examples:
  What there is, from when to when, and what is missing:
    pyxbackup binlog list
  The transactions of a log, with the tables they touch:
    pyxbackup binlog show mysql-bin.000042
  Where a moment or a transaction stands:
    pyxbackup binlog find --time '2026-11-22 14:28:07'
    pyxbackup binlog find --gtid 0-1-900

No server is needed.";

const BINLOG_LIST_EXAMPLES: &str = "\
Examples:
  pyxbackup binlog list
  pyxbackup binlog list --format json

An epoch is an unbroken run of logs. Another one begins when the server's logs were reset, when
logs were gone before they were taken, and on another server; `joined` says that nothing is missing
between it and the one before.";

const BINLOG_SHOW_EXAMPLES: &str = "\
Examples:
  pyxbackup binlog show mysql-bin.000042
  pyxbackup binlog show mysql-bin.000042 --from 1234 --limit 10

One line for each transaction: where it begins and ends, its time and GTID, and its statement or
the tables it changes.";

const BINLOG_FIND_EXAMPLES: &str = "\
Examples:
  pyxbackup binlog find --time '2026-11-22 14:28:07'
  pyxbackup binlog find --gtid 0-1-900
  pyxbackup binlog find --gtid 96652f25-e6dd-11f1-b128-02fc00000001:17

A moment is the place of the first transaction at or behind it: where --to-time would end.";

const WINDOW_EXAMPLES: &str = "\
Examples:
  pyxbackup recovery-window
  pyxbackup recovery-window --format json

Each line is a span within which `restore-set --to-time` can recover any moment.";

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
        Task::Status => "Report how the backups are doing, for Nagios, Zabbix and Prometheus",
        Task::RestoreSet => "Restore a backup with all it builds on, ready to start a server on",
        Task::ConfigShow => "Show every setting, its value and where it comes from",
        Task::ArchiveList => "List the files in an archive",
        Task::ArchiveCat => "Print one file of an archive",
        Task::ArchiveExtract => "Unpack an archive, or some files of it",
        Task::ArchiveConvert => "Make an archive of another form, or from a directory",
        Task::ApplyLast => "Bring the prepared copy up to the newest backup, or make it",
        Task::Prune => "Remove what retention no longer keeps",
        Task::Copy => "Copy backups to another store",
        Task::Pin => "Keep a set whatever retention says",
        Task::Unpin => "Leave a set to retention again",
        Task::BinlogStream => "Copy the server's binary logs, as they are written",
        Task::BinlogList => "List the archive of binary logs, with its gaps",
        Task::BinlogShow => "Show the transactions of a binary log",
        Task::BinlogFind => "Find a moment or a transaction in the archive of binary logs",
        Task::RecoveryWindow => "Print from when to when data can be recovered",
        Task::Wipeout => "Remove every backup",
        Task::Meta => "Print single facts about the store",
        Task::LastLsn => "Print the LSN at which the next incremental begins",
        Task::Completions => "Print what a shell needs to complete the command line",
        Task::Manual => "Write the manual's pages into a directory",
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
        Task::Status => STATUS_EXAMPLES,
        Task::ApplyLast => APPLY_LAST_EXAMPLES,
        Task::Prune => PRUNE_EXAMPLES,
        Task::Copy => COPY_EXAMPLES,
        Task::Pin | Task::Unpin => PIN_EXAMPLES,
        Task::Wipeout => WIPEOUT_EXAMPLES,
        Task::Meta => META_EXAMPLES,
        Task::LastLsn => LAST_LSN_EXAMPLES,
        Task::Completions => COMPLETIONS_EXAMPLES,
        Task::Manual => MANUAL_EXAMPLES,
        Task::RestoreSet => {
            "\
Examples:
  pyxbackup --restore-dir=/restore restore-set
  pyxbackup --restore-backup=2026_11_22-14_28_07 --restore-dir=/restore restore-set

The first restores the newest backup. The result is /restore/P_<name>, which appears when it is
complete; what to do next is printed at the end. With --quiet only its path is printed.

To a point in time, from backup and binary logs (see binlog-stream):
  pyxbackup --restore-dir=/restore restore-set --to-time '2026-11-22 14:28:07'
  pyxbackup --restore-dir=/restore restore-set --to-latest --dry-run
  pyxbackup --restore-dir=/restore restore-set --to-position mysql-bin.000042:1234
  pyxbackup --restore-dir=/restore restore-set --to-gtid 0-1-900 --exclude-gtid 0-1-900
The newest backup before the target is restored, a private server started on it, and the logs are
replayed with the server's own programs. --to-time is exclusive: what was committed before this
moment is there. The last line recovers to just before a transaction, such as a DROP TABLE that
`pyxbackup binlog find` has shown."
        }
        Task::ConfigShow => {
            "\
Examples:
  pyxbackup config show
  pyxbackup --compress config show
  pyxbackup --config ./test.toml config show --format json

Any option may be given, to see what becomes of it."
        }
        Task::BinlogStream => STREAM_EXAMPLES,
        Task::BinlogList => BINLOG_LIST_EXAMPLES,
        Task::BinlogShow => BINLOG_SHOW_EXAMPLES,
        Task::BinlogFind => BINLOG_FIND_EXAMPLES,
        Task::RecoveryWindow => WINDOW_EXAMPLES,
        Task::ArchiveList => LIST_EXAMPLES,
        Task::ArchiveCat => CAT_EXAMPLES,
        Task::ArchiveExtract => EXTRACT_EXAMPLES,
        Task::ArchiveConvert => CONVERT_EXAMPLES,
    }
}

/// What stands below the options of a command in front of others.
pub(super) fn examples_of_group(word: &str) -> &'static str {
    match word {
        "archive" => ARCHIVE,
        "binlog" => BINLOG,
        _ => "",
    }
}

/// What `--format` takes; empty where there is no such option.
pub(super) fn formats(task: Task) -> &'static [&'static str] {
    match task {
        Task::List => &["lines", "table", "json"],
        Task::ConfigShow => &["table", "json"],
        Task::ArchiveList => &["table", "lines", "json"],
        Task::Meta | Task::LastLsn => &["lines", "json"],
        Task::Prune => &["text", "table", "json"],
        Task::Wipeout
        | Task::Copy
        | Task::BinlogList
        | Task::BinlogShow
        | Task::BinlogFind
        | Task::RecoveryWindow => &["text", "json"],
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
    format!(
        "Configuration is read from --config, else /etc/pyxbackup.cnf (or .toml), else the same beside the \
         program. Every option but those for one run can be set there, under the name that \
         `pyxbackup config show` prints. The command line goes before the file.\n\n\
         {EXAMPLES}"
    )
}

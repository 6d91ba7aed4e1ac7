//! What servers of different makers and ages are told in different words.

use xb_core::Flavor;

use crate::binaries::Binaries;

/// Small and fast to start, and nothing of it shared.
///
/// `innodb-flush-log-at-trx-commit=2` hands every commit to the system, so that nothing committed is lost
/// when the server alone is killed, without waiting for the disk.
const COMMON: [&str; 10] = [
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--sync-binlog=0",
    "--server-id=1",
    "--max-allowed-packet=1G",
];
/// The redo log a server has when nothing else is asked for, in mebibytes.
const REDO_LOG: u64 = 96;

/// A server's options. Those the caller has come later on the command line and so win.
pub(crate) fn defaults(binaries: &Binaries) -> Vec<String> {
    let mut options: Vec<String> = COMMON.map(str::to_owned).into();
    options.push(redo_log(binaries, REDO_LOG));
    // Newer ones write rows by themselves, and warn of the option.
    if !binaries.is_mysql_from(8, 0, 0) {
        options.push("--binlog-format=ROW".to_owned());
    }
    if binaries.is_mysql_from(8, 0, 0) {
        // As everywhere else: a log where one is asked for. And no second port.
        options.extend(["--skip-log-bin".to_owned(), "--mysqlx=OFF".to_owned()]);
    }
    options
}

/// The option that gives a server a redo log of so many mebibytes.
pub(crate) fn redo_log(binaries: &Binaries, mebibytes: u64) -> String {
    if binaries.is_mysql_from(8, 0, 30) {
        format!("--innodb-redo-log-capacity={mebibytes}M")
    } else {
        // One of two files; in MariaDB since 10.5 of one.
        format!("--innodb-log-file-size={}M", mebibytes / 2)
    }
}

/// Asks for the end of the binary log.
pub(crate) fn log_status(binaries: &Binaries) -> &'static str {
    if binaries.is_mysql_from(8, 2, 0) { "SHOW BINARY LOG STATUS;" } else { "SHOW MASTER STATUS;" }
}

/// Statements that let a user (quoted) take backups and read the binary log, and nothing else.
pub(crate) fn backup_grants(binaries: &Binaries, user: &str) -> String {
    let everywhere = "RELOAD, PROCESS, LOCK TABLES, REPLICATION CLIENT, REPLICATION SLAVE";
    let own = match binaries.flavor {
        // With `--slave-info` and `--galera-info`.
        Flavor::MariaDb => ", SLAVE MONITOR, CONNECTION ADMIN",
        Flavor::MySql | Flavor::Percona if binaries.is_mysql_from(8, 0, 0) => ", BACKUP_ADMIN",
        Flavor::MySql | Flavor::Percona => "",
    };
    let mut grants = format!("GRANT {everywhere}{own} ON *.* TO {user};\n");
    if binaries.is_mysql_from(8, 0, 24) {
        for table in ["log_status", "keyring_component_status", "replication_group_members"] {
            grants += &format!("GRANT SELECT ON performance_schema.{table} TO {user};\n");
        }
    }
    grants
}

/// The option that has the printer of logs leave the transactions' numbers out, which only a server that
/// numbers its own takes. MariaDB's all do.
pub(crate) fn without_gtids(binaries: &Binaries) -> Option<&'static str> {
    (binaries.flavor != Flavor::MariaDb).then_some("--skip-gtids")
}

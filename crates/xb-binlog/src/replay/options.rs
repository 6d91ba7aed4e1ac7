//! What the private server must be told.

use std::path::Path;

use xb_core::gtid::GtidSet;
use xb_core::{Flavor, Version};

use super::account::ReplayAccount;
use crate::recover::ReplayPlan;

/// The options a private server needs for a replay, by name and value, beside those that its data directory
/// needs (page size, data file path, names of tables in lower case, …).
///
/// It has a log of its own, in `scratch`, which tells after an interruption what was done. It is not to wait
/// for the disk: so that log is a proof only until the machine goes down.
#[must_use]
pub fn server_options(
    flavor: Flavor,
    version: Version,
    plan: &ReplayPlan,
    scratch: &Path,
    account: &ReplayAccount,
) -> Vec<(String, String)> {
    let log = scratch.join("replay-bin").display().to_string();
    let init = account.init_file.display().to_string();
    let mut options = vec![
        ("log-bin", log.as_str()),
        ("init-file", init.as_str()),
        // As statements where they came as statements: what has no effect would else leave no trace.
        ("binlog-format", "MIXED"),
        ("sync-binlog", "0"),
        ("innodb-flush-log-at-trx-commit", "2"),
        ("max-binlog-size", "1073741824"),
        ("max-allowed-packet", "1073741824"),
        // What runs by itself is in the logs already.
        ("event-scheduler", "OFF"),
        ("skip-slave-start", "ON"),
        // The logs have functions that were created where this was on.
        ("log-bin-trust-function-creators", "ON"),
        // Files to load come with the logs.
        ("local-infile", "ON"),
    ];
    match flavor {
        Flavor::MariaDb => options.extend([("gtid-strict-mode", "OFF"), ("expire-logs-days", "0")]),
        _ => options.extend(of_mysql(version, plan)),
    }
    options.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn of_mysql(version: Version, plan: &ReplayPlan) -> Vec<(&'static str, &'static str)> {
    // Without an id a server of 5.7 does not start with a log.
    let mut options = vec![("server-id", "1")];
    if version >= Version::new(8, 0, 0) {
        // Settings that the source kept in its data directory, such as that it is read only.
        options.extend([("persisted-globals-load", "OFF"), ("binlog-expire-logs-seconds", "0")]);
    } else {
        options.push(("expire-logs-days", "0"));
    }
    let has_gtids = matches!(&plan.replayed, Some(GtidSet::MySql(set)) if !set.is_empty());
    options.extend(match has_gtids {
        // The logs may be of a time when the source had numbers switched on or off, and have some without.
        true if version >= Version::new(5, 7, 6) => {
            vec![("gtid-mode", "ON_PERMISSIVE"), ("enforce-gtid-consistency", "OFF")]
        }
        true => {
            vec![("gtid-mode", "ON"), ("enforce-gtid-consistency", "ON"), ("log-slave-updates", "ON")]
        }
        // Newer ones would number what comes without a number, and refuse that it has none.
        false if version >= Version::new(5, 6, 5) => {
            vec![("gtid-mode", "OFF"), ("enforce-gtid-consistency", "OFF")]
        }
        false => Vec::new(),
    });
    options
}

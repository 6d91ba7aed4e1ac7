//! What to do after a restore: the words a person needs at three in the morning. Pure.

use std::path::Path;

use xb_catalog::BackupRecord;
use xb_catalog::manifest::BinlogPoint;
use xb_core::{Flavor, GtidSet, Version};

use crate::report::NextStep;

/// From 8.4 on MySQL has no `RESET MASTER`; its replacement came with 8.2.
const RESETS_BINARY_LOGS: Version = Version::new(8, 2, 0);

/// The steps for the restored `target` in `directory`.
pub(crate) fn next_steps(target: &BackupRecord, directory: &Path) -> Vec<NextStep> {
    let mut steps = vec![
        step(
            "give the files to the server's account",
            [format!("chown -R mysql:mysql {}", quoted(directory))],
        ),
        step(
            "start a server on them, or move them to its empty data directory first",
            [format!("mysqld --datadir={}", quoted(directory))],
        ),
    ];
    if let Some(coord) = target.binlog.as_ref().and_then(|point| point.coord.as_ref()) {
        steps.push(step(
            "replay binary logs from this place on for anything later than the backup",
            [format!("mysqlbinlog --start-position={} {} ...", coord.position, coord.file)],
        ));
    }
    steps.extend(gtid_step(target));
    for source in &target.replica_of {
        let name = source.channel.as_ref().map(|channel| format!(" {channel:?}")).unwrap_or_default();
        let purpose = format!("to replicate from the same source{name} as the server that was backed up");
        steps.push(step(&purpose, source.statement.lines().map(str::to_owned)));
    }
    steps
}

fn step(purpose: &str, lines: impl IntoIterator<Item = String>) -> NextStep {
    NextStep { purpose: purpose.to_owned(), lines: lines.into_iter().collect() }
}

fn gtid_step(target: &BackupRecord) -> Option<NextStep> {
    let gtid = target.binlog.as_ref().and_then(|point: &BinlogPoint| point.gtid.as_ref())?;
    let purpose = "to make the copy a replica of the server that was backed up, tell it what it has";
    let lines = match gtid {
        GtidSet::MariaDb(list) => vec![format!("SET GLOBAL gtid_slave_pos = '{list}';")],
        GtidSet::MySql(set) => {
            vec![reset_statement(target).to_owned(), format!("SET GLOBAL gtid_purged = '{set}';")]
        }
    };
    Some(step(purpose, lines))
}

fn reset_statement(target: &BackupRecord) -> &'static str {
    let newer = target
        .server
        .as_ref()
        .is_some_and(|server| server.flavor != Flavor::MariaDb && server.version >= RESETS_BINARY_LOGS);
    if newer { "RESET BINARY LOGS AND GTIDS;" } else { "RESET MASTER;" }
}

fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "-_/.:@%+=,".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

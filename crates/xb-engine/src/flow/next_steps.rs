//! What to do after a restore: the words a person needs at three in the morning. Pure.

use std::path::Path;

use xb_binlog::recover::ReplayPlan;
use xb_catalog::BackupRecord;
use xb_catalog::manifest::BinlogPoint;
use xb_core::{Flavor, GtidSet, Version};

use xb_pipeline::process::quote;

use crate::report::NextStep;

/// From 8.4 on MySQL has no `RESET MASTER`; its replacement came with 8.2.
const RESETS_BINARY_LOGS: Version = Version::new(8, 2, 0);

/// The steps for the restored `target` in `directory`, with or without an archive of binary logs.
pub(crate) fn next_steps(target: &BackupRecord, directory: &Path, has_archive: bool) -> Vec<NextStep> {
    let binlog = if is_maria(target) { "mariadb-binlog" } else { "mysqlbinlog" };
    let mut steps = first_steps(target, directory);
    if let Some(coord) = target.binlog.as_ref().and_then(|point| point.coord.as_ref()) {
        if has_archive {
            steps.push(recovery_step());
        }
        let by_hand = if has_archive { "or, by hand, " } else { "" };
        steps.push(step(
            &format!("{by_hand}replay binary logs from this place on for anything later than the backup"),
            [format!("{binlog} --start-position={} {} ...", coord.position, coord.file)],
        ));
    }
    let gtids = target.binlog.as_ref().and_then(|point: &BinlogPoint| point.gtid.as_ref());
    steps.extend(gtids.map(|gtids| gtid_step(target, gtids)));
    for source in &target.replica_of {
        let name = source.channel.as_ref().map(|channel| format!(" {channel:?}")).unwrap_or_default();
        let purpose = format!("to replicate from the same source{name} as the server that was backed up");
        steps.push(step(&purpose, source.statement.lines().map(str::to_owned)));
    }
    steps.push(last_step());
    steps
}

/// The steps after data were recovered beyond `base`, by binary logs.
pub(crate) fn after_recovery(base: &BackupRecord, directory: &Path, plan: &ReplayPlan) -> Vec<NextStep> {
    let mut steps = first_steps(base, directory);
    let is_all = plan.excluded.is_empty();
    let gtids = plan.gtids_at_stop.as_ref();
    steps.extend(gtids.filter(|_| is_all).map(|gtids| gtid_step(base, gtids)));
    steps.extend(gtids.filter(|_| is_maria(base)).map(numbering_step));
    if !base.replica_of.is_empty() {
        steps.push(step(
            "it is the copy of a replica: start it with skip-slave-start and have it forget its source, or what was \
             left out comes back from there",
            ["STOP SLAVE; RESET SLAVE ALL;".to_owned()],
        ));
    }
    steps.push(last_step());
    steps
}

/// What is later than the backup, by the archive of binary logs.
fn recovery_step() -> NextStep {
    step(
        "for anything later than the backup, restore once more with the binary logs of the archive instead, all of them \
         or up to a moment (`pyxbackup recovery-window` tells from when to when)",
        [
            "pyxbackup --restore-dir=ANOTHER-DIRECTORY restore-set --to-latest".to_owned(),
            "pyxbackup --restore-dir=ANOTHER-DIRECTORY restore-set --to-time '2026-11-22 14:28:07'"
                .to_owned(),
        ],
    )
}

/// MariaDB keeps in its own log, which a copy does not have, how far its numbers have come.
fn numbering_step(gtids: &GtidSet) -> NextStep {
    step(
        "before it becomes the server that is written to, tell it how far its numbers have come, or it gives them again \
         (it has to run with log_bin)",
        [format!("SET GLOBAL gtid_binlog_state = '{gtids}';")],
    )
}

fn is_maria(target: &BackupRecord) -> bool {
    target.server.as_ref().is_some_and(|server| server.flavor == Flavor::MariaDb)
}

fn first_steps(target: &BackupRecord, directory: &Path) -> Vec<NextStep> {
    let server = if is_maria(target) { "mariadbd" } else { "mysqld" };
    vec![
        step(
            "give the files to the server's account",
            [format!("chown -R mysql:mysql {}", quoted(directory))],
        ),
        step(
            "start a server on them with the options of the one that was backed up, such as log_bin, server_id and \
             plugins, or move them to its empty data directory first",
            [format!("{server} --user=mysql --datadir={}", quoted(directory))],
        ),
    ]
}

fn last_step() -> NextStep {
    step(
        "once it is in service, begin a new set: the backups so far belong to the history before",
        ["pyxbackup full".to_owned()],
    )
}

fn step(purpose: &str, lines: impl IntoIterator<Item = String>) -> NextStep {
    NextStep { purpose: purpose.to_owned(), lines: lines.into_iter().collect() }
}

fn gtid_step(target: &BackupRecord, gtid: &GtidSet) -> NextStep {
    let purpose = "to make the copy a replica of the server that was backed up, tell it what it has";
    match gtid {
        GtidSet::MariaDb(list) => step(purpose, [format!("SET GLOBAL gtid_slave_pos = '{list}';")]),
        GtidSet::MySql(set) => step(
            &format!("{purpose} (it has to run with log_bin)"),
            [reset_statement(target).to_owned(), format!("SET GLOBAL gtid_purged = '{set}';")],
        ),
    }
}

fn reset_statement(target: &BackupRecord) -> &'static str {
    let newer = target
        .server
        .as_ref()
        .is_some_and(|server| server.flavor != Flavor::MariaDb && server.version >= RESETS_BINARY_LOGS);
    if newer { "RESET BINARY LOGS AND GTIDS;" } else { "RESET MASTER;" }
}

fn quoted(path: &Path) -> String {
    quote(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use xb_catalog::layout::Place;
    use xb_catalog::manifest::{ServerIdentity, ServerRecord, SourcePoint};
    use xb_catalog::{BackupState, Moment, Origin};

    use super::*;

    fn record(flavor: Flavor, version: &str, gtid: &str) -> BackupRecord {
        let id: xb_core::BackupId = "2026_11_22-14_28_07".parse().unwrap();
        let identity = ServerIdentity {
            server_uuid: None,
            aria_uuid: None,
            hostname: "db1".into(),
            datadir: "/data".into(),
            data_file: None,
            server_id: 1,
        };
        let (version_text, version) = (version.to_owned(), version.parse().unwrap());
        BackupRecord {
            place: Place::full(id),
            kind: xb_core::BackupKind::Full,
            origin: Origin::Native,
            state: BackupState::Complete,
            directory: PathBuf::new(),
            base: None,
            lsns: None,
            started: Moment::Local(id.local_time()),
            ended: None,
            archive: None,
            sizes: None,
            binlog: Some(BinlogPoint { coord: None, gtid: Some(gtid.parse().unwrap()) }),
            replica_of: Vec::new(),
            server: Some(ServerRecord { flavor, version_text, version, identity }.into()),
            engine: None,
            engine_version: None,
            archive_digest: None,
        }
    }

    fn statements(flavor: Flavor, version: &str, gtid: &str) -> Vec<String> {
        let steps = next_steps(&record(flavor, version, gtid), Path::new("/r"), false);
        steps[steps.len() - 2].lines.clone()
    }

    #[test]
    fn the_gtid_statement_is_that_of_the_server() {
        let set = "f533eab1-e680-11f1-bdf8-02fc00000001:1-5";
        let purged = format!("SET GLOBAL gtid_purged = '{set}';");
        assert_eq!(statements(Flavor::MySql, "8.0.35", set), ["RESET MASTER;", &purged]);
        assert_eq!(statements(Flavor::Percona, "8.4.0", set), ["RESET BINARY LOGS AND GTIDS;", &purged]);
        assert_eq!(
            statements(Flavor::MariaDb, "10.11.19", "0-7-9"),
            ["SET GLOBAL gtid_slave_pos = '0-7-9';"]
        );
    }

    #[test]
    fn what_was_recovered_is_told_how_far_numbers_have_come_and_what_to_forget() {
        let at = xb_core::BinlogCoord { file: "b.000001".parse().unwrap(), position: 4 };
        let empty = ReplayPlan::empty(xb_binlog::archive::Place { epoch: 1, at });
        let plan = |gtids: &str| ReplayPlan { gtids_at_stop: Some(gtids.parse().unwrap()), ..empty.clone() };
        let lines = |record: &BackupRecord, gtids| {
            let steps = after_recovery(record, Path::new("/r"), &plan(gtids));
            steps.into_iter().flat_map(|step| step.lines).collect::<Vec<_>>().join(" ")
        };
        let maria = record(Flavor::MariaDb, "10.11.19", "0-7-9");
        assert!(lines(&maria, "0-7-12").contains("SET GLOBAL gtid_binlog_state = '0-7-12';"));
        let set = "f533eab1-e680-11f1-bdf8-02fc00000001:1-5";
        let mut mysql = record(Flavor::MySql, "8.0.35", set);
        let first = lines(&mysql, set);
        assert!(!first.contains("gtid_binlog_state") && !first.contains("RESET SLAVE"), "{first}");
        let point = mysql.binlog.clone().unwrap();
        mysql.replica_of = vec![SourcePoint { channel: None, point, statement: String::new() }];
        assert!(lines(&mysql, set).contains("RESET SLAVE ALL;"));
    }

    #[test]
    fn an_archive_of_logs_comes_before_replaying_by_hand() {
        let mut target = record(Flavor::MariaDb, "10.11.19", "0-7-9");
        let coord = xb_core::BinlogCoord { file: "b.000001".parse().unwrap(), position: 629 };
        target.binlog = Some(BinlogPoint { coord: Some(coord), gtid: None });
        let steps = |has_archive| {
            let steps = next_steps(&target, Path::new("/r"), has_archive);
            steps.into_iter().flat_map(|step| step.lines).collect::<Vec<_>>()
        };
        let by_hand = |line: &String| line.starts_with("mariadb-binlog --start-position=629");
        let by_us = |line: &String| line.ends_with("restore-set --to-latest");
        let with = steps(true);
        assert!(with.iter().position(by_us).unwrap() < with.iter().position(by_hand).unwrap(), "{with:?}");
        let without = steps(false);
        assert!(!without.iter().any(by_us) && without.iter().any(by_hand), "{without:?}");
    }

    #[test]
    fn what_needs_a_log_says_so() {
        let set = "f533eab1-e680-11f1-bdf8-02fc00000001:1-5";
        let steps = next_steps(&record(Flavor::MySql, "8.0.35", set), Path::new("/r"), false);
        let reset = steps.iter().find(|step| step.lines[0] == "RESET MASTER;").unwrap();
        assert!(reset.purpose.contains("log_bin") && steps[1].purpose.contains("log_bin"), "{steps:?}");
        assert!(steps[1].lines[0].contains("--user=mysql"), "{steps:?}");
    }

    #[test]
    fn a_path_with_blanks_can_be_pasted() {
        let steps = next_steps(&record(Flavor::MariaDb, "10.11.19", "0-7-9"), Path::new("/my data"), false);
        assert_eq!(steps[0].lines, ["chown -R mysql:mysql '/my data'"]);
        assert_eq!(steps[1].lines, ["mariadbd --user=mysql --datadir='/my data'"]);
    }
}

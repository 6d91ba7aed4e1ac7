//! `purge_bitmaps`: the record of changed pages that an incremental has used.

use xb_tests::fake;
use xb_tests::mysqld::{DENIED, FakeServer, Reply};

use super::*;

/// Where the fake incremental ends.
const INCREMENTAL_TO: u64 = 7000;

struct Percona {
    server: FakeServer,
    home: Home,
    engine: FakeEngine,
}

impl Percona {
    fn new(version: &str, engine: &str, tracks: bool) -> Self {
        let server = FakeServer::percona(version, tracks);
        let mut home = Home::of_socket(&server.socket, Form::Gzip);
        home.settings.purge_bitmaps = true;
        let banner = format!("xtrabackup version {engine} based on MySQL server 8.0.29 Linux (x86_64)");
        let program = env!("CARGO_BIN_EXE_fake-engine");
        let stream = fake::stream(fake::full(FULL_TO));
        let engine = FakeEngine::install_as("xtrabackup", banner, &home, program, &stream);
        Percona { server, home, engine }
    }

    /// One of 5.7 that keeps such a record, with a full backup.
    fn with_full() -> Self {
        let percona = Percona::new("5.7.44-48-log", "2.4.29", true);
        percona.run("full").good();
        percona.engine.play(&fake::stream(fake::incremental(FULL_TO, INCREMENTAL_TO)));
        percona
    }

    fn run(&self, command: &str) -> Ended {
        cli::run(&self.home, &[command])
    }
}

#[test]
fn a_purge_that_fails_is_told_as_a_failure_of_a_backup_that_is_there() {
    let mut percona = Percona::with_full();
    let to = percona.home.path().join("told").display().to_string();
    percona.home.settings.hook_after_failure =
        vec!["/bin/sh".into(), "-c".into(), format!("env | grep ^PYXBACKUP > {to}")];
    percona.server.answers(DENIED);
    percona.run("incr").ended_with(8);
    let told = fs::read_to_string(percona.home.path().join("told")).unwrap();
    let id = percona.home.backups()[1];
    let error = format!("PYXBACKUP_ERROR={id} is taken and committed, but");
    assert!(told.contains(&error) && told.contains(&format!("PYXBACKUP_BACKUP={id}\n")), "{told}");
}

#[test]
fn an_incremental_purges_what_it_has_used_and_nothing_after_its_checkpoint() {
    for (version, engine) in [("5.7.44-48-log", "2.4.29"), ("8.0.29-21", "8.0.29-22")] {
        let percona = Percona::new(version, engine, true);
        percona.run("full").good();
        assert_eq!(percona.server.statements(), Vec::<String>::new(), "after a full backup");
        // Its log goes on behind its checkpoint; the next incremental begins at the checkpoint.
        let claim = fake::Claim { last: Some(7500), ..fake::incremental(FULL_TO, INCREMENTAL_TO) };
        percona.engine.play(&fake::stream(claim));
        percona.run("incr").good();
        assert_eq!(percona.server.statements(), ["PURGE CHANGED_PAGE_BITMAPS BEFORE 7000"]);
    }
}

#[test]
fn without_the_setting_nothing_is_purged() {
    let mut percona = Percona::with_full();
    percona.home.settings.purge_bitmaps = false;
    percona.run("incr").good();
    assert_eq!(percona.server.statements(), Vec::<String>::new());
}

#[test]
fn a_purge_that_fails_leaves_the_backup_and_says_so() {
    let failing = Reply::Error(1105, "HY000", "Unknown error");
    for (reply, why, hint) in [
        (DENIED, "error 1227 (42000): Access denied", "give the account the privilege SUPER"),
        (failing, "error 1105 (HY000): Unknown error", "see the server's error log"),
        (Reply::HangUp, "", "the backup is good"),
    ] {
        let percona = Percona::with_full();
        percona.server.answers(reply);
        let ended = percona.run("incr").ended_with(8);
        let id = percona.home.backups()[1];
        let said = format!("{id} is taken and committed, but purging the bitmaps before LSN 7000 failed");
        assert!(ended.stderr.contains(&said), "{reply:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(why) && ended.stderr.contains(hint), "{reply:?}: {}", ended.stderr);
        let listed = percona.run("list").good();
        assert!(listed.stdout.contains(&id.to_string()), "{}", listed.stdout);
    }
}

#[test]
fn an_incremental_that_fails_purges_nothing() {
    let percona = Percona::with_full();
    let stream = fake::stream(fake::incremental(FULL_TO, INCREMENTAL_TO));
    percona.engine.perform(&stream, |script| script.succeeds = false);
    percona.run("incr").ended_with(65);
    assert_eq!(percona.server.statements(), Vec::<String>::new());
}

#[test]
fn a_server_without_such_a_record_is_refused_before_anything_begins() {
    // It was removed with 8.0.30; MariaDB never had the statement.
    let percona = Percona::new("8.0.30-22", "8.0.30-23", false);
    let mut maria = Stage::new();
    maria.home.settings.purge_bitmaps = true;
    for (home, engine, name) in [
        (&percona.home, &percona.engine, "Percona Server 8.0.30-22"),
        (&maria.home, &maria.engine, "MariaDB "),
    ] {
        for command in ["full", "incr"] {
            let ended = cli::run(home, &[command]).ended_with(128);
            let said = format!("purge_bitmaps is set, but {name}");
            assert!(ended.stderr.contains(&said), "{}", ended.stderr);
            assert!(ended.stderr.contains("hint: set purge_bitmaps = 0"), "{}", ended.stderr);
            assert_eq!(engine.starts(), Vec::<String>::new());
            home.assert_empty();
        }
    }
}

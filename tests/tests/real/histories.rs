//! Which server a backup is of, and which history: what looks alike must not be mixed.

use std::fs;

use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, server};

#[test]
fn an_incremental_does_not_build_on_a_history_that_was_abandoned() {
    let mut source = server::source(1);
    let home = Home::new(&source, Form::Gzip);
    let full = home.engine().full().unwrap().manifest.id;
    dataset::change(&source, 1).unwrap();
    let later = home.engine().incr().unwrap().manifest;

    // The disaster: back to the full backup, in the same place, and on with other changes.
    let restored = home.restorer(Some(full)).restore_set().unwrap();
    let datadir = source.datadir().to_owned();
    source.server_mut().stop().unwrap();
    fs::remove_dir_all(&datadir).unwrap();
    xb_pipeline::fs::rename(&restored.directory, &datadir).unwrap();
    source.server_mut().start().unwrap();
    dataset::change(&source, 1).unwrap();
    dataset::change(&source, 2).unwrap();

    let refused = cli::run(&home, &["incr"]).ended_with(65);
    assert!(refused.stderr.contains("system tablespace"), "{}", refused.stderr);
    assert!(refused.stderr.contains("pyxbackup full"), "{}", refused.stderr);
    assert_eq!(home.backups(), [full, later.id]);
    cli::run(&home, &["full"]).good();
    cli::run(&home, &["incr"]).good();
}

#[test]
fn no_option_file_leads_the_engine_to_another_server() {
    let source = server::source(1);
    let mut home = Home::new(&source, Form::Gzip);
    let options = home.path().join("other.cnf");
    // Nobody listens there: an engine that believes this fails.
    fs::write(&options, "[client]\nhost=127.0.0.1\nport=1\n[mariabackup]\nhost=127.0.0.1\nport=1\n").unwrap();
    home.settings.mysql_cnf = Some(options);
    let taken = home.engine().full().unwrap();
    assert_eq!(taken.manifest.server.identity.datadir, source.datadir().join(""));
}

#[test]
fn an_option_file_that_is_named_must_be_there() {
    let source = server::source(1);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.mysql_cnf = Some(home.path().join("missing.cnf"));
    let refused = cli::run(&home, &["full"]).ended_with(128);
    assert!(refused.stderr.contains("missing.cnf"), "{}", refused.stderr);
    home.assert_empty();
}

#[test]
fn a_table_that_stood_elsewhere_is_restored_into_the_data_directory() {
    let source = server::source(1);
    let home = Home::new(&source, Form::Directory);
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let create = format!(
        "CREATE DATABASE far; CREATE TABLE far.away (id INT PRIMARY KEY) ENGINE=InnoDB DATA DIRECTORY='{}'; \
         INSERT INTO far.away VALUES (1), (2), (3);",
        elsewhere.display()
    );
    source.sql(&create).unwrap();
    home.engine().full().unwrap();
    let restored = home.restorer(None).restore_set().unwrap();
    assert!(!restored.directory.join("far/away.isl").exists());
    // The original still stands in its place, as it does on the machine that was backed up.
    let copy = server::on(&restored.directory, &home.path().join("copy"));
    assert_eq!(copy.sql("SELECT SUM(id) FROM far.away;").unwrap(), [["6"]]);
    assert_eq!(copy.checksums().unwrap(), source.checksums().unwrap());
}

/// Nothing is built on an older backup while the newest may be whole and only cannot be read.
#[test]
fn an_incremental_is_refused_while_the_newest_backup_cannot_be_read() {
    let source = server::source(0);
    let home = Home::new(&source, Form::Gzip);
    home.engine().full().unwrap();
    let newest = home.engine().full().unwrap();
    let (manifest, aside) = (newest.directory.join("manifest.json"), home.path().join("aside"));
    std::fs::copy(&manifest, &aside).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    std::os::unix::fs::symlink(&manifest, &manifest).unwrap();
    let ended = cli::run(&home, &["incr"]).ended_with(65);
    assert!(ended.stderr.contains("cannot be read now"), "{}", ended.text());
    std::fs::remove_file(&manifest).unwrap();
    std::fs::copy(&aside, &manifest).unwrap();
    assert_eq!(home.engine().incr().unwrap().manifest.base.unwrap().id, newest.manifest.id);
}

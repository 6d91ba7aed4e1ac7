//! Incrementals that do not fit what they build on.

use xb_tests::fake::{self, full, incremental};
use xb_tests::home::Form;
use xb_tests::server;

use super::{FULL_TO, Stage};

/// An incremental with this stream fails; the full backup stays alone, and a good incremental follows.
#[track_caller]
fn is_no_incremental(stage: &Stage, claim: fake::Claim) -> String {
    let before = stage.home.contents();
    stage.engine.play(&fake::stream(claim));
    let ended = stage.run("incr").ended_with(65);
    assert_eq!(stage.home.contents(), before, "{claim:?}");
    stage.engine.play(&fake::stream(incremental(FULL_TO, FULL_TO + 100)));
    stage.run("incr").good();
    assert_eq!(stage.home.backups().len(), 2);
    ended.stderr
}

#[test]
fn an_incremental_that_begins_behind_its_base_is_failed() {
    let told = is_no_incremental(&Stage::with_full(Form::Gzip), incremental(FULL_TO + 1, FULL_TO + 100));
    assert!(told.contains("5001") && told.contains("5000"), "{told}");
}

#[test]
fn an_incremental_that_ends_before_its_base_is_failed() {
    is_no_incremental(&Stage::with_full(Form::Directory), incremental(FULL_TO, FULL_TO - 1));
}

#[test]
fn a_full_backup_instead_of_an_incremental_is_failed() {
    let told = is_no_incremental(&Stage::with_full(Form::Gzip), full(FULL_TO + 100));
    assert!(told.contains("full-backuped") && told.contains("incremental"), "{told}");
}

#[test]
fn an_incremental_instead_of_a_full_backup_is_failed() {
    let stage = Stage::new(Form::Gzip);
    stage.engine.play(&fake::stream(incremental(1, FULL_TO)));
    stage.fails_and_recovers("an incremental instead of a full backup");
}

#[test]
fn the_base_is_told_to_the_engine_by_its_end() {
    let stage = Stage::with_full(Form::Gzip);
    stage.engine.play(&fake::stream(incremental(FULL_TO, FULL_TO + 7)));
    stage.run("incr").good();
    stage.engine.play(&fake::stream(incremental(FULL_TO + 7, FULL_TO + 9)));
    stage.run("incr").good();
    let starts = stage.engine.starts();
    assert!(starts[1].contains("--incremental-lsn=5000"), "{starts:?}");
    assert!(starts[2].contains("--incremental-lsn=5007"), "{starts:?}");
}

#[test]
fn without_a_full_backup_there_is_no_incremental() {
    let stage = Stage::new(Form::Gzip);
    let ended = stage.run("incr").ended_with(16);
    assert!(ended.stderr.contains("full"), "{}", ended.stderr);
    assert!(stage.engine.starts().is_empty());
    stage.home.assert_empty();
}

#[test]
fn a_base_of_another_server_is_refused_before_the_engine_starts() {
    let mut stage = Stage::with_full(Form::Gzip);
    let other = server::empty();
    stage.home.settings.mysql_sock = Some(other.socket().to_owned());
    let before = stage.home.contents();
    stage.engine.play(&fake::stream(incremental(FULL_TO, FULL_TO + 100)));
    let ended = stage.run("incr");
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.text());
    assert!(ended.stderr.contains("another server"), "{}", ended.stderr);
    assert_eq!(stage.engine.starts().len(), 1, "only the full backup");
    assert_eq!(stage.home.contents(), before);
}

//! One run at a time.

use std::time::Duration;

use rustix::process::Signal;
use xb_tests::fake::{self, full};
use xb_tests::home::Form;
use xb_tests::{cli, files, wait_until};

use super::{FULL_TO, Stage};

/// A run that goes on until it is told to end, and the lock says so.
fn going_on(stage: &Stage) -> cli::Running {
    stage.engine.perform(&fake::stream(full(FULL_TO)), |script| script.hangs_before_last = Some(100));
    let run = cli::start(&stage.home, &["full"]);
    wait_until("the engine runs", Duration::from_secs(20), || !stage.engine.starts().is_empty());
    run
}

#[test]
fn a_second_run_is_told_who_the_first_is() {
    let stage = Stage::new(Form::Gzip);
    let first = going_on(&stage);
    for command in ["full", "incr"] {
        let second = cli::run(&stage.home, &[command]).ended_with(75);
        let pid = first.pid().to_string();
        assert!(second.stderr.contains(&pid), "{pid} is not in: {}", second.stderr);
    }
    let listed = cli::run(&stage.home, &["list", "--quiet"]).good().stdout;
    assert!(!listed.contains("Full backup"), "{listed}");
    first.signal(Signal::TERM);
    first.wait().ended_with(143);
    assert_eq!(stage.engine.starts().len(), 1, "the others started none");
    stage.home.assert_empty();
}

#[test]
fn one_store_has_one_run_also_from_two_work_directories() {
    let mut stage = Stage::new(Form::Gzip);
    let first = going_on(&stage);
    let other = stage.home.path().join("other-work");
    std::fs::create_dir(&other).unwrap();
    let own = stage.home.settings.work_dir.replace(other);
    let second = stage.run("full").ended_with(75);
    assert!(second.stderr.contains(&first.pid().to_string()), "{}", second.stderr);
    stage.home.settings.work_dir = own;
    first.signal(Signal::TERM);
    first.wait().ended_with(143);
    stage.home.assert_empty();
}

#[test]
fn two_stores_with_one_work_directory_exclude_each_other() {
    let mut stage = Stage::new(Form::Gzip);
    let first = going_on(&stage);
    let other = stage.home.path().join("other-store");
    std::fs::create_dir(&other).unwrap();
    let own = stage.home.settings.stor_dir.replace(other.clone());
    stage.run("full").ended_with(75);
    stage.home.settings.stor_dir = own;
    first.signal(Signal::TERM);
    first.wait().ended_with(143);
    let backups = files::everything_below(&other).into_iter().filter(|path| path.contains('/'));
    assert_eq!(backups.count(), 0);
}

#[test]
fn the_lock_of_a_run_that_was_killed_is_free_and_status_tells_of_it() {
    let stage = Stage::new(Form::Gzip);
    let first = going_on(&stage);
    let pid = first.pid().to_string();
    first.kill();
    let status = cli::run(&stage.home, &["status", "--status-format", "nagios"]).ended_with(2);
    assert!(status.stdout.starts_with("CRITICAL - ") && status.stdout.contains(&pid), "{}", status.stdout);
    stage.engine.play(&fake::stream(full(FULL_TO)));
    stage.run("full").good();
    let status = cli::run(&stage.home, &["status", "--status-format", "nagios"]).good();
    assert!(status.stdout.starts_with("OK - Last backup full from "), "{}", status.stdout);
}

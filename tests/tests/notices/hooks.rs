//! Hooks: what they are told, and what comes of it when they fail.

use rustix::process::Signal;
use xb_tests::fake;

use super::*;

/// What stands in the configuration and nowhere else.
const MAIL_PASSWORD: &str = "kept-from-hooks";

/// Writes what a hook is told into a file of the home.
fn noting(stage: &Stage, name: &str, rest: &str) -> Vec<String> {
    let to = stage.home.path().join(name).display().to_string();
    stage.words(&format!("{name}.sh"), &format!("env | grep ^PYXBACKUP_ | sort > {to}; {rest}"))
}

#[test]
fn hooks_are_told_what_they_need_to_know() {
    let mut stage = Stage::new();
    stage.home.settings.smtp_pass = Some(Secret::new(MAIL_PASSWORD));
    stage.home.settings.hook_before = noting(&stage, "before", "");
    stage.home.settings.hook_after_success = noting(&stage, "success", "");
    stage.home.settings.hook_after_failure = noting(&stage, "failure", "");
    stage.run("full").good();
    let store = stage.home.store().display().to_string();
    let always = format!("PYXBACKUP_STORE={store}\nPYXBACKUP_WORK_DIR={}\n", stage.home.work().display());
    assert_eq!(
        stage.file("before"),
        format!("PYXBACKUP_COMMAND=full\nPYXBACKUP_EVENT=before\nPYXBACKUP_KIND=full\n{always}")
    );
    let full = stage.home.backups()[0];
    let told = format!(
        "PYXBACKUP_BACKUP={full}\nPYXBACKUP_COMMAND=full\nPYXBACKUP_DIRECTORY={store}/full/{full}\n\
         PYXBACKUP_EVENT=success\nPYXBACKUP_KIND=full\nPYXBACKUP_SET={full}\n{always}"
    );
    assert_eq!(stage.file("success"), told);
    assert_eq!(stage.file("failure"), "");

    stage.engine.play(&fake::stream(fake::incremental(FULL_TO, 6000)));
    stage.run("incr").good();
    let incremental = stage.home.backups()[1];
    let told = stage.file("success");
    for line in [
        format!("PYXBACKUP_BACKUP={incremental}"),
        "PYXBACKUP_COMMAND=incr".to_owned(),
        "PYXBACKUP_KIND=incremental".to_owned(),
        format!("PYXBACKUP_SET={full}"),
        format!("PYXBACKUP_DIRECTORY={store}/incr/{full}/{incremental}"),
    ] {
        assert!(told.lines().any(|told| told == line), "{line} is missing in:\n{told}");
    }
    assert!(!told.contains(MAIL_PASSWORD));
}

#[test]
fn after_a_failure_its_hook_hears_of_error_and_phase() {
    let mut stage = Stage::new();
    stage.home.settings.hook_after_success = noting(&stage, "success", "");
    stage.home.settings.hook_after_failure = noting(&stage, "failure", "");
    stage.break_engine();
    stage.run("full").ended_with(65);
    let told = stage.file("failure");
    for part in [
        "PYXBACKUP_EVENT=failure\n",
        "PYXBACKUP_PHASE=backup\n",
        "PYXBACKUP_ERROR=the backup failed: ",
        "PYXBACKUP_BACKUP=20",
    ] {
        assert!(told.contains(part), "{part} is missing in:\n{told}");
    }
    assert!(!told.contains("PYXBACKUP_DIRECTORY") && stage.file("success").is_empty());
}

#[test]
fn a_hook_before_that_fails_forbids_the_run() {
    let mut stage = Stage::new();
    stage.home.settings.hook_before = stage.words("hook", "echo the mount is gone; exit 3");
    stage.home.settings.hook_after_failure = noting(&stage, "failure", "");
    let ended = stage.run("full").ended_with(128);
    let error = "hook_before failed, so no backup was begun: exit code 3; it said last: the mount is gone";
    assert!(ended.stderr.contains(error), "{}", ended.stderr);
    assert!(ended.stderr.contains("hint: see what hook_before wants"), "{}", ended.stderr);
    assert_eq!(stage.engine.starts(), Vec::<String>::new());
    stage.home.assert_empty();
    assert!(stage.file("failure").contains(&format!("PYXBACKUP_ERROR={error}")), "{}", stage.file("failure"));
}

#[test]
fn a_hook_before_that_is_not_there_forbids_the_run() {
    let mut stage = Stage::new();
    stage.home.settings.hook_before = vec!["/nowhere/hook".into()];
    let ended = stage.run("full").ended_with(128);
    assert!(
        ended.stderr.contains("hook_before failed, so no backup was begun: cannot start"),
        "{}",
        ended.stderr
    );
    stage.home.assert_empty();
}

#[test]
fn a_hook_that_takes_too_long_is_ended_with_all_it_started() {
    let mut stage = Stage::new();
    let mark = stage.home.path().join("sleeper").display().to_string();
    let script = format!("trap '' TERM; sh -c 'sleep 300; : {mark}' & sleep 300; sleep 300");
    stage.home.settings.hook_before = stage.words("hook", &script);
    stage.home.settings.hook_timeout_seconds = 1;
    let (ended, took) = stage.timed();
    let ended = ended.ended_with(128);
    assert!(ended.stderr.contains("it had not ended after 1 s (hook_timeout)"), "{}", ended.stderr);
    assert!(took < Duration::from_secs(5), "{took:?}");
    let left = xb_tests::processes::mentioning(&stage.home.path().join("sleeper"));
    assert!(left.is_empty(), "{left:?}");
    stage.home.assert_empty();
}

#[test]
fn a_signal_to_a_run_ends_its_hook() {
    let mut stage = Stage::new();
    let at = stage.home.path().display().to_string();
    stage.home.settings.hook_before = stage.words("hook", &format!("touch {at}/begun; sleep 300"));
    stage.home.settings.hook_after_failure = noting(&stage, "failure", "");
    let running = cli::start(&stage.home, &["full"]);
    let begun = stage.home.path().join("begun");
    xb_tests::wait_until("the hook runs", Duration::from_secs(20), || begun.exists());
    let signalled = Instant::now();
    running.signal(Signal::INT);
    running.wait().ended_with(130);
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    assert_eq!(stage.engine.starts(), Vec::<String>::new());
    assert!(stage.file("failure").contains("PYXBACKUP_ERROR=stopped by SIGINT"), "{}", stage.file("failure"));
    stage.home.assert_empty();
}

#[test]
fn a_hook_after_a_backup_that_fails_changes_nothing() {
    let mut stage = Stage::new();
    stage.home.settings.hook_after_success = stage.words("hook", "echo no room there; exit 1");
    let ended = stage.run("full").good();
    let expected = "hook_after_success failed: exit code 1; it said last: no room there";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
    assert_eq!(stage.home.backups().len(), 1);
    stage.home.settings.hook_after_failure = stage.words("other", "exit 1");
    stage.break_engine();
    let ended = stage.run("full").ended_with(65);
    assert!(ended.stderr.contains("hook_after_failure failed: exit code 1"), "{}", ended.stderr);
}

#[test]
fn what_a_hook_writes_is_heard_in_the_log_without_secrets() {
    let mut stage = Stage::new();
    stage.home.settings.smtp_pass = Some(Secret::new(MAIL_PASSWORD));
    stage.home.settings.hook_before =
        stage.words("hook", &format!("echo to one; echo to the other {MAIL_PASSWORD} >&2"));
    let ended = stage.run("full").good();
    for line in ["hook_before: to one", "hook_before: to the other ***"] {
        assert!(ended.stderr.contains(line), "{line} is missing in:\n{}", ended.stderr);
    }
    assert!(!ended.text().contains(MAIL_PASSWORD));
}

#[test]
fn a_hook_is_given_its_arguments_as_they_are() {
    let mut stage = Stage::new();
    let to = stage.home.path().join("args").display().to_string();
    let program = stage.program("hook", &format!("printf '%s\\n' \"$@\" > {to}"));
    stage.home.settings.hook_before =
        vec![program.display().to_string(), "two words".into(), "$HOME".into(), "; exit 1".into()];
    stage.run("full").good();
    assert_eq!(stage.file("args"), "two words\n$HOME\n; exit 1\n");
}

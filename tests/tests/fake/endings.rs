//! How an engine ends, and what it says.

use std::time::Duration;

use rstest::rstest;
use xb_tests::fake::{self, Death, full};
use xb_tests::home::Form;
use xb_tests::{cli, processes};

use super::{FULL_TO, Stage};

#[rstest]
fn an_engine_that_does_well_gives_a_backup(#[values(Form::Directory, Form::Gzip, Form::Zstd)] form: Form) {
    let stage = Stage::new(form);
    stage.run("full").good();
    assert_eq!(stage.home.backups().len(), 1);
    let starts = stage.engine.starts();
    assert!(starts.len() == 1 && starts[0].contains("--stream=xbstream"), "{starts:?}");
}

#[rstest]
fn exit_code_0_without_the_success_line_is_no_backup(#[values(Form::Directory, Form::Gzip)] form: Form) {
    let stage = Stage::new(form);
    stage.engine.perform(&fake::stream(full(FULL_TO)), |script| script.succeeds = false);
    let ended = stage.fails_and_recovers("no success line");
    assert_eq!(ended.code, Some(65));
    assert!(ended.stderr.contains("completed OK!"), "{}", ended.stderr);
}

#[rstest]
fn the_success_line_with_exit_code_1_is_no_backup(#[values(Form::Directory, Form::Gzip)] form: Form) {
    let stage = Stage::new(form);
    stage.engine.perform(&fake::stream(full(FULL_TO)), |script| script.code = 1);
    assert_eq!(stage.fails_and_recovers("exit code 1").code, Some(65));
}

#[rstest]
fn an_engine_that_is_killed_gives_no_backup(
    #[values(9, 11)] signal: i32,
    #[values(0, 200, 300_000, u64::MAX / 2)] before_last: u64,
) {
    let stage = Stage::new(Form::Zstd);
    let stream = fake::stream(full(FULL_TO));
    stage.engine.perform(&stream, |script| script.dies = Some(Death { signal, before_last }));
    stage.fails_and_recovers(&format!("signal {signal}, {before_last} bytes before the end"));
}

#[test]
fn nothing_at_all_with_exit_code_0_is_no_backup() {
    for form in Form::ALL {
        let stage = Stage::new(form);
        stage.engine.play(b"");
        stage.fails_and_recovers("an empty stream");
    }
}

#[test]
fn what_an_engine_says_without_end_takes_no_memory() {
    let stage = Stage::new(Form::Gzip);
    stage.engine.perform(&fake::stream(full(FULL_TO)), |script| script.flood_mb = 200);
    let mut run = cli::start(&stage.home, &["full"]);
    let mut peak = 0;
    while !run.has_ended() {
        peak = processes::peak_memory_kib(run.pid()).unwrap_or(0).max(peak);
        std::thread::sleep(Duration::from_millis(10));
    }
    run.wait().good();
    assert!(peak > 0, "nothing was measured");
    assert!(peak < 64 * 1024, "{peak} KiB");
    assert_eq!(stage.home.backups().len(), 1);
}

#[test]
fn a_grandchild_that_holds_the_output_does_not_hold_us() {
    let stage = Stage::new(Form::Gzip);
    let stream = fake::stream(full(FULL_TO));
    stage.engine.perform(&stream, |script| script.grandchild = true);
    stage.run("full").good();
    assert_eq!(processes::mentioning(&stage.home.engines()), Vec::<String>::new());
    assert_eq!(stage.home.backups().len(), 1, "the engine itself did well");
}

#[test]
fn an_engine_that_is_not_there_is_an_error_that_says_what_was_sought() {
    let stage = Stage::new(Form::Gzip);
    for entry in std::fs::read_dir(stage.home.engines()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let mut home = stage.home;
    home.settings.engine = xb_core::EngineChoice::Xtrabackup;
    let ended = cli::run(&home, &["full"]);
    assert!(ended.code.is_some_and(|code| code != 0), "{}", ended.text());
    let engines = home.engines().display().to_string();
    for word in ["xtrabackup", &engines] {
        assert!(ended.stderr.contains(word), "{word} is not in: {}", ended.stderr);
    }
    home.assert_empty();
}

//! A run that is asked to stop: its engine ends with all it started, and nothing is left.

use std::time::Duration;

use rstest::rstest;
use rustix::process::Signal;
use xb_tests::fake::{self, full, incremental};
use xb_tests::home::Form;
use xb_tests::{cli, processes, wait_until};

use super::{FULL_TO, Stage};

const SOON: Duration = Duration::from_secs(30);

/// Starts a backup with an engine that falls silent `held_back` bytes before the end.
fn start(stage: &Stage, command: &str, held_back: u64) -> cli::Running {
    let started = stage.engine.starts().len();
    let run = cli::start(&stage.home, &[command]);
    wait_until("the engine runs", SOON, || stage.engine.starts().len() > started);
    if held_back < u64::MAX / 2 {
        // It has written what it will write.
        std::thread::sleep(Duration::from_millis(150));
    }
    run
}

#[rstest]
#[case(Signal::TERM, 143)]
#[case(Signal::INT, 130)]
fn a_signal_ends_a_silent_engine_and_all_it_started(
    #[case] signal: Signal,
    #[case] code: i32,
    #[values(Form::Directory, Form::Gzip, Form::Zstd)] form: Form,
    #[values(0, 60_000, u64::MAX / 2)] held_back: u64,
) {
    let stage = Stage::new(form);
    let stream = fake::stream(full(FULL_TO));
    stage.engine.perform(&stream, |script| {
        script.hangs_before_last = Some(held_back);
        script.grandchild = true;
    });
    let run = start(&stage, "full", held_back);
    let is_complete = || processes::mentioning(&stage.home.engines()).len() >= 2;
    wait_until("engine and grandchild run", SOON, is_complete);
    run.signal(signal);
    run.wait().ended_with(code);
    assert_eq!(processes::mentioning(&stage.home.engines()), Vec::<String>::new());
    stage.home.assert_empty();
    stage.engine.play(&stream);
    stage.run("full").good();
}

#[test]
fn an_engine_that_does_not_want_to_end_is_killed() {
    let stage = Stage::with_full(Form::Gzip);
    let before = stage.home.contents();
    stage.engine.perform(&fake::stream(incremental(FULL_TO, 6000)), |script| {
        script.hangs_before_last = Some(1000);
        script.stubborn = true;
    });
    let run = start(&stage, "incr", 1000);
    run.signal(Signal::TERM);
    run.wait().ended_with(143);
    assert_eq!(processes::mentioning(&stage.home.engines()), Vec::<String>::new());
    assert_eq!(stage.home.contents(), before);
}

#[test]
fn a_signal_during_a_restore_ends_the_engine_and_leaves_nothing() {
    let stage = Stage::with_full(Form::Gzip);
    stage.engine.perform(b"", |script| script.hangs_before_last = Some(0));
    let target = stage.home.restored();
    let to = target.display().to_string();
    let run = cli::start(&stage.home, &["restore-set", "--restore-dir", &to]);
    wait_until("the engine prepares", SOON, || stage.engine.starts().len() == 2);
    assert!(stage.engine.starts()[1].contains("--prepare"));
    run.signal(Signal::INT);
    run.wait().ended_with(130);
    assert_eq!(processes::mentioning(&stage.home.engines()), Vec::<String>::new());
    assert_eq!(std::fs::read_dir(&target).unwrap().count(), 0);
}

#[rstest]
#[case(0)]
#[case(u64::MAX / 2)]
fn a_silent_engine_does_not_outlive_us_when_we_are_killed(#[case] held_back: u64) {
    let stage = Stage::new(Form::Gzip);
    let stream = fake::stream(full(FULL_TO));
    stage.engine.perform(&stream, |script| script.hangs_before_last = Some(held_back));
    let run = start(&stage, "full", held_back);
    // By then it is tied to us.
    std::thread::sleep(Duration::from_millis(300));
    run.kill();
    wait_until("the engine is gone", SOON, || processes::mentioning(&stage.home.engines()).is_empty());
    stage.engine.play(&stream);
    stage.run("full").good();
}

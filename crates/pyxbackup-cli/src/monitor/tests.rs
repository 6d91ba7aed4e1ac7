use std::io::{self, Write};
use std::sync::Mutex;

use chrono::{DateTime, FixedOffset};
use xb_core::Secret;

use super::*;

struct Noon;

impl Clock for Noon {
    fn now(&self) -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-22T12:00:00+01:00").unwrap()
    }
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u8>>>);

impl Write for Seen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seen {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Heard {
    reporter: Reporter,
    seen: Seen,
    _dir: tempfile::TempDir,
}

impl Heard {
    fn log(&self) -> String {
        std::fs::read_to_string(self.reporter.log().unwrap().path()).unwrap()
    }
}

fn heard(debug: bool, quiet: bool) -> Heard {
    let (seen, dir) = (Seen::default(), tempfile::tempdir().unwrap());
    let lines: Box<dyn Write + Send> = Box::new(seen.clone());
    let screen = if quiet { Screen::Quiet } else { Screen::Lines(Mutex::new(lines)) };
    let log = RunLog::create(dir.path(), Noon.now()).unwrap();
    let least = if debug { Level::Debug } else { Level::Info };
    let masker = Masker::new([Secret::new("geheim")]);
    Heard { reporter: Reporter::new(Arc::new(Noon), screen, Some(log), masker, least), seen, _dir: dir }
}

fn a_run(reporter: &Reporter) {
    reporter.phase(Phase::Probe, "asking", None);
    reporter.info("taking a full backup");
    reporter.warn("no binary log");
    reporter.debug("running engine -pgeheim");
    reporter.child_line("engine", "copying t.ibd");
    reporter.finish(0);
}

const INFO: &str = "[11/22/2026 12:00:00] INFO: taking a full backup\n";
const CHILD: &str = "[11/22/2026 12:00:00] DEBUG: engine: copying t.ibd\n";

#[test]
fn lines_have_the_form_of_the_python_tool() {
    let heard = heard(false, false);
    a_run(&heard.reporter);
    let expected = format!(
        "[11/22/2026 12:00:00] INFO: probe asking\n{INFO}[11/22/2026 12:00:00] WARN: no binary log\n"
    );
    assert_eq!(heard.seen.text(), expected);
}

#[test]
fn debug_adds_the_engines_own_lines() {
    let heard = heard(true, false);
    a_run(&heard.reporter);
    assert!(heard.seen.text().contains(CHILD), "{}", heard.seen.text());
}

#[test]
fn quiet_prints_nothing_and_the_log_has_everything() {
    let heard = heard(false, true);
    a_run(&heard.reporter);
    assert_eq!(heard.seen.text(), "");
    let log = heard.log();
    assert!(log.contains(INFO) && log.contains(CHILD), "{log}");
    assert!(log.ends_with("[11/22/2026 12:00:00] INFO: ended with exit code 0\n"), "{log}");
}

#[test]
fn secrets_are_masked_on_the_screen_and_in_the_log() {
    let heard = heard(true, false);
    a_run(&heard.reporter);
    for text in [heard.seen.text(), heard.log()] {
        assert!(text.contains("running engine -p***\n") && !text.contains("geheim"), "{text}");
    }
}

#[test]
fn a_signal_is_answered_with_a_line() {
    let heard = heard(false, false);
    heard.reporter.stopping("SIGINT");
    assert_eq!(heard.seen.text(), "[11/22/2026 12:00:00] WARN: SIGINT: stopping, please wait\n");
}

#[test]
fn a_run_that_failed_does_not_tell_that_its_phase_is_done() {
    let heard = heard(false, false);
    heard.reporter.phase(Phase::Backup, "b", None);
    heard.reporter.advance(4096);
    heard.reporter.finish(65);
    assert_eq!(heard.seen.text(), "[11/22/2026 12:00:00] INFO: backup b\n");
    assert!(heard.log().ends_with("ERROR: ended with exit code 65\n"), "{}", heard.log());
}

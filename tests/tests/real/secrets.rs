//! The password of a run: where it may stand, and everywhere it may not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use xb_core::Secret;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::server::{self, Source};
use xb_tests::{cli, files, processes, wait_until};

/// Everything that shells, option files and patterns stumble over.
const PASSWORD: &str = r#"p"a's#s\w;o r$d%"#;
/// It in the forms it could take on its way: as it is, and as option files and shells have it.
const FORMS: [&str; 5] =
    [PASSWORD, r#"p"a's#s\\w;o r$d%"#, r#"p\"a's#s\\w;o r$d%"#, r#"p"a'\''s#s"#, r#"p%22a%27s"#];

fn shows(text: &str) -> bool {
    FORMS.iter().any(|form| text.contains(form)) || text.contains("s#s\\w;o")
}

/// Watches a run from a thread of its own, until it is asked what it saw.
struct Watch {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: std::thread::JoinHandle<Vec<String>>,
}

impl Watch {
    fn start(root: i32, home: &Home) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (work, large) = (home.work(), [home.store(), home.restored()]);
        let (until, count) = (stop.clone(), looks.clone());
        let thread = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !until.load(Ordering::SeqCst) {
                seen.extend(look_at_processes(root));
                seen.extend(look_at_files(&work));
                // As many files as a server has: looking at them takes so long that a run is over meanwhile.
                if count.fetch_add(1, Ordering::SeqCst) % 8 == 0 {
                    seen.extend(large.iter().flat_map(|place| look_at_files(place)));
                }
            }
            seen.sort();
            seen.dedup();
            seen
        });
        Watch { stop, looks, thread }
    }

    /// Where the password was seen, each place once.
    fn stop(self) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let seen = self.thread.join().unwrap();
        assert!(self.looks.load(Ordering::SeqCst) > 5, "there was hardly a look");
        seen
    }
}

fn look_at_processes(root: i32) -> Vec<String> {
    let mut seen = Vec::new();
    for pid in processes::tree(root) {
        let line = processes::command_line(pid);
        if shows(&line) {
            seen.push(format!("command line: {line}"));
        }
        if shows(&processes::environment(pid)) {
            seen.push(format!("environment of {line}"));
        }
    }
    seen
}

/// Small files with the password in them; data files hold the server's own.
fn look_at_files(root: &Path) -> Vec<String> {
    let is_text = |path: &PathBuf| files::size(path) < 200_000 && !path.to_string_lossy().contains("/mysql/");
    let found = files::files_below(root).into_iter().filter(is_text);
    found.filter(|path| shows(&read(path))).map(|path| place(&path)).collect()
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// A file with its mode and that of its directory, the process's number left out of the name.
fn place(path: &Path) -> String {
    let mode = |path: &Path| fs::metadata(path).map_or(0, |meta| meta.permissions().mode() & 0o7777);
    let directory = path.parent().unwrap();
    let name = directory.file_name().unwrap().to_string_lossy().trim_end_matches(char::is_numeric).to_owned();
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    format!("{name}/{file} {:o} in {:o}", mode(path), mode(directory))
}

const ONLY_PLACE: &str = ".pyxbackup-run-/engine.cnf 600 in 700";

/// A home whose account has the password.
fn home(form: Form) -> (Source, Home) {
    let source = server::source(10);
    source.account("backup", &Secret::new(PASSWORD)).unwrap();
    let mut home = Home::new(&source, form);
    home.settings.mysql_user = Some("backup".to_owned());
    home.settings.mysql_pass = Some(Secret::new(PASSWORD));
    (source, home)
}

/// Runs a command to its end under watch.
fn watched(home: &Home, args: &[&str]) -> (cli::Ended, Vec<String>) {
    let run = cli::start(home, args);
    let watch = Watch::start(run.pid(), home);
    let ended = run.wait();
    (ended, watch.stop())
}

/// After a run the password stands nowhere, neither in what it left nor in what it printed.
#[track_caller]
fn assert_gone(home: &Home, ended: &cli::Ended) {
    assert!(!shows(&ended.text()), "printed: {}", ended.text());
    for place in [home.work(), home.store(), home.restored()] {
        assert_eq!(look_at_files(&place), Vec::<String>::new());
    }
    let left: Vec<String> = home.contents().into_iter().filter(|path| path.starts_with("work/")).collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn the_password_of_a_run_is_in_one_private_file_that_goes_with_it() {
    for form in [Form::Directory, Form::Gzip] {
        let (source, home) = home(form);
        for (round, command) in (1..).zip(["full", "incr"]) {
            let (ended, seen) = watched(&home, &[command, "--debug"]);
            assert_gone(&home, &ended.good());
            assert_eq!(seen, [ONLY_PLACE], "{command} to {form:?}");
            dataset::change(&source, round).unwrap();
        }
        let target = home.restored().display().to_string();
        let (ended, seen) = watched(&home, &["restore-set", "--restore-dir", &target, "--debug"]);
        assert_gone(&home, &ended.good());
        assert_eq!(seen, Vec::<String>::new(), "a restore needs no password");
    }
}

#[test]
fn a_run_that_fails_takes_the_password_with_it() {
    let (_source, home) = home(Form::Gzip);
    let backup = "/usr/bin/mariadb-backup";
    // It says the password as its option file has it, and as it is.
    let script = r#"if [ "$1" = --version ]; then exec ENGINE --version; fi
        sleep 0.3
        cat "${1#--defaults-file=}" >&2
        sed -n 's/^password="\(.*\)"$/it is \1/p' "${1#--defaults-file=}" | sed 's/\\\(.\)/\1/g' >&2
        exit 1"#;
    files::script(&home.engines().join("mariadb-backup"), &script.replace("ENGINE", backup));
    let (ended, seen) = watched(&home, &["full", "--debug"]);
    assert_eq!(ended.code, Some(65), "{}", ended.text());
    assert_gone(&home, &ended);
    assert_eq!(seen, [ONLY_PLACE]);
    assert!(ended.text().contains("it is ***"), "the engine's words are kept: {}", ended.text());
    home.assert_empty();
}

#[test]
fn a_wrong_password_is_not_repeated() {
    let (_source, mut home) = home(Form::Gzip);
    let wrong = format!("{PASSWORD} ");
    home.settings.mysql_pass = Some(Secret::new(wrong.trim_end().replace('a', "b")));
    let ended = cli::run(&home, &["full", "--debug"]);
    assert!(ended.code.is_some_and(|code| code != 0));
    assert!(!ended.text().contains("b's#s"), "{}", ended.text());
    assert!(ended.stderr.contains("denied"), "{}", ended.stderr);
    home.assert_empty();
}

#[test]
fn a_run_that_is_stopped_takes_the_password_with_it() {
    let (_source, home) = home(Form::Gzip);
    let run = cli::start(&home, &["full"]);
    let file = || files::everything_below(&home.work()).iter().any(|path| path.ends_with("engine.cnf"));
    wait_until("the option file is there", Duration::from_secs(20), file);
    run.signal(Signal::TERM);
    let ended = run.wait().ended_with(143);
    assert_gone(&home, &ended);
    home.assert_empty();
}

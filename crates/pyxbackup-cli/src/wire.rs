//! From a call to a library ready for work: clock, monitor, stop signal, search paths and account of this
//! process; and what surrounds a run that does something: its log, its signals, its end.

use std::path::PathBuf;
use std::sync::Arc;

use xb_core::Masker;
use xb_core::settings::{Settings, Task};
use xb_engine::{Engine, EngineError, Surroundings};
use xb_pipeline::clock::{Clock, SystemClock};
use xb_pipeline::monitor::Monitor;

use crate::call::Call;
use crate::env;
use crate::error::{self, CliError};
use crate::exit::Exit;
use crate::monitor::{Level, Reporter, Screen};
use crate::runlog::RunLog;
use crate::signals;

/// The library for a command that only looks. Nothing it does takes long or has to be told.
pub(crate) fn onlooker(call: &Call) -> Engine {
    Engine::with(settings(call), surroundings())
}

/// Runs a command that does something: with a log, heard by people, and stopped by signals.
pub(crate) fn recorded<T>(
    call: &Call,
    task: Task,
    work: impl FnOnce(&Engine) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let reporter = Arc::new(reporter(call));
    listened(call, reporter.clone(), |engine| {
        introduce(&reporter, call, task);
        work(engine)
    })
}

/// How much a run without a log tells on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aloud {
    /// As much as those that have a log.
    Usual,
    /// What should be mended, and on a terminal how far it is.
    Brief,
    /// What should be mended.
    Warnings,
}

/// Runs a command that works on files of its caller's alone: heard by people and stopped by signals.
pub(crate) fn heard<T>(
    call: &Call,
    aloud: Aloud,
    work: impl FnOnce(&Engine) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let screen = match aloud {
        Aloud::Usual | Aloud::Brief => Screen::suitable(call.quiet, call.json),
        Aloud::Warnings => Screen::lines(call.quiet),
    };
    let least = match aloud {
        _ if call.debug => Level::Debug,
        Aloud::Usual => Level::Info,
        Aloud::Brief | Aloud::Warnings => Level::Warn,
    };
    let reporter = Reporter::new(Arc::new(SystemClock), screen, None, masker(call), least);
    listened(call, Arc::new(reporter), work)
}

fn listened<T>(
    call: &Call,
    reporter: Arc<Reporter>,
    work: impl FnOnce(&Engine) -> Result<T, CliError>,
) -> Result<T, CliError> {
    let log = reporter.log().map(|log| format!("all messages of this run are in {}", log.path().display()));
    let advice = move |error: &EngineError| error::advice(error).into_iter().chain(log.clone()).collect();
    let around = Surroundings { monitor: reporter.clone(), advice: Arc::new(advice), ..surroundings() };
    let listening = signals::listen(around.cancel.clone(), reporter.clone());
    if let Err(error) = &listening {
        reporter.warn(&format!("signals will end this run without cleaning up: {error}"));
    }
    let engine = Engine::with(settings(call), around);
    let result = work(&engine);
    if let Err(error) = &result {
        error::text(error).lines().for_each(|line| reporter.note_error(line));
    }
    let result = result.map_err(|error| match reporter.log() {
        Some(log) => error.with_log(log.path()),
        None => error,
    });
    reporter.finish(result.as_ref().map_or_else(CliError::exit, |_| Exit::Success).code());
    result
}

/// The settings with directories that do not depend on where this process was started: they end in reports,
/// logs and command lines that are read and run elsewhere.
fn settings(call: &Call) -> Settings {
    let mut settings = call.resolved.settings.clone();
    for directory in [&mut settings.stor_dir, &mut settings.work_dir, &mut settings.restore_dir] {
        *directory = directory.take().map(|path| std::path::absolute(&path).unwrap_or(path));
    }
    settings
}

/// Where the run comes from, at the beginning of its log.
fn introduce(reporter: &Reporter, call: &Call, task: Task) {
    reporter.note(concat!("pyxbackup ", env!("CARGO_PKG_VERSION")));
    reporter.note(&format!("command: {task}"));
    match &call.config {
        Some(path) => reporter.info(&format!("Using config file {}", path.display())),
        None => reporter.note("no configuration file"),
    }
    call.remarks.iter().for_each(|remark| reporter.note(remark));
}

fn reporter(call: &Call) -> Reporter {
    let settings = settings(call);
    let clock = SystemClock;
    let log = settings.work_dir.as_deref().map(|work_dir| (work_dir, RunLog::create(work_dir, clock.now())));
    let (log, problem) = match log {
        None => (None, None),
        Some((_, Ok(log))) => (Some(log), None),
        Some((work_dir, Err(error))) => {
            (None, Some(format!("no log of this run: cannot create one in {}: {error}", work_dir.display())))
        }
    };
    let screen = Screen::suitable(call.quiet, call.json);
    let least = if call.debug { Level::Debug } else { Level::Info };
    let reporter = Reporter::new(Arc::new(clock), screen, log, masker(call), least);
    problem.iter().for_each(|problem| reporter.warn(problem));
    reporter
}

fn masker(call: &Call) -> Masker {
    let settings = &call.resolved.settings;
    let secrets = [&settings.mysql_pass, &settings.smtp_pass, &settings.notify_url, &settings.s3_secret_key];
    Masker::new(secrets.into_iter().flatten().cloned())
}

fn surroundings() -> Surroundings {
    let usual = Surroundings::default();
    let mut search_path = env::search_path();
    // The PATH of cron, and that of users, often leaves out where servers and engines are installed.
    let missing: Vec<PathBuf> =
        usual.search_path.into_iter().filter(|dir| !search_path.contains(dir)).collect();
    search_path.extend(missing);
    let own = env::home().map(|home| home.join(".my.cnf"));
    let default_option_files = usual.default_option_files.into_iter().chain(own).collect();
    Surroundings {
        search_path,
        default_option_files,
        user: env::user(),
        home: env::home(),
        variables: env::beginning_with(&Surroundings::CLOUD),
        ..Surroundings::default()
    }
}

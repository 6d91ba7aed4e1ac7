//! Programs of the user's own around a backup. What they are told stands in their environment and holds no
//! secret; what they write is heard like an engine's messages.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use xb_core::Masker;
use xb_core::settings::Task;
use xb_pipeline::attend::{Ending, attend};
use xb_pipeline::process::{Invocation, describe, find_program};

use crate::context::Context;
use crate::error::EngineError;
use crate::notify::{Notice, Outcome};

/// A hook after a run that was told to stop has so long at most: whoever stopped it is waiting.
const AFTER_STOP: Duration = Duration::from_secs(30);
/// Longer texts are cut: systems limit what one variable may hold.
const VALUE_CHARS: usize = 4000;

/// Runs `hook_before`.
///
/// # Errors
/// [`EngineError::Hook`] when it does not end well, [`EngineError::Cancelled`] when the run is told to stop.
pub(crate) fn before(context: &Context, task: Task, masker: &Masker) -> Result<(), EngineError> {
    let words = &context.settings.hook_before;
    if words.is_empty() || !is_backup(task) {
        return Ok(());
    }
    context.cancel().check()?;
    let command = environment(command(context, words), context, task, "before");
    match perform(context, "hook_before", &command, true, masker) {
        Ok(()) => Ok(()),
        Err(Fault::Stopped(error)) => Err(error),
        Err(Fault::Failed(reason)) => Err(EngineError::Hook { key: "hook_before", reason }),
    }
}

/// Runs the hook that fits how the run ended. That it fails is only warned of.
pub(crate) fn after(context: &Context, task: Task, notice: &Notice, masker: &Masker) {
    let is_good = notice.result == Outcome::Success;
    let (key, event, words) = match is_good {
        true => ("hook_after_success", "success", &context.settings.hook_after_success),
        false => ("hook_after_failure", "failure", &context.settings.hook_after_failure),
    };
    if words.is_empty() || !is_backup(task) {
        return;
    }
    let mut command = environment(command(context, words), context, task, event);
    let known = [
        ("PYXBACKUP_BACKUP", notice.backup.map(|id| id.to_string())),
        ("PYXBACKUP_SET", notice.set.map(|id| id.to_string())),
        ("PYXBACKUP_DIRECTORY", notice.directory.clone()),
        ("PYXBACKUP_ERROR", notice.error.clone()),
        ("PYXBACKUP_PHASE", notice.failing_phase.map(|phase| phase.word().to_owned())),
    ];
    for (name, value) in known {
        if let Some(value) = value {
            command = command.env(name, fit(&value));
        }
    }
    if let Err(fault) = perform(context, key, &command, notice.result != Outcome::Stopped, masker) {
        let reason = match fault {
            Fault::Stopped(error) => error.to_string(),
            Fault::Failed(reason) => reason,
        };
        context.monitor().warn(&format!("{key} failed: {reason}"));
    }
}

fn is_backup(task: Task) -> bool {
    matches!(task, Task::Full | Task::Incr)
}

/// The program with its arguments. Where engines are sought plays no part.
pub(crate) fn command(context: &Context, words: &[String]) -> Invocation {
    let (program, args) = words.split_first().map_or(("", words), |(first, rest)| (first.as_str(), rest));
    let found = find_program(program, &context.around.search_path);
    Invocation::new(found.unwrap_or_else(|| program.into())).args(args)
}

/// What every hook is told.
fn environment(command: Invocation, context: &Context, task: Task, event: &str) -> Invocation {
    let kind = if task == Task::Incr { "incremental" } else { "full" };
    let command = command
        .env("PYXBACKUP_EVENT", event)
        .env("PYXBACKUP_COMMAND", task.word())
        .env("PYXBACKUP_KIND", kind);
    let work_dir = context.settings.work_dir.as_ref().map(|path| path.as_os_str().to_owned());
    let store = context.store_shown().map(OsString::from);
    [("PYXBACKUP_STORE", store), ("PYXBACKUP_WORK_DIR", work_dir)].into_iter().fold(
        command,
        |command, (name, value)| match value {
            Some(value) => command.env(name, value),
            None => command,
        },
    )
}

/// A text as a variable can hold it.
fn fit(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(VALUE_CHARS).collect()
}

enum Fault {
    Stopped(EngineError),
    Failed(String),
}

fn perform(
    context: &Context,
    key: &'static str,
    command: &Invocation,
    until_stopped: bool,
    masker: &Masker,
) -> Result<(), Fault> {
    let limit = Duration::from_secs(context.settings.hook_timeout_seconds);
    let limit = if until_stopped { limit } else { limit.min(AFTER_STOP) };
    context.monitor().info(&format!("running {key}: {}", masker.mask(&command.to_string())));
    let last = Arc::new(Mutex::new(String::new()));
    let (heard, monitor, masker) = (last.clone(), context.monitor().clone(), masker.clone());
    let ear = move |line: &str| {
        let line = masker.mask(line);
        monitor.child_line(key, &line);
        if !line.trim().is_empty() {
            *heard.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    };
    let cancel = until_stopped.then(|| context.cancel());
    let ending = attend(command, limit, cancel, ear).map_err(|error| Fault::Failed(error.to_string()))?;
    let reason = match ending {
        Ending::Exited(status) if status.success() => return Ok(()),
        Ending::Exited(status) => describe(status),
        Ending::TimedOut => format!("it had not ended after {} s (hook_timeout)", limit.as_secs()),
        Ending::Stopped(cancelled) => return Err(Fault::Stopped(cancelled.into())),
    };
    let last = last.lock().unwrap_or_else(PoisonError::into_inner);
    Err(Fault::Failed(if last.is_empty() { reason } else { format!("{reason}; it said last: {last}") }))
}

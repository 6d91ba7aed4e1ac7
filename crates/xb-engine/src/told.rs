//! The frame around a run that others are told of: the hook before it, the run itself, the hook after it, and
//! the notices. None of what comes after a run changes its result.

use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use xb_core::settings::Task;
use xb_core::{BackupKind, Masker};

use crate::context::Context;
use crate::error::EngineError;
use crate::hook;
use crate::notify::{self, Notice, Outcome};
use crate::recorder::Recorder;
use crate::report::{ApplyReport, BackupReport, CopyReport, PruneReport};
use crate::server;

/// A result that notices tell of.
pub(crate) trait Told {
    /// Puts into `notice` what there is to tell.
    fn tell(&self, notice: &mut Notice);
}

impl Told for BackupReport {
    fn tell(&self, notice: &mut Notice) {
        let manifest = &self.manifest;
        notice.backup = Some(manifest.id);
        notice.kind = Some(manifest.kind);
        notice.set = Some(manifest.set);
        notice.directory = Some(self.directory.display().to_string());
        notice.stream_bytes = Some(manifest.sizes.stream_bytes);
        notice.stored_bytes = Some(manifest.sizes.stored_bytes);
        notice.lsns = Some(manifest.lsns);
        notice.binlog = manifest.binlog.clone();
    }
}

impl Told for ApplyReport {
    fn tell(&self, notice: &mut Notice) {
        notice.backup = self.members.last().copied();
        notice.set = self.members.first().copied();
        notice.directory = Some(self.directory.display().to_string());
    }
}

impl Told for CopyReport {
    fn tell(&self, notice: &mut Notice) {
        notice.backup = self.copies.iter().flat_map(|copied| copied.backups.iter().copied()).max();
    }
}

impl Told for PruneReport {
    fn tell(&self, notice: &mut Notice) {
        if self.postponed {
            notice.result = Outcome::Failure;
            notice.error = Some("put off: a restore reads from the store; the next prune does it".to_owned());
        }
        if !self.problems.is_empty() {
            notice.result = Outcome::Failure;
            notice.error = Some(format!("not all could be pruned: {}", self.problems.join("; ")));
        }
    }
}

/// Runs `flow` in its frame. The lock of the run is gone when notices are sent.
///
/// # Errors
/// Those of `flow`, and of the hook before it.
pub(crate) fn run<T: Told>(
    context: &Context,
    task: Task,
    flow: impl FnOnce(&Context) -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let masker = masker(context);
    let recorder = Arc::new(Recorder::new(context, masker.clone()));
    let mut heard = context.clone();
    heard.around.monitor = recorder.clone();
    heard.is_patient = true;
    let started = context.now();
    let result = hook::before(&heard, task, &masker).and_then(|()| heard.settled(flow(&heard)));
    let mut notice = notice(context, task, started, &recorder);
    match &result {
        Ok(told) => told.tell(&mut notice),
        Err(error) => tell_error(&mut notice, context, error, &masker, &recorder),
    }
    hook::after(&heard, task, &notice, &masker);
    notice.warnings = recorder.warnings();
    notify::send(&heard, task, &notice, &masker);
    result
}

/// All that is secret, also what only option files hold: what others write may have it from there.
fn masker(context: &Context) -> Masker {
    let found = server::connection(&context.settings, &context.around).ok();
    context.masker(found.and_then(|connection| connection.password).as_ref())
}

/// What is known of every run when it is over.
fn notice(context: &Context, task: Task, started: DateTime<FixedOffset>, recorder: &Recorder) -> Notice {
    let ended = context.now();
    let kind = match task {
        Task::Full => Some(BackupKind::Full),
        Task::Incr => Some(BackupKind::Incremental),
        _ => None,
    };
    let backup = recorder.backup();
    Notice {
        format: notify::FORMAT,
        program: concat!("pyxbackup ", env!("CARGO_PKG_VERSION")).to_owned(),
        result: Outcome::Success,
        command: task.word().to_owned(),
        host: notify::host(),
        store: context.store_shown(),
        backup,
        kind,
        set: backup.filter(|_| kind == Some(BackupKind::Full)),
        directory: None,
        started,
        ended,
        duration_seconds: (ended - started).as_seconds_f64(),
        stream_bytes: None,
        stored_bytes: None,
        lsns: None,
        binlog: None,
        phases: recorder.phases(),
        error: None,
        failing_phase: None,
        advice: Vec::new(),
        warnings: Vec::new(),
        log_tail: Vec::new(),
    }
}

fn tell_error(
    notice: &mut Notice,
    context: &Context,
    error: &EngineError,
    masker: &Masker,
    recorder: &Recorder,
) {
    notice.result = if error.cancelled().is_some() { Outcome::Stopped } else { Outcome::Failure };
    notice.error = Some(masker.mask(&error.to_string()));
    notice.failing_phase = recorder.last_phase();
    notice.advice = (context.around.advice)(error).iter().map(|advice| masker.mask(advice)).collect();
    notice.log_tail = recorder.lines();
    notice.backup = error.committed().or(notice.backup);
}

//! The engine room: settings and surroundings in one hand, and the flows as its methods.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use xb_catalog::manifest::PhaseRecord;
use xb_core::settings::Settings;
use xb_core::{BackupKind, Masker};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::monitor::{Monitor, Phase};

use crate::error::EngineError;
use crate::flow;
use crate::report::{BackupReport, ListReport, RestoreReport, StatusReport};
use crate::surroundings::Surroundings;

/// Takes, lists, judges and restores backups. Cheap to make; holds nothing open between calls.
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) around: Surroundings,
}

impl Engine {
    /// An engine in the usual surroundings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Engine::with(settings, Surroundings::default())
    }

    /// An engine with a clock, a monitor, a stop signal and search paths of the caller's choice.
    #[must_use]
    pub fn with(settings: Settings, around: Surroundings) -> Self {
        Engine { settings, around }
    }

    /// Takes a full backup.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was.
    pub fn full(&self) -> Result<BackupReport, EngineError> {
        flow::backup::run(self, BackupKind::Full)
    }

    /// Takes an incremental on top of the newest backup.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was. [`EngineError::Base`] when there is nothing to build on.
    pub fn incr(&self) -> Result<BackupReport, EngineError> {
        flow::backup::run(self, BackupKind::Incremental)
    }

    /// Restores `restore_backup`, or the newest backup, to `P_<name>` in `restore_dir`.
    ///
    /// # Errors
    /// [`EngineError`]; nothing is left in `restore_dir` then.
    pub fn restore_set(&self) -> Result<RestoreReport, EngineError> {
        flow::restore_set::run(self)
    }

    /// What is in the store.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn list(&self) -> Result<ListReport, EngineError> {
        flow::list::run(self)
    }

    /// How things stand.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn status(&self) -> Result<StatusReport, EngineError> {
        flow::status::run(self)
    }

    pub(crate) fn store(&self) -> Result<&Path, EngineError> {
        self.settings.stor_dir.as_deref().ok_or(EngineError::NotSet { key: "stor_dir" })
    }

    pub(crate) fn work_dir(&self) -> Result<&Path, EngineError> {
        self.settings.work_dir.as_deref().ok_or(EngineError::NotSet { key: "work_dir" })
    }

    pub(crate) fn now(&self) -> DateTime<FixedOffset> {
        self.around.clock.now()
    }

    pub(crate) fn monitor(&self) -> &Arc<dyn Monitor> {
        &self.around.monitor
    }

    pub(crate) fn cancel(&self) -> &CancelToken {
        &self.around.cancel
    }

    /// Where programs are sought: `engine_dir` first.
    pub(crate) fn search_path(&self) -> Vec<std::path::PathBuf> {
        self.settings.engine_dir.iter().chain(&self.around.search_path).cloned().collect()
    }

    /// Replaces what must not be seen in what others write.
    pub(crate) fn masker(&self, found: Option<&xb_core::Secret>) -> Masker {
        Masker::new(self.settings.mysql_pass.iter().chain(found).cloned())
    }

    /// Threads that compress or decompress.
    pub(crate) fn compress_threads(&self) -> usize {
        /// Every thread has blocks in flight; more than this many would need more memory than we promise.
        const MOST: usize = 8;
        self.settings.compress_threads.unwrap_or_else(|| cores().min(MOST))
    }

    /// Threads the engine copies with.
    pub(crate) fn engine_parallel(&self) -> usize {
        self.settings.engine_parallel.unwrap_or_else(|| cores().min(4))
    }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Takes the time of a flow's phases and announces them.
pub(crate) struct Phases<'a> {
    engine: &'a Engine,
    done: Vec<PhaseRecord>,
    current: Option<(Phase, DateTime<FixedOffset>)>,
}

impl<'a> Phases<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Phases { engine, done: Vec::new(), current: None }
    }

    /// The next phase begins, the one before has ended.
    pub(crate) fn begin(&mut self, phase: Phase, what: &str, total_bytes: Option<u64>) {
        self.end();
        self.current = Some((phase, self.engine.now()));
        self.engine.monitor().phase(phase, what, total_bytes);
    }

    fn end(&mut self) {
        if let Some((phase, started)) = self.current.take() {
            let seconds = (self.engine.now() - started).as_seconds_f64();
            self.done.push(PhaseRecord { phase, started, seconds });
        }
    }

    /// The phases so far, the current one as if it ended now.
    pub(crate) fn finish(mut self) -> Vec<PhaseRecord> {
        self.end();
        self.done
    }
}

//! The engine room: settings and surroundings in one hand, and the flows as its methods.

use xb_core::BackupKind;
use xb_core::settings::Settings;

use crate::context::Context;
use crate::error::EngineError;
use crate::flow;
use crate::report::{BackupReport, ListReport, RestoreReport, StatusReport};
use crate::surroundings::Surroundings;

/// Takes, lists, judges and restores backups. Cheap to make; holds nothing open between calls.
pub struct Engine(Context);

impl Engine {
    /// An engine in the usual surroundings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Engine::with(settings, Surroundings::default())
    }

    /// An engine with a clock, a monitor, a stop signal and search paths of the caller's choice.
    #[must_use]
    pub fn with(settings: Settings, around: Surroundings) -> Self {
        Engine(Context { settings, around })
    }

    /// Takes a full backup.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was.
    pub fn full(&self) -> Result<BackupReport, EngineError> {
        flow::backup::run(&self.0, BackupKind::Full)
    }

    /// Takes an incremental on top of the newest backup.
    ///
    /// # Errors
    /// [`EngineError`]; the store is then as it was. [`EngineError::Base`] when there is nothing to build on.
    pub fn incr(&self) -> Result<BackupReport, EngineError> {
        flow::backup::run(&self.0, BackupKind::Incremental)
    }

    /// Restores `restore_backup`, or the newest backup, to `P_<name>` in `restore_dir`.
    ///
    /// # Errors
    /// [`EngineError`]; nothing is left in `restore_dir` then.
    pub fn restore_set(&self) -> Result<RestoreReport, EngineError> {
        flow::restore_set::run(&self.0)
    }

    /// What is in the store.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn list(&self) -> Result<ListReport, EngineError> {
        flow::list::run(&self.0)
    }

    /// How things stand.
    ///
    /// # Errors
    /// [`EngineError`] when the store cannot be read.
    pub fn status(&self) -> Result<StatusReport, EngineError> {
        flow::status::run(&self.0)
    }
}

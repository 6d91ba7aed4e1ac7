//! What every flow has at hand: settings, surroundings, and what follows from both.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, FixedOffset};
use xb_catalog::manifest::PhaseRecord;
use xb_catalog::{Remote, Repository};
use xb_core::settings::Settings;
use xb_core::{Masker, Secret};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::FsError;
use xb_pipeline::monitor::{Monitor, Phase};
use xb_pipeline::store::{StoreAddress, StoreErrorKind};

use crate::error::EngineError;
use crate::notify::http;
use crate::option_file;
use crate::stores;
use crate::surroundings::Surroundings;

/// Settings and surroundings of a run.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) around: Surroundings,
    /// Whether what fails for a passing reason is worth minutes of trying.
    pub(crate) is_patient: bool,
    /// Stores elsewhere, opened when they are first asked for: a run has one connection to each.
    remotes: Arc<Mutex<BTreeMap<String, Remote>>>,
}

impl Context {
    pub(crate) fn new(settings: Settings, around: Surroundings) -> Self {
        Context { settings, around, is_patient: false, remotes: Arc::default() }
    }

    /// The same for work that is worth minutes of trying.
    pub(crate) fn patient(&self) -> Self {
        Context { is_patient: true, ..self.clone() }
    }

    /// The store, wherever it is.
    pub(crate) fn repository(&self) -> Result<Repository, EngineError> {
        match stores::address(&self.settings)? {
            StoreAddress::Local(directory) => Ok(Repository::Here(directory)),
            elsewhere => Ok(Repository::Elsewhere(self.remote(&elsewhere)?)),
        }
    }

    /// A store that is not worked on as a directory.
    pub(crate) fn remote(&self, address: &StoreAddress) -> Result<Remote, EngineError> {
        let mut remotes = self.remotes.lock().unwrap_or_else(PoisonError::into_inner);
        let name = address.to_string();
        if let Some(remote) = remotes.get(&name) {
            return Ok(remote.clone());
        }
        let remote = stores::open_remote(self, address)?;
        remotes.insert(name, remote.clone());
        Ok(remote)
    }

    /// The store under the one name that tells it from others.
    pub(crate) fn store_name(&self) -> Result<PathBuf, EngineError> {
        match self.repository()? {
            Repository::Here(store) => {
                Ok(std::fs::canonicalize(&store).map_err(FsError::on("open the store", &store))?)
            }
            Repository::Elsewhere(remote) => Ok(PathBuf::from(remote.store().address())),
        }
    }

    /// The store as it is named in notices, without opening it.
    pub(crate) fn store_shown(&self) -> Option<String> {
        stores::shown(&self.settings)
    }

    /// What a run ended with: a store that was interrupted was so because somebody asked to stop.
    pub(crate) fn settled<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        let is_interrupted = |error: &EngineError| {
            error.store_error().is_some_and(|error| error.kind == StoreErrorKind::Cancelled)
        };
        match result {
            Err(error) if is_interrupted(&error) => Err(match (self.cancel().check(), error) {
                (Ok(()), error) => error,
                (Err(cancelled), EngineError::NotCopied { store, backup, .. }) => {
                    EngineError::NotCopied { store, backup, source: Box::new(cancelled.into()) }
                }
                (Err(cancelled), EngineError::NotApplied { backup, .. }) => {
                    EngineError::NotApplied { backup, source: Box::new(cancelled.into()) }
                }
                (Err(_), error @ EngineError::RemoteScript { .. }) => error,
                (Err(cancelled), _) => cancelled.into(),
            }),
            other => other,
        }
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
    pub(crate) fn search_path(&self) -> Vec<PathBuf> {
        self.settings.engine_dir.iter().chain(&self.around.search_path).cloned().collect()
    }

    /// Replaces what must not be seen in what others write: the password, also as it stands in option files,
    /// and what notices are sent with.
    pub(crate) fn masker(&self, found: Option<&Secret>) -> Masker {
        let as_written = |secret: &Secret| Secret::new(option_file::quote(secret.expose()).trim_matches('"'));
        let settings = &self.settings;
        let secrets =
            settings.mysql_pass.iter().chain(found).chain(&settings.smtp_pass).chain(&settings.s3_secret_key);
        let secrets = secrets.flat_map(|secret| [secret.clone(), as_written(secret)]);
        Masker::new(secrets.chain(self.settings.notify_url.iter().flat_map(http::secrets_in)))
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
    context: &'a Context,
    done: Vec<PhaseRecord>,
    current: Option<(Phase, DateTime<FixedOffset>)>,
}

impl<'a> Phases<'a> {
    pub(crate) fn new(context: &'a Context) -> Self {
        Phases { context, done: Vec::new(), current: None }
    }

    /// The next phase begins, the one before has ended.
    pub(crate) fn begin(&mut self, phase: Phase, what: &str, total_bytes: Option<u64>) {
        self.end();
        self.current = Some((phase, self.context.now()));
        self.context.monitor().phase(phase, what, total_bytes);
    }

    fn end(&mut self) {
        if let Some((phase, started)) = self.current.take() {
            let seconds = (self.context.now() - started).as_seconds_f64();
            self.done.push(PhaseRecord { phase, started, seconds });
        }
    }

    /// The phases so far, the current one as if it ended now.
    pub(crate) fn finish(mut self) -> Vec<PhaseRecord> {
        self.end();
        self.done
    }
}

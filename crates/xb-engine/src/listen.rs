//! Listening to an engine: its messages go to the log and the monitor with secrets masked, its success line
//! is noted, and its last words are kept for an error.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use xb_core::Masker;
use xb_formats::meta::log::{KnownFailure, completed_ok};
use xb_pipeline::fs::{FsError, create_private};
use xb_pipeline::monitor::Monitor;
use xb_pipeline::receive::SuccessFlag;

use crate::error::LastWords;

/// Lines kept for an error.
const LINES_KEPT: usize = 12;
/// A log does not grow beyond this, whatever an engine writes.
const LOG_LIMIT: u64 = 64 * 1024 * 1024;

/// Hears what one engine says.
#[derive(Clone)]
pub(crate) struct Listener {
    heard: Arc<Mutex<Heard>>,
    success: SuccessFlag,
}

struct Heard {
    program: String,
    masker: Masker,
    monitor: Arc<dyn Monitor>,
    log: Option<File>,
    logged_bytes: u64,
    last: VecDeque<String>,
    known: Option<KnownFailure>,
}

impl Listener {
    /// Listens to `program`; with `log`, all it says is written to that new file.
    pub(crate) fn new(
        program: String,
        masker: Masker,
        monitor: Arc<dyn Monitor>,
        log: Option<&Path>,
    ) -> Result<Self, FsError> {
        let log = log.map(create_private).transpose()?;
        let (last, known, logged_bytes) = (VecDeque::new(), None, 0);
        let heard = Heard { program, masker, monitor, log, logged_bytes, last, known };
        Ok(Listener { heard: Arc::new(Mutex::new(heard)), success: SuccessFlag::default() })
    }

    /// What to call for each line.
    pub(crate) fn ear(&self) -> impl FnMut(&str) + Send + 'static {
        let (heard, success) = (self.heard.clone(), self.success.clone());
        move |line| {
            if completed_ok(line) {
                success.set();
            }
            lock(&heard).hear(line);
        }
    }

    pub(crate) fn success(&self) -> &SuccessFlag {
        &self.success
    }

    /// Makes the log last.
    pub(crate) fn close(&self, path: &Path) -> Result<(), FsError> {
        match lock(&self.heard).log.take() {
            Some(file) => file.sync_all().map_err(FsError::on("sync", path)),
            None => Ok(()),
        }
    }

    pub(crate) fn last_words(&self) -> LastWords {
        let heard = lock(&self.heard);
        LastWords { lines: heard.last.iter().cloned().collect(), known: heard.known }
    }
}

fn lock(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let line = self.masker.mask(line);
        self.known = self.known.or_else(|| KnownFailure::recognise(&line));
        self.monitor.child_line(&self.program, &line);
        self.write(&line);
        if !line.trim().is_empty() {
            if self.last.len() == LINES_KEPT {
                self.last.pop_front();
            }
            self.last.push_back(line);
        }
    }

    /// A log that cannot be written must not stop a backup; the monitor has heard the line anyway.
    fn write(&mut self, line: &str) {
        let Some(log) = &mut self.log else { return };
        if self.logged_bytes < LOG_LIMIT {
            self.logged_bytes += line.len() as u64 + 1;
            let end = if self.logged_bytes < LOG_LIMIT { "\n" } else { "\n(cut here: too long)\n" };
            let _ = write!(log, "{line}{end}");
        }
    }
}

//! The log file of one run, in `work_dir` under the name the Python tool gave it.
//!
//! Invariants: nobody but its owner can read it, no log of another run is written over, it does not grow
//! without end, and its last line tells how the run ended. A log that cannot be written stops nobody.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, FixedOffset};

/// Beyond this nothing is written but the end, whatever an engine has to say.
const LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// So many runs may begin within one second.
const NAMES_TRIED: u32 = 100;

/// The log of a run.
pub(crate) struct RunLog {
    path: PathBuf,
    limit: u64,
    state: Mutex<State>,
}

struct State {
    file: File,
    written: u64,
}

impl RunLog {
    /// Creates the log of a run that begins at `now`.
    pub(crate) fn create(work_dir: &Path, now: DateTime<FixedOffset>) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut attempt = 1;
        loop {
            let path = work_dir.join(xb_engine::log_name(now, attempt));
            match options.open(&path) {
                Ok(file) => {
                    let state = Mutex::new(State { file, written: 0 });
                    return Ok(RunLog { path, limit: LIMIT_BYTES, state });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < NAMES_TRIED => {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, as long as there is room.
    pub(crate) fn line(&self, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.written >= self.limit {
            return;
        }
        state.written += text.len() as u64 + 1;
        let cut = if state.written >= self.limit { "(cut here: the log is too long)\n" } else { "" };
        // The run matters more than its log.
        let _ = write!(state.file, "{text}\n{cut}");
    }

    /// Adds a line whatever there is already: how the run ended.
    pub(crate) fn last_line(&self, text: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(state.file, "{text}").and_then(|()| state.file.flush());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn now() -> DateTime<FixedOffset> {
        DateTime::parse_from_rfc3339("2026-11-22T14:28:37+02:00").unwrap()
    }

    #[test]
    fn a_log_has_the_name_of_its_time_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let log = RunLog::create(dir.path(), now()).unwrap();
        assert_eq!(log.path(), dir.path().join("2026_11_22-14_28_37-pyxbackup.log"));
        assert_eq!(std::fs::metadata(log.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_log_of_another_run_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) =
            (RunLog::create(dir.path(), now()).unwrap(), RunLog::create(dir.path(), now()).unwrap());
        one.line("one");
        other.line("other");
        assert_eq!(other.path(), dir.path().join("2026_11_22-14_28_37-pyxbackup-2.log"));
        assert_eq!(std::fs::read_to_string(one.path()).unwrap(), "one\n");
    }

    #[test]
    fn a_log_that_is_too_long_is_cut_but_has_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = RunLog { limit: 20, ..RunLog::create(dir.path(), now()).unwrap() };
        for _ in 0..1000 {
            log.line("0123456789");
        }
        log.last_line("the end");
        let text = std::fs::read_to_string(log.path()).unwrap();
        assert_eq!(text, "0123456789\n0123456789\n(cut here: the log is too long)\nthe end\n");
    }

    #[test]
    fn a_work_dir_that_is_not_there_gives_an_error() {
        assert!(RunLog::create(Path::new("/nonexistent"), now()).is_err());
    }
}

//! A server of our own, which runs while something else goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal};

use super::{GRACE, Group, Invocation, ProcessError};

impl Invocation {
    /// Starts a server: all it writes goes to the file `log`, and it runs until [`Daemon::stop`] or drop.
    ///
    /// # Errors
    /// [`ProcessError::Start`], which names the program.
    pub fn daemon(&self, log: &Path) -> Result<Daemon, ProcessError> {
        let expression = self.expression(&[], None).stderr_to_stdout().stdout_path(log);
        let handle = expression.start().map_err(|source| self.start_error(source))?;
        let group = Group::of(&handle);
        Ok(Daemon { program: self.program.clone(), handle, group })
    }
}

/// A running server of our own. Dropping it ends its whole group and waits for that.
pub struct Daemon {
    program: PathBuf,
    handle: duct::Handle,
    group: Group,
}

impl Daemon {
    /// The process id.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.group.pid.map(Pid::as_raw_pid)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// [`ProcessError::Wait`].
    pub fn try_wait(&self) -> Result<Option<ExitStatus>, ProcessError> {
        let ended = self.handle.try_wait().map_err(|source| self.wait_error(source))?;
        Ok(ended.map(|output| output.status))
    }

    /// Kills it at once, as a power failure would.
    pub fn kill(&self) {
        self.group.signal(Signal::KILL);
        let _ = self.handle.wait();
    }

    /// Asks it to end and waits up to `limit`, then kills it.
    ///
    /// # Errors
    /// [`ProcessError::TimedOut`] when it had to be killed, [`ProcessError::Wait`].
    pub fn stop(&self, limit: Duration) -> Result<ExitStatus, ProcessError> {
        self.group.signal(Signal::TERM);
        let ended = self.handle.wait_timeout(limit).map_err(|source| self.wait_error(source))?;
        match ended {
            Some(output) => Ok(output.status),
            None => {
                self.kill();
                Err(ProcessError::TimedOut { program: self.program.clone(), seconds: limit.as_secs() })
            }
        }
    }

    fn wait_error(&self, source: io::Error) -> ProcessError {
        ProcessError::Wait { program: self.program.clone(), source }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !matches!(self.try_wait(), Ok(Some(_))) {
            let _ = self.stop(GRACE);
        }
    }
}

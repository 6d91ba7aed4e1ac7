//! A server process and the thread its life hangs on.
//!
//! `setpriv --pdeathsig KILL` has the kernel kill the server when the *thread* that started it ends, not
//! the process. So each server is started by a thread of its own that lives until the server was stopped.
//! With that no server survives its owner, whatever ends the owner, and none dies because some other thread
//! that happened to start it has ended.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use xb_pipeline::process::{Daemon, Invocation, ProcessError};

use crate::error::SandboxError;

/// How long a clean shutdown may take before the server is killed.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// A running server. Dropping it stops the server and waits for that.
pub(crate) struct Keeper {
    daemon: Daemon,
    hold: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the program, bound to our life where `setpriv` is at hand.
    pub(crate) fn start(
        invocation: Invocation,
        setpriv: Option<&Path>,
        log: PathBuf,
    ) -> Result<Keeper, SandboxError> {
        let invocation = match setpriv {
            Some(setpriv) => bound(setpriv, invocation),
            None => invocation,
        };
        let (answer, started) = channel();
        let (hold, released) = channel::<()>();
        let thread = std::thread::Builder::new()
            .name("sandbox-keeper".to_owned())
            .spawn(move || {
                // If nobody listens any more, the daemon is dropped with the message, and so stopped.
                let _ = answer.send(invocation.daemon(&log));
                // Ends when the other side is dropped; nothing is ever sent.
                let _ = released.recv();
            })
            .map_err(|source| SandboxError::System { what: "thread", source })?;
        let daemon = started.recv().map_err(|_| SandboxError::Thread("keeper"))??;
        Ok(Keeper { daemon, hold: Some(hold), thread: Some(thread) })
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.daemon.pid()
    }

    pub(crate) fn ended(&self) -> Result<Option<ExitStatus>, ProcessError> {
        self.daemon.try_wait()
    }

    /// A clean shutdown; the server is killed when that takes too long.
    pub(crate) fn stop(self) -> Result<ExitStatus, ProcessError> {
        self.daemon.stop(STOP_LIMIT)
    }

    pub(crate) fn kill(self) {
        self.daemon.kill();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !matches!(self.daemon.try_wait(), Ok(Some(_))) {
            // Nobody is left who could be told.
            let _ = self.daemon.stop(STOP_LIMIT);
        }
        // Only now: the end of the thread is the end of a server that still runs.
        drop(self.hold.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn bound(setpriv: &Path, invocation: Invocation) -> Invocation {
    Invocation {
        env: invocation.env,
        input: invocation.input,
        ..Invocation::new(setpriv)
            .args(["--pdeathsig", "KILL", "--"])
            .arg(&invocation.program)
            .args(invocation.args)
    }
}

//! A script at the other end: words in, answer out.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use super::session::{Lease, Said, Session, Task, has_begun};
use super::{scripts, words};
use crate::cancel::HookGuard;
use crate::process::{Child, Inlet, Outlet, Stopper};
use crate::store::{StoreError, StoreErrorKind};

/// No line of an answer is longer, in bytes.
const LINE: u64 = 64 * 1024;
/// Capacity for what is read, in bytes.
const BUFFER: usize = 256 * 1024;

/// A script that runs. Dropped, it is ended.
pub(super) struct Call {
    pub(super) session: Arc<Session>,
    pub(super) task: Task,
    said: Said,
    // The hook goes first: it ends the child.
    _hook: HookGuard,
    inlet: Option<Inlet>,
    stdout: BufReader<Outlet>,
    child: Child,
    lease: Lease,
}

impl Call {
    /// Starts a script and waits until it stands in the root.
    pub(super) fn start(session: &Arc<Session>, task: &Task, script: &str) -> Result<Self, StoreError> {
        let lease = session.lease(task)?;
        let said = Said::default();
        let failed = |error: &dyn std::fmt::Display| {
            session.error(StoreErrorKind::Unsupported, task, error.to_string())
        };
        let (mut child, mut inlet) = session.spawn(&lease, script, &said).map_err(|error| failed(&error))?;
        let stopper = child.stopper();
        let hook = session.cancel.on_cancel(move || stopper.stop());
        let stdout = child.take_stdout().ok_or_else(|| failed(&"its output is taken"))?;
        let mut stdout = BufReader::with_capacity(BUFFER, stdout);
        // Where it fails, the child has ended, and that is looked at.
        let _ = inlet.write_all(session.root().as_bytes());
        let has_begun = has_begun(&mut stdout);
        let call = Call {
            session: session.clone(),
            task: task.clone(),
            said,
            _hook: hook,
            inlet: Some(inlet),
            stdout,
            child,
            lease,
        };
        if has_begun { Ok(call) } else { Err(call.failed()) }
    }

    /// Ends the child's group from elsewhere.
    pub(super) fn stopper(&self) -> Stopper {
        self.child.stopper()
    }

    /// Gives the script words.
    pub(super) fn words<'a>(mut self, words: impl IntoIterator<Item = &'a str>) -> Result<Self, StoreError> {
        let text: String = words.into_iter().map(|word| words::encode(word.as_bytes())).collect();
        match self.send(text.as_bytes()) {
            Ok(()) => Ok(self),
            Err(_) => Err(self.failed()),
        }
    }

    /// Gives the script something else to read.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inlet.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    /// There is nothing more to read for the script.
    pub(super) fn close(&mut self) {
        self.inlet = None;
    }

    /// What the script writes.
    pub(super) fn output(&mut self) -> &mut BufReader<Outlet> {
        &mut self.stdout
    }

    /// The next line of the answer; `None` if there is none, or not a whole one.
    pub(super) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        self.stdout.by_ref().take(LINE).read_until(b'\n', &mut line).ok()?;
        let text = String::from_utf8(line).ok()?;
        text.strip_suffix('\n').map(str::to_owned)
    }

    /// What the script did not like. Waits for its end.
    pub(super) fn failed(mut self) -> StoreError {
        self.inlet = None;
        // What it still writes must not keep it.
        let mut rest = [0; 8192];
        while matches!(self.stdout.read(&mut rest), Ok(1..)) {}
        let Call { session, task, said, child, lease, .. } = self;
        let from_link = lease.0.said.clone();
        let error = session.failed(&task, child, &[&said]);
        if error.kind == StoreErrorKind::Unreachable {
            // What became of the connection, the one that holds it knows better.
            let last: Vec<String> = from_link.lines().into_iter().rev().take(2).collect();
            let reason = match last.is_empty() {
                true => error.reason,
                false => format!("{}: {}", error.reason, last.join("; ")),
            };
            return StoreError { reason, ..error };
        }
        error
    }

    /// Waits for the end of a script that has done all it was asked to. Tells its messages by the way.
    pub(super) fn end(mut self) -> Result<Vec<String>, StoreError> {
        self.inlet = None;
        let mut rest = [0; 8192];
        while matches!(self.stdout.read(&mut rest), Ok(1..)) {}
        let Call { session, task, said, child, .. } = self;
        match child.wait() {
            Ok(status) if status.success() => Ok(said.lines()),
            Ok(status) => {
                session.check_cancel(&task)?;
                let (kind, reason) = super::fault::judge(status, &said.lines());
                Err(session.error(kind, &task, reason))
            }
            Err(error) => Err(session.error(StoreErrorKind::Other, &task, error.to_string())),
        }
    }

    /// The end of a script that changed something, and says so.
    pub(super) fn done(mut self) -> Result<(), StoreError> {
        match self.line() {
            Some(line) if line == scripts::DONE => self.end().map(drop),
            _ => Err(self.failed()),
        }
    }

    /// What the script wrote, up to `limit` bytes, and its messages.
    pub(super) fn all(mut self, limit: u64) -> Result<(Vec<u8>, Vec<String>), StoreError> {
        self.inlet = None;
        let mut bytes = Vec::new();
        let read = self.stdout.by_ref().take(limit + 1).read_to_end(&mut bytes);
        if bytes.len() as u64 > limit {
            let reason = format!("the answer has more than {limit} bytes");
            return Err(self.session.error(StoreErrorKind::Damaged, &self.task, reason));
        }
        match read {
            Ok(_) => self.end().map(|messages| (bytes, messages)),
            Err(_) => Err(self.failed()),
        }
    }

    /// A whole answer that is not what it should be.
    pub(super) fn nonsense(&self) -> StoreError {
        let reason = "the host's answer is not understood".to_owned();
        self.session.error(StoreErrorKind::Damaged, &self.task, reason)
    }
}

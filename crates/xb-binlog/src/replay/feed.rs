//! One connection of the client, and what is said to it.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use xb_pipeline::cancel::{CancelToken, HookGuard};
use xb_pipeline::process::{Child, Inlet, Invocation, describe};

use super::ReplayTarget;
use super::error::ReplayError;
use super::fetch::Run;
use super::marks::Marks;
use crate::archive::Place;

const BLOCK: usize = 128 * 1024;
/// Bytes that are kept of what the client answers: it is asked one question.
const ANSWER_BYTES: u64 = 16 << 20;
/// Lines that are kept of what a program says.
const LINES: usize = 20;

/// The last lines a program said.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    pub(super) fn listener(&self) -> impl FnMut(&str) + Send + 'static {
        let said = self.clone();
        move |line| {
            let mut lines = said.0.lock().unwrap_or_else(PoisonError::into_inner);
            // The client repeats the statement before an error. Only the error is to stay: a statement may
            // have a password in it.
            if lines.len() == LINES {
                lines.remove(0);
            }
            lines.push(line.chars().take(1000).collect());
        }
    }

    fn errors(&self) -> Option<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let errors: Vec<&str> =
            lines.iter().filter(|line| line.starts_with("ERROR ")).map(String::as_str).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    pub(super) fn tail(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let tail = lines.join("; ");
        if tail.is_empty() { "it said nothing".to_owned() } else { tail }
    }
}

/// The client, connected.
pub(super) struct Feed {
    // Dropped before the child: else a client that waits for more would be waited for.
    inlet: Option<Inlet>,
    child: Option<Child>,
    said: Said,
    answers: Option<JoinHandle<Vec<u8>>>,
    marks: Marks,
    runs: Vec<Run>,
    /// Where the first run begins.
    start: Place,
    _hook: HookGuard,
}

impl ReplayTarget {
    /// The client, as it is to read SQL.
    pub(super) fn client(&self) -> Invocation {
        Invocation::new(&self.client)
            .arg(format!("--defaults-file={}", self.defaults_file.display()))
            .args(["--batch", "--skip-column-names", "--binary-mode", "--local-infile=1"])
            // What is between comments belongs to what is defined by a statement.
            .args(["--comments", "--default-character-set=utf8mb4", "--max-allowed-packet=1G"])
            .at_socket(&self.socket)
    }

    /// The program that prints a piece of a log as SQL.
    fn printer(&self, path: &Path, run: &Run, loads: &Path) -> Invocation {
        let maria = matches!(self.flavor, xb_core::Flavor::MariaDb).then_some("--skip-annotate-row-events");
        Invocation::new(&self.binlog)
            .args(["--no-defaults"])
            .args(maria)
            .arg(format!("--local-load={}", loads.display()))
            .arg(format!("--start-position={}", run.segment.from))
            .arg(format!("--stop-position={}", run.segment.to))
            .arg(path)
    }
}

impl Feed {
    pub(super) fn connect(
        target: &ReplayTarget,
        start: &Place,
        cancel: &CancelToken,
    ) -> Result<Self, ReplayError> {
        let said = Said::default();
        let (mut child, inlet) = target.client().spawn_fed(said.listener())?;
        let answers = child.take_stdout().map(|stdout| {
            std::thread::spawn(move || {
                let mut answer = Vec::new();
                // Whatever there is; an end before the answer is noticed by what is missing in it.
                let _ = stdout.take(ANSWER_BYTES).read_to_end(&mut answer);
                answer
            })
        });
        let stopper = child.stopper();
        let _hook = cancel.on_cancel(move || stopper.kill());
        let (inlet, child, marks, start) = (Some(inlet), Some(child), Marks::new(), start.clone());
        Ok(Feed { inlet, child, said, answers, marks, runs: Vec::new(), start, _hook })
    }

    /// Says a statement of our own.
    pub(super) fn say(&mut self, text: &str) -> Result<(), ReplayError> {
        self.write(text.as_bytes())
    }

    fn write(&mut self, text: &[u8]) -> Result<(), ReplayError> {
        let written = self.inlet.as_mut().map(|inlet| inlet.write_all(text));
        match written {
            Some(Ok(())) => Ok(()),
            // The client is gone, and says why.
            Some(Err(_)) | None => Err(self.failure()),
        }
    }

    /// Prints a run and hands it on. `on` is told of every position that is passed.
    pub(super) fn run(
        &mut self,
        target: &ReplayTarget,
        path: &Path,
        run: &Run,
        loads: &Path,
        cancel: &CancelToken,
        on: &mut dyn FnMut(u64),
    ) -> Result<(), ReplayError> {
        self.runs.push(run.clone());
        self.marks.begin(self.runs.len() - 1, run.segment.from);
        let said = Said::default();
        let mut printer = target.printer(path, run, loads).spawn(said.listener())?;
        let stopper = printer.stopper();
        let _hook = cancel.on_cancel(move || stopper.kill());
        let mut block = vec![0; BLOCK];
        if let Some(mut sql) = printer.take_stdout() {
            loop {
                let length = sql.read(&mut block).map_err(|source| ReplayError::System {
                    what: "the output of the printing program",
                    source,
                })?;
                let text = block.get(..length).unwrap_or_default();
                if text.is_empty() {
                    break;
                }
                self.marks.see(text).into_iter().for_each(&mut *on);
                cancel.check()?;
                self.write(text)?;
            }
        }
        let status = printer.wait()?;
        cancel.check()?;
        if status.success() {
            return Ok(());
        }
        Err(ReplayError::Print {
            program: Invocation::new(&target.binlog).name(),
            epoch: run.segment.epoch,
            log: run.segment.log.clone(),
            how: describe(status),
            tail: said.tail(),
        })
    }

    /// Ends the connection in good order. Gives what the client answered.
    pub(super) fn finish(mut self) -> Result<String, ReplayError> {
        drop(self.inlet.take());
        let answer = self.answers.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        match self.reap()? {
            None => Ok(String::from_utf8_lossy(&answer).into_owned()),
            Some(error) => Err(error),
        }
    }

    /// Kills the client. It must not come to the end of its input, since it would do what it has so far.
    pub(super) fn abandon(self) {
        self.child.iter().for_each(|child| child.stopper().kill());
    }

    fn failure(&mut self) -> ReplayError {
        // It has ended or closed its input; it says why before.
        match self.reap() {
            Ok(Some(error)) => error,
            Ok(None) => self.ended("success, before the end of what it was to read"),
            Err(error) => error,
        }
    }

    /// Waits for the client's end. Gives what it has to say against its work.
    fn reap(&mut self) -> Result<Option<ReplayError>, ReplayError> {
        let Some(child) = self.child.take() else {
            return Ok(Some(self.ended("an end that was told before")));
        };
        let status = child.wait()?;
        Ok(match (status.success(), self.said.errors()) {
            (true, None) => None,
            (_, Some(message)) => {
                let place = self.place(line_of(&message));
                Some(ReplayError::Statement { place, transaction: None, message })
            }
            (false, None) => Some(self.ended(&describe(status))),
        })
    }

    fn ended(&self, how: &str) -> ReplayError {
        ReplayError::Client { place: self.place(None), how: how.to_owned(), tail: self.said.tail() }
    }

    /// The event of a line of the SQL; of the last one where there is no line.
    fn place(&self, line: Option<u64>) -> Place {
        let place = |(run, position): (usize, u64)| Some(self.runs.get(run)?.segment.place(position));
        self.marks.find(line).and_then(place).unwrap_or_else(|| self.start.clone())
    }
}

/// `ERROR 1062 (23000) at line 77: …`
fn line_of(message: &str) -> Option<u64> {
    let rest = message.split_once(" at line ")?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_its_line() {
        assert_eq!(line_of("ERROR 1062 (23000) at line 77: Duplicate entry at line 9"), Some(77));
        assert_eq!(line_of("ERROR 2006 (HY000): MySQL server has gone away"), None);
    }
}

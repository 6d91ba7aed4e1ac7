//! Telling a program: the notice comes to its standard input.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use xb_core::Masker;
use xb_pipeline::attend::{Ending, attend};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::process::{Invocation, describe};

use super::{Deadline, NoticeError, Remarks};

/// So many of its last lines tell why it failed.
const LINES_KEPT: usize = 5;
/// A line is cut behind so many characters.
const LINE_CHARS: usize = 300;

/// Runs the program.
///
/// # Errors
/// [`NoticeError::Command`] when it does not end well.
pub(crate) fn run(
    command: Invocation,
    masker: Masker,
    cancel: &CancelToken,
    deadline: Deadline,
) -> Result<Remarks, NoticeError> {
    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let heard = lines.clone();
    let ear = move |line: &str| {
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        if heard.len() == LINES_KEPT {
            heard.pop_front();
        }
        // Masked before it is cut: half a secret would not be seen for one.
        heard.push_back(masker.mask(line).chars().take(LINE_CHARS).collect::<String>());
    };
    // A run that was stopped is told of all the same.
    let cancel = Some(cancel).filter(|cancel| cancel.reason().is_none());
    let ending = attend(&command, deadline.left()?, cancel, ear);
    let reason = match ending.map_err(|error| NoticeError::Command(error.to_string()))? {
        Ending::Exited(status) if status.success() => return Ok(Vec::new()),
        Ending::Exited(status) => describe(status),
        Ending::TimedOut => return Err(deadline.missed()),
        Ending::Stopped(_) => return Err(NoticeError::Stopped),
    };
    let lines: Vec<String> = lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
    let said = if lines.is_empty() { String::new() } else { format!("; it said: {}", lines.join(" | ")) };
    Err(NoticeError::Command(format!("{reason}{said}")))
}

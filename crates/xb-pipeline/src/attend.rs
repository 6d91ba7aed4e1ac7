//! A program of the user's own, run to its end: each line it writes is passed on, and it may take only so
//! long. It ends, with its whole process group, when its time is up or the run is asked to stop.

use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::cancel::{CancelToken, Cancelled};
use crate::process::{Invocation, ProcessError, read_lines};

/// How long a program whose time is up may take to end before it is killed.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// How a program of the user's own ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, or by a signal of somebody else's.
    Exited(ExitStatus),
    /// It was ended because its time was up.
    TimedOut,
    /// It was ended because the run was asked to stop.
    Stopped(Cancelled),
}

/// Runs `invocation` for `limit` at most, until `cancel` is pulled if one is given, and calls `on_line` for
/// each line it writes to standard output or standard error, in the order in which they are read.
///
/// # Errors
/// [`ProcessError`] when it cannot be started, or the system does not tell how it ended.
pub fn attend(
    invocation: &Invocation,
    limit: Duration,
    cancel: Option<&CancelToken>,
    on_line: impl FnMut(&str) + Send + 'static,
) -> Result<Ending, ProcessError> {
    let on_line = Arc::new(Mutex::new(on_line));
    let ear = || {
        let on_line = on_line.clone();
        move |line: &str| on_line.lock().unwrap_or_else(PoisonError::into_inner)(line)
    };
    let mut child = invocation.spawn(ear())?;
    let output = child.take_stdout().map(|stdout| {
        let ear = ear();
        std::thread::spawn(move || read_lines(stdout, ear))
    });
    let stopper = child.stopper();
    let guard = cancel.map(|cancel| {
        let stopper = stopper.clone();
        cancel.on_cancel(move || stopper.stop())
    });
    let (over, ended) = channel::<()>();
    let is_late = Arc::new(AtomicBool::new(false));
    let late = is_late.clone();
    let watch = std::thread::spawn(move || {
        if ended.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            late.store(!stopper.has_ended(), Ordering::SeqCst);
            stopper.stop();
            if ended.recv_timeout(LAST_MOMENT) == Err(RecvTimeoutError::Timeout) {
                stopper.kill();
            }
        }
    });
    let status = child.wait();
    drop((over, guard));
    // Neither thread can panic but by what `on_line` does, and then there is nothing more to pass on.
    let _ = watch.join();
    let _ = output.map(std::thread::JoinHandle::join);
    let status = status?;
    Ok(match cancel.and_then(CancelToken::reason) {
        Some(reason) if !status.success() => Ending::Stopped(Cancelled(reason)),
        _ if is_late.load(Ordering::SeqCst) => Ending::TimedOut,
        _ => Ending::Exited(status),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::cancel::CancelReason;

    #[test]
    fn what_a_program_leaves_behind_is_not_waited_for_however_much_it_says() {
        let script = "setsid sh -c 'for i in $(seq 100); do echo tick; sleep 0.1; done' & sleep 0.3; exit 0";
        let begun = Instant::now();
        let ending = attend(&shell(script), Duration::from_secs(1), None, |_| ()).unwrap();
        assert!(matches!(ending, Ending::Exited(status) if status.success()));
        assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    }

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").args(["-c", script])
    }

    fn run(
        invocation: &Invocation,
        limit: Duration,
        cancel: Option<&CancelToken>,
    ) -> (Ending, Vec<String>, Duration) {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let started = Instant::now();
        let ending =
            attend(invocation, limit, cancel, move |line| ear.lock().unwrap().push(line.to_owned())).unwrap();
        let lines = heard.lock().unwrap().clone();
        (ending, lines, started.elapsed())
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_is_given_to_read_and_what_it_writes_passes_through() {
        let program = shell("cat; echo aloud >&2; exit 3").input("one\ntwo\n");
        let (ending, mut lines, _) = run(&program, LONG, None);
        lines.sort();
        assert_eq!(lines, ["aloud", "one", "two"]);
        assert!(matches!(ending, Ending::Exited(status) if status.code() == Some(3)), "{ending:?}");
    }

    #[test]
    fn a_program_that_does_not_read_what_it_is_given_does_no_harm() {
        let (ending, ..) = run(&shell("exit 0").input(vec![b'x'; 1 << 20]), LONG, None);
        assert!(matches!(ending, Ending::Exited(status) if status.success()), "{ending:?}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
        let stubborn = shell("trap '' TERM; echo begun; sleep 300 & wait; sleep 300");
        let (ending, lines, took) = run(&stubborn, Duration::from_millis(300), None);
        assert_eq!((ending, lines), (Ending::TimedOut, vec!["begun".to_owned()]));
        assert!(took < Duration::from_secs(4), "{took:?}");
    }

    #[test]
    fn a_stop_of_the_run_ends_it() {
        let cancel = CancelToken::new();
        let other = cancel.clone();
        let stopping = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            other.cancel(CancelReason::Terminate);
        });
        let (ending, _, took) = run(&shell("sleep 300"), LONG, Some(&cancel));
        stopping.join().unwrap();
        assert_eq!(ending, Ending::Stopped(Cancelled(CancelReason::Terminate)));
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

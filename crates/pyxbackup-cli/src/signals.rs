//! Signals that ask a run to stop. They are passed on to the run, which ends its children and leaves
//! nothing behind; this process then ends by itself.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use xb_pipeline::cancel::{CancelReason, CancelToken};

use crate::env;
use crate::monitor::Reporter;

/// Listens until it is dropped.
pub(crate) struct Listening {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Passes SIGINT, SIGTERM and SIGHUP on to whoever holds `cancel`. A signal that comes again changes
/// nothing: only a run that may finish stopping leaves no child behind.
pub(crate) fn listen(cancel: CancelToken, reporter: Arc<Reporter>) -> io::Result<Listening> {
    let mut signals = vec![SIGINT, SIGTERM];
    // Whoever starts a run with nohup wants it to outlive the terminal.
    if !env::ignores_hangup() {
        signals.push(SIGHUP);
    }
    let mut signals = Signals::new(signals)?;
    let handle = signals.handle();
    let thread = std::thread::spawn(move || {
        for signal in signals.forever() {
            let (reason, name) = meaning(signal);
            cancel.cancel(reason);
            reporter.stopping(name);
        }
    });
    Ok(Listening { handle, thread: Some(thread) })
}

fn meaning(signal: i32) -> (CancelReason, &'static str) {
    match signal {
        SIGINT => (CancelReason::Interrupt, "SIGINT"),
        SIGHUP => (CancelReason::Terminate, "SIGHUP"),
        _ => (CancelReason::Terminate, "SIGTERM"),
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // The thread only prints; if that failed, there is nobody to tell.
            let _ = thread.join();
        }
    }
}

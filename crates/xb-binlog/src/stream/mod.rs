//! Keeping an archive as far as a server's log goes.

mod begin;
mod error;
mod progress;
mod session;

use std::sync::mpsc;
use std::time::Duration;

use xb_core::ErrorClass;
use xb_pipeline::cancel::CancelToken;

pub use begin::StreamStart;
pub use error::StreamError;
pub use progress::{Progress, Snapshot};

use crate::archive::EpochDirectory;
use crate::source::native::NativeOptions;
use session::Session;

/// How to stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The server.
    pub source: NativeOptions,
    /// Where to begin if the archive is empty. Else it is gone on with where it ends.
    pub start: StreamStart,
    /// Whether to end where the server's log ended when it was asked, instead of waiting for more.
    pub once: bool,
    /// How often to try again without anything coming; for ever when it is not given.
    pub retries: Option<u32>,
    /// How long to wait before the second attempt. Doubled from one to the next.
    pub first_pause: Duration,
    /// The longest time to wait between attempts.
    pub longest_pause: Duration,
    /// What came in is on the disk after so long at the latest.
    pub sync_every: Duration,
}

impl StreamOptions {
    /// With a server, and defaults for all else: from its oldest file on, for ever, a second between syncs.
    #[must_use]
    pub fn new(source: NativeOptions) -> Self {
        StreamOptions {
            source,
            start: StreamStart::default(),
            once: false,
            retries: None,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(30),
            sync_every: Duration::from_secs(1),
        }
    }
}

/// Adds to an archive what a server's log has more, byte for byte, over as many connections as it takes.
///
/// Returns when once is enough. Every event stands in the archive behind all before it, was checked before
/// it was written, and is on the disk before it is acknowledged.
///
/// # Errors
/// [`StreamError`]: somebody asked to stop, trying again does not help, or was tried often enough. What came
/// in before is in the archive, and on the disk.
pub fn stream(
    archive: &EpochDirectory,
    options: &StreamOptions,
    progress: &Progress,
    cancel: &CancelToken,
) -> Result<(), StreamError> {
    let mut attempts = 0;
    let mut session = Session::open(archive, options, progress, cancel)?;
    loop {
        cancel.check()?;
        let before = progress.bytes();
        let Err(error) = session.run() else { return Ok(()) };
        // A connection that was cut because somebody asked to stop is no failure.
        cancel.check()?;
        progress.failed(&error);
        if error.class() != ErrorClass::Transient {
            return Err(error);
        }
        attempts = if progress.bytes() > before { 1 } else { attempts + 1 };
        if options.retries.is_some_and(|retries| attempts > retries) {
            return Err(StreamError::GivenUp { attempts, last: Box::new(error) });
        }
        let doubled = options.first_pause.saturating_mul(1 << (attempts - 1).min(16));
        pause(doubled.min(options.longest_pause), cancel);
    }
}

/// Waits, but not on when somebody asks to stop.
fn pause(length: Duration, cancel: &CancelToken) {
    let (wake, woken) = mpsc::channel();
    let _guard = cancel.on_cancel(move || {
        let _ = wake.send(());
    });
    let _ = woken.recv_timeout(length);
}

//! Keeping an archive as far as a server's log goes.

mod begin;
mod error;
mod feed;
mod follow;
mod join;
mod progress;
mod session;
mod start;

use std::sync::mpsc;
use std::time::Duration;

use xb_core::ErrorClass;
use xb_pipeline::cancel::CancelToken;

pub use begin::StreamStart;
pub use error::StreamError;
pub use follow::{Around, FollowOptions, follow};
pub use progress::{Progress, Snapshot};
pub use start::{BackupPoint, FirstLog};

use crate::archive::EpochDirectory;
use crate::source::mysqlbinlog::VendorOptions;
use crate::source::native::NativeOptions;
use session::{Session, locate};

/// How to stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The server.
    pub source: NativeOptions,
    /// The vendor's mysqlbinlog, to fetch the log with it; the server is asked all else directly.
    pub vendor: Option<VendorOptions>,
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
            vendor: None,
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
    let mut backoff = Backoff::new(options);
    let mut session = Session::open(archive, options, progress, cancel)?;
    loop {
        cancel.check()?;
        let before = progress.bytes();
        let Err(error) = session.run() else { return Ok(()) };
        backoff.after(error, progress.bytes() > before, progress, cancel)?;
    }
}

/// How often something was tried, and how long to wait before the next time.
struct Backoff<'o> {
    options: &'o StreamOptions,
    attempts: u32,
}

impl<'o> Backoff<'o> {
    fn new(options: &'o StreamOptions) -> Self {
        Backoff { options, attempts: 0 }
    }

    /// Waits after an error; `something_came` begins the count anew.
    fn after(
        &mut self,
        error: StreamError,
        something_came: bool,
        progress: &Progress,
        cancel: &CancelToken,
    ) -> Result<(), StreamError> {
        // A connection that was cut because somebody asked to stop is no failure.
        cancel.check()?;
        progress.failed(&error);
        if error.class() != ErrorClass::Transient {
            return Err(error);
        }
        self.attempts = if something_came { 1 } else { self.attempts + 1 };
        let attempts = self.attempts;
        if self.options.retries.is_some_and(|retries| attempts > retries) {
            return Err(StreamError::GivenUp { attempts, last: Box::new(error) });
        }
        let doubled = self.options.first_pause.saturating_mul(1 << (attempts - 1).min(16));
        progress.tries_again();
        progress.shows_life();
        pause(doubled.min(self.options.longest_pause), cancel);
        progress.shows_life();
        Ok(())
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

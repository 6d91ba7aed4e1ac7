//! Waiting as a thing that is handed in, so that a test need not wait.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use crossbeam_channel::bounded;

use crate::cancel::{CancelToken, Cancelled};

/// Tells how much time went by, and waits.
pub trait Timer: Debug + Send + Sync {
    /// The time since a moment that stays the same for this timer.
    fn elapsed(&self) -> Duration;

    /// Waits, unless somebody asks for the end before or meanwhile.
    ///
    /// # Errors
    /// [`Cancelled`], at once.
    fn wait(&self, time: Duration, cancel: &CancelToken) -> Result<(), Cancelled>;
}

/// The machine's time, which does not go back.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimer(Instant);

impl Default for SystemTimer {
    fn default() -> Self {
        SystemTimer(Instant::now())
    }
}

impl Timer for SystemTimer {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration, cancel: &CancelToken) -> Result<(), Cancelled> {
        let (end, ended) = bounded::<()>(1);
        let _guard = cancel.on_cancel(move || {
            let _ = end.try_send(());
        });
        let _ = ended.recv_timeout(time);
        cancel.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelReason;

    #[test]
    fn a_wish_to_stop_ends_the_wait() {
        let (timer, cancel) = (SystemTimer::default(), CancelToken::new());
        timer.wait(Duration::from_millis(5), &cancel).unwrap();
        assert!(timer.elapsed() >= Duration::from_millis(5));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| timer.wait(Duration::from_secs(600), &cancel));
            cancel.cancel(CancelReason::Interrupt);
            assert_eq!(waiting.join().unwrap(), Err(Cancelled(CancelReason::Interrupt)));
        });
        assert!(timer.wait(Duration::from_secs(600), &cancel).is_err());
        assert!(timer.elapsed() < Duration::from_secs(60));
    }
}

//! How far a phase is, in words: at its beginning, now and then, and at its end.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use xb_pipeline::monitor::Phase;

use crate::render::units;

/// Between two lines about one phase at least so much time passes,
const PAUSE: Duration = Duration::from_secs(30);
/// and at least this part of its bytes, where their number is known.
const STEPS: u64 = 10;

/// Counts the bytes of the current phase.
#[derive(Default)]
pub(super) struct Progress(Mutex<Option<Current>>);

struct Current {
    /// Phase and what it works on.
    name: String,
    total: Option<u64>,
    bytes: u64,
    since: Instant,
    told: Told,
}

/// What the last line told.
#[derive(Clone, Copy)]
struct Told {
    bytes: u64,
    at: Instant,
}

impl Progress {
    /// A phase begins; gives the line about it.
    pub(super) fn begin(&self, phase: Phase, what: &str, total: Option<u64>) -> String {
        let name = format!("{} {what}", phase.word());
        let text = match total {
            Some(total) => format!("{name}: about {}", units::bytes(total)),
            None => name.clone(),
        };
        let since = Instant::now();
        let told = Told { bytes: 0, at: since };
        *self.lock() = Some(Current { name, total, bytes: 0, since, told });
        text
    }

    /// Counts; gives a line when one is due.
    pub(super) fn advance(&self, bytes: u64) -> Option<String> {
        let mut current = self.lock();
        let current = current.as_mut()?;
        current.bytes += bytes;
        let now = Instant::now();
        if !is_due(current.bytes - current.told.bytes, current.total, now - current.told.at) {
            return None;
        }
        current.told = Told { bytes: current.bytes, at: now };
        Some(current.so_far(now - current.since))
    }

    /// The phase is over; gives the line about it, if it moved anything.
    pub(super) fn end(&self) -> Option<String> {
        let current = self.lock().take()?;
        let seconds = current.since.elapsed().as_secs_f64();
        (current.bytes > 0).then(|| {
            let (bytes, rate) = (units::bytes(current.bytes), units::rate(current.bytes, seconds));
            format!("{}: {bytes} in {}, {rate}", current.name, units::duration(seconds))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Option<Current>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn so_far(&self, elapsed: Duration) -> String {
        let rate = units::rate(self.bytes, elapsed.as_secs_f64());
        let bytes = units::bytes(self.bytes);
        // The total is an estimate: a backup may turn out larger than the data directory was.
        match self.total.filter(|total| *total >= self.bytes && *total > 0) {
            Some(total) => {
                let percent = u128::from(self.bytes) * 100 / u128::from(total);
                format!("{}: {percent} % ({bytes} of about {}), {rate}", self.name, units::bytes(total))
            }
            None => format!("{}: {bytes}, {rate}", self.name),
        }
    }
}

fn is_due(bytes: u64, total: Option<u64>, time: Duration) -> bool {
    time >= PAUSE && total.is_none_or(|total| bytes >= total / STEPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_after_half_a_minute_and_a_tenth_of_the_bytes() {
        let seconds = Duration::from_secs;
        assert!(!is_due(1000, Some(1000), seconds(29)));
        assert!(!is_due(99, Some(1000), seconds(300)));
        assert!(is_due(100, Some(1000), seconds(30)));
        assert!(is_due(1, None, seconds(30)));
    }

    #[test]
    fn an_estimate_that_was_too_low_is_no_longer_told() {
        let now = Instant::now();
        let mut current = Current {
            name: "backup b".to_owned(),
            total: Some(4096),
            bytes: 2048,
            since: now,
            told: Told { bytes: 0, at: now },
        };
        let second = Duration::from_secs(1);
        assert_eq!(current.so_far(second), "backup b: 50 % (2.0 KiB of about 4.0 KiB), 2.0 KiB/s");
        current.bytes = 8192;
        assert_eq!(current.so_far(second), "backup b: 8.0 KiB, 8.0 KiB/s");
    }

    #[test]
    fn a_phase_without_bytes_ends_without_a_line() {
        let progress = Progress::default();
        assert_eq!(progress.begin(Phase::Commit, "b", None), "commit b");
        assert_eq!(progress.end(), None);
        assert_eq!(progress.begin(Phase::Extract, "b", Some(1024)), "extract b: about 1.0 KiB");
        assert_eq!(progress.advance(512), None);
        assert!(progress.end().unwrap().starts_with("extract b: 512 B in "));
    }
}

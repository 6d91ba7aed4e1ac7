//! Time as a thing that is handed in, so that a test can say what day it is.

use chrono::{DateTime, FixedOffset, Local};

/// Tells the time, with the zone's offset.
pub trait Clock: Send + Sync {
    /// Now, in local time.
    fn now(&self) -> DateTime<FixedOffset>;
}

/// The machine's clock and zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset()
    }
}

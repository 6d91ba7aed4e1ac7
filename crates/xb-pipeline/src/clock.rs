//! Time as a thing that is handed in, so that a test can say what day it is.

use chrono::{DateTime, FixedOffset, Local};

/// Tells the time, with the zone's offset.
pub trait Clock: Send + Sync {
    /// Now, in local time.
    fn now(&self) -> DateTime<FixedOffset>;

    /// The name of that zone in the time zone database, if it is known.
    fn zone(&self) -> Option<String> {
        None
    }
}

/// The machine's clock and zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset()
    }

    #[expect(clippy::disallowed_methods, reason = "the local time above is by this variable, too")]
    fn zone(&self) -> Option<String> {
        match std::env::var("TZ") {
            Ok(name) => Some(name.trim_start_matches(':').to_owned()),
            Err(_) => iana_time_zone::get_timezone().ok(),
        }
    }
}

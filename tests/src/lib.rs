//! What the tests of this package share: servers, homes for runs, the program itself, engines that do what a
//! real one cannot be made to do, and a look at what runs and what lies about.
//!
//! A server or a program that cannot be had fails the test that needs it; nothing is skipped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "helpers of tests, which clippy does not take for such: whatever goes wrong here fails the test"
)]

pub mod cli;
pub mod fake;
pub mod files;
pub mod home;
pub mod http;
pub mod http_faults;
pub mod mysqld;
pub mod processes;
pub mod relay;
pub mod s3;
pub mod server;
pub mod smtp;
pub mod sshd;
pub mod tls;

use std::time::{Duration, Instant};

/// Waits until `holds`, for `limit` at most.
///
/// # Panics
/// When it does not come to hold; `what` tells what was waited for.
#[track_caller]
pub fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < limit, "still waiting after {limit:?} until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

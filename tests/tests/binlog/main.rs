//! Streaming binary logs from real servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not take for such"
)]

mod copies;
mod epochs;
mod interruptions;
mod mysql;
mod protection;
mod relay;
mod semi_sync;
mod support;
mod vendor;

//! Stores: what all do alike, and what each does in its own way.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod conformance;
mod local;
mod object;
mod ssh;
mod ssh_netcat;

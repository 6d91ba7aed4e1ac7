//! Backups in stores elsewhere, of a real server: pushed, copied, listed, restored, pruned.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod chain;
mod copies;
mod crash;
mod place;
mod trouble;

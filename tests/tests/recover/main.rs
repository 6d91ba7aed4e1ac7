//! Point in time recovery on real servers: a server with much going on, moments that were written down, and
//! a copy from before that is brought to each of them from the logs alone.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not take for such"
)]

mod archive;
mod load;
mod moments;
mod private;
mod story;
mod trouble;

//! From streaming binary logs to recovering any point, by the program, on real servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not take for such"
)]

mod committed;
mod disk;
mod endurance;
mod kept;
mod load;
mod lost;
mod moved;
mod story;
mod support;
mod surroundings;
mod targets;
mod undone;

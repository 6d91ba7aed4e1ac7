//! What a policy keeps: by examples of a calendar, and by properties of stores that were made at random.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its store has failed")]

mod calendar;
mod copies;
mod properties;
mod stores;

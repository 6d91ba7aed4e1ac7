//! The program and the library on real servers, with a real engine.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod chain;
mod compat;
mod crash;
mod dialects;
mod encryption;
mod forms;
mod histories;
mod keeping;
mod prepared;
mod refusals;
mod secrets;
mod sections;

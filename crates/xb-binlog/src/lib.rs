//! Talking to the server.

pub mod client;

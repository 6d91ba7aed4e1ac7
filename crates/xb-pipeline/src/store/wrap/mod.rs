//! Stores around stores: each does what the one inside does, and something of its own.

pub mod fault;
pub mod limit;
pub mod retry;
pub mod timer;

#[cfg(test)]
mod tests;

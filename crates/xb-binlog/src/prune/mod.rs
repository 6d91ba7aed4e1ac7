//! Removing logs that nobody needs any more.

mod carry_out;
mod plan;

pub use carry_out::prune;
pub use plan::{Doomed, Need, PrunePlan, plan_prune};

#[cfg(test)]
pub(crate) mod tests;

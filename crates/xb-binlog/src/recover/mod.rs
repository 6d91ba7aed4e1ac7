//! Point in time recovery: where in an archive a backup stands, which part of the archive leads from there
//! to a point, and what is in the archive.
//!
//! * [`find_base`] finds the place of a backup.
//! * [`plan()`] says which pieces of which logs lead from there to a [`Target`].
//! * [`find_time`], [`find_gtid`] and [`transactions()`] look into an archive.
//!
//! Nothing here writes. Logs are read through [`Logs`](crate::archive::Logs), as few of them as will do.

mod base;
mod clock;
mod cover;
mod error;
mod find;
mod goal;
mod pack;
mod plan;
mod planner;
mod resume;
mod scan;
mod steps;
mod target;
mod transaction;

pub use base::{Base, find_base};
pub use error::RecoverError;
pub use find::{Found, find_gtid, find_time};
pub use plan::{EndsEarly, Excluded, ReplayPlan, Segment};
pub use planner::plan;
pub use resume::{Resume, confirm, progress_of};
pub use scan::{Piece, Pieces, pieces, transactions};
pub use steps::Gap;
pub use target::{Options, Target};
pub use transaction::{ReadingLimits, StatementText, TableChanges, TransactionKind, TransactionSummary};

#[cfg(test)]
mod tests;

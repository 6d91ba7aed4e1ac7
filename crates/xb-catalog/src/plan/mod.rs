//! What is to be done, as values. Pure: a plan is made from a [`Catalog`](crate::Catalog) and facts, and
//! nothing changes it afterwards.

mod base;
mod copies;
mod restore;
mod retention;

pub use base::{BaseError, BasePlan, plan_base};
pub use copies::{CopyStep, conflicts, plan_copies, plan_copy_of};
pub use restore::{RestoreError, RestorePlan, plan_restore};
pub use retention::{
    Action, KeepReason, PlannedMember, PlannedSet, RemoveReason, RetentionPlan, RetentionPolicy,
    plan_retention,
};

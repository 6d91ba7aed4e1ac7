//! Where binary logs come from.

pub mod native;

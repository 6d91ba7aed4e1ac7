//! Where binary logs come from.

pub mod mysqlbinlog;
pub mod native;

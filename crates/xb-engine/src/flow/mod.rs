//! The flows. Each reads as one story: facts, plan, do, commit, report.

pub(crate) mod apply;
pub(crate) mod apply_last;
pub(crate) mod archive;
pub(crate) mod backup;
pub(crate) mod binlogs;
pub(crate) mod copies;
pub(crate) mod describe;
pub(crate) mod fleet;
pub(crate) mod from_prepared;
pub(crate) mod list;
pub(crate) mod meta;
pub(crate) mod metadata;
pub(crate) mod next_steps;
pub(crate) mod pin;
pub(crate) mod prepare;
pub(crate) mod prune;
pub(crate) mod purge_bitmaps;
pub(crate) mod recover;
pub(crate) mod remote_script;
pub(crate) mod restore_set;
pub(crate) mod status;
pub(crate) mod storing;
pub(crate) mod unpack;
pub(crate) mod wipeout;

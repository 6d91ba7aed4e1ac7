//! Single facts about a store and its backups.

use serde::Serialize;
use serde_json::Value;
use xb_core::{BackupId, Lsn};

/// Facts by name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetaReport {
    /// The backup they are about; `None` in an empty store.
    pub backup: Option<BackupId>,
    /// One for each that was asked for, in that order.
    pub items: Vec<MetaItem>,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetaItem {
    /// The name it was asked for by.
    pub name: String,
    /// The fact; `null` where there is none of this name.
    pub value: Value,
}

/// Where the next incremental begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastLsn {
    /// The backup that the next incremental builds on: the newest that can be restored of the newest current set
    /// that has any.
    pub backup: BackupId,
    /// Where it ends, and the next incremental begins.
    pub to_lsn: Lsn,
}

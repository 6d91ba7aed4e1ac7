//! What was copied to other stores.

use std::path::PathBuf;

use serde::Serialize;
use xb_core::BackupId;

/// What was copied, by store.
#[derive(Clone, Debug, Serialize)]
pub struct CopyReport {
    /// The store it was copied from.
    pub store: PathBuf,
    /// Every store that got copies.
    pub copies: Vec<StoreCopied>,
}

/// A store that holds copies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StoreCopied {
    /// Its address.
    pub store: String,
    /// The backups that were copied to it now.
    pub backups: Vec<BackupId>,
    /// The newest backup it can restore now, where all of it was brought up.
    pub newest: Option<BackupId>,
    /// Bytes that were sent for that.
    pub bytes: u64,
    /// Sets that its own retention removed.
    pub removed: Vec<BackupId>,
    /// What it keeps for now although it should go, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deferred: Vec<String>,
}

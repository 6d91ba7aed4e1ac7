//! Where things stand in a store. The original tool's layout:
//!
//! ```text
//! full/<name>/                 a full backup
//! incr/<full>/<name>/          an incremental of that set
//! weekly/<name>/ monthly/<name>/   copies of sets, named after their newest member
//! binlogs/                     binary logs
//! ```
//!
//! Ours beside it: `<name>.partial/` while a backup is being made, and the lock.

use std::path::{Path, PathBuf};

use xb_core::{BackupId, BackupKind};

/// Directories every store has.
pub const DIRECTORIES: [&str; 5] = ["full", "incr", "weekly", "monthly", "binlogs"];
/// Behind the name of a backup that is being made.
pub const PARTIAL_SUFFIX: &str = ".partial";

/// Which backup: enough to know where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Place {
    /// The name of the set.
    pub set: BackupId,
    /// Its own name; the set's for the full backup.
    pub id: BackupId,
}

impl Place {
    /// The place of a full backup.
    #[must_use]
    pub fn full(id: BackupId) -> Self {
        Place { set: id, id }
    }

    /// Full for the first of its set, incremental for the others.
    #[must_use]
    pub fn kind(&self) -> BackupKind {
        if self.set == self.id { BackupKind::Full } else { BackupKind::Incremental }
    }

    /// The directory that holds the backup's directory, within the store.
    #[must_use]
    pub fn parent(&self) -> PathBuf {
        match self.kind() {
            BackupKind::Full => PathBuf::from("full"),
            BackupKind::Incremental => Path::new("incr").join(self.set.to_string()),
        }
    }

    /// The directory of the backup, within the store.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.parent().join(self.id.to_string())
    }

    /// The directory of the backup while it is being made, within the store.
    #[must_use]
    pub fn partial(&self) -> PathBuf {
        self.parent().join(format!("{}{PARTIAL_SUFFIX}", self.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_original() {
        let (set, id) = ("2026_11_22-14_28_07".parse().unwrap(), "2026_11_22-14_28_13".parse().unwrap());
        assert_eq!(Place::full(set).directory(), Path::new("full/2026_11_22-14_28_07"));
        let incremental = Place { set, id };
        assert_eq!(incremental.directory(), Path::new("incr/2026_11_22-14_28_07/2026_11_22-14_28_13"));
        assert_eq!(incremental.partial(), Path::new("incr/2026_11_22-14_28_07/2026_11_22-14_28_13.partial"));
    }
}

//! Where things stand in a store. The original tool's layout:
//!
//! ```text
//! full/<name>/                 a full backup
//! incr/<full>/<name>/          an incremental of that set
//! weekly/<name>/ monthly/<name>/   sets that retention moved there, named after their newest member
//! binlogs/                     binary logs
//! ```
//!
//! Ours beside it: `yearly/<name>/`, made when there is something for it, `<name>.partial/` while something is
//! being made or removed, the pins, and the lock. What stands below `weekly/<name>` and the like is laid out as
//! a small store: `full/<set>/` and `incr/<set>/<id>/`. The original tool puts the files of the full backup into
//! `full/` itself and the incrementals into `incr/<id>/`; that is read as well.

use std::path::{Path, PathBuf};

use xb_core::{BackupId, BackupKind};

/// Directories every store has.
pub const DIRECTORIES: [&str; 5] = ["full", "incr", "weekly", "monthly", "binlogs"];
/// Behind the name of a backup that is being made.
pub const PARTIAL_SUFFIX: &str = ".partial";

/// Where a set stands: among the current ones, or on one of the shelves to which retention moves sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Shelf {
    /// `full` and `incr`: where backups are made, and the only place where an incremental finds its base.
    Current,
    /// `weekly`.
    Weekly,
    /// `monthly`.
    Monthly,
    /// `yearly`: unknown to the original, so there only when something is in it.
    Yearly,
}

impl Shelf {
    /// All but the current one, the one with the youngest sets first.
    pub const KEPT: [Shelf; 3] = [Shelf::Weekly, Shelf::Monthly, Shelf::Yearly];

    /// The word for it; that of a shelf that is not [`Shelf::Current`] is also the name of its directory.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Shelf::Current => "current",
            Shelf::Weekly => "weekly",
            Shelf::Monthly => "monthly",
            Shelf::Yearly => "yearly",
        }
    }

    /// The name of its directory within the store; none for [`Shelf::Current`], which is the store itself.
    #[must_use]
    pub fn directory(self) -> Option<&'static str> {
        (self != Shelf::Current).then(|| self.word())
    }
}

impl std::fmt::Display for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

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

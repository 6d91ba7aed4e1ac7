//! Making a backup exist, and leaving nothing behind when it does not come to be.
//!
//! A backup is made in `<name>.partial`. When everything is in it and on the disk, the manifest is written
//! (temporary name, sync, rename, sync of the directory), and the directory gets its name, which is the
//! moment the backup exists. A crash before that leaves a `.partial`, which is never listed as a backup, and
//! which the next run removes.

use std::path::{Path, PathBuf};

use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::ObjectError;
use xb_pipeline::fs::{
    FsError, create_dir_private, create_new_dir_private, remove_tree, rename, sync_dir, write_atomic,
};
use xb_pipeline::store::StoreError;

use crate::catalog::Partial;
use crate::layout::{DIRECTORIES, Place};
use crate::manifest::{MANIFEST_NAME, Manifest, ManifestError};

/// The original's description of a backup, kept so that its users can go back.
pub const BACKUP_META_NAME: &str = "backup.meta";

/// A backup could not be committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store elsewhere did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The manifest could not be written as text.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

impl From<ObjectError> for CommitError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Fs(error) => CommitError::Fs(error),
            ObjectError::Store(error) => CommitError::Store(error),
        }
    }
}

/// Makes the directories of the original's layout where they are missing.
///
/// # Errors
/// [`FsError`]; the store itself must exist.
pub fn prepare_store(root: &Path) -> Result<(), FsError> {
    std::fs::metadata(root).map_err(FsError::on("open the store", root))?;
    DIRECTORIES.iter().try_for_each(|name| create_dir_private(&root.join(name)))
}

/// A backup in the making. Dropped without a commit, it is gone.
#[derive(Debug)]
pub struct Draft {
    root: PathBuf,
    place: Place,
    open: bool,
}

impl Draft {
    /// Makes the directory for a new backup. What a dead run left of the same name goes first.
    ///
    /// # Errors
    /// [`FsError`].
    pub fn begin(root: &Path, place: Place) -> Result<Self, FsError> {
        let directory = root.join(place.partial());
        remove_tree(&directory)?;
        create_new_dir_private(&directory)?;
        Ok(Draft { root: root.to_owned(), place, open: true })
    }

    /// Where the backup is made.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        self.root.join(self.place.partial())
    }

    /// Makes the backup exist; gives its directory. Everything else must be on the disk already.
    ///
    /// # Errors
    /// [`CommitError`]; the backup does not exist then and nothing of it is left.
    pub fn commit(mut self, manifest: &Manifest, meta: &BackupMeta) -> Result<PathBuf, CommitError> {
        let directory = self.directory();
        write_atomic(&directory.join(BACKUP_META_NAME), meta.render().as_bytes())?;
        let text = manifest.render()?;
        Manifest::parse(&text)?;
        write_atomic(&directory.join(MANIFEST_NAME), &text)?;
        let (parent, finished) =
            (self.root.join(self.place.parent()), self.root.join(self.place.directory()));
        // A new set's directory is a new name itself.
        if let Some(above) = parent.parent() {
            sync_dir(above)?;
        }
        if let Err(error) = rename(&directory, &finished) {
            // The new name may not survive a crash, so it must not be believed: the old one comes back.
            let _ = rename(&finished, &directory);
            return Err(error.into());
        }
        self.open = false;
        Ok(finished)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.open {
            // A failure leaves a partial, which the next run removes.
            let _ = remove_tree(&self.directory());
            remove_empty_set(&self.directory());
        }
    }
}

/// Removes the directory of incrementals that `member` stood in, if it is empty now: a set without incrementals
/// has none.
fn remove_empty_set(member: &Path) {
    let set = member.parent().filter(|set| set.parent().is_some_and(|above| above.ends_with("incr")));
    if let Some(set) = set {
        // Only ever goes when it is empty.
        let _ = std::fs::remove_dir(set);
    }
}

/// Removes what dead runs left. Only for the holder of the lock: a living run's partial looks the same.
///
/// # Errors
/// [`FsError`].
pub fn remove_partials(partials: &[Partial]) -> Result<(), FsError> {
    for partial in partials {
        remove_tree(&partial.directory)?;
        remove_empty_set(&partial.directory);
    }
    Ok(())
}

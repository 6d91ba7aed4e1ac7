//! Removing backups: at any moment a backup is listed whole or not at all.
//!
//! A directory first gets the name `<name>.partial`, which no list takes for a backup, and only then goes what
//! is in it. A crash in between leaves what the next run removes. To remove the manifest first would not do:
//! what stands beside it could look like a backup of the original tool. Of a set the newest goes first, so what
//! is left of it at any moment can still be restored.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use xb_core::BackupId;
use xb_pipeline::cancel::{CancelToken, Cancelled};
use xb_pipeline::fs::{FsError, remove_tree, rename, sync_dir, tree_bytes};
use xb_pipeline::store::StoreError;

use crate::catalog::{Catalog, Partial, ShelvedSet};
use crate::layout::{PARTIAL_SUFFIX, Shelf};
use crate::record::BackupRecord;
use crate::set::BackupSet;

/// Something could not be removed. What is gone is gone; the rest is whole.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// A directory could not be renamed or removed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store elsewhere does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The directory of a set on a shelf holds something else as well.
    #[error("{} stands in the directory of the set and is not part of it: move it away, then the set can be removed", path.display())]
    NotOurs {
        /// What was found.
        path: PathBuf,
    },
    /// There is no such set any more.
    #[error("there is no set {name} on the {shelf} shelf")]
    NoSuchSet {
        /// Where it was looked for.
        shelf: Shelf,
        /// Under which name.
        name: BackupId,
    },
}

/// What became of something that was to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is gone.
    Removed,
    /// The store keeps it for now; it says why.
    Deferred(String),
}

/// Told before each step that changes something. An error ends the work where it is, as a crash would.
pub(crate) type Step<'a> = dyn FnMut(&Path) -> Result<(), Cancelled> + 'a;

/// What a dead run left, and how much of it there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// What it is.
    #[serde(flatten)]
    pub partial: Partial,
    /// Bytes of its files. What was being moved shares them with where it came from.
    pub bytes: u64,
}

/// Everything that dead runs left in a store, on all shelves. A run that goes on looks the same: only the holder
/// of the lock can tell.
///
/// # Errors
/// [`FsError`] when a directory that is there cannot be read.
pub fn leftovers(catalog: &Catalog) -> Result<Vec<Leftover>, FsError> {
    let size = |partial: &Partial| match tree_bytes(&partial.directory) {
        Ok(bytes) => Ok(Some(Leftover { partial: partial.clone(), bytes })),
        // Gone meanwhile.
        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    catalog.partials.iter().filter_map(|partial| size(partial).transpose()).collect()
}

/// Removes one backup. What builds on it is the caller's to remove first ([`BackupSet::dependents`]).
///
/// # Errors
/// [`RemoveError`].
pub fn remove_backup(record: &BackupRecord, cancel: &CancelToken) -> Result<(), RemoveError> {
    remove_directory(&record.directory, &mut |_| cancel.check())
}

/// Removes a current set of the store at `root`, its newest member first. What else stands in its directory of
/// incrementals is left alone.
///
/// # Errors
/// [`RemoveError`].
pub fn remove_set(root: &Path, set: &BackupSet, cancel: &CancelToken) -> Result<(), RemoveError> {
    remove_set_in_steps(root, set, &mut |_| cancel.check())
}

/// Removes a set on a shelf, as one.
///
/// # Errors
/// [`RemoveError::NotOurs`] when its directory holds something else; nothing is removed then.
pub fn remove_shelved(shelved: &ShelvedSet, cancel: &CancelToken) -> Result<(), RemoveError> {
    remove_shelved_in_steps(shelved, &mut |_| cancel.check())
}

/// Removes the set in the directory `name` of a shelf, or the current set of that name.
///
/// # Errors
/// [`RemoveError`].
pub fn remove_at(
    catalog: &Catalog,
    shelf: Shelf,
    name: BackupId,
    cancel: &CancelToken,
) -> Result<(), RemoveError> {
    let none = RemoveError::NoSuchSet { shelf, name };
    match shelf {
        Shelf::Current => remove_set(&catalog.root, catalog.set_at(shelf, name).ok_or(none)?, cancel),
        shelf => {
            let shelved = catalog.shelved(shelf).iter().find(|shelved| shelved.name == name);
            remove_shelved(shelved.ok_or(none)?, cancel)
        }
    }
}

pub(crate) fn remove_set_in_steps(
    root: &Path,
    set: &BackupSet,
    step: &mut Step<'_>,
) -> Result<(), RemoveError> {
    for record in set.incrementals.iter().rev() {
        remove_directory(&record.directory, step)?;
    }
    let incrementals = root.join("incr").join(set.id.to_string());
    step(&incrementals)?;
    // Before the full backup: without that there is no set any more of which it could be removed. Only ever goes
    // when it is empty.
    if fs::remove_dir(&incrementals).is_ok() {
        sync_dir(&root.join("incr"))?;
    }
    set.full.as_ref().map_or(Ok(()), |record| remove_directory(&record.directory, step))
}

pub(crate) fn remove_shelved_in_steps(shelved: &ShelvedSet, step: &mut Step<'_>) -> Result<(), RemoveError> {
    match find_foreign(shelved)? {
        Some(path) => Err(RemoveError::NotOurs { path }),
        None => remove_directory(&shelved.directory, step),
    }
}

fn remove_directory(directory: &Path, step: &mut Step<'_>) -> Result<(), RemoveError> {
    let mut name: OsString = directory.file_name().unwrap_or_default().to_owned();
    name.push(PARTIAL_SUFFIX);
    let partial = directory.with_file_name(name);
    if directory.is_symlink() {
        return Err(RemoveError::NotOurs { path: directory.to_owned() });
    }
    step(directory)?;
    // What a dead run left of the same name would be in the way.
    remove_tree(&partial)?;
    rename(directory, &partial)?;
    step(&partial)?;
    Ok(remove_tree(&partial)?)
}

/// The first thing in the directory of a shelved set that is neither a member nor on the way to one.
fn find_foreign(shelved: &ShelvedSet) -> Result<Option<PathBuf>, FsError> {
    let members: Vec<&Path> = shelved.set.members().map(|member| member.directory.as_path()).collect();
    let mut pending = vec![shelved.directory.clone()];
    let is_ours_to_enter = |path: &Path| {
        let relative = path.strip_prefix(&shelved.directory).unwrap_or(path);
        let set = Path::new("incr").join(shelved.set.id.to_string());
        relative == Path::new("full") || relative == Path::new("incr") || relative == set
    };
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory).map_err(FsError::on("read directory", &directory))? {
            let entry = entry.map_err(FsError::on("read directory", &directory))?;
            let path = entry.path();
            if members.contains(&path.as_path()) {
                continue;
            }
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_directory || !is_ours_to_enter(&path) {
                return Ok(Some(path));
            }
            pending.push(path);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;

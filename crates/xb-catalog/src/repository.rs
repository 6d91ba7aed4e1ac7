//! The store of a run, wherever it is: a directory of this machine, or a [`Store`] elsewhere. What can be done with
//! backups is the same in both.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, Utc};
use xb_core::BackupId;
use xb_pipeline::ObjectReceipt;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::FsError;
use xb_pipeline::store::{Removal, Store, StoreError, StoreErrorKind, StorePath};

use crate::catalog::Catalog;
use crate::commit::{CommitError, Draft, prepare_store};
use crate::draft::{NewBackup, RemoteDraft};
use crate::layout::{Place, Shelf};
use crate::listing::Listing;
use crate::manifest::{MANIFEST_NAME, Manifest};
use crate::pins;
use crate::read::{META_LIMIT, read_manifest};
use crate::record::BackupRecord;
use crate::remove::{Outcome, RemoveError, remove_at};
use crate::sweep::{self, Remnant};
use crate::{directory::View, scan};

/// Where backups are kept.
#[derive(Clone)]
pub enum Repository {
    /// In a directory of this machine.
    Here(PathBuf),
    /// In a store elsewhere.
    Elsewhere(Remote),
}

/// A store elsewhere, and what is known of it here.
#[derive(Clone)]
pub struct Remote {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) root: PathBuf,
    cache: Option<PathBuf>,
    pub(crate) owner: String,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repository({})", self.root().display())
    }
}

/// A store cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// It is a directory.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is elsewhere.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Remote {
    /// The store `store`. `cache` is a file for what need not be fetched twice; `owner` tells the runs that one lock
    /// keeps apart from those of others: host and work directory.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, cache: Option<PathBuf>, owner: impl Into<String>) -> Self {
        let root = PathBuf::from(store.address());
        Remote { store, root, cache, owner: owner.into() }
    }

    /// The same, with paths in it shown below `root` instead of the store's full address.
    #[must_use]
    pub fn shown_as(self, root: impl Into<PathBuf>) -> Self {
        Remote { root: root.into(), ..self }
    }

    /// The store itself.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The path in the store of what is shown as `path`.
    pub(crate) fn path_of(&self, path: &Path) -> Result<StorePath, StoreError> {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        StorePath::try_from(below).map_err(|error| self.error("name", &path.to_string_lossy(), &error))
    }

    pub(crate) fn error(&self, action: &'static str, path: &str, reason: &dyn fmt::Display) -> StoreError {
        StoreError {
            kind: StoreErrorKind::Other,
            store: self.store.address().to_owned(),
            action,
            path: Some(path.to_owned()),
            reason: reason.to_string(),
        }
    }
}

impl Repository {
    /// Its root, as it is shown; every path a catalog shows stands below it.
    #[must_use]
    pub fn root(&self) -> &Path {
        match self {
            Repository::Here(root) => root,
            Repository::Elsewhere(remote) => &remote.root,
        }
    }

    /// The directory it is, if it is one of this machine.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Repository::Here(root) => Some(root),
            Repository::Elsewhere(_) => None,
        }
    }

    /// Makes ready for a backup what has to be. The store itself must exist: a missing mount is not written to.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub fn prepare(&self) -> Result<(), RepositoryError> {
        match self {
            Repository::Here(root) => Ok(prepare_store(root)?),
            Repository::Elsewhere(_) => Ok(()),
        }
    }

    /// The picture of it. A store elsewhere is listed once.
    ///
    /// # Errors
    /// [`RepositoryError`]. A backup that cannot be read is an entry that says so.
    pub fn scan(&self) -> Result<Catalog, RepositoryError> {
        match self {
            Repository::Here(root) => Ok(Catalog::scan(root)?),
            Repository::Elsewhere(remote) => {
                let listing = Listing::take(&*remote.store, &remote.root, remote.cache.as_deref())?;
                Ok(scan::look(&View::Listed(listing), &remote.root)?)
            }
        }
    }

    /// Begins a new backup.
    ///
    /// # Errors
    /// [`CommitError`]; also when another machine is making a backup of this name in the same store.
    pub fn begin(&self, place: Place, now: DateTime<FixedOffset>) -> Result<NewBackup, CommitError> {
        match self {
            Repository::Here(root) => {
                xb_pipeline::fs::create_dir_private(&root.join(place.parent()))?;
                Ok(NewBackup::Here(Draft::begin(root, place)?))
            }
            Repository::Elsewhere(remote) => {
                Ok(NewBackup::Elsewhere(Box::new(RemoteDraft::begin(remote.clone(), place, now)?)))
            }
        }
    }

    /// What dead runs left. For the holder of the lock: a run of this machine that goes on looks the same. What runs
    /// of others left counts after a week without a sign of them.
    ///
    /// # Errors
    /// [`FsError`] when a directory that is there cannot be read.
    pub fn remnants(&self, catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Remnant>, FsError> {
        match self {
            Repository::Here(_) => sweep::here(catalog, now),
            Repository::Elsewhere(remote) => Ok(sweep::elsewhere(remote, catalog, now)),
        }
    }

    /// Removes what a dead run left.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub fn sweep(&self, left: &Remnant) -> Result<Outcome, RemoveError> {
        match self {
            Repository::Here(_) => left.remove_here(),
            Repository::Elsewhere(remote) => left.remove_elsewhere(remote),
        }
    }

    /// Makes way for one that goes on with what a dead run left: its uploads are given up, its mark goes, the objects
    /// stay.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub fn release(&self, left: &Remnant) -> Result<Outcome, RemoveError> {
        match self {
            Repository::Here(_) => Ok(Outcome::Removed),
            Repository::Elsewhere(remote) => left.release(remote),
        }
    }

    /// Removes the set in the directory `name` of a shelf, or the current set of that name, newest member first.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub fn remove_at(
        &self,
        catalog: &Catalog,
        shelf: Shelf,
        name: BackupId,
        cancel: &CancelToken,
    ) -> Result<Outcome, RemoveError> {
        match self {
            Repository::Here(_) => remove_at(catalog, shelf, name, cancel).map(|()| Outcome::Removed),
            Repository::Elsewhere(remote) => {
                let set = catalog.set_at(shelf, name).ok_or(RemoveError::NoSuchSet { shelf, name })?;
                sweep::remove_set(remote, catalog, set, cancel)
            }
        }
    }

    /// Removes one backup of a store elsewhere. What builds on it is the caller's to remove first.
    ///
    /// # Errors
    /// [`RemoveError`].
    pub fn remove_backup(&self, catalog: &Catalog, backup: BackupId) -> Result<Outcome, RemoveError> {
        match (self, catalog.records().find(|record| record.id() == backup)) {
            (Repository::Elsewhere(remote), Some(record)) => sweep::remove_one(remote, catalog, record),
            _ => Ok(Outcome::Removed),
        }
    }

    /// Pins a backup, or writes the pin anew. Whether there is such a backup is not asked.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub fn pin(
        &self,
        id: BackupId,
        when: DateTime<FixedOffset>,
        note: Option<&str>,
    ) -> Result<(), RepositoryError> {
        match self {
            Repository::Here(root) => Ok(pins::pin(root, id, when, note)?),
            Repository::Elsewhere(remote) => {
                let text =
                    pins::render(when, note).map_err(|error| remote.error("write", "the pin", &error))?;
                Ok(remote.store.put(&remote.pin(id)?, &text)?)
            }
        }
    }

    /// Removes a pin; tells whether there was one.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub fn unpin(&self, id: BackupId) -> Result<bool, RepositoryError> {
        match self {
            Repository::Here(root) => Ok(pins::unpin(root, id)?),
            Repository::Elsewhere(remote) => {
                let path = remote.pin(id)?;
                if remote.store.read_small(std::slice::from_ref(&path), u64::from(u32::MAX))? == [None] {
                    return Ok(false);
                }
                match remote.store.remove(std::slice::from_ref(&path))?.pop() {
                    Some(Removal::Deferred(reason)) => {
                        Err(remote.error("remove", path.as_str(), &reason).into())
                    }
                    _ => Ok(true),
                }
            }
        }
    }

    /// Whether a backup is pinned at this moment.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub fn is_pinned(&self, id: BackupId) -> Result<bool, RepositoryError> {
        match self {
            Repository::Here(root) => Ok(pins::is_pinned(root, id)),
            Repository::Elsewhere(remote) => {
                Ok(remote.store.read_small(&[remote.pin(id)?], u64::from(u32::MAX))? != [None])
            }
        }
    }

    /// The whole manifest of a native backup, read anew.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn read_manifest(&self, record: &BackupRecord) -> Result<Manifest, String> {
        match self {
            Repository::Here(_) => read_manifest(&record.directory),
            Repository::Elsewhere(_) => {
                let text = self.read_beside(record, MANIFEST_NAME)?;
                let text = text.ok_or_else(|| format!("{} is missing", MANIFEST_NAME))?;
                Manifest::parse(&text).map_err(|error| error.to_string())
            }
        }
    }

    /// The files of a native backup that hold the server's data.
    ///
    /// # Errors
    /// What is wrong with its manifest, in words.
    pub fn read_objects(&self, record: &BackupRecord) -> Result<Vec<ObjectReceipt>, String> {
        match self {
            Repository::Here(_) => crate::read::read_objects(&record.directory),
            Repository::Elsewhere(_) => Ok(self.read_manifest(record)?.objects),
        }
    }

    /// Every file of a backup in a store elsewhere, by looking; none for a directory of this machine.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list_files(&self, record: &BackupRecord) -> Result<Vec<PathBuf>, StoreError> {
        let Repository::Elsewhere(remote) = self else { return Ok(Vec::new()) };
        let directory = remote.path_of(&record.directory)?;
        let entries = remote.store.list()?;
        Ok(entries.iter().filter_map(|entry| entry.path.below(&directory).map(PathBuf::from)).collect())
    }

    /// A small file of a backup, whole; nothing if there is none.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub fn read_beside(&self, record: &BackupRecord, name: &str) -> Result<Option<Vec<u8>>, String> {
        let path = record.directory.join(name);
        match self {
            Repository::Here(_) => View::Disk.small(&path).map_err(|error| error.to_string()),
            Repository::Elsewhere(remote) => {
                let path = remote.path_of(&path).map_err(|error| error.to_string())?;
                let found = remote.store.read_small(&[path], u64::from(META_LIMIT));
                Ok(found.map_err(|error| error.to_string())?.pop().flatten())
            }
        }
    }

    /// Opens a file of a backup for reading from its beginning.
    ///
    /// # Errors
    /// [`RepositoryError`].
    pub fn open(&self, record: &BackupRecord, name: &Path) -> Result<Box<dyn Read + Send>, RepositoryError> {
        let path = record.directory.join(name);
        match self {
            Repository::Here(_) => {
                Ok(Box::new(std::fs::File::open(&path).map_err(FsError::on("open", &path))?))
            }
            Repository::Elsewhere(remote) => Ok(remote.store.read(&remote.path_of(&path)?, 0)?),
        }
    }
}

impl Remote {
    fn pin(&self, id: BackupId) -> Result<StorePath, StoreError> {
        let path = format!("{}/{id}", pins::PINS_DIRECTORY);
        StorePath::parse(&path).map_err(|error| self.error("name", &path, &error))
    }
}

//! A backup in the making, wherever it is made.

use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, FixedOffset};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::store::{About, ObjectDigest, StoreError, StoreErrorKind, StorePath, sha256};
use xb_pipeline::{ObjectReceipt, ObjectWriter, copy_object};

use crate::catalog::Catalog;
use crate::commit::{BACKUP_META_NAME, CommitError, Draft};
use crate::layout::Place;
use crate::manifest::{MANIFEST_NAME, Manifest};
use crate::read::META_LIMIT;
use crate::repository::{Remote, RepositoryError};
use crate::runs::{RunMark, UploadMark};

/// A backup in the making. Dropped without a commit, it is gone.
#[derive(Debug)]
pub enum NewBackup {
    /// In a directory of this machine.
    Here(Draft),
    /// In a store elsewhere.
    Elsewhere(Box<RemoteDraft>),
}

impl NewBackup {
    /// Begins to write an object of it; `name` is its path within the backup.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn create(&self, name: &Path, about: About) -> Result<ObjectWriter, CommitError> {
        match self {
            NewBackup::Here(draft) => Ok(ObjectWriter::file(&draft.directory().join(name))?),
            NewBackup::Elsewhere(draft) => Ok(draft.create(name, about)?),
        }
    }

    /// Writes a small object of it.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn write(&self, name: &str, content: &[u8]) -> Result<ObjectReceipt, CommitError> {
        let about = About { expected_bytes: u64::try_from(content.len()).ok(), digest: None };
        let mut object = self.create(Path::new(name), about)?;
        object.write(content)?;
        Ok(object.finish()?)
    }

    /// Copies a file into it.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn copy(&self, from: &Path, name: &str) -> Result<ObjectReceipt, CommitError> {
        let about =
            About { expected_bytes: std::fs::metadata(from).ok().map(|meta| meta.len()), digest: None };
        Ok(copy_object(from, self.create(Path::new(name), about)?)?)
    }

    /// The directory it is made in, if that is one of this machine.
    #[must_use]
    pub fn directory(&self) -> Option<PathBuf> {
        match self {
            NewBackup::Here(draft) => Some(draft.directory()),
            NewBackup::Elsewhere(_) => None,
        }
    }

    /// Makes the backup exist; gives its directory as it is shown.
    ///
    /// # Errors
    /// [`CommitError`]; the backup does not exist then.
    pub fn commit(self, manifest: &Manifest, meta: &BackupMeta) -> Result<PathBuf, CommitError> {
        match self {
            NewBackup::Here(draft) => draft.commit(manifest, meta),
            NewBackup::Elsewhere(draft) => draft.commit(&manifest.render()?, meta),
        }
    }

    /// The same with the text of a manifest that was written before: a copy has the very bytes.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn commit_text(self, manifest: &[u8], meta: &BackupMeta) -> Result<PathBuf, CommitError> {
        match self {
            NewBackup::Here(draft) => draft.commit(&Manifest::parse(manifest)?, meta),
            NewBackup::Elsewhere(draft) => draft.commit(manifest, meta),
        }
    }

    /// Whether an object stands in the draft already, with its digest; `catalog` is of before it was begun, and
    /// `open` opens the original.
    ///
    /// # Errors
    /// [`CommitError`].
    pub fn holds(
        &self,
        catalog: &Catalog,
        object: &ObjectReceipt,
        open: impl FnOnce() -> Result<Box<dyn Read + Send>, RepositoryError>,
    ) -> Result<bool, RepositoryError> {
        match self {
            NewBackup::Here(_) => Ok(false),
            NewBackup::Elsewhere(draft) => draft.holds(catalog, object, open),
        }
    }
}

/// A backup that is made in a store elsewhere.
pub struct RemoteDraft {
    remote: Remote,
    directory: StorePath,
    draft: StorePath,
    mark_path: StorePath,
    mark: Mutex<RunMark>,
    written: Mutex<Vec<StorePath>>,
    open: bool,
}

impl std::fmt::Debug for RemoteDraft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RemoteDraft({})", self.directory)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RemoteDraft {
    pub(crate) fn begin(
        remote: Remote,
        place: Place,
        now: DateTime<FixedOffset>,
    ) -> Result<Self, CommitError> {
        let directory = remote.path_of(&place.directory())?;
        let mark_path = remote.path_of(Path::new(&RunMark::path(place.id)))?;
        let mark = RunMark {
            owner: remote.owner.clone(),
            started: now,
            set: place.set,
            id: place.id,
            uploads: Vec::new(),
        };
        let draft = remote.store.draft(&directory);
        let (mark, written) = (Mutex::new(mark), Mutex::new(Vec::new()));
        let mut draft = RemoteDraft { remote, directory, draft, mark_path, mark, written, open: false };
        draft.claim()?;
        draft.open = true;
        // Who holds the mark is alone with it; what was there before counts.
        if draft.sealed()?.is_some() {
            let error =
                draft.remote.error("begin", draft.directory.as_str(), &"there is a backup of this name");
            return Err(StoreError { kind: StoreErrorKind::Exists, ..error }.into());
        }
        Ok(draft)
    }

    /// Puts the mark of this run where none of another is.
    fn claim(&self) -> Result<(), StoreError> {
        let store = &self.remote.store;
        let text = self.mark_text()?;
        match store.put_new(&self.mark_path, &text) {
            Err(error) if error.kind == StoreErrorKind::Exists => {
                let found = store.read_small(std::slice::from_ref(&self.mark_path), 1 << 20)?.pop().flatten();
                let found: Option<RunMark> = found.and_then(|text| serde_json::from_slice(&text).ok());
                match found {
                    Some(mark) if mark.owner == self.remote.owner => store.put(&self.mark_path, &text),
                    Some(mark) => Err(self.remote.error(
                        "begin",
                        self.directory.as_str(),
                        &format!(
                            "{} has been making a backup of this name since {}",
                            mark.owner, mark.started
                        ),
                    )),
                    None => Err(error),
                }
            }
            done => done,
        }
    }

    /// The manifest that stands there, if the backup exists.
    fn sealed(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.directory.join(MANIFEST_NAME);
        let path = path.map_err(|error| self.remote.error("read", MANIFEST_NAME, &error))?;
        Ok(self.remote.store.read_small(&[path], u64::from(META_LIMIT))?.pop().flatten())
    }

    fn mark_text(&self) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(&*locked(&self.mark))
            .map_err(|error| self.remote.error("write", self.mark_path.as_str(), &error))
    }

    fn create(&self, name: &Path, about: About) -> Result<ObjectWriter, StoreError> {
        let shown = name.to_string_lossy();
        let path = name.to_str().ok_or_else(|| self.remote.error("write", &shown, &"its name is not UTF-8"));
        let path = self.draft.join(path?).map_err(|error| self.remote.error("write", &shown, &error))?;
        let upload = self.remote.store.create(&path, about)?;
        locked(&self.written).push(path.clone());
        if let Some(token) = upload.token() {
            locked(&self.mark).uploads.push(UploadMark { path: path.to_string(), token });
            self.remote.store.put(&self.mark_path, &self.mark_text()?)?;
        }
        Ok(ObjectWriter::upload(upload, name))
    }

    fn holds(
        &self,
        catalog: &Catalog,
        object: &ObjectReceipt,
        open: impl FnOnce() -> Result<Box<dyn Read + Send>, RepositoryError>,
    ) -> Result<bool, RepositoryError> {
        let Some(listing) = &catalog.listing else { return Ok(false) };
        let Some(path) = object.path.to_str().and_then(|name| self.draft.join(name).ok()) else {
            return Ok(false);
        };
        let listed = listing.below(&self.draft).iter().find(|entry| entry.path == path);
        if listed.is_none_or(|entry| entry.bytes != object.size) {
            return Ok(false);
        }
        let holds = match self.remote.store.digest(&path)? {
            None => false,
            Some(ObjectDigest::Blake3(digest)) => digest == object.blake3,
            Some(ObjectDigest::Sha256(digest)) => {
                let own = sha256(open()?).map_err(|error| StoreError::from_io(error, "the store", "read"))?;
                own == digest
            }
        };
        Ok(holds)
    }

    fn commit(mut self, text: &[u8], meta: &BackupMeta) -> Result<PathBuf, CommitError> {
        // Where the draft has the name of the backup, this would make it look like one of the original tool.
        if self.draft != self.directory {
            self.put_meta(meta)?;
        }
        self.check(&Manifest::parse(text)?)?;
        if let Err(error) = self.remote.store.publish(&self.directory, MANIFEST_NAME, text) {
            // Where nobody knows what became of it, nothing is removed that may belong to a backup. The mark stays,
            // and the next run looks again.
            self.open = matches!(error.kind, StoreErrorKind::Denied | StoreErrorKind::Full);
            return Err(error.into());
        }
        self.open = false;
        // What is left of the mark harms nobody, and the next run removes it.
        let _ = self.remote.store.remove(std::slice::from_ref(&self.mark_path));
        Ok(self.remote.root.join(self.directory.as_str()))
    }

    /// Holds what the store lists against what was written: whoever swept meanwhile has taken something away.
    fn check(&self, manifest: &Manifest) -> Result<(), StoreError> {
        let listed = self.remote.store.list()?;
        let listed: HashMap<&str, u64> =
            listed.iter().filter_map(|entry| Some((entry.path.below(&self.draft)?, entry.bytes))).collect();
        let is_there = |object: &&ObjectReceipt| {
            object.path.to_str().and_then(|path| listed.get(path)) == Some(&object.size)
        };
        match manifest.objects.iter().chain(&manifest.beside).find(|object| !is_there(object)) {
            None => Ok(()),
            Some(object) => {
                let path = object.path.display().to_string();
                let error = self.remote.error("commit", &path, &"it is no longer there as it was written");
                Err(StoreError { kind: StoreErrorKind::Damaged, ..error })
            }
        }
    }

    fn put_meta(&self, meta: &BackupMeta) -> Result<(), StoreError> {
        let path = self.draft.join(BACKUP_META_NAME);
        let path = path.map_err(|error| self.remote.error("write", BACKUP_META_NAME, &error))?;
        locked(&self.written).push(path.clone());
        self.remote.store.put(&path, meta.render().as_bytes())
    }
}

impl Drop for RemoteDraft {
    fn drop(&mut self) {
        if self.open {
            let mut paths = std::mem::take(&mut *locked(&self.written));
            // The mark goes last: while it is there, somebody knows that there is more to remove.
            paths.push(self.mark_path.clone());
            let _ = self.remote.store.remove(&paths);
        }
    }
}

//! How a directory comes to exist and ceases to: by its name alone.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType, FlockOperation};

use super::LocalStore;
use super::tree::{self, Place};
use super::upload::{LocalUpload, temporary_name};
use crate::store::{Removal, StoreError, StoreErrorKind, StorePath};

/// What a draft has behind the name of its directory.
const DRAFT: &str = ".partial";

impl LocalStore {
    pub(super) fn draft_of(directory: &StorePath) -> StorePath {
        // A path that is too long for it is too long for anything in it.
        directory.with_suffix(DRAFT).unwrap_or_else(|_| directory.clone())
    }

    pub(super) fn publish_draft(
        &self,
        directory: &StorePath,
        seal: &StorePath,
        content: &[u8],
    ) -> Result<(), StoreError> {
        let whose = self.whose("publish", Some(directory));
        let draft = Self::draft_of(directory);
        let missing = || {
            whose.trouble(
                StoreErrorKind::Missing,
                format!("there is no {:?} with what shall be in it", draft.as_str()),
            )
        };
        let taken = || whose.trouble(StoreErrorKind::Exists, "it is there already".into());
        let place =
            tree::find(self.root()?, directory).map_err(|error| whose.error(error))?.ok_or_else(missing)?;
        let lock = lock_draft(&place, draft.name()).map_err(|error| whose.error(error))?;
        if place.stat().map_err(|error| whose.error(error))?.is_some() {
            return Err(taken());
        }
        let lock = lock.ok_or_else(missing)?;
        let opened = lock.try_clone().map_err(|error| whose.error(error))?;
        // Not by its path: nobody else's draft may be sealed.
        let sealed = StorePath::parse(seal.name()).map_err(|error| whose.error(io::Error::other(error)))?;
        let mut upload = LocalUpload::create(whose.clone(), OwnedFd::from(opened), &sealed)?;
        io::Write::write_all(&mut upload, content)
            .map_err(|error| StoreError::from_io(error, &self.address, "publish"))?;
        upload.replace()?;
        let renamed = tree::rename_new((&place.directory, draft.name()), (&place.directory, &place.name));
        if let Err(error) = renamed {
            let _ = rustix::fs::unlinkat(&lock, seal.name(), AtFlags::empty());
            return Err(if error.kind() == io::ErrorKind::AlreadyExists {
                taken()
            } else {
                whose.error(error)
            });
        }
        place.sync().map_err(|error| whose.error(error))
    }

    pub(super) fn withdraw_to_draft(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        let whose = self.whose("withdraw", Some(directory));
        let Some(place) = tree::find(self.root()?, directory).map_err(|error| whose.error(error))? else {
            return Ok(Removal::Missing);
        };
        match take_back(&place, Self::draft_of(directory).name(), seal) {
            Ok(true) => Ok(Removal::Removed),
            Ok(false) => Ok(Removal::Missing),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Ok(Removal::Deferred(error.to_string()))
            }
            Err(error) => Err(whose.error(error)),
        }
    }
}

/// Opens the draft so that nobody else publishes it as long as this is open; none if there is no draft (any more).
/// Where the file system has no locks, the run's own lock has to do (docs/INVARIANTS.md).
fn lock_draft(place: &Place, draft: &str) -> io::Result<Option<File>> {
    loop {
        let Some(opened) = tree::open_directory(&place.directory, draft)? else { return Ok(None) };
        let _ = rustix::fs::flock(&opened, FlockOperation::LockExclusive);
        let (own, there) = (rustix::fs::fstat(&opened)?, tree::stat(&place.directory, draft)?);
        match there {
            Some(there) if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino) => {
                return Ok(Some(File::from(opened)));
            }
            // Published while we waited. There may be another by now.
            _ => (),
        }
    }
}

/// Gives a directory the name of its draft and removes the seal; whether there was one.
fn take_back(place: &Place, draft: &str, seal: &str) -> io::Result<bool> {
    if !place.stat()?.is_some_and(|stat| tree::kind(&stat) == FileType::Directory) {
        return Ok(false);
    }
    let Some(directory) = tree::open_directory(&place.directory, &place.name)? else { return Ok(false) };
    let parent = &place.directory;
    let back = || tree::rename_new((parent, &place.name), (parent, draft));
    match back() {
        // A dead run left a draft: it goes with what is withdrawn.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tree::rename_new((parent, draft), (&directory, &temporary_name(draft)?))?;
            back()?;
        }
        other => other?,
    }
    place.sync()?;
    match rustix::fs::unlinkat(&directory, seal, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => (),
        Err(errno) => return Err(errno.into()),
    }
    tree::sync(&directory)?;
    Ok(true)
}

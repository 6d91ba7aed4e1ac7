//! A file in the making, under a name of its own beside the one it will have.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::AtFlags;

use super::Whose;
use super::tree::{self, Place};
use crate::flush::{FLUSH_BYTES, Flusher};
use crate::store::{StoreError, StoreErrorKind, StorePath, Upload};

/// The longest name that file systems know.
const NAME_BYTES: usize = 255;

/// A file that nobody takes for an object yet.
pub(super) struct LocalUpload {
    whose: Whose,
    root: OwnedFd,
    path: StorePath,
    place: Place,
    /// None once it has another.
    temporary: Option<String>,
    file: File,
    bytes: u64,
    flusher: Flusher,
}

impl LocalUpload {
    /// Creates the file, and the directories it needs.
    pub(super) fn create(whose: Whose, root: OwnedFd, path: &StorePath) -> Result<Self, StoreError> {
        let created = create_beside(&root, path).map_err(|error| whose.error(error))?;
        let (place, temporary, file) = created;
        Ok(LocalUpload {
            whose,
            root,
            path: path.clone(),
            place,
            temporary: Some(temporary),
            file,
            bytes: 0,
            flusher: Flusher::default(),
        })
    }

    /// Makes it an object, in place of one that may be there.
    pub(super) fn replace(self) -> Result<u64, StoreError> {
        self.name_by(|place, temporary| {
            let directory = &place.directory;
            Ok(rustix::fs::renameat(directory, temporary, directory, place.name.as_str())?)
        })
    }

    /// Makes it an object, if there is none.
    pub(super) fn take_new_name(self) -> Result<u64, StoreError> {
        self.name_by(|place, temporary| {
            tree::rename_new((&place.directory, temporary), (&place.directory, &place.name))
        })
    }

    fn name_by(mut self, rename: impl FnOnce(&Place, &str) -> io::Result<()>) -> Result<u64, StoreError> {
        let bytes = self.settle().map_err(|error| self.whose.error(error))?;
        if bytes != self.bytes {
            let reason = format!("{} bytes were written, but the file has {bytes}", self.bytes);
            return Err(self.whose.trouble(StoreErrorKind::Damaged, reason));
        }
        if let Some(temporary) = &self.temporary {
            rename(&self.place, temporary).map_err(|error| self.whose.error(error))?;
        }
        self.temporary = None;
        self.place.sync().map_err(|error| self.whose.error(error))?;
        Ok(bytes)
    }

    /// Puts all of it on the disk; gives its length there.
    fn settle(&mut self) -> io::Result<u64> {
        self.flusher.finish()?;
        self.file.sync_all()?;
        Ok(self.file.metadata()?.len())
    }
}

impl Write for LocalUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self.file.write(bytes) {
            // The caller's loop knows what to do with it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            other => other.map_err(|error| self.whose.error(error))?,
        };
        let flushes = self.bytes / FLUSH_BYTES;
        self.bytes += written as u64;
        if self.bytes / FLUSH_BYTES > flushes {
            self.flusher.poke(&self.file);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for LocalUpload {
    fn finish(self: Box<Self>) -> Result<u64, StoreError> {
        self.replace()
    }
}

impl Drop for LocalUpload {
    fn drop(&mut self) {
        if let Some(temporary) = self.temporary.take() {
            // It means nothing to anybody; what stays is listed and goes with the next prune.
            let _ = rustix::fs::unlinkat(&self.place.directory, temporary, AtFlags::empty());
            let _ = tree::tidy(&self.root, BTreeSet::from([self.path.parent()]));
        }
    }
}

fn create_beside(root: &OwnedFd, path: &StorePath) -> io::Result<(Place, String, File)> {
    let mut left = tree::MAKINGS;
    loop {
        let place = tree::make(root, path)?;
        let temporary = temporary_name(path.name())?;
        match tree::create_file(&place.directory, &temporary) {
            // Somebody removed the directory, which was empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound && left > 0 => left -= 1,
            other => return Ok((place, temporary, other?)),
        }
    }
}

/// A name that nobody else chooses, and by which a leftover is recognised: `.NAME.RANDOM.upload`.
pub(super) fn temporary_name(name: &str) -> io::Result<String> {
    let mut random = [0; 8];
    rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
    let suffix = format!(".{:016x}.upload", u64::from_ne_bytes(random));
    let mut length = name.len().min(NAME_BYTES - 1 - suffix.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    Ok(format!(".{}{suffix}", &name[..length]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_name_is_never_too_long_and_never_the_same() {
        let long = "ü".repeat(127);
        let (one, two) = (temporary_name(&long).unwrap(), temporary_name(&long).unwrap());
        assert!(one.len() <= NAME_BYTES && one.starts_with(".üü") && one.ends_with(".upload"), "{one}");
        assert_ne!(one, two);
        assert!(temporary_name("a b").unwrap().starts_with(".a b."));
    }
}

//! Where backups are kept when that is not a directory of this machine: one interface over every such place.
//!
//! A store holds objects, which are files, under paths below one root. What belongs together stands in one
//! directory, is put into the directory's *draft*, and comes to exist all at once when the directory is
//! *published* with its seal (docs/INVARIANTS.md). Until then nobody takes it for a backup.
//!
//! Everything an implementation returns as done is durable and was confirmed by the other side.

pub mod local;
pub mod ssh;
pub mod wrap;

mod address;
mod error;
pub mod object;
mod path;

use std::fmt::Debug;
use std::io::{Read, Write};

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use crate::sink::Digest;

pub use address::{AddressError, StoreAddress};
pub use error::{StoreError, StoreErrorKind};
pub use path::{StorePath, StorePathError};

/// An object, as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it stands, below the root of the store.
    pub path: StorePath,
    /// Its length in bytes.
    pub bytes: u64,
    /// When it was written, by the clock of the store.
    pub modified: Option<DateTime<Utc>>,
    /// Changes whenever the content changes: an entity tag, or time and size.
    pub version: String,
}

/// What is known of an object before it is written.
#[derive(Clone, Copy, Debug, Default)]
pub struct About {
    /// How many bytes it will have at most, as far as anybody can tell; a guess may be wrong either way.
    pub expected_bytes: Option<u64>,
    /// The digest of its content, where it is known beforehand, so that [`Store::digest`] can tell it later.
    pub digest: Option<Digest>,
}

/// A digest a store can give of an object without sending it here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectDigest {
    /// BLAKE3, as in a manifest.
    Blake3(Digest),
    /// SHA-256.
    Sha256([u8; 32]),
}

/// The SHA-256 of what is read, for stores that cannot tell another digest.
///
/// # Errors
/// What reading fails with.
pub fn sha256(mut input: impl Read) -> std::io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut block = vec![0; 256 * 1024];
    loop {
        match input.read(&mut block) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(got) => hasher.update(block.get(..got).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
}

/// What became of an object that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone.
    Removed,
    /// It was not there.
    Missing,
    /// The store keeps it for now, by a lock or for want of a right: it says why. Not a failure.
    Deferred(String),
}

/// An object in the making. Dropped before [`Upload::finish`], it never comes to exist. What stays of one whose process
/// dies either has a [`Upload::token`], or is listed under a name of its own, such as `.NAME.RANDOM.upload` beside its
/// place, for [`Store::remove`].
pub trait Upload: Write + Send {
    /// By what [`Store::abort`] finds what is left of it when this process dies, for stores that need that.
    fn token(&self) -> Option<String> {
        None
    }

    /// Makes the object exist and durable; gives its length in bytes as the store confirmed it.
    ///
    /// # Errors
    /// [`StoreError`]; the object does not exist then.
    fn finish(self: Box<Self>) -> Result<u64, StoreError>;
}

/// A place for objects. Calls may come from several threads.
pub trait Store: Debug + Send + Sync {
    /// Its address as a user would write it, without secrets, for messages; it also tells one store from another.
    fn address(&self) -> &str;

    /// Every object, sorted by path.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreErrorKind::Missing`] where the root should be and is not, for stores that can tell.
    fn list(&self) -> Result<Vec<Entry>, StoreError>;

    /// The names of what stands directly below the root and holds something, sorted. Does not look further.
    ///
    /// # Errors
    /// [`StoreError`].
    fn prefixes(&self) -> Result<Vec<String>, StoreError>;

    /// Reads an object from the byte `from` on to its end: nothing if that is its length, while beyond it is an error,
    /// here or at the first byte. Reading fails with a [`StoreError`] inside of the
    /// [`std::io::Error`]; an end that comes too early is such a failure.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreErrorKind::Missing`].
    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError>;

    /// Reads small objects; `None` for what is not there.
    ///
    /// # Errors
    /// [`StoreError`], also for one that has more than `limit` bytes.
    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Begins to write an object, in place of one that may be there.
    ///
    /// # Errors
    /// [`StoreError`].
    fn create(&self, path: &StorePath, about: About) -> Result<Box<dyn Upload>, StoreError>;

    /// Writes a small object at once, in place of one that may be there: readers see the one or the other, whole.
    ///
    /// # Errors
    /// [`StoreError`].
    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError>;

    /// Writes a small object if there is none: of several that try, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreErrorKind::Exists`].
    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError>;

    /// The directory into which what shall stand in `directory` is put first; in stores that cannot rename, that is
    /// `directory` itself, and what has no seal in it is no backup yet.
    fn draft(&self, directory: &StorePath) -> StorePath;

    /// Makes `directory` exist with all that is in its draft, and with the object `seal` in it. That is the moment
    /// from which it counts: of several that publish the same directory, one succeeds.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreErrorKind::Exists`] when it is there already.
    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError>;

    /// The reverse of [`Store::publish`]: from now on `directory` does not count. What was in it stands in its draft,
    /// for [`Store::remove`].
    ///
    /// # Errors
    /// [`StoreError`].
    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError>;

    /// Removes objects, and directories that hold nothing more; tells of each what became of it, in the same order.
    ///
    /// # Errors
    /// [`StoreError`]; some may be gone by then.
    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError>;

    /// Removes what is left of an [`Upload`] whose process died. One of which nothing is left is no error.
    ///
    /// # Errors
    /// [`StoreError`].
    fn abort(&self, path: &StorePath, token: &str) -> Result<(), StoreError> {
        let _ = (path, token);
        Ok(())
    }

    /// The digest of an object, if the store can tell it without sending it; `None` if not, or if there is no such
    /// object.
    ///
    /// # Errors
    /// [`StoreError`].
    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError>;

    /// Runs a program at the other end, in the root of the store, and gives what it printed. No shell sees its words.
    ///
    /// # Errors
    /// [`StoreError`], also when it ends with another exit code than 0; [`StoreErrorKind::Unsupported`] for a store
    /// that is no host.
    fn run(&self, words: &[&str]) -> Result<String, StoreError> {
        let _ = words;
        Err(StoreError {
            kind: StoreErrorKind::Unsupported,
            store: self.address().to_owned(),
            action: "run a program",
            path: None,
            reason: "only a host behind ssh can".to_owned(),
        })
    }
}

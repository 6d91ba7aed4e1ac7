//! A store on a directory of this machine: a disk that is plugged in, or a mount.
//!
//! Objects are files with mode 0600 in directories with mode 0700. One in the making stands beside its place as
//! `.NAME.RANDOM.upload`. The draft of a directory stands beside it with `.partial` behind its name, and is published
//! by a rename. Links below the root are never followed: what they lead to is not there, and nothing is written
//! through them. Files whose names are not UTF-8, and `lost+found`, are left alone.

mod publish;
mod tree;
mod upload;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::DateTime;
use rustix::fs::{AtFlags, FileType, Stat};
use rustix::io::Errno;

use super::{About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload};
use tree::Place;
use upload::LocalUpload;

/// A store on a directory.
pub struct LocalStore {
    root: PathBuf,
    address: Arc<str>,
}

impl fmt::Debug for LocalStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LocalStore").field(&self.root).finish()
    }
}

/// Who speaks of what, for errors.
#[derive(Clone)]
struct Whose {
    store: Arc<str>,
    action: &'static str,
    path: Option<StorePath>,
}

impl Whose {
    fn error(&self, error: io::Error) -> StoreError {
        let mut error = StoreError::from_io(error, &self.store, self.action);
        error.path = error.path.or_else(|| self.path.as_ref().map(|path| path.as_str().to_owned()));
        error
    }

    fn trouble(&self, kind: StoreErrorKind, reason: String) -> StoreError {
        let path = self.path.as_ref().map(|path| path.as_str().to_owned());
        StoreError { kind, store: self.store.to_string(), action: self.action, path, reason }
    }
}

impl LocalStore {
    /// The store on the directory `root`, which has to be there; it may be reached by a link.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreErrorKind::Missing`] if there is no such directory.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let absolute = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let address = format!("file://{}", absolute.display()).into();
        let store = LocalStore { root: absolute, address };
        store.root()?;
        Ok(store)
    }

    fn whose(&self, action: &'static str, path: Option<&StorePath>) -> Whose {
        Whose { store: self.address.clone(), action, path: path.cloned() }
    }

    fn root(&self) -> Result<OwnedFd, StoreError> {
        let whose = self.whose("open", None);
        tree::open_root(&self.root).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let reason = "there is no such directory; is its disk mounted?";
                whose.trouble(StoreErrorKind::Missing, reason.into())
            }
            _ => whose.error(error),
        })
    }

    /// Opens an object, if there is one.
    fn object(&self, whose: &Whose, path: &StorePath) -> Result<Option<File>, StoreError> {
        let place = tree::find(self.root()?, path).map_err(|error| whose.error(error))?;
        place.map_or(Ok(None), |place| tree::open_file(&place)).map_err(|error| whose.error(error))
    }

    fn small(&self, path: &StorePath, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let whose = self.whose("read", Some(path));
        let Some(file) = self.object(&whose, path)? else { return Ok(None) };
        let mut content = Vec::new();
        file.take(limit.saturating_add(1)).read_to_end(&mut content).map_err(|error| whose.error(error))?;
        if content.len() as u64 > limit {
            return Err(whose.trouble(StoreErrorKind::Damaged, format!("it has more than {limit} bytes")));
        }
        Ok(Some(content))
    }

    fn written(&self, path: &StorePath, content: &[u8]) -> Result<LocalUpload, StoreError> {
        let whose = self.whose("write", Some(path));
        let mut upload = LocalUpload::create(whose.clone(), self.root()?, path)?;
        upload.write_all(content).map_err(|error| whose.error(error))?;
        Ok(upload)
    }

    /// Puts what stands in a directory, and below it, into `entries`.
    fn collect(&self, at: &OwnedFd, above: &str, entries: &mut Vec<Entry>) -> Result<(), StoreError> {
        let error = |error| {
            let path = StorePath::parse(above.trim_end_matches('/')).ok();
            self.whose("list", path.as_ref()).error(error)
        };
        for name in tree::names(at).map_err(error)? {
            let path = format!("{above}{name}");
            // What vanished meanwhile is not there; what has too long a path is none of ours.
            let Some(stat) = tree::stat(at, &name).map_err(error)? else { continue };
            let Ok(path) = StorePath::parse(&path) else { continue };
            match tree::kind(&stat) {
                FileType::RegularFile => entries.push(entry(path, &stat)),
                FileType::Directory => {
                    let opened = tree::open_directory(at, &name);
                    let whose = self.whose("list", Some(&path));
                    if let Some(directory) = opened.map_err(|error| whose.error(error))? {
                        self.collect(&directory, &format!("{path}/"), entries)?;
                    }
                }
                _ => (),
            }
        }
        Ok(())
    }
}

fn entry(path: StorePath, stat: &Stat) -> Entry {
    let (seconds, nanoseconds) = (stat.st_mtime, u32::try_from(stat.st_mtime_nsec).unwrap_or_default());
    let version = format!("{:x}-{seconds:x}.{nanoseconds:x}-{:x}", stat.st_ino, stat.st_size);
    let bytes = u64::try_from(stat.st_size).unwrap_or_default();
    Entry { path, bytes, modified: DateTime::from_timestamp(seconds, nanoseconds), version }
}

/// Removes a file.
fn unlink(place: &Place) -> io::Result<Removal> {
    match place.stat()? {
        Some(stat) if tree::kind(&stat) == FileType::RegularFile => (),
        _ => return Ok(Removal::Missing),
    }
    match rustix::fs::unlinkat(&place.directory, place.name.as_str(), AtFlags::empty()) {
        Ok(()) => Ok(Removal::Removed),
        Err(Errno::NOENT) => Ok(Removal::Missing),
        Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
            Ok(Removal::Deferred(io::Error::from(errno).to_string()))
        }
        Err(errno) => Err(errno.into()),
    }
}

impl Store for LocalStore {
    fn address(&self) -> &str {
        &self.address
    }

    fn list(&self) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        self.collect(&self.root()?, "", &mut entries)?;
        // `a.b` stands before `a/c`, which the walk met first.
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn prefixes(&self) -> Result<Vec<String>, StoreError> {
        let (whose, root) = (self.whose("list", None), self.root()?);
        let holds_something = |name: &String| -> io::Result<bool> {
            let directory = tree::open_directory(&root, name)?;
            directory.map_or(Ok(false), |directory| Ok(!tree::names(&directory)?.is_empty()))
        };
        let mut prefixes = Vec::new();
        for name in tree::names(&root).map_err(|error| whose.error(error))? {
            if holds_something(&name).map_err(|error| whose.error(error))? {
                prefixes.push(name);
            }
        }
        Ok(prefixes)
    }

    fn read(&self, path: &StorePath, from: u64) -> Result<Box<dyn Read + Send>, StoreError> {
        let whose = self.whose("read", Some(path));
        let missing = || whose.trouble(StoreErrorKind::Missing, "there is no such object".into());
        let mut file = self.object(&whose, path)?.ok_or_else(missing)?;
        let bytes = file.metadata().map_err(|error| whose.error(error))?.len();
        let Some(left) = bytes.checked_sub(from) else {
            let reason = format!("it has {bytes} bytes, and shall be read from {from} on");
            return Err(whose.trouble(StoreErrorKind::Damaged, reason));
        };
        file.seek(SeekFrom::Start(from)).map_err(|error| whose.error(error))?;
        Ok(Box::new(LocalReader { file, left, whose }))
    }

    fn read_small(&self, paths: &[StorePath], limit: u64) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        paths.iter().map(|path| self.small(path, limit)).collect()
    }

    fn create(&self, path: &StorePath, _about: About) -> Result<Box<dyn Upload>, StoreError> {
        Ok(Box::new(LocalUpload::create(self.whose("write", Some(path)), self.root()?, path)?))
    }

    fn put(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.written(path, content)?.replace().map(|_| ())
    }

    fn put_new(&self, path: &StorePath, content: &[u8]) -> Result<(), StoreError> {
        self.written(path, content)?.take_new_name().map(|_| ())
    }

    fn draft(&self, directory: &StorePath) -> StorePath {
        Self::draft_of(directory)
    }

    fn publish(&self, directory: &StorePath, seal: &str, content: &[u8]) -> Result<(), StoreError> {
        self.publish_draft(directory, &self.seal_path(directory, seal)?, content)
    }

    fn withdraw(&self, directory: &StorePath, seal: &str) -> Result<Removal, StoreError> {
        let seal = self.seal_path(directory, seal)?;
        self.withdraw_to_draft(directory, seal.name())
    }

    fn remove(&self, paths: &[StorePath]) -> Result<Vec<Removal>, StoreError> {
        let root = self.root()?;
        let mut touched = BTreeSet::new();
        let mut remove = |path: &StorePath| -> io::Result<Removal> {
            let Some(place) = tree::find(root.try_clone()?, path)? else { return Ok(Removal::Missing) };
            let removal = unlink(&place)?;
            touched.insert(path.parent());
            Ok(removal)
        };
        let removals: Result<Vec<Removal>, StoreError> = paths
            .iter()
            .map(|path| remove(path).map_err(|error| self.whose("remove", Some(path)).error(error)))
            .collect();
        // Also after an error: what is gone shall stay gone.
        tree::tidy(&root, touched).map_err(|error| self.whose("remove", None).error(error))?;
        removals
    }

    fn digest(&self, path: &StorePath) -> Result<Option<ObjectDigest>, StoreError> {
        let whose = self.whose("read", Some(path));
        let Some(mut file) = self.object(&whose, path)? else { return Ok(None) };
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut file, &mut hasher).map_err(|error| whose.error(error))?;
        Ok(Some(ObjectDigest::Blake3(hasher.finalize().into())))
    }
}

impl LocalStore {
    /// The path of a seal, which is one name.
    fn seal_path(&self, directory: &StorePath, seal: &str) -> Result<StorePath, StoreError> {
        let whose = self.whose("publish", Some(directory));
        let path = directory.join(seal).map_err(|error| whose.error(io::Error::other(error)))?;
        if seal.contains('/') {
            let reason = format!("{seal:?} is no name for a seal: it stands directly in its directory");
            return Err(whose.trouble(StoreErrorKind::Unsupported, reason));
        }
        Ok(path)
    }
}

/// A file that is read to the end it had at the beginning.
struct LocalReader {
    file: File,
    left: u64,
    whose: Whose,
}

impl Read for LocalReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = match self.file.read(buffer) {
            // The caller's loop knows what to do with it.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            other => other.map_err(|error| self.whose.error(error))?,
        };
        if got == 0 && !buffer.is_empty() && self.left > 0 {
            let reason = format!("it ended {} bytes before its end", self.left);
            return Err(self.whose.trouble(StoreErrorKind::Damaged, reason).into());
        }
        self.left = self.left.saturating_sub(got as u64);
        Ok(got)
    }
}

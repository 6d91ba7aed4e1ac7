//! A directory that is looked into: one of this machine, held open so that the system need not find the way to it
//! again for each of thousands of files, or one of a store elsewhere, as its listing has it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;
use xb_pipeline::fs::FsError;
use xb_pipeline::store::StorePath;

use crate::listing::Listing;
use crate::name::Named;
use crate::read::META_LIMIT;

/// Names that fit in here are got with one call: those of about 800 backups.
const NAMES_BYTES: usize = 32 * 1024;

/// A directory.
pub(crate) struct Directory {
    at: At,
    path: PathBuf,
}

enum At {
    Disk(OwnedFd),
    Listed(Arc<Listing>, Option<StorePath>),
}

/// Where directories are looked for.
#[derive(Clone)]
pub(crate) enum View {
    /// On this machine.
    Disk,
    /// In a store elsewhere.
    Listed(Arc<Listing>),
}

impl View {
    /// Opens a directory; nothing when it is not there, or is a file: a stray of whoever listed the directory above.
    pub(crate) fn open(&self, path: &Path) -> Result<Option<Directory>, FsError> {
        let at = match self {
            View::Disk => return Directory::open(path),
            View::Listed(listing) => match listing.directory(path) {
                Some(prefix) => At::Listed(listing.clone(), prefix),
                None => return Ok(None),
            },
        };
        Ok(Some(Directory { at, path: path.to_owned() }))
    }

    /// What is in a directory; nothing when it is not there.
    pub(crate) fn entries(&self, path: &Path) -> Result<Entries, FsError> {
        self.open(path)?.map_or_else(|| Ok(Entries::default()), |directory| directory.entries())
    }

    /// A file that is small by its nature, whole; nothing when there is none.
    pub(crate) fn small(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self {
            View::Disk => read_small(path),
            View::Listed(listing) => Ok(listing.content(path).map(<[u8]>::to_vec)),
        }
    }

    /// Whether there may be such a file: where nobody can tell there is.
    pub(crate) fn may_have(&self, path: &Path) -> bool {
        let is_absent = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        match self {
            View::Disk => !path.symlink_metadata().is_err_and(|error| is_absent(&error)),
            View::Listed(listing) => listing.length(path).is_some(),
        }
    }
}

fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.len() > u64::from(META_LIMIT) => Err(io::Error::other("it is too large")),
        // A pipe would be waited for.
        Ok(meta) if !meta.is_file() => Err(io::Error::other("it is not a file")),
        Ok(_) => std::fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What is in a directory, sorted.
#[derive(Default)]
pub(crate) struct Entries {
    /// Those whose names say that they are ours.
    pub(crate) ours: Vec<Named>,
    /// The names of the others.
    pub(crate) others: Vec<OsString>,
}

impl Entries {
    fn add(&mut self, name: &[u8]) {
        match Named::of(name) {
            Named::Other if matches!(name, b"." | b"..") => (),
            Named::Other => self.others.push(OsStr::from_bytes(name).to_owned()),
            named => self.ours.push(named),
        }
    }

    fn sort(&mut self) {
        self.ours.sort();
        self.others.sort();
    }
}

impl Directory {
    fn open(path: &Path) -> Result<Option<Self>, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Directory { at: At::Disk(fd), path: path.to_owned() })),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(FsError::on("read directory", path)(errno.into())),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it. May be asked once: the place in the directory is the descriptor's.
    pub(crate) fn entries(&self) -> Result<Entries, FsError> {
        let mut entries = Entries::default();
        let fd = match &self.at {
            At::Disk(fd) => fd,
            At::Listed(listing, prefix) => {
                listing.names(prefix.as_ref()).for_each(|name| entries.add(name.as_bytes()));
                entries.sort();
                return Ok(entries);
            }
        };
        let mut names = Vec::with_capacity(NAMES_BYTES);
        let mut reader = RawDir::new(fd, names.spare_capacity_mut());
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(|errno| FsError::on("read directory", &self.path)(errno.into()))?;
            entries.add(entry.file_name().to_bytes());
        }
        entries.sort();
        Ok(entries)
    }

    /// Where more of the same is looked for.
    pub(crate) fn view(&self) -> View {
        match &self.at {
            At::Disk(_) => View::Disk,
            At::Listed(listing, _) => View::Listed(listing.clone()),
        }
    }

    /// Whether a backup `name` in it is one that is still being made: where nothing can be renamed, it is made under
    /// its own name.
    pub(crate) fn is_draft(&self, name: &str) -> bool {
        match &self.at {
            At::Disk(_) => false,
            At::Listed(listing, _) => listing.is_draft(&self.path.join(name)),
        }
    }

    /// Reads the file at a path relative to the directory into `buffer`, which grows up to `limit` bytes, and
    /// tells its length; nothing when there is no such file.
    pub(crate) fn read(&self, path: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
        let fd = match &self.at {
            At::Disk(fd) => fd,
            At::Listed(listing, _) => {
                let path = self.path.join(path);
                let Some(content) = listing.content(&path) else {
                    return match listing.length(&path) {
                        Some(_) => Err(io::Error::other("it went while the store was looked at")),
                        None => Ok(None),
                    };
                };
                content.clone_into(buffer);
                return Ok(Some(content.len()));
            }
        };
        // A named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(fd, path, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut length = 0;
        loop {
            if length == buffer.len() {
                if length >= limit {
                    return Err(io::Error::other("it is too large"));
                }
                buffer.resize((length * 2).max(NAMES_BYTES), 0);
            }
            let got = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut buffer[length..]))?;
            length += got;
            // Less than asked for is the end of a file on a disk. Where it is not, the text has no end either,
            // and the reader of the text asks again in another way.
            if got == 0 || length < buffer.len() {
                return Ok(Some(length));
            }
        }
    }

    /// The length of the file at a path relative to the directory.
    pub(crate) fn length(&self, path: &str) -> io::Result<u64> {
        match &self.at {
            At::Disk(fd) => Ok(u64::try_from(statat(fd, path, AtFlags::empty())?.st_size).unwrap_or(0)),
            At::Listed(listing, _) => {
                listing.length(&self.path.join(path)).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
        }
    }
}

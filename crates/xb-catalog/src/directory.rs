//! A directory that is held open while what is in it is looked at: the system then need not find the way to
//! it again for each of thousands of files.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, RawDir, openat, statat};
use rustix::io::Errno;
use xb_pipeline::fs::FsError;

use crate::name::Named;

/// Names that fit in here are got with one call: those of about 800 backups.
const NAMES_BYTES: usize = 32 * 1024;

/// A directory.
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

/// What is in a directory, sorted.
#[derive(Default)]
pub(crate) struct Entries {
    /// Those whose names say that they are ours.
    pub(crate) ours: Vec<Named>,
    /// The names of the others.
    pub(crate) others: Vec<OsString>,
}

impl Directory {
    /// Opens it; nothing when it is not there, or is a file: a stray of whoever listed the directory above.
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, FsError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match openat(CWD, path, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Directory { fd, path: path.to_owned() })),
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
        let mut names = Vec::with_capacity(NAMES_BYTES);
        let mut reader = RawDir::new(&self.fd, names.spare_capacity_mut());
        while let Some(entry) = reader.next() {
            let entry = entry.map_err(|errno| FsError::on("read directory", &self.path)(errno.into()))?;
            let name = entry.file_name().to_bytes();
            match Named::of(name) {
                Named::Other if matches!(name, b"." | b"..") => (),
                Named::Other => entries.others.push(OsStr::from_bytes(name).to_owned()),
                named => entries.ours.push(named),
            }
        }
        entries.ours.sort();
        entries.others.sort();
        Ok(entries)
    }

    /// Reads the file at a path relative to the directory into `buffer`, which grows up to `limit` bytes, and
    /// tells its length; nothing when there is no such file.
    pub(crate) fn read(&self, path: &str, buffer: &mut Vec<u8>, limit: usize) -> io::Result<Option<usize>> {
        // A named pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match openat(&self.fd, path, flags, Mode::empty()) {
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
        let stat = statat(&self.fd, path, AtFlags::empty())?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }
}

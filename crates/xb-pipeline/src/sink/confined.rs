//! A directory that nothing written through it can lead out of, whatever stands in it already.
//!
//! Paths are walked component by component from a descriptor of the directory, and no component may be a
//! symbolic link; files are always created anew.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use xb_formats::path::StreamPath;

use crate::fs::FsError;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
const PRIVATE_DIRECTORY: Mode = Mode::RWXU;

/// The directory.
pub(crate) struct Confined {
    root: OwnedFd,
    path: PathBuf,
    /// The directory that was used last: files come directory by directory.
    last: Option<(Vec<u8>, OwnedFd)>,
}

impl Confined {
    /// Opens a directory that is there; it may be reached by a link itself.
    pub(crate) fn open(path: &Path) -> Result<Self, FsError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(on("open", path))?;
        Ok(Confined { root, path: path.to_owned(), last: None })
    }

    /// The directory itself, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The full path of what is inside, for messages and for reading it back.
    pub(crate) fn full(&self, path: &StreamPath) -> PathBuf {
        self.path.join(path.as_path())
    }

    /// Creates a file that only its owner can read, and the directories it needs.
    pub(crate) fn create(&mut self, path: &StreamPath) -> Result<File, FsError> {
        let full = self.full(path);
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (parent, name) = self.parent(path)?;
        let file = rustix::fs::openat(parent, name, flags, PRIVATE_FILE).map_err(on("create", &full))?;
        Ok(File::from(file))
    }

    /// Makes a directory, unless it is there.
    pub(crate) fn make_directory(&mut self, path: &StreamPath) -> Result<(), FsError> {
        self.walk(path.as_bytes()).map(|_| ())
    }

    /// Removes a file.
    pub(crate) fn remove(&mut self, path: &StreamPath) -> Result<(), FsError> {
        let full = self.full(path);
        let (parent, name) = self.parent(path)?;
        rustix::fs::unlinkat(parent, name, AtFlags::empty()).map_err(on("remove", &full))
    }

    /// Gives a file another name, which must be free.
    pub(crate) fn rename(&mut self, from: &StreamPath, to: &StreamPath) -> Result<(), FsError> {
        let full = self.full(to);
        let (parent, name) = self.parent(from)?;
        let (parent, name) = (parent.try_clone_to_owned().map_err(FsError::on("open", &full))?, name);
        let (new_parent, new_name) = self.parent(to)?;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&parent, name, new_parent, new_name, flags) {
            // Some file systems of the network do not know the flag.
            Err(Errno::INVAL | Errno::NOSYS) => {
                if rustix::fs::statat(new_parent, new_name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                    return Err(on("rename onto", &full)(Errno::EXIST));
                }
                rustix::fs::renameat(&parent, name, new_parent, new_name)
            }
            other => other,
        }
        .map_err(on("rename onto", &full))
    }

    /// The directory of a path, made if it was not there, and the last component.
    fn parent<'p>(
        &mut self,
        path: &'p StreamPath,
    ) -> Result<(std::os::fd::BorrowedFd<'_>, &'p [u8]), FsError> {
        let name = path.file_name();
        let directory = path.as_bytes().strip_suffix(name).unwrap_or_default();
        let directory = directory.strip_suffix(b"/").unwrap_or_default();
        Ok((self.walk(directory)?, name))
    }

    /// Opens a directory inside, making what is missing.
    fn walk(&mut self, directory: &[u8]) -> Result<std::os::fd::BorrowedFd<'_>, FsError> {
        if directory.is_empty() {
            return Ok(self.root.as_fd());
        }
        if self.last.as_ref().is_none_or(|(path, _)| path != directory) {
            let opened = self.open_below(directory)?;
            self.last = Some((directory.to_owned(), opened));
        }
        Ok(self.last.as_ref().map_or(self.root.as_fd(), |(_, directory)| directory.as_fd()))
    }

    fn open_below(&self, directory: &[u8]) -> Result<OwnedFd, FsError> {
        let mut current: Option<OwnedFd> = None;
        for (index, component) in directory.split(|byte| *byte == b'/').enumerate() {
            let at = current.as_ref().map_or(self.root.as_fd(), OwnedFd::as_fd);
            let shown = || {
                let parts: Vec<&[u8]> = directory.split(|byte| *byte == b'/').take(index + 1).collect();
                self.path.join(String::from_utf8_lossy(&parts.join(&b'/')).as_ref())
            };
            match rustix::fs::mkdirat(at, component, PRIVATE_DIRECTORY) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(on("create directory", &shown())(errno)),
            }
            let next =
                rustix::fs::openat(at, component, DIRECTORY, Mode::empty()).map_err(|errno| match errno {
                    // Both can be the answer for a link that was not followed.
                    Errno::LOOP | Errno::NOTDIR => not_a_directory(&shown()),
                    errno => on("open directory", &shown())(errno),
                })?;
            current = Some(next);
        }
        current.ok_or_else(|| not_a_directory(&self.path))
    }
}

fn not_a_directory(path: &Path) -> FsError {
    let reason = "it is a link or a file where the archive has a directory; nothing is written through it";
    FsError::on("enter", path)(io::Error::other(reason))
}

fn on(action: &'static str, path: &Path) -> impl FnOnce(Errno) -> FsError {
    let on = FsError::on(action, path);
    move |errno| on(errno.into())
}

//! A directory that nothing leads out of: paths are walked name by name from a descriptor of it, and no link on the
//! way is followed.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::store::StorePath;

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const PRIVATE_FILE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How often a directory that others change meanwhile is read again.
const LOOKS: u32 = 5;
/// How often a directory is made that somebody removes at once because it is empty.
pub(super) const MAKINGS: u32 = 20;
/// What `mkfs` puts into the root of a file system, for root's eyes only.
const LOST_AND_FOUND: &str = "lost+found";

/// A name, and the directory it stands in.
pub(super) struct Place {
    pub(super) directory: OwnedFd,
    pub(super) name: String,
}

impl Place {
    /// What stands there; nothing, if that is so. A link is told as one.
    pub(super) fn stat(&self) -> io::Result<Option<Stat>> {
        stat(&self.directory, &self.name)
    }

    /// Makes what happened to names in the directory last.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync(&self.directory)
    }
}

/// Opens the root, which may be reached by a link.
pub(super) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// The place of a path; none if a directory on the way is missing, or is none.
pub(super) fn find(root: OwnedFd, path: &StorePath) -> io::Result<Option<Place>> {
    let Some(parent) = path.parent() else {
        return Ok(Some(Place { directory: root, name: path.name().into() }));
    };
    let mut directory = root;
    for name in parent.as_str().split('/') {
        match open_directory(&directory, name)? {
            Some(next) => directory = next,
            None => return Ok(None),
        }
    }
    Ok(Some(Place { directory, name: path.name().into() }))
}

/// The place of a path; what is missing on the way is made.
pub(super) fn make(root: &OwnedFd, path: &StorePath) -> io::Result<Place> {
    let mut left = MAKINGS;
    loop {
        match make_once(root, path) {
            // Somebody removed it as it was empty: between our making it and our entering it.
            Err(error) if error.kind() == io::ErrorKind::NotFound && left > 0 => left -= 1,
            other => return other,
        }
    }
}

fn make_once(root: &OwnedFd, path: &StorePath) -> io::Result<Place> {
    let mut directory = root.try_clone()?;
    for name in path.parent().iter().flat_map(|parent| parent.as_str().split('/')) {
        match rustix::fs::mkdirat(&directory, name, Mode::RWXU) {
            Ok(()) => sync(&directory)?,
            Err(Errno::EXIST) => (),
            Err(errno) => return Err(errno.into()),
        }
        directory = match rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty()) {
            // Both can be the answer for a link that was not followed.
            Err(Errno::LOOP | Errno::NOTDIR) => {
                let reason =
                    format!("{name:?} on the way to it is a link or a file; nothing is written through it");
                return Err(io::Error::other(reason));
            }
            other => other?,
        };
    }
    Ok(Place { directory, name: path.name().into() })
}

/// Opens a directory in another; none if there is no such directory, or something else has the name.
pub(super) fn open_directory(at: impl AsFd, name: &str) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::openat(at, name, DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Opens a file for reading; none if there is no such file, or something else has the name.
pub(super) fn open_file(place: &Place) -> io::Result<Option<File>> {
    // A pipe would keep us waiting for its other end.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&place.directory, place.name.as_str(), flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::LOOP | Errno::NXIO) => return Ok(None),
        other => File::from(other?),
    };
    Ok(file.metadata()?.is_file().then_some(file))
}

/// Creates a file that only its owner can read.
pub(super) fn create_file(directory: &OwnedFd, name: &str) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::openat(directory, name, flags, PRIVATE_FILE)?))
}

/// What has a name in a directory.
pub(super) fn stat(directory: &OwnedFd, name: &str) -> io::Result<Option<Stat>> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Of which kind it is.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Makes what happened to the names in a directory last.
pub(super) fn sync(directory: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::fsync(directory)?)
}

/// Gives a file or directory a name that nobody has; [`io::ErrorKind::AlreadyExists`] if somebody has it.
pub(super) fn rename_new(from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> io::Result<()> {
    match rustix::fs::renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE) {
        // Some file systems of the network do not know the flag.
        Err(Errno::INVAL | Errno::NOSYS) => rename_new_in_steps(from, to),
        other => Ok(other?),
    }
}

/// The same where one call cannot do it. All file systems know that a link never replaces; for a directory, that it
/// never replaces another one that holds something.
fn rename_new_in_steps(from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> io::Result<()> {
    let is_directory = stat(from.0, from.1)?.is_some_and(|stat| kind(&stat) == FileType::Directory);
    if !is_directory {
        rustix::fs::linkat(from.0, from.1, to.0, to.1, AtFlags::empty())?;
        return Ok(rustix::fs::unlinkat(from.0, from.1, AtFlags::empty())?);
    }
    if stat(to.0, to.1)?.is_some() {
        return Err(Errno::EXIST.into());
    }
    match rustix::fs::renameat(from.0, from.1, to.0, to.1) {
        Err(Errno::NOTEMPTY | Errno::NOTDIR) => Err(Errno::EXIST.into()),
        other => Ok(other?),
    }
}

/// The names in a directory that are text, sorted. A name that is in it all the time is among them, also when others
/// come, go and are replaced while it is read.
pub(super) fn names(directory: &OwnedFd) -> io::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let changed = || rustix::fs::fstat(directory).map(|stat| (stat.st_mtime, stat.st_mtime_nsec));
    for _ in 0..LOOKS {
        let before = changed()?;
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            names.extend(text(entry.file_name()));
        }
        if changed()? == before {
            break;
        }
    }
    Ok(names)
}

/// Other names than text are not ours.
fn text(name: &CStr) -> Option<String> {
    let name = name.to_str().ok().filter(|name| !matches!(*name, "." | ".." | LOST_AND_FOUND))?;
    Some(name.to_owned())
}

/// Removes the directories of this set that hold nothing, and those above them that hold nothing more, but not
/// those that stand directly below the root; makes what happened to the others last.
pub(super) fn tidy(root: &OwnedFd, mut directories: BTreeSet<Option<StorePath>>) -> io::Result<()> {
    // The last is the deepest of its branch.
    while let Some(path) = directories.pop_last() {
        let Some(path) = path else {
            sync(root)?;
            continue;
        };
        let Some(place) = find(root.try_clone()?, &path)? else { continue };
        let above = path.parent();
        let gone = above.is_some() && {
            match rustix::fs::unlinkat(&place.directory, place.name.as_str(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => true,
                // It holds something, or we may not: then it stays.
                Err(_) => false,
            }
        };
        if gone {
            directories.insert(above);
        } else if let Some(directory) = open_directory(&place.directory, &place.name)? {
            sync(&directory)?;
        }
    }
    Ok(())
}

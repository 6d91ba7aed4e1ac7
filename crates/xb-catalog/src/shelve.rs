//! Moving a set to a shelf: there it is made anew, and when it is on the disk in full, the source may go.
//!
//! The set is made in `<shelf>/<name>.partial`, synced, and gets its name by one rename, after which it exists
//! twice; removing the source ([`crate::remove`]) is the caller's next step. A crash leaves a `.partial`, which
//! the next run removes, or two copies, of which the next plan removes one. On the same file system no file is
//! copied: a second name is made for each.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use serde::Serialize;
use xb_core::BackupId;
use xb_pipeline::cancel::{CancelToken, Cancelled};
use xb_pipeline::copy::{CopyItem, CopySource, copy_tree};
use xb_pipeline::extract::ExtractError;
use xb_pipeline::fs::{
    FilesystemSync, FsError, create_dir_private, create_new_dir_private, create_private, remove_tree, rename,
    sync_dir,
};
use xb_pipeline::monitor::Monitor;

use crate::layout::{PARTIAL_SUFFIX, Place, Shelf};
use crate::read::read_files;
use crate::record::{BackupRecord, Origin};
use crate::remove::Step;
use crate::scan::read_shelved;
use crate::set::BackupSet;

/// A set could not be moved. It still stands where it did.
#[derive(Debug, thiserror::Error)]
pub enum ShelveError {
    /// A file or directory could not be made.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file could not be copied, or is not what its manifest says.
    #[error(transparent)]
    Copy(#[from] ExtractError),
    /// The manifest of a member could not be read again.
    #[error("the manifest of {member} cannot be read: {reason}")]
    Manifest {
        /// The member.
        member: BackupId,
        /// What is wrong.
        reason: String,
    },
    /// A backup holds something that is neither file nor directory, and would be lost.
    #[error("{} is neither a file nor a directory: a backup that holds such things is not moved", path.display())]
    Unusual {
        /// What was found.
        path: PathBuf,
    },
    /// There is something under the name already.
    #[error("{} is there already", directory.display())]
    Exists {
        /// The directory.
        directory: PathBuf,
    },
    /// What arrived is not what was sent.
    #[error("not all of set {set} can be restored from {}, so it stays where it is", directory.display())]
    Differs {
        /// The set.
        set: BackupId,
        /// Where it was made.
        directory: PathBuf,
    },
    /// A set is not moved back among the current ones.
    #[error("sets are moved to the weekly, monthly or yearly shelf only")]
    ToCurrent,
}

/// How a file came to its shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// A second name for the same file.
    Linked,
    /// A file of its own that shares its blocks with the first.
    Cloned,
    /// A copy.
    Copied,
}

/// A set that was put on a shelf.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shelved {
    /// Its directory there.
    pub directory: PathBuf,
    /// The most costly way that one of its files needed.
    pub way: Way,
    /// Its files.
    pub files: u64,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Bytes of those that were copied: so much more space is taken until the source is removed.
    pub copied_bytes: u64,
}

/// Puts a set, wherever it stands, on a shelf of the store at `root`; copies are counted by `monitor`. For the
/// holder of the lock. The set exists twice afterwards: the caller removes the source.
///
/// # Errors
/// [`ShelveError`]; nothing was made then.
pub fn shelve(
    root: &Path,
    set: &BackupSet,
    to: Shelf,
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<Shelved, ShelveError> {
    let mut mover = Mover::new(root, set, to, monitor, cancel)?;
    let made = mover.run(&mut |_| cancel.check());
    if made.is_err() {
        // Gives the space back at once; what stays all the same, the next run removes.
        let _ = remove_tree(&mover.partial);
    }
    made
}

struct Mover<'a> {
    set: &'a BackupSet,
    shelf: PathBuf,
    name: BackupId,
    directory: PathBuf,
    partial: PathBuf,
    /// The least costly way to try.
    from_way: Way,
    result: Shelved,
    monitor: &'a dyn Monitor,
    cancel: &'a CancelToken,
}

impl<'a> Mover<'a> {
    fn new(
        root: &Path,
        set: &'a BackupSet,
        to: Shelf,
        monitor: &'a dyn Monitor,
        cancel: &'a CancelToken,
    ) -> Result<Self, ShelveError> {
        let shelf = root.join(to.directory().ok_or(ShelveError::ToCurrent)?);
        let name = set.newest_member();
        let directory = shelf.join(name.to_string());
        if directory.symlink_metadata().is_ok() {
            return Err(ShelveError::Exists { directory });
        }
        let partial = shelf.join(format!("{name}{PARTIAL_SUFFIX}"));
        let result =
            Shelved { directory: directory.clone(), way: Way::Linked, files: 0, bytes: 0, copied_bytes: 0 };
        Ok(Mover { set, shelf, name, directory, partial, from_way: Way::Linked, result, monitor, cancel })
    }

    fn run(&mut self, step: &mut Step<'_>) -> Result<Shelved, ShelveError> {
        step(&self.shelf)?;
        self.make_shelf()?;
        remove_tree(&self.partial)?;
        let sync = FilesystemSync::open(&self.shelf)?;
        create_new_dir_private(&self.partial)?;
        let set = self.set;
        for member in set.members() {
            step(&member.directory)?;
            self.member(member)?;
        }
        self.check()?;
        step(&self.partial)?;
        sync.sync()?;
        step(&self.directory)?;
        if let Err(error) = rename(&self.partial, &self.directory) {
            // The new name may not survive a crash, so it must not be believed: the old one comes back.
            let _ = rename(&self.directory, &self.partial);
            return Err(error.into());
        }
        Ok(self.result.clone())
    }

    fn make_shelf(&self) -> Result<(), FsError> {
        if self.shelf.is_dir() {
            return Ok(());
        }
        create_dir_private(&self.shelf)?;
        self.shelf.parent().map_or(Ok(()), sync_dir)
    }

    fn member(&mut self, record: &BackupRecord) -> Result<(), ShelveError> {
        let target = self.partial.join(Place { set: self.set.id, id: record.id() }.directory());
        create_dir_private(&target)?;
        let mut left = Vec::new();
        for path in self.tree(&record.directory, &target)? {
            let (from, to) = (record.directory.join(&path), target.join(&path));
            let way = if self.from_way == Way::Linked { link(&from, &to)? } else { None };
            let way = match way {
                None if self.from_way <= Way::Cloned => clone(&from, &to)?,
                way => way,
            };
            match way {
                Some(way) => self.count(way, &to)?,
                None => left.push(path),
            }
        }
        if left.is_empty() { Ok(()) } else { self.copy(record, &target, left) }
    }

    /// Makes the directories of a tree anew, and gives the paths of its files.
    fn tree(&self, from: &Path, to: &Path) -> Result<Vec<PathBuf>, ShelveError> {
        let mut files = Vec::new();
        let mut pending = vec![PathBuf::new()];
        while let Some(relative) = pending.pop() {
            self.cancel.check()?;
            let directory = from.join(&relative);
            create_dir_private(&to.join(&relative))?;
            for entry in fs::read_dir(&directory).map_err(FsError::on("read directory", &directory))? {
                let entry = entry.map_err(FsError::on("read directory", &directory))?;
                let kind = entry.file_type().map_err(FsError::on("examine", &entry.path()))?;
                let path = relative.join(entry.file_name());
                match () {
                    () if kind.is_dir() => pending.push(path),
                    () if kind.is_file() => files.push(path),
                    () => return Err(ShelveError::Unusual { path: entry.path() }),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Copies files, and holds each that the manifest names against its digest on the way.
    fn copy(&mut self, record: &BackupRecord, target: &Path, paths: Vec<PathBuf>) -> Result<(), ShelveError> {
        let mut known = Vec::new();
        if record.origin == Origin::Native && record.is_complete() {
            let unreadable = |reason| ShelveError::Manifest { member: record.id(), reason };
            let files = read_files(&record.directory).map_err(unreadable)?;
            known = files.objects;
            known.extend(files.beside);
            known.sort_by(|a, b| a.path.cmp(&b.path));
        }
        let expected = |path: &PathBuf| {
            let at = known.binary_search_by(|object| object.path.cmp(path)).ok()?;
            known.get(at).map(|object| object.blake3)
        };
        let items: Vec<CopyItem> =
            paths.into_iter().map(|path| CopyItem { expected: expected(&path), path }).collect();
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        copy_tree(
            &items,
            CopySource::Directory(&record.directory),
            target,
            threads,
            self.monitor,
            self.cancel,
        )?;
        items.iter().try_for_each(|item| self.count(Way::Copied, &target.join(&item.path)))
    }

    fn count(&mut self, way: Way, file: &Path) -> Result<(), ShelveError> {
        let bytes = fs::symlink_metadata(file).map_err(FsError::on("examine", file))?.len();
        self.result.way = self.result.way.max(way);
        self.result.files += 1;
        self.result.bytes += bytes;
        self.result.copied_bytes += if way == Way::Copied { bytes } else { 0 };
        Ok(())
    }

    /// Looks at what was made as the next run will: everything that could be restored can be restored from it.
    fn check(&self) -> Result<(), ShelveError> {
        let made = read_shelved(&self.partial, self.name)?;
        let names = |set: &BackupSet| -> Vec<(BackupId, bool)> {
            set.members().map(BackupRecord::id).zip(set.restorable()).collect()
        };
        if made.is_some_and(|made| made.id == self.set.id && names(&made) == names(self.set)) {
            return Ok(());
        }
        Err(ShelveError::Differs { set: self.set.id, directory: self.directory.clone() })
    }
}

/// A second name for a file; nothing where the file system, or the system's rules, do not allow it.
fn link(from: &Path, to: &Path) -> Result<Option<Way>, FsError> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(Some(Way::Linked)),
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(FsError::on("link", from)(error)),
    }
}

/// A file that shares its blocks; nothing where the file system cannot.
fn clone(from: &Path, to: &Path) -> Result<Option<Way>, FsError> {
    let source = File::open(from).map_err(FsError::on("open", from))?;
    let target = create_private(to)?;
    match rustix::fs::ioctl_ficlone(&target, &source).map_err(io::Error::from) {
        Ok(()) => Ok(Some(Way::Cloned)),
        Err(error) if is_refusal(&error) => {
            drop(target);
            fs::remove_file(to).map_err(FsError::on("remove", to)).map(|()| None)
        }
        Err(error) => Err(FsError::on("clone", from)(error)),
    }
}

/// Whether an error says that this way is not open, rather than that something is wrong.
fn is_refusal(error: &io::Error) -> bool {
    let refusals = [
        Errno::XDEV,
        Errno::PERM,
        Errno::ACCESS,
        Errno::MLINK,
        Errno::NOTSUP,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
        Errno::NOTTY,
        Errno::INVAL,
    ];
    Errno::from_io_error(error).is_some_and(|errno| refusals.contains(&errno))
}

#[cfg(test)]
mod tests;

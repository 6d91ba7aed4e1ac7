//! Files whose presence means something: private from the first byte, and on the disk before their name is.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A file or directory could not be worked on; the message names it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct FsError {
    /// What was tried: `create`, `write`, `sync`, ...
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl FsError {
    /// For `map_err`: turns an [`io::Error`] into one that says what was tried on which file.
    pub fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FsError {
        let path = path.to_owned();
        move |source| FsError { action, path, source }
    }

    /// Whether the disk, or the quota on it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Creates a new file that only its owner can read (0600). An existing one is an error.
///
/// # Errors
/// [`FsError`].
pub fn create_private(path: &Path) -> Result<File, FsError> {
    create(path, PRIVATE)
}

/// The mode of what only its owner can read, and of what everyone can.
const PRIVATE: u32 = 0o600;
const READABLE: u32 = 0o644;

fn create(path: &Path, mode: u32) -> Result<File, FsError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path).map_err(FsError::on("create", path))
}

/// Creates a directory that only its owner can enter (0700), and missing parents with the same mode.
///
/// # Errors
/// [`FsError`].
pub fn create_dir_private(path: &Path) -> Result<(), FsError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(FsError::on("create directory", path))
}

/// Creates a directory that only its owner can enter (0700). One that is there already is an error: it may be
/// somebody else's.
///
/// # Errors
/// [`FsError`].
pub fn create_new_dir_private(path: &Path) -> Result<(), FsError> {
    DirBuilder::new().mode(0o700).create(path).map_err(FsError::on("create directory", path))
}

/// Gives a file or directory to the account that owns the directory it is in, as far as this process may. What root
/// makes in passing must not stand in the way of the account that does the work every day.
pub fn give_to_owner_of_parent(path: &Path) {
    use std::os::unix::fs::MetadataExt;
    let (Ok(own), Ok(above)) = (fs::symlink_metadata(path), fs::metadata(parent(path))) else { return };
    if rustix::process::geteuid().is_root() && (own.uid(), own.gid()) != (above.uid(), above.gid()) {
        // Not following links: nobody else's file is given away.
        let _ = std::os::unix::fs::lchown(path, Some(above.uid()), Some(above.gid()));
    }
}

/// Makes what happened to the names in a directory last.
///
/// # Errors
/// [`FsError`].
pub fn sync_dir(path: &Path) -> Result<(), FsError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(FsError::on("sync directory", path))
}

/// Makes everything written to a file system last. Opened before the first byte is written: an error of
/// writing back is told to descriptors that were open by then.
#[derive(Debug)]
pub struct FilesystemSync {
    directory: File,
    path: PathBuf,
}

impl FilesystemSync {
    /// For the file system that holds `path`, a directory.
    ///
    /// # Errors
    /// [`FsError`].
    pub fn open(path: &Path) -> Result<Self, FsError> {
        let directory = File::open(path).map_err(FsError::on("open", path))?;
        Ok(FilesystemSync { directory, path: path.to_owned() })
    }

    /// Waits until everything written so far is on the disk.
    ///
    /// # Errors
    /// [`FsError`], also when something could not be written back since the opening.
    pub fn sync(&self) -> Result<(), FsError> {
        let failed =
            |errno: rustix::io::Errno| FsError::on("sync the file system of", &self.path)(errno.into());
        rustix::fs::syncfs(&self.directory).map_err(failed)
    }
}

/// Gives a file or directory another name in a way that survives a crash right afterwards.
///
/// # Errors
/// [`FsError`].
#[expect(clippy::disallowed_methods, reason = "this is the module that may: it syncs the directories")]
pub fn rename(from: &Path, to: &Path) -> Result<(), FsError> {
    fs::rename(from, to).map_err(FsError::on("rename", from))?;
    let (old, new) = (parent(from), parent(to));
    sync_dir(new)?;
    if old == new { Ok(()) } else { sync_dir(old) }
}

/// Gives a file a name that nobody has, in a way that survives a crash right afterwards.
///
/// # Errors
/// [`FsError`], also when somebody has the name; the file keeps its own then.
pub fn rename_new(from: &Path, to: &Path) -> Result<(), FsError> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let renamed = match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some file systems of the network do not know the flag; all know that a link never replaces.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to).and_then(|()| fs::remove_file(from))
        }
        other => other.map_err(io::Error::from),
    };
    renamed.map_err(FsError::on("take the name (what was made stays beside it, with .partial)", to))?;
    sync_dir(parent(to))
}

/// Writes a whole file so that at any moment either the old or the new content stands under the name.
///
/// # Errors
/// [`FsError`].
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<(), FsError> {
    write_atomic_with(path, content, PRIVATE)
}

/// The same for what other accounts read: everyone can (0644), whatever the umask of this process.
///
/// # Errors
/// [`FsError`].
pub fn write_atomic_readable(path: &Path, content: &[u8]) -> Result<(), FsError> {
    write_atomic_with(path, content, READABLE)
}

fn write_atomic_with(path: &Path, content: &[u8], mode: u32) -> Result<(), FsError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    // What a dead run left under the temporary name has no meaning.
    let _ = fs::remove_file(&temporary);
    let mut file = create(&temporary, mode)?;
    let permissions = fs::Permissions::from_mode(mode);
    file.set_permissions(permissions).map_err(FsError::on("set the mode of", &temporary))?;
    file.write_all(content).map_err(FsError::on("write", &temporary))?;
    file.sync_all().map_err(FsError::on("sync", &temporary))?;
    rename(&temporary, path)
}

/// Removes a directory with all in it, if it is there.
///
/// # Errors
/// [`FsError`].
pub fn remove_tree(path: &Path) -> Result<(), FsError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::on("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Bytes an ordinary user can still write to the file system that holds `path`.
///
/// # Errors
/// [`FsError`].
pub fn free_bytes(path: &Path) -> Result<u64, FsError> {
    let stat = rustix::fs::statvfs(path)
        .map_err(|errno| FsError::on("ask for the free space of", path)(errno.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes that the files below a directory occupy on the disk. Files that vanish meanwhile, as in a running
/// server's data directory, count as nothing.
///
/// # Errors
/// [`FsError`] when the directory itself cannot be read.
pub fn tree_bytes(root: &Path) -> Result<u64, FsError> {
    tree_bytes_where(root, |_| true)
}

/// The same for the files and directories whose names `counts` accepts.
///
/// # Errors
/// [`FsError`] when the directory itself cannot be read.
pub fn tree_bytes_where(root: &Path, counts: impl Fn(&str) -> bool) -> Result<u64, FsError> {
    let mut pending = vec![root.to_owned()];
    let mut bytes = 0;
    let mut first = true;
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if first => return Err(FsError::on("read directory", &directory)(error)),
            Err(_) => continue,
        };
        first = false;
        for entry in entries.flatten().filter(|entry| counts(&entry.file_name().to_string_lossy())) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                Ok(kind) if kind.is_file() => bytes += entry.metadata().map_or(0, |meta| occupied(&meta)),
                _ => (),
            }
        }
    }
    Ok(bytes)
}

/// Blocks rather than length: InnoDB's compressed tables are files with holes.
fn occupied(meta: &fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.blocks().saturating_mul(512).min(meta.len())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_created_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let nested = dir.path().join("a/b");
        create_dir_private(&nested).unwrap();
        write_atomic(&nested.join("file"), b"content").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir.path().join("a")), mode(&nested.join("file"))), (0o700, 0o600));
    }

    #[test]
    fn an_atomic_write_replaces_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(dir.path().join("file.tmp"), "of a dead run").unwrap();
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_other_accounts_read_is_readable_also_where_a_private_file_stood() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_atomic(&path, b"private").unwrap();
        write_atomic_readable(&path, b"readable").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read(&path).unwrap(), b"readable");
    }

    #[test]
    fn errors_name_the_file() {
        let error = create_private(Path::new("/nowhere/file")).unwrap_err();
        assert!(error.to_string().starts_with("cannot create /nowhere/file:"), "{error}");
        assert!(remove_tree(Path::new("/nowhere/dir")).is_ok());
    }

    #[test]
    fn holes_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        File::create(dir.path().join("sparse")).unwrap().set_len(1 << 30).unwrap();
        fs::write(dir.path().join("small"), [1; 5000]).unwrap();
        assert_eq!(tree_bytes(dir.path()).unwrap(), 5000);
    }
}

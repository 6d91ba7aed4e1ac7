//! Who may change an archive.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use xb_pipeline::fs::FsError;

use super::error::ArchiveError;
use super::names::EPOCH;

/// Locks a directory for the one who adds to it.
///
/// # Errors
/// [`ArchiveError::InUse`], which names who has it; [`ArchiveError::Fs`].
pub(crate) fn lock_directory(directory: &Path) -> Result<File, ArchiveError> {
    let lock = File::open(directory).map_err(FsError::on("open", directory))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            Err(ArchiveError::InUse { directory: directory.to_owned(), holder: holder(&lock) })
        }
        Err(TryLockError::Error(source)) => Err(FsError::on("lock", directory)(source).into()),
    }
}

/// Held by who changes the closed logs of an epoch: removes them, or gives them another form.
#[derive(Debug)]
pub(crate) struct Keeper {
    _lock: Option<File>,
}

impl Keeper {
    /// Waits for those who are at it. Logs without an epoch have nothing to lock, and never change their form.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`].
    pub(crate) fn wait(epoch: &Path) -> Result<Self, ArchiveError> {
        let Some((path, file)) = open_record(epoch)? else { return Ok(Keeper { _lock: None }) };
        file.lock().map_err(FsError::on("lock", &path))?;
        Ok(Keeper { _lock: Some(file) })
    }

    /// Does not wait: nothing if somebody is at it.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`].
    pub(crate) fn now(epoch: &Path) -> Result<Option<Self>, ArchiveError> {
        let Some((path, file)) = open_record(epoch)? else { return Ok(Some(Keeper { _lock: None })) };
        match file.try_lock() {
            Ok(()) => Ok(Some(Keeper { _lock: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(FsError::on("lock", &path)(source).into()),
        }
    }
}

fn open_record(epoch: &Path) -> Result<Option<(std::path::PathBuf, File)>, ArchiveError> {
    let path = epoch.join(EPOCH);
    match File::open(&path) {
        Ok(file) => Ok(Some((path, file))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::on("open", &path)(error).into()),
    }
}

/// The process that has locked a file, where the system tells.
fn holder(file: &File) -> Option<u32> {
    let meta = file.metadata().ok()?;
    let (device, inode) = (meta.dev(), meta.ino());
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let wanted = format!("{major:02x}:{minor:02x}:{inode}");
    let table = fs::read_to_string("/proc/locks").ok()?;
    table.lines().find_map(|line| {
        // `7: FLOCK  ADVISORY  WRITE 4711 fd:01:393228 0 EOF`; who waits has an arrow in front of FLOCK.
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, "FLOCK", _, "WRITE", process, place, ..] if *place == wanted => process.parse().ok(),
            _ => None,
        }
    })
}

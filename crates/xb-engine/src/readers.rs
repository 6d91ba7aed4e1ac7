//! Who may touch what restores read from: any number of restores read, or one run moves, removes and changes.
//! Restores do not take the lock of a run: a backup must be possible while one goes on for hours.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use xb_pipeline::fs::{FsError, give_to_owner_of_parent};

use crate::context::Context;
use crate::error::EngineError;

/// The lock of prepared copies, in `work_dir`.
pub(crate) const PREPARED: &str = ".pyxbackup.prepared.lock";
/// The lock of a store.
pub(crate) const STORE: &str = ".pyxbackup.readers.lock";
/// A backup is not held up for longer by a restore that copies.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often a run looks whether the restores have what they need.
const PAUSE: Duration = Duration::from_millis(200);

/// The lock, held until it is dropped. It ends with its holder, however that ends.
#[derive(Debug)]
pub(crate) struct ReadersLock {
    _file: File,
}

impl ReadersLock {
    /// For a run that changes things; waits for restores, but not for ever.
    ///
    /// # Errors
    /// [`EngineError::RestoreRunning`] after ten minutes; also when the run is to stop meanwhile.
    pub(crate) fn exclusive(context: &Context, path: &Path) -> Result<Self, EngineError> {
        let until = Instant::now() + PATIENCE;
        wait(context, "a restore that copies from the prepared copy", || match Self::try_exclusive(path)? {
            None if Instant::now() > until => Err(EngineError::RestoreRunning { path: path.to_owned() }),
            lock => Ok(lock),
        })
    }

    /// For a restore; waits for a run that changes things. `None` where nobody could lock: without the right to
    /// write there, or to read the lock.
    ///
    /// # Errors
    /// [`EngineError::Cancelled`].
    pub(crate) fn reading(context: &Context, path: &Path) -> Result<Option<Self>, EngineError> {
        let Some(file) = open_to_read(path) else { return Ok(None) };
        wait(context, "a run that moves and removes sets", || match file.try_lock_shared() {
            Ok(()) => Ok(Some(true)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                let path = path.display();
                context
                    .monitor()
                    .warn(&format!("going on without the lock {path}, which cannot be had: {error}"));
                Ok(Some(false))
            }
        })
        .map(|is_locked| is_locked.then_some(ReadersLock { _file: file }))
    }

    /// For a run that changes things; `None` while a restore reads.
    ///
    /// # Errors
    /// [`FsError`].
    pub(crate) fn try_exclusive(path: &Path) -> Result<Option<Self>, FsError> {
        let file = open(path).map_err(FsError::on("open", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(ReadersLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(FsError::on("lock", path)(error)),
        }
    }

    /// For a restore that can do without; `None` also when a run is changing things.
    pub(crate) fn shared(path: &Path) -> Option<Self> {
        let file = open_to_read(path)?;
        file.try_lock_shared().ok().map(|()| ReadersLock { _file: file })
    }
}

fn wait<T>(
    context: &Context,
    for_what: &str,
    attempt: impl Fn() -> Result<Option<T>, EngineError>,
) -> Result<T, EngineError> {
    let mut is_told = false;
    loop {
        if let Some(lock) = attempt()? {
            return Ok(lock);
        }
        if !is_told {
            is_told = true;
            context.monitor().info(&format!("waiting for {for_what}"));
        }
        std::thread::sleep(PAUSE);
        context.cancel().check()?;
    }
}

fn open_to_read(path: &Path) -> Option<File> {
    open(path).or_else(|_| File::open(path)).ok()
}

/// What root makes in the directory of another account is that account's to lock as well.
fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    give_to_owner_of_parent(path);
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restores_read_together_and_nobody_changes_what_they_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(STORE);
        let one = ReadersLock::shared(&path).unwrap();
        let other = ReadersLock::shared(&path).unwrap();
        drop(one);
        assert!(ReadersLock::try_exclusive(&path).unwrap().is_none());
        drop(other);
        let changing = ReadersLock::try_exclusive(&path).unwrap();
        assert!(changing.is_some() && ReadersLock::shared(&path).is_none());
    }
}

//! One run at a time. The lock is the system's: it ends with its holder, however that ends. What is written
//! in the file only tells who holds it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use xb_core::{BackupId, BackupKind};
use xb_pipeline::fs::FsError;

/// The file in `work_dir`, and the one in the store.
const NAMES: [&str; 2] = ["pyxbackup.lock", ".pyxbackup.lock"];
/// Whoever only looks whether a lock is held takes it for a moment; a run waits that long for it to be over.
const PATIENCE: Duration = Duration::from_millis(1000);

/// What a run writes into the lock: the original's keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunInfo {
    /// The name of the backup being made.
    pub backup: BackupId,
    /// Full or incremental.
    pub kind: BackupKind,
    /// The set.
    pub full: BackupId,
    /// The process.
    pub pid: u32,
}

impl RunInfo {
    fn render(&self) -> String {
        let full = match self.kind {
            BackupKind::Full => String::new(),
            BackupKind::Incremental => format!("full = {}\n", self.full),
        };
        format!("backup = {}\ntype = {}\n{full}pid = {}\n", self.backup, self.kind, self.pid)
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim())
        };
        let backup = value("backup")?.parse().ok()?;
        let kind = if value("type")? == "full" { BackupKind::Full } else { BackupKind::Incremental };
        let full = value("full").and_then(|text| text.parse().ok()).unwrap_or(backup);
        Some(RunInfo { backup, kind, full, pid: value("pid")?.parse().ok()? })
    }
}

impl std::fmt::Display for RunInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} taking {} {}", self.pid, self.kind, self.backup)
    }
}

/// The lock could not be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another run holds {}: {}", path.display(), .holder.as_ref().map_or("it does not say who it is".to_owned(), RunInfo::to_string))]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who, as far as it says.
        holder: Option<RunInfo>,
    },
    /// The file could not be worked on.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// What the lock tells to whoever asks without taking it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "run", rename_all = "lowercase")]
pub enum LockState {
    /// Nobody runs, and the last run ended in order.
    Free,
    /// A run is going on; it may not have said yet which.
    Held(Option<RunInfo>),
    /// A run ended without clearing its name: it was killed, or the machine went down.
    Stale(RunInfo),
}

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct RunLock {
    files: Vec<(PathBuf, File)>,
}

impl RunLock {
    /// Takes the locks of work directory and store, in this order. A store elsewhere has none.
    ///
    /// # Errors
    /// [`LockError::Held`] at once when another run has one of them.
    pub(crate) fn acquire(work_dir: &Path, store: Option<&Path>) -> Result<Self, LockError> {
        let mut lock = RunLock { files: Vec::new() };
        for (directory, name) in [Some(work_dir), store].into_iter().flatten().zip(NAMES) {
            let path = directory.join(name);
            let file = take(&path)?;
            lock.files.push((path, file));
        }
        // What a killed run left would name a dead process to whoever asks from now on.
        lock.write("")?;
        Ok(lock)
    }

    /// Says who holds it.
    ///
    /// # Errors
    /// [`FsError`].
    pub(crate) fn announce(&mut self, run: &RunInfo) -> Result<(), FsError> {
        self.write(&run.render())
    }

    fn write(&mut self, text: &str) -> Result<(), FsError> {
        self.files.iter_mut().try_for_each(|(path, file)| {
            let rewrite = |file: &mut File| {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(text.as_bytes())
            };
            rewrite(file).map_err(FsError::on("write", path))
        })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The original takes the file for a run. While it is held nobody else takes it for theirs ([`take`]),
        // and where it cannot be removed, an empty one tells that the run ended in order.
        let _ = self.write("");
        for (path, _) in &self.files {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Looks at the lock in `work_dir` without keeping it; `None` for who may not read it, such as a monitoring
/// account.
///
/// # Errors
/// [`FsError`].
pub(crate) fn lock_state(work_dir: &Path) -> Result<Option<LockState>, FsError> {
    let path = work_dir.join(NAMES[0]);
    let mut file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some(LockState::Free)),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(FsError::on("open", &path)(error)),
    };
    let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let run = read(&mut file).as_deref().and_then(RunInfo::parse);
    Ok(Some(match (held, run) {
        (true, run) => LockState::Held(run),
        (false, Some(run)) => LockState::Stale(run),
        (false, None) => LockState::Free,
    }))
}

fn open(path: &Path) -> Result<File, FsError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(FsError::on("open", path))
}

/// Opens and locks the file at `path`. One that was removed meanwhile is nobody's lock any more.
fn take(path: &Path) -> Result<File, LockError> {
    const STEPS: u32 = 20;
    for _ in 0..STEPS {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path) => return Ok(file),
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE / STEPS),
            Err(TryLockError::Error(error)) => return Err(FsError::on("lock", path)(error).into()),
        }
    }
    let holder = open(path).ok().and_then(|mut file| RunInfo::parse(&read(&mut file)?));
    Err(LockError::Held { path: path.to_owned(), holder })
}

fn is_at(file: &File, path: &Path) -> bool {
    let inode = |meta: std::io::Result<std::fs::Metadata>| meta.map(|meta| (meta.dev(), meta.ino())).ok();
    inode(file.metadata()).is_some_and(|held| inode(std::fs::metadata(path)) == Some(held))
}

fn read(file: &mut File) -> Option<String> {
    let mut text = String::new();
    file.take(4096).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(kind: BackupKind) -> RunInfo {
        let backup = "2026_11_22-14_28_13".parse().unwrap();
        let full = "2026_11_22-14_28_07".parse().unwrap();
        RunInfo { backup, kind, full: if kind == BackupKind::Full { backup } else { full }, pid: 4711 }
    }

    #[test]
    fn a_second_run_is_told_who_holds_the_lock() {
        let (work, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut lock = RunLock::acquire(work.path(), Some(store.path())).unwrap();
        lock.announce(&run(BackupKind::Incremental)).unwrap();
        let error = RunLock::acquire(work.path(), Some(store.path())).unwrap_err();
        assert!(error.to_string().ends_with("process 4711 taking incr 2026_11_22-14_28_13"), "{error}");
        assert_eq!(
            lock_state(work.path()).unwrap(),
            Some(LockState::Held(Some(run(BackupKind::Incremental))))
        );
        drop(lock);
        assert_eq!(lock_state(work.path()).unwrap(), Some(LockState::Free));
        RunLock::acquire(work.path(), Some(store.path())).unwrap();
    }

    #[test]
    fn many_at_once_never_hold_it_together() {
        let (work, store) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let inside = std::sync::atomic::AtomicU32::new(0);
        let ordering = std::sync::atomic::Ordering::SeqCst;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if let Ok(_lock) = RunLock::acquire(work.path(), Some(store.path())) {
                            assert_eq!(inside.fetch_add(1, ordering), 0);
                            std::thread::yield_now();
                            inside.fetch_sub(1, ordering);
                        }
                    }
                });
            }
        });
        assert_eq!(std::fs::read_dir(work.path()).unwrap().count(), 0, "no lock is left");
    }

    #[test]
    fn one_store_has_one_run_also_from_two_work_directories() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let _lock = RunLock::acquire(dirs[0].path(), Some(dirs[2].path())).unwrap();
        let error = RunLock::acquire(dirs[1].path(), Some(dirs[2].path())).unwrap_err();
        assert!(matches!(error, LockError::Held { holder: None, .. }), "{error}");
    }

    #[test]
    fn a_run_that_was_killed_leaves_its_name() {
        let work = tempfile::tempdir().unwrap();
        assert_eq!(lock_state(work.path()).unwrap(), Some(LockState::Free));
        std::fs::write(work.path().join("pyxbackup.lock"), run(BackupKind::Full).render()).unwrap();
        assert_eq!(lock_state(work.path()).unwrap(), Some(LockState::Stale(run(BackupKind::Full))));
    }
}

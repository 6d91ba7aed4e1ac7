//! Who may touch prepared copies: one run that applies to them, or any number of restores that copy from them.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use xb_pipeline::fs::FsError;

use crate::context::Context;
use crate::error::EngineError;

const NAME: &str = ".pyxbackup.prepared.lock";
/// How often a run looks whether the restores have their copies.
const PAUSE: Duration = Duration::from_millis(200);

/// The lock, held until it is dropped. It ends with its holder, however that ends.
#[derive(Debug)]
pub(crate) struct PreparedLock {
    _file: File,
}

impl PreparedLock {
    /// For a run that changes copies. Waits for restores that are copying.
    ///
    /// # Errors
    /// [`EngineError`], also when the run is to stop meanwhile.
    pub(crate) fn exclusive(context: &Context, work_dir: &Path) -> Result<Self, EngineError> {
        let path = work_dir.join(NAME);
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = file.map_err(FsError::on("open", &path))?;
        let mut is_told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(PreparedLock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(FsError::on("lock", &path)(error).into()),
                Err(TryLockError::WouldBlock) if !is_told => {
                    is_told = true;
                    context.monitor().info("waiting for a restore that copies from the prepared copy");
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            }
            context.cancel().check()?;
        }
    }

    /// For a restore; `None` when a run is changing them, or they cannot be read.
    pub(crate) fn shared(work_dir: &Path) -> Option<Self> {
        let file = File::open(work_dir.join(NAME)).ok()?;
        file.try_lock_shared().ok().map(|()| PreparedLock { _file: file })
    }
}

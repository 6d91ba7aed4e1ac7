//! Taking a backup in: engine → structure check → compression → digest → file, or → files.
//!
//! A [`Receipt`] exists only if every part ended well: the child by its exit status and its success line,
//! the stream by its structure, the files by their sync.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use xb_core::ErrorClass;
use xb_formats::archive::Archive;
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::{StreamSummary, XbstreamError};

use crate::cancel::{CancelToken, Cancelled};
use crate::fs::{FilesystemSync, FsError};
use crate::monitor::Monitor;
use crate::parallel::{BufferPool, ordered};
use crate::process::{Child, Outlet, ProcessError, describe};
use crate::sink::ObjectReceipt;
use crate::sink::file::DigestFile;
use crate::sink::tree::TreeSink;
use crate::stage::check::{CheckError, MetaFile, StreamCheck};
use crate::stage::compress::{BLOCK_BYTES, BlockCompressor, Compression};
use crate::stage::decompress::read_full;

/// Where a backup goes, below the directory of the backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Files, as the server has them.
    Tree,
    /// One compressed stream, on this many threads.
    Archive {
        /// How it is compressed.
        compression: Compression,
        /// Threads that compress.
        threads: usize,
    },
}

impl Target {
    /// The form of what is stored, and so its name.
    #[must_use]
    pub fn archive(&self) -> Archive {
        match self {
            Target::Tree => Archive::Directory,
            Target::Archive { compression, .. } => Archive::Xbstream((*compression).into()),
        }
    }
}

/// Set by whoever reads the engine's messages once its success line was there.
#[derive(Clone, Debug, Default)]
pub struct SuccessFlag(Arc<AtomicBool>);

impl SuccessFlag {
    /// The line was seen.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it was seen.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Proof that a backup came in whole.
#[derive(Debug)]
pub struct Receipt {
    /// What the stream held.
    pub stream: StreamSummary,
    /// The engine's metadata files.
    pub metadata: Vec<MetaFile>,
    /// What was written.
    pub objects: Vec<ObjectReceipt>,
}

/// Why a backup did not come in.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// The engine said itself that it failed.
    #[error("the engine ended with {how}")]
    Engine {
        /// Exit code or signal.
        how: String,
    },
    /// The engine ended with 0 but without its success line.
    #[error("the engine ended with exit code 0 but never wrote \"completed OK!\"")]
    NoSuccessLine,
    /// What it wrote is no whole backup.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// Its output could not be read.
    #[error("cannot read from the engine: {0}")]
    Read(#[source] io::Error),
    /// Compression did not work.
    #[error("cannot compress: {0}")]
    Compress(#[source] io::Error),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The child could not be watched.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl From<XbstreamError> for ReceiveError {
    fn from(error: XbstreamError) -> Self {
        ReceiveError::Check(error.into())
    }
}

impl ReceiveError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ReceiveError::Cancelled(_) => ErrorClass::Cancelled,
            ReceiveError::Read(_) | ReceiveError::Check(_) => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        }
    }
}

/// Takes in what `child` writes, below `directory`, which exists and is empty.
///
/// `required` are the metadata files without which the stream is no backup of this engine.
///
/// # Errors
/// [`ReceiveError`]; the child's whole process group has ended by then, files may be left in `directory`.
pub fn receive(
    mut child: Child,
    success: &SuccessFlag,
    directory: &Path,
    target: Target,
    required: &[MetaKind],
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<Receipt, ReceiveError> {
    let stopper = child.stopper();
    let _stop_on_cancel = cancel.on_cancel({
        let stopper = stopper.clone();
        move || stopper.stop()
    });
    let Some(stdout) = child.take_stdout() else {
        return Err(ReceiveError::Read(io::Error::other("the engine's output was taken already")));
    };
    let mut check = StreamCheck::new();
    let taken = match target {
        Target::Tree => take_tree(stdout, directory, &mut check, monitor),
        Target::Archive { compression, threads } => {
            let name = target.archive().file_name().unwrap_or_default();
            take_archive(stdout, &directory.join(name), compression, threads, &mut check, monitor)
        }
    };
    if taken.is_err() {
        stopper.stop();
    }
    let status = child.wait()?;
    cancel.check()?;
    judge(taken, status, check, success, required)
}

/// The one verdict. What failed first is told first: an engine that dies also cuts its stream, but a disk
/// that is full, or a stream that is wrong, made us stop an engine that did well.
fn judge(
    taken: Result<Vec<ObjectReceipt>, ReceiveError>,
    status: ExitStatus,
    check: StreamCheck,
    success: &SuccessFlag,
    required: &[MetaKind],
) -> Result<Receipt, ReceiveError> {
    let objects = taken?;
    if !status.success() {
        return Err(ReceiveError::Engine { how: describe(status) });
    }
    let (stream, metadata) = check.finish(required)?;
    if !success.is_set() {
        return Err(ReceiveError::NoSuccessLine);
    }
    Ok(Receipt { stream, metadata, objects })
}

fn take_tree(
    mut stdout: Outlet,
    directory: &Path,
    check: &mut StreamCheck,
    monitor: &dyn Monitor,
) -> Result<Vec<ObjectReceipt>, ReceiveError> {
    let disk = FilesystemSync::open(directory)?;
    let mut tree = TreeSink::new(directory, true);
    let mut block = vec![0; BLOCK_BYTES];
    loop {
        let got = read_full(&mut stdout, &mut block).map_err(ReceiveError::Read)?;
        if got == 0 {
            break;
        }
        check.feed(&block[..got], &mut |event| tree.handle(&event).map_err(ReceiveError::from))?;
        monitor.advance(got as u64);
    }
    let objects = tree.finish()?;
    disk.sync()?;
    Ok(objects)
}

fn take_archive(
    mut stdout: Outlet,
    path: &Path,
    compression: Compression,
    threads: usize,
    check: &mut StreamCheck,
    monitor: &dyn Monitor,
) -> Result<Vec<ObjectReceipt>, ReceiveError> {
    // A level that does not exist is found here, not in a thread.
    BlockCompressor::new(compression).map_err(ReceiveError::Compress)?;
    let pool = BufferPool::new(2 * threads + 8);
    let mut file = DigestFile::create(path)?;
    let produce = || {
        let mut block = pool.take();
        block.resize(BLOCK_BYTES, 0);
        let got = read_full(&mut stdout, &mut block).map_err(ReceiveError::Read)?;
        block.truncate(got);
        check.feed(&block, &mut |_| Ok::<_, ReceiveError>(()))?;
        monitor.advance(got as u64);
        Ok((got > 0).then_some(block))
    };
    let make_worker = || {
        let (mut compressor, pool) = (BlockCompressor::new(compression), pool.clone());
        move |block: Vec<u8>| {
            let mut output = pool.take();
            let compressor =
                compressor.as_mut().map_err(|e| ReceiveError::Compress(io::Error::other(e.to_string())))?;
            compressor.compress(&block, &mut output).map_err(ReceiveError::Compress)?;
            pool.give(block);
            Ok::<_, ReceiveError>(output)
        }
    };
    let consume = |output: Vec<u8>| {
        file.write(&output)?;
        pool.give(output);
        Ok(())
    };
    ordered(threads, produce, make_worker, consume)?;
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    Ok(vec![file.finish(name)?])
}

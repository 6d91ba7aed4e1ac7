//! Taking a backup in: engine → structure check → compression → digest → file, or → files.
//!
//! A [`Receipt`] exists only if every part ended well: the child by its exit status and its success line,
//! the stream by its structure, the files by their sync.

use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use xb_core::ErrorClass;
use xb_formats::archive::{Archive, Container, Layers, MemberLayers};
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::StreamSummary;

use crate::cancel::{CancelToken, Cancelled};
use crate::check::{CheckError, MetaFile, StreamCheck};
use crate::flow::{BLOCK_BYTES, Blocks, FlowError, Piece, Pieces};
use crate::fs::{FilesystemSync, FsError};
use crate::monitor::Monitor;
use crate::pack::container::container;
use crate::pack::members::pack_members;
use crate::pack::{Packing, pack};
use crate::process::{Child, Outlet, ProcessError, describe};
use crate::read::read_full;
use crate::sink::ObjectReceipt;
use crate::sink::file::ObjectWriter;
use crate::sink::tree::TreeSink;
use crate::store::StoreError;

/// The form of a backup that is stored as it streams in.
#[derive(Clone, Debug)]
pub struct StreamForm {
    /// Whether each file in it is compressed with qpress, as the engines can do it themselves.
    pub qpress_members: bool,
    /// What is put around the stream.
    pub packing: Packing,
}

impl StreamForm {
    /// The form of what is stored, and so its name.
    #[must_use]
    pub fn archive(&self) -> Archive {
        let (compression, encryption) = self.packing.layers();
        let members = if self.qpress_members { MemberLayers::QPRESS } else { MemberLayers::default() };
        Archive::File(Layers { container: Container::Xbstream, members, compression, encryption })
    }
}

/// Where a backup goes.
pub enum Destination<'a> {
    /// Files, as the server has them, below a directory that exists and is empty.
    Tree(&'a Path),
    /// One object of this form.
    Archive(&'a StreamForm, ObjectWriter),
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
    /// It could not be compressed or encrypted.
    #[error("{0}")]
    Pack(#[source] FlowError),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The child could not be watched.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl From<FlowError> for ReceiveError {
    fn from(error: FlowError) -> Self {
        match error {
            FlowError::Cancelled(cancelled) => ReceiveError::Cancelled(cancelled),
            FlowError::Check(error) => ReceiveError::Check(error),
            FlowError::Read(error) => ReceiveError::Read(error),
            FlowError::Fs(error) => ReceiveError::Fs(error),
            FlowError::Store(error) => ReceiveError::Store(error),
            other => ReceiveError::Pack(other),
        }
    }
}

impl ReceiveError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ReceiveError::Cancelled(_) => ErrorClass::Cancelled,
            ReceiveError::Read(_) | ReceiveError::Check(_) => ErrorClass::Transient,
            ReceiveError::Store(error) => error.class(),
            _ => ErrorClass::Permanent,
        }
    }
}

/// Takes in what `child` writes.
///
/// `required` are the metadata files without which the stream is no backup of this engine.
///
/// # Errors
/// [`ReceiveError`]; the child's whole process group has ended by then, files may be left where it was going.
pub fn receive(
    mut child: Child,
    success: &SuccessFlag,
    destination: Destination<'_>,
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
    let checked = Checked { stdout, check: &mut check, monitor };
    let taken = match destination {
        Destination::Tree(directory) => take_tree(checked, directory),
        Destination::Archive(form, out) => take_archive(checked, form, out),
    };
    let taken = taken.map_err(ReceiveError::from);
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

/// What the engine writes, watched.
struct Checked<'a> {
    stdout: Outlet,
    check: &'a mut StreamCheck,
    monitor: &'a dyn Monitor,
}

impl Checked<'_> {
    /// The next block, and what is in it.
    fn next(&mut self) -> Result<Option<(Bytes, Vec<Piece>)>, FlowError> {
        let mut block = vec![0; BLOCK_BYTES];
        let got = read_full(&mut self.stdout, &mut block).map_err(FlowError::Read)?;
        if got == 0 {
            return Ok(None);
        }
        block.truncate(got);
        let block = Bytes::from(block);
        let pieces = self.check.feed(&block)?;
        self.monitor.advance(got as u64);
        Ok(Some((block, pieces)))
    }
}

impl Blocks for Checked<'_> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        Ok(self.next()?.map(|(block, _)| block))
    }
}

impl Pieces for Checked<'_> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        while let Some((_, pieces)) = self.next()? {
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }
}

fn take_tree(mut checked: Checked<'_>, directory: &Path) -> Result<Vec<ObjectReceipt>, FlowError> {
    let disk = FilesystemSync::open(directory)?;
    let mut tree = TreeSink::new(directory, true)?;
    while let Some(pieces) = checked.next_pieces()? {
        pieces.into_iter().try_for_each(|piece| tree.handle(piece))?;
    }
    let objects = tree.finish()?;
    disk.sync()?;
    Ok(objects)
}

fn take_archive(
    checked: Checked<'_>,
    form: &StreamForm,
    mut out: ObjectWriter,
) -> Result<Vec<ObjectReceipt>, FlowError> {
    let (packing, monitor) = (&form.packing, checked.monitor);
    std::thread::scope(|scope| {
        let threads = packing.threads;
        let blocks: Box<dyn Blocks> = if form.qpress_members {
            let members = pack_members(scope, checked, None, threads);
            container(scope, members, Container::Xbstream, threads, monitor)
        } else {
            Box::new(checked)
        };
        let mut packed = pack(scope, blocks, packing)?;
        while let Some(block) = packed.next_block()? {
            out.write(&block)?;
        }
        Ok::<_, FlowError>(())
    })?;
    Ok(vec![out.finish()?])
}

//! Unpacking a stored backup in one pass: file → decompression on all cores → structure check → files.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use xb_core::ErrorClass;
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::{StreamSummary, XbstreamError};

use crate::cancel::{CancelToken, Cancelled};
use crate::fs::FsError;
use crate::monitor::Monitor;
use crate::parallel::ordered;
use crate::sink::Digest;
use crate::sink::tree::TreeSink;
use crate::stage::check::{CheckError, MetaFile, StreamCheck};
use crate::stage::decompress::{PartDecompressor, Splitter};

/// What came out of an archive.
#[derive(Debug)]
pub struct Extracted {
    /// What the stream held.
    pub stream: StreamSummary,
    /// The engine's metadata files.
    pub metadata: Vec<MetaFile>,
}

/// Why an archive could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The archive could not be read or decompressed.
    #[error("cannot read {}: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The stream in it is not whole.
    #[error("{}: {source}", path.display())]
    Check {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        source: CheckError,
    },
    /// The archive is not the one that was written.
    #[error("{} has changed since it was written: its digest is {found}, the manifest says {expected}", path.display())]
    Digest {
        /// The archive.
        path: PathBuf,
        /// What the manifest says.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
}

impl ExtractError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ExtractError::Cancelled(_) => ErrorClass::Cancelled,
            _ => ErrorClass::Permanent,
        }
    }
}

/// Errors on their way, before the archive's name is known to them.
enum Step {
    Read(io::Error),
    Check(CheckError),
    Fs(FsError),
    Cancelled(Cancelled),
}

impl From<XbstreamError> for Step {
    fn from(error: XbstreamError) -> Self {
        Step::Check(error.into())
    }
}

impl From<CheckError> for Step {
    fn from(error: CheckError) -> Self {
        Step::Check(error)
    }
}

impl Step {
    fn of(self, path: &Path) -> ExtractError {
        let path = path.to_owned();
        match self {
            Step::Read(source) => ExtractError::Archive { path, source },
            Step::Check(source) => ExtractError::Check { path, source },
            Step::Fs(error) => ExtractError::Fs(error),
            Step::Cancelled(cancelled) => ExtractError::Cancelled(cancelled),
        }
    }
}

/// Unpacks the stream in `archive`, compressed or not, into `directory`, which exists, is empty and belongs
/// to us alone. With `expected`, the digest of the archive is checked on the way.
///
/// # Errors
/// [`ExtractError`]; what was written so far is left in `directory`.
pub fn extract(
    archive: &Path,
    directory: &Path,
    expected: Option<Digest>,
    threads: usize,
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<Extracted, ExtractError> {
    let on_archive = |source| ExtractError::Archive { path: archive.to_owned(), source };
    let file = File::open(archive).map_err(on_archive)?;
    let watched = Watched { file, hasher: expected.map(|_| blake3::Hasher::new()) };
    let shared = Shared::new(watched);
    let mut splitter = Splitter::new(shared.clone()).map_err(on_archive)?;
    let mut check = StreamCheck::new();
    let mut tree = TreeSink::new(directory, false);
    let produce = || {
        cancel.check().map_err(Step::Cancelled)?;
        splitter.next().map_err(Step::Read)
    };
    let make_worker = || {
        let mut decompressor = PartDecompressor::new();
        move |part| {
            let decompressor =
                decompressor.as_mut().map_err(|e| Step::Read(io::Error::other(e.to_string())))?;
            decompressor.decompress(part).map_err(Step::Read)
        }
    };
    let consume = |content: Vec<u8>| {
        check.feed(&content, &mut |event| tree.handle(&event).map_err(Step::Fs))?;
        monitor.advance(content.len() as u64);
        Ok(())
    };
    let outcome = ordered(threads, produce, make_worker, consume);
    outcome.map_err(|step| step.of(archive))?;
    let digests = expected.zip(shared.digest().map_err(on_archive)?);
    if let Some((expected, found)) = digests.filter(|(expected, found)| expected != found) {
        return Err(ExtractError::Digest { path: archive.to_owned(), expected, found });
    }
    let (stream, metadata) =
        check.finish(&[MetaKind::Checkpoints]).map_err(|source| Step::Check(source).of(archive))?;
    tree.finish()?;
    Ok(Extracted { stream, metadata })
}

/// A file that is digested while it is read.
struct Watched {
    file: File,
    hasher: Option<blake3::Hasher>,
}

impl io::Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.file.read(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..got]);
        }
        Ok(got)
    }
}

/// The splitter takes its input away; the digest is asked for afterwards.
#[derive(Clone)]
struct Shared(std::sync::Arc<std::sync::Mutex<Watched>>);

impl Shared {
    fn new(watched: Watched) -> Self {
        Shared(std::sync::Arc::new(std::sync::Mutex::new(watched)))
    }

    /// The digest of the whole file: whatever the decompressor did not want is read now.
    fn digest(mut self) -> io::Result<Option<Digest>> {
        io::copy(&mut self, &mut io::sink())?;
        let watched = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Ok(watched.hasher.as_ref().map(|hasher| Digest::from(hasher.finalize())))
    }
}

impl io::Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).read(buffer)
    }
}

//! Unpacking an archive in one pass: every layer taken off, every checksum held, every file written once.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use xb_core::ErrorClass;
use xb_formats::archive::Layer;
use xb_formats::meta::names::MetaKind;
use xb_formats::path::StreamPath;

use crate::cancel::Cancelled;
use crate::check::{CheckError, MetaFile, MetaKeeper};
use crate::flow::{FlowError, Piece};
use crate::fs::FsError;
use crate::keys::KeyFault;
use crate::read::{ReadOptions, Request, read_pieces};
use crate::sink::Digest;
use crate::sink::file::ObjectError;
use crate::sink::tree::TreeSink;
use crate::store::StoreError;

/// What came out of an archive.
#[derive(Debug)]
pub struct Extracted {
    /// What it was wrapped in, from the outside in, the container last.
    pub layers: Vec<Layer>,
    /// The engine's metadata files.
    pub metadata: Vec<MetaFile>,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
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
    /// The store it is read from or written to does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key is missing or wrong.
    #[error("{}: {fault}", path.display())]
    Key {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        fault: KeyFault,
    },
    /// The archive could not be read, or is damaged.
    #[error("{}: {source}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        source: FlowError,
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

impl From<ObjectError> for ExtractError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Fs(error) => ExtractError::Fs(error),
            ObjectError::Store(error) => ExtractError::Store(error),
        }
    }
}

impl ExtractError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ExtractError::Cancelled(_) => ErrorClass::Cancelled,
            ExtractError::Store(error) => error.class(),
            _ => ErrorClass::Permanent,
        }
    }

    /// The error of an archive.
    pub(crate) fn of(path: &Path, error: FlowError) -> Self {
        let path = path.to_owned();
        match error {
            FlowError::Cancelled(cancelled) => ExtractError::Cancelled(cancelled),
            FlowError::Fs(error) => ExtractError::Fs(error),
            FlowError::Store(error) => ExtractError::Store(error),
            error => match error.key_fault().cloned() {
                Some(fault) => ExtractError::Key { path, fault },
                None => ExtractError::Archive { path, source: error },
            },
        }
    }
}

/// What is wanted of an archive.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The digest it must have.
    pub digest: Option<Digest>,
    /// Metadata files without which it is no backup.
    pub metadata: &'a [MetaKind],
    /// Which files, by the path they are extracted to; all if there is no choice.
    pub files: Option<&'a (dyn Fn(&StreamPath) -> bool + Sync)>,
    /// Whether files that are packed one by one are left so.
    pub as_stored: bool,
}

/// Unpacks `archive` into `directory`, which exists. No file that stands there is replaced, no link followed.
///
/// # Errors
/// [`ExtractError`]; files that were complete by then are left in `directory`.
pub fn extract(
    archive: &Path,
    directory: &Path,
    wanted: &Wanted<'_>,
    options: &ReadOptions<'_>,
) -> Result<Extracted, ExtractError> {
    let input = open_file(archive)?;
    extract_from(input, archive, directory, wanted, options)
}

/// The same from an input that is not a file; `archive` is its name in messages.
///
/// # Errors
/// As [`extract`].
pub fn extract_from(
    input: impl Read + Send,
    archive: &Path,
    directory: &Path,
    wanted: &Wanted<'_>,
    options: &ReadOptions<'_>,
) -> Result<Extracted, ExtractError> {
    let mut tree = TreeSink::new(directory, false)?;
    let mut keeper = MetaKeeper::default();
    let request = Request {
        files: wanted.files,
        as_stored: wanted.as_stored,
        with_digest: wanted.digest.is_some(),
        on_stored: None,
    };
    let read = read_pieces(input, request, options, &mut |piece: Piece| {
        keeper.watch(&piece)?;
        Ok(tree.handle(piece)?)
    });
    let read = match read {
        Ok(read) => read,
        Err(error) => {
            tree.give_up();
            return Err(ExtractError::of(archive, error));
        }
    };
    if let Some((expected, found)) =
        wanted.digest.zip(read.digest).filter(|(expected, found)| expected != found)
    {
        return Err(ExtractError::Digest { path: archive.to_owned(), expected, found });
    }
    let kept = keeper.finish(wanted.metadata);
    let metadata = kept.map_err(|error: CheckError| ExtractError::of(archive, error.into()))?;
    let (files, bytes) = tree.written();
    tree.finish()?;
    Ok(Extracted { layers: read.layers, metadata, files, bytes })
}

/// Opens an archive for reading.
pub(crate) fn open_file(archive: &Path) -> Result<File, ExtractError> {
    File::open(archive).map_err(|error| ExtractError::of(archive, FlowError::Read(error)))
}

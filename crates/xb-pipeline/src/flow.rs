//! What moves between the parts of a line: blocks of bytes, and pieces of files.

use std::io::{self, Read};

use bytes::Bytes;
use xb_core::ErrorClass;
use xb_formats::archive::Layer;
use xb_formats::path::{PathError, StreamPath};
use xb_formats::qpress::QpressError;
use xb_formats::xbcrypt::XbcryptError;
use xb_formats::xbstream::XbstreamError;

use crate::cancel::Cancelled;
use crate::check::CheckError;
use crate::fs::FsError;
use crate::keys::KeyFault;
use crate::parallel::Flow;
use crate::sink::file::ObjectError;
use crate::store::StoreError;

/// Bytes in a block, as far as there are so many: what is read, compressed or written in one go.
pub(crate) const BLOCK_BYTES: usize = 1024 * 1024;

/// Why a line stopped.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// What the bytes come from cannot be read.
    #[error("cannot read: {0}")]
    Read(#[source] io::Error),
    /// A key is missing, wrong or of no use.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The first bytes are those of no format that is known.
    #[error("byte {offset}: {found}")]
    Unknown {
        /// Where they stand, in bytes of the innermost layer that is known.
        offset: u64,
        /// What is there instead.
        found: String,
    },
    /// A layer is damaged.
    #[error("{layer}, at byte {offset}: {reason}")]
    Layer {
        /// Which.
        layer: Layer,
        /// Where the damaged part begins, in bytes of this layer.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// An xbcrypt stream is damaged.
    #[error(transparent)]
    Xbcrypt(XbcryptError),
    /// A qpress archive is damaged.
    #[error(transparent)]
    Qpress(#[from] QpressError),
    /// An xbstream is damaged, or is no backup.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// A path that leads out of the target, or cannot be one.
    #[error("the path \"{path}\": {source}")]
    Path {
        /// The path, escaped.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// Something that backups do not consist of.
    #[error("{path} is {what}: a backup holds files and directories only")]
    Kind {
        /// Its path, escaped.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The fault is in one file of the archive.
    #[error("in {path}: {source}")]
    Member {
        /// Its path, escaped.
        path: String,
        /// What is wrong there.
        source: Box<FlowError>,
    },
    /// What was asked for cannot be made from this.
    #[error("{path}: {reason}")]
    Unfit {
        /// The file it is about, escaped.
        path: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// Something could not be compressed or encrypted.
    #[error("cannot pack: {0}")]
    Pack(String),
    /// There is nothing to make an archive of.
    #[error("there is no file in it, and an archive without any cannot be told from one that was lost")]
    NoFiles,
    /// Two files have one path.
    #[error("it has {path} twice; it is damaged, or was put together from several")]
    Twice {
        /// The path, escaped.
        path: String,
    },
    /// The archive has no such file.
    #[error("it has no {path}")]
    NoMember {
        /// What was asked for, escaped.
        path: String,
    },
    /// What comes out has nowhere to go.
    #[error("cannot write: {0}")]
    Write(#[source] io::Error),
    /// A file could not be written.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The store an archive is read from or written to does not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ObjectError> for FlowError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Fs(error) => FlowError::Fs(error),
            ObjectError::Store(error) => error.into(),
        }
    }
}

impl From<XbstreamError> for FlowError {
    fn from(error: XbstreamError) -> Self {
        FlowError::Check(error.into())
    }
}

impl From<XbcryptError> for FlowError {
    fn from(error: XbcryptError) -> Self {
        if error.is_about_the_key() { KeyFault::of(&error).into() } else { FlowError::Xbcrypt(error) }
    }
}

/// Errors travel through interfaces of the standard library and come out as what they were.
impl From<FlowError> for io::Error {
    fn from(error: FlowError) -> Self {
        io::Error::other(error)
    }
}

impl From<io::Error> for FlowError {
    fn from(error: io::Error) -> Self {
        let error = match error.downcast::<FlowError>() {
            Ok(error) => return error,
            Err(error) => error,
        };
        error.downcast::<StoreError>().map_or_else(FlowError::Read, FlowError::from)
    }
}

impl FlowError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            FlowError::Cancelled(_) => ErrorClass::Cancelled,
            FlowError::Read(_) => ErrorClass::Transient,
            FlowError::Member { source, .. } => source.class(),
            FlowError::Store(error) => error.class(),
            _ => ErrorClass::Permanent,
        }
    }

    /// The fault of a key, if that is what it is.
    #[must_use]
    pub fn key_fault(&self) -> Option<&KeyFault> {
        match self {
            FlowError::Key(fault) => Some(fault),
            FlowError::Member { source, .. } => source.key_fault(),
            _ => None,
        }
    }

    /// Says which file it is about, unless it does so already or is about none.
    pub(crate) fn in_member(self, path: &StreamPath) -> Self {
        match self {
            FlowError::Cancelled(_) | FlowError::Member { .. } | FlowError::Fs(_) | FlowError::Store(_) => {
                self
            }
            source => FlowError::Member { path: path.to_string(), source: Box::new(source) },
        }
    }
}

/// Bytes, block by block.
pub(crate) trait Blocks: Send {
    /// The next block, never empty; `None` after the last.
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError>;
}

impl Blocks for Flow<Bytes, FlowError> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        while let Some(block) = self.next()? {
            if !block.is_empty() {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }
}

impl<B: Blocks + ?Sized> Blocks for Box<B> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        (**self).next_block()
    }
}

/// Blocks, some of which have been looked at already.
pub(crate) struct Peeked<B> {
    seen: Bytes,
    rest: B,
}

impl<B: Blocks> Peeked<B> {
    /// Looks at the first `length` bytes, as far as there are so many.
    pub(crate) fn new(mut rest: B, length: usize) -> Result<Self, FlowError> {
        let mut seen = Bytes::new();
        while seen.len() < length {
            let Some(block) = rest.next_block()? else { break };
            seen = if seen.is_empty() { block } else { [seen, block].concat().into() };
        }
        Ok(Peeked { seen, rest })
    }

    pub(crate) fn first_bytes(&self) -> &[u8] {
        &self.seen
    }
}

impl<B: Blocks> Blocks for Peeked<B> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        match std::mem::take(&mut self.seen) {
            seen if seen.is_empty() => self.rest.next_block(),
            seen => Ok(Some(seen)),
        }
    }
}

/// Blocks for those who want to read.
pub(crate) struct BlocksReader<B> {
    blocks: B,
    current: Bytes,
    passed: u64,
}

impl<B: Blocks> BlocksReader<B> {
    pub(crate) fn new(blocks: B) -> Self {
        BlocksReader { blocks, current: Bytes::new(), passed: 0 }
    }

    /// Bytes read so far.
    pub(crate) fn passed(&self) -> u64 {
        self.passed
    }
}

impl<B: Blocks> Read for BlocksReader<B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            match self.blocks.next_block()? {
                Some(block) => self.current = block,
                None => return Ok(0),
            }
        }
        let length = buffer.len().min(self.current.len());
        buffer[..length].copy_from_slice(&self.current.split_to(length));
        self.passed += length as u64;
        Ok(length)
    }
}

/// A file of an archive, by a number that never comes again in it.
pub(crate) type FileId = u64;

/// What happens in an archive, whatever holds it together, in its order. Files may interleave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A directory is there.
    Directory { path: StreamPath },
    /// A file begins, empty.
    Open { file: FileId, path: StreamPath, about: About },
    /// Bytes of a file, not empty.
    Data { file: FileId, offset: u64, bytes: Bytes },
    /// The file has at least this size; what is not written reads as zeros.
    Extend { file: FileId, size: u64 },
    /// The file is complete.
    Close { file: FileId, size: u64 },
    /// A complete file is to be removed.
    Remove { path: StreamPath },
    /// A complete file gets another path.
    Rename { from: StreamPath, to: StreamPath },
}

/// What is known of a file when it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct About {
    /// It replaces one of its path that the archive has closed before.
    pub(crate) rewrite: bool,
    /// Its size in bytes, where the container tells it beforehand.
    pub(crate) size: Option<u64>,
    /// It was decrypted, maybe with a wrong key: old ciphers cannot tell.
    pub(crate) decrypted: bool,
}

/// Pieces, some at a time.
pub(crate) trait Pieces: Send {
    /// The next pieces, at least one; `None` after the last.
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError>;
}

impl<P: Pieces + ?Sized> Pieces for Box<P> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        (**self).next_pieces()
    }
}

impl Pieces for Flow<Vec<Piece>, FlowError> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        while let Some(pieces) = self.next()? {
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }
}

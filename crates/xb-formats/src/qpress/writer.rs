//! Writes archives that qpress, XtraBackup and MariaDB read.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use xb_core::ErrorClass;

use super::block::PackedBlock;
use super::error::{Fault, within};
use super::event::Limits;
use super::{BLOCK_MARK, MAGIC, RECORD_DIRECTORY, RECORD_FILE, RECORD_UP, TRAILER_MARK};
use crate::path::{PathError, StreamPath};

/// The chunk size unless told otherwise, in bytes: what all tools use.
pub const DEFAULT_CHUNK_BYTES: usize = 64 * 1024;

/// The largest chunk size, in bytes: what qpress writes at most.
pub const MAX_CHUNK_BYTES: usize = 32 << 20;

/// Writes an archive, record by record.
///
/// Names are single components of a path, as bytes. What is stored from standard input is a file of any name
/// at the top: begin it, append, end it. Memory: one chunk and the path of each entry.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    chunk_bytes: usize,
    /// The directories that were entered and not left.
    open: Vec<StreamPath>,
    seen: HashSet<StreamPath>,
    /// The file that is open.
    file: Option<OpenFile>,
    /// Plaintext of the block that is not full yet.
    pending: Vec<u8>,
}

/// A file that was begun.
#[derive(Debug)]
struct OpenFile {
    path: StreamPath,
    /// Its length as far as it is written, in bytes.
    size: u64,
}

/// Writing an archive failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target or the source of the data failed.
    #[error("cannot write the qpress archive: {0}")]
    Io(#[from] io::Error),
    /// The name is none that readers take.
    #[error("an entry cannot be put into a qpress archive: {0}")]
    Path(#[from] PathError),
    /// The archive has the path already, or a number is too large.
    #[error("{path} cannot be put into the qpress archive: {fault}")]
    Refused {
        /// The path, escaped for a terminal.
        path: String,
        /// Why not.
        fault: Fault,
    },
    /// Records were asked for in an order that makes no archive.
    #[error("the qpress archive cannot be written: {0}")]
    Sequence(&'static str),
}

impl WriteError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            WriteError::Io(_) => ErrorClass::Transient,
            WriteError::Path(_) | WriteError::Refused { .. } => ErrorClass::Permanent,
            WriteError::Sequence(_) => ErrorClass::Bug,
        }
    }
}

impl<W: Write> Writer<W> {
    /// An archive into `out`, in blocks of [`DEFAULT_CHUNK_BYTES`]. Heads are written on their own, so `out`
    /// should not be an unbuffered socket.
    ///
    /// # Errors
    /// When the target fails.
    pub fn new(out: W) -> Result<Self, WriteError> {
        Writer::with_chunk_bytes(out, DEFAULT_CHUNK_BYTES)
    }

    /// An archive in blocks of another size, in bytes; below 1 counts as 1, above [`MAX_CHUNK_BYTES`] as that.
    ///
    /// # Errors
    /// When the target fails.
    pub fn with_chunk_bytes(mut out: W, bytes: usize) -> Result<Self, WriteError> {
        let chunk_bytes = bytes.clamp(1, MAX_CHUNK_BYTES);
        out.write_all(&MAGIC)?;
        out.write_all(&(chunk_bytes as u64).to_le_bytes())?;
        let (open, seen) = (Vec::new(), HashSet::new());
        Ok(Writer { out, chunk_bytes, open, seen, file: None, pending: Vec::new() })
    }

    /// The chunk size in bytes, which no block may exceed.
    #[must_use]
    pub fn chunk_bytes(&self) -> usize {
        self.chunk_bytes
    }

    /// What the archive goes to, for whoever takes away what has been written so far.
    pub fn target_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Begins a directory in the one that is open. All of it is written before it is left: it cannot be
    /// entered again.
    ///
    /// # Errors
    /// When the archive has it already, when its name is none, and when the target fails.
    pub fn enter_directory(&mut self, name: &[u8]) -> Result<(), WriteError> {
        let path = self.add(name)?;
        within("the depth of directories", self.open.len() as u64 + 1, Limits::default().max_depth as u64)
            .map_err(|fault| WriteError::Refused { path: path.to_string(), fault })?;
        self.open.push(path);
        self.write_record(RECORD_DIRECTORY, name)
    }

    /// Ends the directory that is open.
    ///
    /// # Errors
    /// When there is none, and when the target fails.
    pub fn leave_directory(&mut self) -> Result<(), WriteError> {
        if self.file.is_some() || self.open.pop().is_none() {
            return Err(WriteError::Sequence("a directory is left that is not open, or with a file open"));
        }
        Ok(self.out.write_all(&[RECORD_UP])?)
    }

    /// Begins a file in the directory that is open.
    ///
    /// # Errors
    /// When the archive has it already, when its name is none, when another file is open, and when the target
    /// fails.
    pub fn begin_file(&mut self, name: &[u8]) -> Result<(), WriteError> {
        let path = self.add(name)?;
        self.file = Some(OpenFile { path, size: 0 });
        self.write_record(RECORD_FILE, name)
    }

    /// Appends to the file that is open. Blocks have the chunk size but for the last one of a file.
    ///
    /// # Errors
    /// When no file is open, and when the target fails.
    pub fn append(&mut self, mut plain: &[u8]) -> Result<(), WriteError> {
        self.open_file()?;
        while !plain.is_empty() {
            if self.pending.is_empty() && plain.len() >= self.chunk_bytes {
                let (full, rest) = plain.split_at(self.chunk_bytes);
                self.pack(full)?;
                plain = rest;
                continue;
            }
            let room = self.chunk_bytes - self.pending.len();
            let (bytes, rest) = plain.split_at(room.min(plain.len()));
            self.pending.extend_from_slice(bytes);
            plain = rest;
            if self.pending.len() == self.chunk_bytes {
                self.pack_pending()?;
            }
        }
        Ok(())
    }

    /// Appends a block that was compressed elsewhere, behind all that was appended before.
    ///
    /// # Errors
    /// When no file is open, when the block is longer than the chunk size, and when the target fails.
    pub fn append_block(&mut self, block: &PackedBlock) -> Result<(), WriteError> {
        self.open_file()?;
        self.pack_pending()?;
        self.write_block(block)
    }

    /// Ends the file that is open. Returns its length in bytes.
    ///
    /// # Errors
    /// When no file is open, and when the target fails.
    pub fn end_file(&mut self) -> Result<u64, WriteError> {
        self.open_file()?;
        self.pack_pending()?;
        self.out.write_all(&TRAILER_MARK)?;
        self.out.write_all(&[0; 8])?;
        Ok(self.file.take().map(|file| file.size).unwrap_or_default())
    }

    /// Writes a whole file in the directory that is open. Returns its length in bytes.
    ///
    /// # Errors
    /// As [`Writer::begin_file`], and when the source fails.
    pub fn write_file(&mut self, name: &[u8], source: &mut impl Read) -> Result<u64, WriteError> {
        self.begin_file(name)?;
        let mut block = Vec::new();
        loop {
            block.clear();
            if source.by_ref().take(self.chunk_bytes as u64).read_to_end(&mut block)? == 0 {
                return self.end_file();
            }
            self.append(&block)?;
        }
    }

    /// Ends the archive, flushes the target and gives it back.
    ///
    /// # Errors
    /// When a file or directory is open, and when the target fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.file.is_some() || !self.open.is_empty() {
            return Err(WriteError::Sequence("it was ended with a file or directory open"));
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn open_file(&mut self) -> Result<&mut OpenFile, WriteError> {
        self.file.as_mut().ok_or(WriteError::Sequence("no file is open"))
    }

    /// Checks and remembers the path of a new entry.
    fn add(&mut self, name: &[u8]) -> Result<StreamPath, WriteError> {
        if self.file.is_some() {
            return Err(WriteError::Sequence("an entry was begun with a file open"));
        }
        let path = StreamPath::child(self.open.last(), name)?;
        if !self.seen.insert(path.clone()) {
            return Err(WriteError::Refused { path: path.to_string(), fault: Fault::Duplicate });
        }
        Ok(path)
    }

    fn write_record(&mut self, kind: u8, name: &[u8]) -> Result<(), WriteError> {
        let mut record = vec![kind];
        record.extend((name.len() as u32).to_le_bytes());
        record.extend(name);
        record.push(0);
        Ok(self.out.write_all(&record)?)
    }

    fn pack_pending(&mut self) -> Result<(), WriteError> {
        let mut pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.pack(&pending)?;
        }
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn pack(&mut self, plain: &[u8]) -> Result<(), WriteError> {
        let file = self.open_file()?;
        let block = PackedBlock::new(plain).map_err(|fault| file.refuse(fault))?;
        self.write_block(&block)
    }

    fn write_block(&mut self, block: &PackedBlock) -> Result<(), WriteError> {
        let limit = self.chunk_bytes as u64;
        let file = self.open_file()?;
        within("the size of a block", block.plain_length as u64, limit)
            .map_err(|fault| file.refuse(fault))?;
        let mut head = BLOCK_MARK.to_vec();
        head.extend(file.size.to_le_bytes());
        head.extend(block.checksum.to_le_bytes());
        file.size += block.plain_length as u64;
        self.out.write_all(&head)?;
        Ok(self.out.write_all(&block.packet)?)
    }
}

impl OpenFile {
    fn refuse(&self, fault: Fault) -> WriteError {
        WriteError::Refused { path: self.path.to_string(), fault }
    }
}

//! Writes streams that xbstream 2.2, xbstream 2.4 and mbstream read: flags 0, types P and E (on demand sparse S,
//! and what MariaDB has beside), payloads of 1 byte to 10 MiB, paths without `./`, one end per file.

use std::io::{self, Read, Write};

use xb_core::ErrorClass;

use super::error::Fault;
use super::event::Limits;
use super::files::FileTable;
use super::{FLAG_REWRITE, MAGIC, TYPE_DATA, TYPE_END, TYPE_REMOVE, TYPE_RENAME, TYPE_SEEK_OR_SPARSE};
use crate::path::{PathError, StreamPath};

/// The largest payload of a chunk, in bytes: what the tools themselves write at most by default.
pub const CHUNK_LIMIT: usize = 10 << 20;

/// Bytes read at a time by [`Writer::write_file`], each time a chunk.
const BLOCK: u64 = 1 << 20;

/// Writes a stream. Files may be written one after the other or interleaved.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    files: FileTable,
    block: Vec<u8>,
}

/// A file of a [`Writer`] that was begun. It must be ended: [`Writer::finish`] refuses what is left over.
#[derive(Debug)]
#[must_use]
pub struct FileInWork {
    path: StreamPath,
    position: u64,
    /// What its chunks say beside their type.
    flags: u8,
}

impl FileInWork {
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &StreamPath {
        &self.path
    }

    /// Where its next byte goes, in bytes from its beginning.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }
}

/// Writing a stream failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target or the source of the data failed.
    #[error("cannot write the xbstream: {0}")]
    Io(#[from] io::Error),
    /// The path is none that readers take.
    #[error("a file cannot be put into an xbstream: {0}")]
    Path(#[from] PathError),
    /// The stream has the path already, or a number is too large.
    #[error("file {path} cannot be put into the xbstream: {fault}")]
    Refused {
        /// The path, escaped for a terminal.
        path: String,
        /// Why not.
        fault: Fault,
    },
    /// A file was begun and not ended.
    #[error("the xbstream is incomplete: {0}")]
    Unfinished(Fault),
}

impl WriteError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            WriteError::Io(_) => ErrorClass::Transient,
            WriteError::Path(_) | WriteError::Refused { .. } => ErrorClass::Permanent,
            WriteError::Unfinished(_) => ErrorClass::Bug,
        }
    }
}

impl<W: Write> Writer<W> {
    /// A stream into `out`. Heads are written on their own, so `out` should not be an unbuffered socket.
    pub fn new(out: W) -> Self {
        Writer { out, files: FileTable::default(), block: Vec::new() }
    }

    /// Begins a file. Nothing is written yet.
    ///
    /// # Errors
    /// When the stream has this path already.
    pub fn begin_file(&mut self, path: StreamPath) -> Result<FileInWork, WriteError> {
        self.begin(path, 0)
    }

    /// Begins a file that replaces a complete one of this path, if the stream has one. Only readers of MariaDB
    /// know what that means.
    ///
    /// # Errors
    /// When a file of this path is not complete yet.
    pub fn begin_file_again(&mut self, path: StreamPath) -> Result<FileInWork, WriteError> {
        self.begin(path, FLAG_REWRITE)
    }

    fn begin(&mut self, path: StreamPath, flags: u8) -> Result<FileInWork, WriteError> {
        match self.files.begin(&path, flags == FLAG_REWRITE, &Limits::default()) {
            Ok(_) => Ok(FileInWork { path, position: 0, flags }),
            Err(fault) => Err(WriteError::Refused { path: path.to_string(), fault }),
        }
    }

    /// Appends to a file, in chunks of at most [`CHUNK_LIMIT`]; nothing when `bytes` is empty. Who has many
    /// small pieces collects them first: a chunk costs 34 bytes and the path.
    ///
    /// # Errors
    /// When the target fails.
    pub fn append(&mut self, file: &mut FileInWork, bytes: &[u8]) -> Result<(), WriteError> {
        for payload in bytes.chunks(CHUNK_LIMIT) {
            self.write_data(file, payload)?;
        }
        Ok(())
    }

    fn write_data(&mut self, file: &mut FileInWork, payload: &[u8]) -> Result<(), WriteError> {
        let mut head = head(TYPE_DATA, file.flags, &file.path);
        head.extend((payload.len() as u64).to_le_bytes());
        head.extend(file.position.to_le_bytes());
        head.extend(crc32fast::hash(payload).to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(payload)?;
        file.position += payload.len() as u64;
        Ok(())
    }

    /// Appends a sparse chunk, which only XtraBackup 8.0 and later read: for each entry of `map`, a hole of
    /// as many bytes as the first number says, then as many bytes of `payload` as the second says.
    ///
    /// # Errors
    /// When the map does not describe the payload, when it has too many entries or the payload too many
    /// bytes, and when the target fails.
    pub fn write_sparse(
        &mut self,
        file: &mut FileInWork,
        map: &[(u32, u32)],
        payload: &[u8],
    ) -> Result<(), WriteError> {
        let length = payload.len() as u64;
        let position = check_sparse(file.position, map, length)
            .map_err(|fault| WriteError::Refused { path: file.path.to_string(), fault })?;
        let mut raw = Vec::with_capacity(map.len() * 8);
        for (skip, write) in map {
            raw.extend(skip.to_le_bytes());
            raw.extend(write.to_le_bytes());
        }
        let mut crc = crc32fast::Hasher::new();
        crc.update(&raw);
        crc.update(payload);
        let mut head = head(TYPE_SEEK_OR_SPARSE, file.flags, &file.path);
        head.extend((map.len() as u32).to_le_bytes());
        head.extend(length.to_le_bytes());
        head.extend(file.position.to_le_bytes());
        head.extend(crc.finalize().to_le_bytes());
        head.extend(raw);
        self.out.write_all(&head)?;
        self.out.write_all(payload)?;
        file.position = position;
        Ok(())
    }

    /// Ends a file.
    ///
    /// # Errors
    /// When the target fails.
    pub fn end_file(&mut self, mut file: FileInWork) -> Result<(), WriteError> {
        if file.flags != 0 && file.position == 0 {
            // Only a chunk of data can say that it replaces a file, be it empty.
            self.write_data(&mut file, b"")?;
        }
        self.out.write_all(&head(TYPE_END, 0, &file.path))?;
        self.files.end(&file.path);
        Ok(())
    }

    /// Removes a complete file of the stream. Only readers of MariaDB know what that means.
    ///
    /// # Errors
    /// When the file is not complete yet, and when the target fails.
    pub fn remove_file(&mut self, path: &StreamPath) -> Result<(), WriteError> {
        let removed = self.files.remove(path);
        removed.map_err(|fault| WriteError::Refused { path: path.to_string(), fault })?;
        Ok(self.out.write_all(&head(TYPE_REMOVE, 0, path))?)
    }

    /// Gives a complete file of the stream another path. Only readers of MariaDB know what that means.
    ///
    /// # Errors
    /// When one of the two is not complete yet, and when the target fails.
    pub fn rename_file(&mut self, from: &StreamPath, to: &StreamPath) -> Result<(), WriteError> {
        let renamed = self.files.rename(from, to);
        renamed.map_err(|fault| WriteError::Refused { path: from.to_string(), fault })?;
        let mut chunk = head(TYPE_RENAME, 0, from);
        chunk.extend((to.as_bytes().len() as u32).to_le_bytes());
        chunk.extend(to.as_bytes());
        Ok(self.out.write_all(&chunk)?)
    }

    /// Writes a whole file. Returns its length in bytes.
    ///
    /// # Errors
    /// When the stream has this path already, and when the source or the target fails.
    pub fn write_file(&mut self, path: StreamPath, source: &mut impl Read) -> Result<u64, WriteError> {
        let mut file = self.begin_file(path)?;
        let mut block = std::mem::take(&mut self.block);
        loop {
            block.clear();
            if source.by_ref().take(BLOCK).read_to_end(&mut block)? == 0 {
                break;
            }
            self.append(&mut file, &block)?;
        }
        self.block = block;
        let length = file.position;
        self.end_file(file)?;
        Ok(length)
    }

    /// Ends the stream, flushes the target and gives it back.
    ///
    /// # Errors
    /// When a file was begun and not ended, and when the target fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if let Some(fault) = self.files.unfinished() {
            return Err(WriteError::Unfinished(fault));
        }
        self.out.flush()?;
        Ok(self.out)
    }
}

/// What every chunk begins with.
fn head(kind: u8, flags: u8, path: &StreamPath) -> Vec<u8> {
    let path = path.as_bytes();
    let mut head = Vec::with_capacity(64 + path.len());
    head.extend(MAGIC);
    head.extend([flags, kind]);
    head.extend((path.len() as u32).to_le_bytes());
    head.extend(path);
    head
}

/// Checks a sparse chunk as the decoder will. Returns the position behind it.
fn check_sparse(position: u64, map: &[(u32, u32)], length: u64) -> Result<u64, Fault> {
    use super::files::within;

    let limits = Limits::default();
    within("the length of a chunk", length, CHUNK_LIMIT as u64)?;
    within("the number of map entries", map.len() as u64, u64::from(limits.max_map_entries))?;
    let skipped: u64 = map.iter().map(|(skip, _)| u64::from(*skip)).sum();
    let described: u64 = map.iter().map(|(_, write)| u64::from(*write)).sum();
    if described != length {
        return Err(Fault::BadMap { described, length });
    }
    let end = position.saturating_add(skipped).saturating_add(length);
    within("the size of the file", end, limits.max_file_size)?;
    Ok(end)
}

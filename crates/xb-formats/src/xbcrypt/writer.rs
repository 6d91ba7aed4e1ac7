//! Writes streams that xbcrypt reads.

use std::io::{self, Write};

use xb_core::ErrorClass;

use super::encrypt::{Iv, PLAIN_LIMIT, encrypt_chunk, encrypt_chunk_version_2};
use super::error::Fault;
use super::key::Key;

/// Bytes of plaintext in a chunk unless told otherwise: what the tools use.
pub const DEFAULT_CHUNK_BYTES: usize = 64 * 1024;

/// Where IVs come from. This crate has no source of randomness; see [`Iv`] for what one must never do.
pub trait IvSource {
    /// An IV that was never given before.
    fn next_iv(&mut self) -> Iv;
}

impl<F: FnMut() -> Iv> IvSource for F {
    fn next_iv(&mut self) -> Iv {
        self()
    }
}

/// How a chunk is made of a plaintext.
type MakeChunk = fn(&Key, Iv, &[u8]) -> Result<Vec<u8>, Fault>;

/// Encrypts what is appended, in chunks of equal size but for the last.
#[derive(Debug)]
pub struct Writer<W, S> {
    out: W,
    key: Key,
    ivs: S,
    make: MakeChunk,
    chunk_bytes: usize,
    /// Plaintext of the chunk that is not full yet.
    pending: Vec<u8>,
}

/// Writing a stream failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The target failed.
    #[error("cannot write the xbcrypt stream: {0}")]
    Io(#[from] io::Error),
    /// A chunk cannot be made.
    #[error("cannot encrypt: {0}")]
    Refused(Fault),
}

impl WriteError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            WriteError::Io(_) => ErrorClass::Transient,
            WriteError::Refused(_) => ErrorClass::Bug,
        }
    }
}

impl<W: Write, S: IvSource> Writer<W, S> {
    /// A stream of version 3 in chunks of [`DEFAULT_CHUNK_BYTES`].
    pub fn new(out: W, key: Key, ivs: S) -> Self {
        Writer { out, key, ivs, make: encrypt_chunk, chunk_bytes: DEFAULT_CHUNK_BYTES, pending: Vec::new() }
    }

    /// The same in version 2. Not safe: see [`encrypt_chunk_version_2`].
    #[must_use]
    pub fn version_2(self) -> Self {
        Writer { make: encrypt_chunk_version_2, ..self }
    }

    /// The same with another size of a chunk's plaintext, in bytes; below 1 counts as 1, above
    /// [`PLAIN_LIMIT`] as that.
    #[must_use]
    pub fn chunk_bytes(self, bytes: usize) -> Self {
        Writer { chunk_bytes: bytes.clamp(1, PLAIN_LIMIT), ..self }
    }

    /// Appends plaintext. Keeps at most one chunk of it.
    ///
    /// # Errors
    /// When the target fails.
    pub fn append(&mut self, mut plain: &[u8]) -> Result<(), WriteError> {
        while !plain.is_empty() {
            if self.pending.is_empty() && plain.len() >= self.chunk_bytes {
                let (full, rest) = plain.split_at(self.chunk_bytes);
                self.write_chunk(full)?;
                plain = rest;
                continue;
            }
            let room = self.chunk_bytes - self.pending.len();
            let (bytes, rest) = plain.split_at(room.min(plain.len()));
            self.pending.extend_from_slice(bytes);
            plain = rest;
            if self.pending.len() == self.chunk_bytes {
                self.write_pending()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, flushes the target and gives it back. Nothing at all is written for no plaintext.
    ///
    /// # Errors
    /// When the target fails.
    pub fn finish(mut self) -> Result<W, WriteError> {
        self.write_pending()?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write_pending(&mut self) -> Result<(), WriteError> {
        let mut pending = std::mem::take(&mut self.pending);
        self.write_chunk(&pending)?;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    fn write_chunk(&mut self, plain: &[u8]) -> Result<(), WriteError> {
        if plain.is_empty() {
            return Ok(());
        }
        let iv = self.ivs.next_iv();
        let chunk = (self.make)(&self.key, iv, plain).map_err(WriteError::Refused)?;
        Ok(self.out.write_all(&chunk)?)
    }
}

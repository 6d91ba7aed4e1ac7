//! One block, in both directions.

use super::error::{Fault, QpressError};
use super::event::FileKey;
use super::quicklz::{PacketHead, compress, decompress_into};
use super::writer::MAX_CHUNK_BYTES;
use crate::path::StreamPath;

/// A block as it stands in an archive, the head of its packet checked and the rest not. Independent of all
/// others, so blocks can be expanded at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub(super) file: FileKey,
    pub(super) path: StreamPath,
    /// Where it begins in the archive.
    pub(super) start: u64,
    /// Where its plaintext begins in the file.
    pub(super) offset: u64,
    pub(super) expected: u32,
    pub(super) head: PacketHead,
    pub(super) packet: Vec<u8>,
}

impl Block {
    /// The file it belongs to.
    #[must_use]
    pub fn file(&self) -> FileKey {
        self.file
    }

    /// Where its plaintext belongs, in bytes from the beginning of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The length of its plaintext in bytes.
    #[must_use]
    pub fn plain_length(&self) -> usize {
        self.head.plain_bytes
    }

    /// What the head of its packet says.
    #[must_use]
    pub fn head(&self) -> PacketHead {
        self.head
    }

    /// Its packet, head included.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// The Adler-32 (RFC 1950) that the archive says the packet has.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.expected
    }

    /// Checks the block and gives its plaintext, which has exactly [`Block::plain_length`] bytes.
    ///
    /// # Errors
    /// When the checksum is wrong or the packet does not expand.
    pub fn expand(&self) -> Result<Vec<u8>, QpressError> {
        let mut plain = Vec::new();
        self.expand_into(&mut plain)?;
        Ok(plain)
    }

    /// The same into memory that is used again and again: what `plain` held before is gone, also after an
    /// error, after which its content means nothing.
    ///
    /// # Errors
    /// As [`Block::expand`].
    pub fn expand_into(&self, plain: &mut Vec<u8>) -> Result<(), QpressError> {
        self.try_expand(plain).map_err(|fault| QpressError {
            offset: self.start,
            path: Some(self.path.to_string()),
            fault,
        })
    }

    fn try_expand(&self, plain: &mut Vec<u8>) -> Result<(), Fault> {
        let found = simd_adler32::adler32(&self.packet.as_slice());
        if found != self.expected {
            return Err(Fault::BadChecksum { expected: self.expected, found });
        }
        Ok(decompress_into(&self.packet, plain)?)
    }
}

/// A block that was compressed and waits for its place in an archive. Independent of all others, so blocks
/// can be made at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedBlock {
    pub(super) packet: Vec<u8>,
    pub(super) checksum: u32,
    pub(super) plain_length: usize,
}

impl PackedBlock {
    /// Compresses at level 1, which all readers know best. What does not become smaller is stored as it is.
    /// Every reader takes it, including qpress 1.1, XtraBackup and MariaDB.
    ///
    /// # Errors
    /// When `plain` is empty, which no block can be, or has more than [`MAX_CHUNK_BYTES`] bytes.
    pub fn new(plain: &[u8]) -> Result<Self, Fault> {
        if plain.is_empty() {
            return Err(Fault::Packet(super::PacketError::Empty));
        }
        super::error::within("the size of a block", plain.len() as u64, MAX_CHUNK_BYTES as u64)?;
        let packet = compress(plain);
        let checksum = simd_adler32::adler32(&packet.as_slice());
        Ok(PackedBlock { packet, checksum, plain_length: plain.len() })
    }

    /// The length of its plaintext in bytes.
    #[must_use]
    pub fn plain_length(&self) -> usize {
        self.plain_length
    }

    /// Its packet, head included.
    #[must_use]
    pub fn packet(&self) -> &[u8] {
        &self.packet
    }
}

//! Compression in independent blocks.
//!
//! Every block of 1 MiB becomes a gzip member, a Zstandard frame or an LZ4 frame of its own, so that all cores can
//! compress and, later, decompress. Members and frames in a row are what `gzip`, `zstd` and `lz4` read as
//! one stream (RFC 1952 section 2.2, RFC 8878 section 3.1). Larger blocks gain less than one in a hundred in size
//! and cost memory.

use std::fmt;
use std::io;

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor, Crc};
use twox_hash::XxHash32;
use xb_formats::archive::StreamCompression;

/// Identifier of our gzip extra field (RFC 1952 section 2.3.1.1): the member's size follows in 4 bytes,
/// little endian, so that a reader finds the next member without inflating this one.
pub(crate) const GZIP_SUBFIELD: [u8; 2] = *b"PX";
/// A member's header: 10 bytes fixed, 2 for the length of the extra field, 8 for the one subfield.
pub(crate) const GZIP_HEADER_BYTES: usize = 20;
/// CRC-32 and size of the content.
pub(crate) const GZIP_TRAILER_BYTES: usize = 8;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip members, deflated at this level (1 to 12).
    Gzip(i32),
    /// zstd frames at this level (-7 to 19), with a content checksum.
    Zstd(i32),
    /// LZ4 frames, with a content checksum.
    Lz4,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Gzip(level) => write!(f, "gzip level {level}"),
            Compression::Zstd(level) => write!(f, "zstd level {level}"),
            Compression::Lz4 => f.write_str("lz4"),
        }
    }
}

impl From<Compression> for StreamCompression {
    fn from(compression: Compression) -> Self {
        match compression {
            Compression::None => StreamCompression::None,
            Compression::Gzip(_) => StreamCompression::Gzip,
            Compression::Zstd(_) => StreamCompression::Zstd,
            Compression::Lz4 => StreamCompression::Lz4,
        }
    }
}

impl Compression {
    /// gzip at our default level: about the size that `gzip` gives, several times as fast.
    pub const GZIP: Compression = Compression::Gzip(4);
    /// zstd at our default level.
    pub const ZSTD: Compression = Compression::Zstd(1);
}

/// Compresses block after block. One a thread.
pub(crate) enum BlockCompressor {
    None,
    Gzip(Box<Compressor>),
    Zstd(Box<zstd::bulk::Compressor<'static>>),
    Lz4,
}

impl BlockCompressor {
    pub(crate) fn new(compression: Compression) -> io::Result<Self> {
        let invalid =
            |level| io::Error::new(io::ErrorKind::InvalidInput, format!("no compression level {level}"));
        Ok(match compression {
            Compression::None => BlockCompressor::None,
            Compression::Gzip(level) => {
                let level = CompressionLvl::new(level).map_err(|_| invalid(level))?;
                BlockCompressor::Gzip(Box::new(Compressor::new(level)))
            }
            Compression::Zstd(level) => {
                let mut compressor = zstd::bulk::Compressor::new(level)?;
                compressor.include_checksum(true)?;
                BlockCompressor::Zstd(Box::new(compressor))
            }
            Compression::Lz4 => BlockCompressor::Lz4,
        })
    }

    /// The compressed `block`.
    pub(crate) fn compress(&mut self, block: Bytes) -> io::Result<Bytes> {
        let mut output = Vec::new();
        match self {
            BlockCompressor::None => return Ok(block),
            BlockCompressor::Gzip(compressor) => gzip_member(compressor, &block, &mut output)?,
            BlockCompressor::Zstd(compressor) => {
                output.reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(&block[..], &mut output)?;
            }
            BlockCompressor::Lz4 => lz4_frame(&block, &mut output),
        }
        Ok(output.into())
    }
}

fn gzip_member(compressor: &mut Compressor, block: &[u8], output: &mut Vec<u8>) -> io::Result<()> {
    let bound = compressor.deflate_compress_bound(block.len());
    output.resize(GZIP_HEADER_BYTES + bound + GZIP_TRAILER_BYTES, 0);
    let deflated = compressor
        .deflate_compress(block, &mut output[GZIP_HEADER_BYTES..])
        .map_err(|error| io::Error::other(format!("deflate: {error:?}")))?;
    let member_bytes = GZIP_HEADER_BYTES + deflated + GZIP_TRAILER_BYTES;
    let mut crc = Crc::new();
    crc.update(block);
    let narrow = |n: usize| u32::try_from(n).map_err(io::Error::other);
    output[..GZIP_HEADER_BYTES].copy_from_slice(&gzip_header(narrow(member_bytes)?));
    let trailer = GZIP_HEADER_BYTES + deflated;
    output[trailer..trailer + 4].copy_from_slice(&crc.sum().to_le_bytes());
    output[trailer + 4..member_bytes].copy_from_slice(&narrow(block.len())?.to_le_bytes());
    output.truncate(member_bytes);
    Ok(())
}

/// Magic, method 8, flag FEXTRA, no time, no hint, system unknown; then the extra field.
fn gzip_header(member_bytes: u32) -> [u8; GZIP_HEADER_BYTES] {
    let mut header = [0; GZIP_HEADER_BYTES];
    header[..10].copy_from_slice(&[0x1f, 0x8b, 8, 0x04, 0, 0, 0, 0, 0, 0xff]);
    header[10..12].copy_from_slice(&8_u16.to_le_bytes());
    header[12..14].copy_from_slice(&GZIP_SUBFIELD);
    header[14..16].copy_from_slice(&4_u16.to_le_bytes());
    header[16..].copy_from_slice(&member_bytes.to_le_bytes());
    header
}

/// Version 1, independent blocks, size and checksum of the content (lz4_Frame_format.md 1.6.4): what XtraBackup
/// writes too.
const LZ4_FLAGS: u8 = 0x6c;

/// One frame with one block. A block has at most 4 MiB here.
fn lz4_frame(block: &[u8], output: &mut Vec<u8>) {
    let descriptor = match block.len() {
        ..=0x1_0000 => 0x40,
        0x1_0001..=0x4_0000 => 0x50,
        0x4_0001..=0x10_0000 => 0x60,
        _ => 0x70,
    };
    output.extend_from_slice(&[0x04, 0x22, 0x4d, 0x18, LZ4_FLAGS, descriptor]);
    output.extend_from_slice(&(block.len() as u64).to_le_bytes());
    let check = XxHash32::oneshot(0, output.get(4..).unwrap_or_default());
    output.push((check >> 8) as u8);
    let packed = lz4_flex::block::compress(block);
    let (content, stored) = if packed.len() < block.len() { (&packed[..], 0) } else { (block, 1 << 31) };
    // A block is far below 2 GiB.
    let size = u32::try_from(content.len()).unwrap_or(0) | stored;
    output.extend_from_slice(&size.to_le_bytes());
    output.extend_from_slice(content);
    output.extend_from_slice(&0_u32.to_le_bytes());
    output.extend_from_slice(&XxHash32::oneshot(0, block).to_le_bytes());
}

//! Archives as others write them.

use std::io::Write;

use super::Tree;
use super::forms::key;
use xb_formats::xbcrypt;
use xb_formats::xbstream::{StreamPath, Writer};

/// An xbstream of these files, in this order.
pub fn xbstream<'f>(files: impl IntoIterator<Item = (&'f str, Vec<u8>)>) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (path, content) in files {
        writer.write_file(StreamPath::new(path.as_bytes()).unwrap(), &mut &content[..]).unwrap();
    }
    writer.finish().unwrap()
}

/// An xbstream of a tree, the files changed by `wrap`, which also says what their names end in.
pub fn xbstream_of(tree: &Tree, suffix: &str, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let files = tree.iter().map(|(path, content)| {
        (format!("{}{suffix}", String::from_utf8(path.clone()).unwrap()), wrap(content))
    });
    let files: Vec<(String, Vec<u8>)> = files.collect();
    xbstream(files.iter().map(|(path, content)| (path.as_str(), content.clone())))
}

pub fn gzip(plain: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Frames of so many bytes each, with size and checksum: what XtraBackup 8 writes for each file.
pub fn zstd_frames(plain: &[u8], bytes: usize) -> Vec<u8> {
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    plain.chunks(bytes).flat_map(|part| compressor.compress(part).unwrap()).collect()
}

/// One frame that does not say how long it is, as of a stream.
pub fn zstd_stream(plain: &[u8], checksum: bool) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(checksum).unwrap();
    encoder.include_contentsize(false).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// How an LZ4 frame is made.
#[derive(Clone, Copy)]
pub struct Lz4 {
    pub linked: bool,
    pub size: bool,
    pub block_checksums: bool,
    pub content_checksum: bool,
}

/// What XtraBackup 8 writes: independent blocks, size and checksum of the content.
pub const LZ4: Lz4 = Lz4 { linked: false, size: true, block_checksums: false, content_checksum: true };

pub fn lz4(plain: &[u8], how: Lz4) -> Vec<u8> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(if how.linked { BlockMode::Linked } else { BlockMode::Independent })
        .content_size(how.size.then_some(plain.len() as u64))
        .block_checksums(how.block_checksums)
        .content_checksum(how.content_checksum);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub fn lz4_frames(plain: &[u8], bytes: usize) -> Vec<u8> {
    plain.chunks(bytes).flat_map(|part| lz4(part, LZ4)).collect()
}

/// A frame of user data, which readers of LZ4 and Zstandard pass over.
pub fn skippable(length: u32) -> Vec<u8> {
    let mut frame = 0x184D_2A53_u32.to_le_bytes().to_vec();
    frame.extend(length.to_le_bytes());
    frame.resize(frame.len() + length as usize, 0xaa);
    frame
}

/// An archive of one file.
pub fn qpress_single(name: &[u8], plain: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let mut writer = xb_formats::qpress::Writer::with_chunk_bytes(Vec::new(), chunk_bytes).unwrap();
    writer.write_file(name, &mut &plain[..]).unwrap();
    writer.finish().unwrap()
}

/// xbcrypt of this version, in chunks of so many bytes. The IVs count, which is good enough for tests only.
pub fn encrypted(plain: &[u8], version: u8, chunk_bytes: usize) -> Vec<u8> {
    let mut chunks = Vec::new();
    for (number, part) in (1_u8..).zip(plain.chunks(chunk_bytes)) {
        let iv = [number; 16];
        chunks.extend(match version {
            1 => version_1(part),
            2 => xbcrypt::encrypt_chunk_version_2(&key(32), iv, part).unwrap(),
            _ => xbcrypt::encrypt_chunk(&key(32), iv, part).unwrap(),
        });
    }
    chunks
}

/// A chunk of version 1 is one of version 2 without its IV.
fn version_1(part: &[u8]) -> Vec<u8> {
    let mut chunk = xbcrypt::encrypt_chunk_version_2(&key(32), [7; 16], part).unwrap();
    chunk[7] = b'1';
    chunk.drain(36..36 + 8 + 16);
    chunk
}

/// A header of tar and what follows it, up to a whole block.
pub fn tar_entry(
    name: &[u8],
    kind: tar::EntryType,
    content: &[u8],
    change: impl FnOnce(&mut tar::Header),
) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    change(&mut header);
    header.set_cksum();
    let mut entry = header.as_bytes().to_vec();
    entry.extend(content);
    entry.resize(entry.len().next_multiple_of(512), 0);
    entry
}

/// Two blocks of zeros.
pub const TAR_END: [u8; 1024] = [0; 1024];

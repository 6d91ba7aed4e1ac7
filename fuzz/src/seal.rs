//! Making checksums right, by a walk over heads that trusts nothing and checks little.
//!
//! A walk ends where the input does not go on as the format wants it; what is behind stays as it is.

use std::ops::Range;

use sha2::{Digest, Sha256};
use xb_formats::xbcrypt::{IV_BYTES, Key, encrypt_chunk};
use xb_formats::xbstream::Dialect;

/// The number of `width` bytes at a place, if it is there.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<usize> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    let number = field.iter().rev().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

/// The part of an input that begins at a place, if all of it is there.
fn part(bytes: &[u8], at: usize, length: usize) -> Option<Range<usize>> {
    let part = at..at.checked_add(length)?;
    (part.end <= bytes.len()).then_some(part)
}

fn put(bytes: &mut [u8], at: usize, checksum: u32) {
    if let Some(place) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *place = checksum.to_le_bytes();
    }
}

/// An xbstream with the checksum of each chunk made right.
#[must_use]
pub fn xbstream(input: &[u8], dialect: Dialect) -> Vec<u8> {
    let mut stream = input.to_vec();
    for chunk in xbstream_chunks(input, dialect) {
        if let Some((checksum, covered)) = chunk.sealed {
            put(&mut stream, checksum, crc32fast::hash(&input[covered]));
        }
    }
    stream
}

/// A chunk of an xbstream.
#[derive(Debug)]
pub struct XbstreamChunk {
    /// Its type: P, E, S and so on.
    pub kind: u8,
    /// Where its path is.
    pub path: Range<usize>,
    /// Where it puts its data; nothing when it has none.
    pub begin: Option<u64>,
    /// Where it leaves the position in the file.
    pub leaves_at: Option<u64>,
    /// Where its checksum is, and what that covers.
    sealed: Option<(usize, Range<usize>)>,
    end: usize,
}

/// The chunks of an xbstream.
#[must_use]
pub fn xbstream_chunks(stream: &[u8], dialect: Dialect) -> Vec<XbstreamChunk> {
    let first = xbstream_chunk(stream, 0, dialect);
    std::iter::successors(first, |chunk| xbstream_chunk(stream, chunk.end, dialect)).collect()
}

fn xbstream_chunk(stream: &[u8], at: usize, dialect: Dialect) -> Option<XbstreamChunk> {
    let kind = *stream.get(at + 9)?;
    let path = part(stream, at + 14, number(stream, at + 10, 4)?)?;
    let tail = path.end;
    let chunk = XbstreamChunk { kind, path, begin: None, leaves_at: None, sealed: None, end: tail };
    match kind {
        b'P' => {
            let payload = part(stream, tail + 20, number(stream, tail, 8)?)?;
            let begin = number(stream, tail + 8, 8)? as u64;
            Some(XbstreamChunk {
                begin: Some(begin),
                leaves_at: begin.checked_add(payload.len() as u64),
                end: payload.end,
                sealed: Some((tail + 16, payload)),
                ..chunk
            })
        }
        b'S' => {
            let next_is_chunk = stream.get(tail + 8..)?.starts_with(b"XBSTCK01");
            if dialect == Dialect::MariaDb || (dialect == Dialect::Auto && next_is_chunk) {
                let leaves_at = Some(number(stream, tail, 8)? as u64);
                return Some(XbstreamChunk { leaves_at, end: tail + 8, ..chunk });
            }
            let map = part(stream, tail + 24, number(stream, tail, 4)?.checked_mul(8)?)?;
            let payload = part(stream, map.end, number(stream, tail + 4, 8)?)?;
            let begin = number(stream, tail + 12, 8)? as u64;
            let skips = map.clone().step_by(8).filter_map(|entry| number(stream, entry, 4));
            let moves = skips.fold(payload.len(), |sum, skip| sum + skip) as u64;
            Some(XbstreamChunk {
                begin: Some(begin),
                leaves_at: begin.checked_add(moves),
                sealed: Some((tail + 20, map.start..payload.end)),
                end: payload.end,
                ..chunk
            })
        }
        b'R' => {
            let end = part(stream, tail + 4, number(stream, tail, 4)?)?.end;
            Some(XbstreamChunk { end, ..chunk })
        }
        _ => Some(chunk),
    }
}

/// An xbcrypt stream with checksums and hashes made right for a key.
///
/// The reserved field, at which readers do not look, takes wishes: bit 0 of its first byte leaves a chunk as
/// it is, bit 1 gives a chunk of version 2 what belongs into one of version 3.
#[must_use]
pub fn xbcrypt(input: &[u8], key: &Key) -> Vec<u8> {
    let mut stream = input.to_vec();
    let mut at = 0;
    while let Some(end) = xbcrypt_chunk(&mut stream, at, key) {
        at = end;
    }
    stream
}

/// Seals a chunk. Returns its end.
fn xbcrypt_chunk(stream: &mut [u8], at: usize, key: &Key) -> Option<usize> {
    let version = *stream.get(at + 7)?;
    let wishes = *stream.get(at + 8)?;
    let size = number(stream, at + 24, 8)?;
    let iv = match version {
        b'1' => at + 36..at + 36,
        _ => part(stream, at + 44, number(stream, at + 36, 8)?)?,
    };
    let payload = part(stream, iv.end, size)?;
    if wishes & 1 != 0 {
        return Some(payload.end);
    }
    if version == b'3' || (version == b'2' && wishes & 2 != 0) {
        let iv = stream[iv].first_chunk::<IV_BYTES>().copied();
        hash(&mut stream[payload.clone()], iv, key);
    }
    put(stream, at + 32, crc32fast::hash(&stream[payload.clone()]));
    Some(payload.end)
}

/// Takes a payload but for its last 32 bytes for a plaintext, and makes what a chunk of version 3 has of it.
fn hash(payload: &mut [u8], iv: Option<[u8; IV_BYTES]>, key: &Key) {
    let Some((plain, hash)) = payload.split_last_chunk_mut::<32>() else { return };
    match iv {
        None => *hash = Sha256::digest(plain).into(),
        Some(iv) => {
            let sealed = encrypt_chunk(key, iv, plain).unwrap_or_default();
            if let Some(body) = sealed.len().checked_sub(payload.len()).and_then(|head| sealed.get(head..)) {
                payload.copy_from_slice(body);
            }
        }
    }
}

/// A qpress archive with the checksum of each block made right.
#[must_use]
pub fn qpress(input: &[u8]) -> Vec<u8> {
    let mut archive = input.to_vec();
    for packet in qpress_packets(input) {
        let checksum = simd_adler32::adler32(&&archive[packet.clone()]);
        put(&mut archive, packet.start - 4, checksum);
    }
    archive
}

/// Where the packets of a qpress archive are. Each has its checksum in the four bytes before it.
#[must_use]
pub fn qpress_packets(archive: &[u8]) -> Vec<Range<usize>> {
    let mut packets = Vec::new();
    let mut at = 16;
    while let Some(end) = qpress_record(archive, at, &mut packets) {
        at = end;
    }
    packets
}

/// Finds the packets of a record. Returns its end.
fn qpress_record(archive: &[u8], at: usize, packets: &mut Vec<Range<usize>>) -> Option<usize> {
    let kind = *archive.get(at)?;
    if kind == b'U' {
        return Some(at + 1);
    }
    let mut at = part(archive, at + 5, number(archive, at + 1, 4)?)?.end + 1;
    if kind != b'F' {
        return Some(at);
    }
    while archive.get(at..)?.starts_with(b"NEWBNEWB") {
        let packet = at + 20;
        let width = if archive.get(packet)? & 2 == 0 { 1 } else { 4 };
        let packet = part(archive, packet, number(archive, packet + 1, width)?)?;
        at = packet.end;
        packets.push(packet);
    }
    Some(at + 16)
}

/// A binary log with position and checksum of each event made right, as far as their lengths lead.
#[must_use]
pub fn binlog(input: &[u8]) -> Vec<u8> {
    const HEADER: usize = 19;
    const FORMAT: u8 = 15;
    let (mut log, mut at, mut has_checksums) = (input.to_vec(), 4, false);
    while let Some(event) = number(&log, at + 9, 4).and_then(|length| part(&log, at, length)) {
        let is_format = log.get(at + 4) == Some(&FORMAT);
        if is_format {
            has_checksums = event.len() > 5 && log.get(event.end - 5) == Some(&1);
        }
        if event.len() < HEADER + 4 {
            break;
        }
        put(&mut log, at + 13, event.end as u32);
        if is_format || has_checksums {
            let mut covered = log[event.start..event.end - 4].to_vec();
            covered[17] &= if is_format { !1 } else { !0 };
            put(&mut log, event.end - 4, crc32fast::hash(&covered));
        }
        at = event.end;
    }
    log
}

/// A tar archive with the checksum of each header made right.
#[must_use]
pub fn tar(input: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 512;
    let (mut archive, mut at) = (input.to_vec(), 0);
    while let Some(header) = archive.get_mut(at..at + BLOCK) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        // The checksum is taken with itself as blanks, and is six octal digits, a NUL and a blank.
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = header[124..136].iter().take_while(|byte| (b'0'..=b'7').contains(*byte));
        let size = digits
            .fold(0_usize, |size, digit| size.saturating_mul(8).saturating_add(usize::from(digit - b'0')));
        at = at.saturating_add(BLOCK).saturating_add(size.div_ceil(BLOCK).saturating_mul(BLOCK));
    }
    archive
}

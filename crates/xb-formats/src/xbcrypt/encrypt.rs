//! Making chunks.

use sha2::{Digest, Sha256};

use super::HASH_BYTES;
use super::chunk::Version;
use super::error::Fault;
use super::key::{Algorithm, Key};

/// The length of an IV in bytes.
pub const IV_BYTES: usize = 16;

/// The initial counter of a chunk, big-endian.
///
/// **Under one key no counter may ever come twice**, or the XOR of two plaintexts is open. A chunk of n bytes
/// uses the n / 16 + 3 numbers from its IV on, so IVs that count up by one are as bad as equal ones. Take all
/// 16 bytes of each from the system's source of randomness.
pub type Iv = [u8; IV_BYTES];

/// The longest plaintext of a chunk, in bytes: what a reader with default limits takes in all versions.
pub const PLAIN_LIMIT: usize = (64 << 20) - HASH_BYTES;

/// A chunk of version 3, head included, ready to be written. Independent of all others, so chunks can be made
/// at the same time. No bytes at all for an empty plaintext: the tools never write an empty chunk. With
/// [`Key::none`] nothing is encrypted and the IV is not used.
///
/// # Errors
/// [`Fault::Oversize`] when the plaintext has more than [`PLAIN_LIMIT`] bytes.
pub fn encrypt_chunk(key: &Key, iv: Iv, plain: &[u8]) -> Result<Vec<u8>, Fault> {
    let hash = Sha256::digest(plain);
    encrypt_as(Version::V3, key, iv, plain, &hash)
}

/// The same in version 2, for readers before XtraBackup 2.3.6 and 2.4.5.
///
/// **Not safe, whatever the IV**: version 2 stores it and starts every chunk at counter 0, so all chunks under
/// one key share one keystream. It carries no hash either. Version 3 is the right choice wherever it can be
/// read.
///
/// # Errors
/// [`Fault::Oversize`] when the plaintext has more than [`PLAIN_LIMIT`] bytes.
pub fn encrypt_chunk_version_2(key: &Key, iv: Iv, plain: &[u8]) -> Result<Vec<u8>, Fault> {
    encrypt_as(Version::V2, key, iv, plain, &[])
}

fn encrypt_as(version: Version, key: &Key, iv: Iv, plain: &[u8], hash: &[u8]) -> Result<Vec<u8>, Fault> {
    if plain.len() > PLAIN_LIMIT {
        let (value, limit) = (plain.len() as u64, PLAIN_LIMIT as u64);
        return Err(Fault::Oversize { what: "the length of the plaintext of a chunk", value, limit });
    }
    if plain.is_empty() {
        return Ok(Vec::new());
    }
    let stored_iv: &[u8] = if key.algorithm() == Algorithm::None { &[] } else { &iv };
    let size = plain.len() + hash.len();
    let mut chunk = Vec::with_capacity(HEAD_LIMIT + size);
    chunk.extend(version.magic());
    chunk.extend([0; 8]);
    chunk.extend((size as u64).to_le_bytes());
    chunk.extend((size as u64).to_le_bytes());
    chunk.extend([0; 4]);
    chunk.extend((stored_iv.len() as u64).to_le_bytes());
    chunk.extend(stored_iv);
    let head = chunk.len();
    chunk.extend(plain);
    chunk.extend(hash);
    let counter = if version == Version::V3 { iv } else { Iv::default() };
    if let Some(payload) = chunk.get_mut(head..) {
        key.apply(&counter, payload);
    }
    let checksum = crc32fast::hash(chunk.get(head..).unwrap_or_default());
    for (place, byte) in chunk.iter_mut().skip(CHECKSUM_AT).zip(checksum.to_le_bytes()) {
        *place = byte;
    }
    Ok(chunk)
}

/// Where the checksum stands in a chunk.
const CHECKSUM_AT: usize = 32;
/// The longest head of a chunk: 36 bytes, the size of the IV and the IV.
const HEAD_LIMIT: usize = 36 + 8 + IV_BYTES;

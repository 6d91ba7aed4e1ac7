//! One chunk and what is inside.

use sha2::{Digest, Sha256};

use super::HASH_BYTES;
use super::encrypt::Iv;
use super::error::{Fault, XbcryptError};
use super::key::{Algorithm, Key};

/// The version of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// XtraBackup 2.1 before 2.1.6. No IV, no hash.
    V1,
    /// XtraBackup 2.1.6 to 2.3.5 and 2.4.0 to 2.4.4. An IV that is not used, no hash.
    V2,
    /// XtraBackup 2.3.6, 2.4.5 and all later ones. An IV that is used, and a hash.
    V3,
}

impl Version {
    /// 1, 2 or 3.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3 => 3,
        }
    }

    /// The first bytes of a chunk of this version.
    #[must_use]
    pub fn magic(self) -> [u8; 8] {
        match self {
            Version::V1 => *b"XBCRYP01",
            Version::V2 => *b"XBCRYP02",
            Version::V3 => *b"XBCRYP03",
        }
    }

    pub(super) fn of(magic: &[u8]) -> Option<Version> {
        [Version::V1, Version::V2, Version::V3].into_iter().find(|version| version.magic() == magic)
    }
}

/// A chunk as it stands in the stream, its head checked and its payload not. Independent of all others, so
/// chunks can be decrypted at the same time; their order is that of the plaintext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub(super) number: u64,
    pub(super) offset: u64,
    pub(super) version: Version,
    /// Nothing in version 1, and with the algorithm NONE.
    pub(super) iv: Option<Iv>,
    pub(super) expected: u32,
    pub(super) payload: Vec<u8>,
}

impl Chunk {
    /// Its place in the stream, counted from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Where it begins, in bytes from the beginning of the stream.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The length of its plaintext in bytes.
    #[must_use]
    pub fn plain_length(&self) -> usize {
        match self.version {
            Version::V1 | Version::V2 => self.payload.len(),
            Version::V3 => self.payload.len().saturating_sub(HASH_BYTES),
        }
    }

    fn refuse(&self, fault: Fault) -> XbcryptError {
        XbcryptError { chunk: self.number, offset: self.offset, fault }
    }

    /// A chunk that says whether it is encrypted says the same as the key. Version 1 does not say.
    fn check_algorithm(&self, key: &Key) -> Result<(), Fault> {
        match (self.version, self.iv, key.algorithm()) {
            (Version::V1, _, _) | (_, Some(_), _) if key.algorithm() != Algorithm::None => Ok(()),
            (Version::V1, _, _) | (_, None, Algorithm::None) => Ok(()),
            (_, None, _) => Err(Fault::NotEncrypted),
            (_, Some(_), _) => Err(Fault::KeyNeeded),
        }
    }
}

/// Checks a chunk and gives its plaintext. Works in the memory of the chunk; nothing else is allocated.
///
/// # Errors
/// When its checksum or, in version 3, its hash is wrong, and when it is not encrypted but a key was given or
/// the other way round. A wrong key is noticed in version 3 only ([`Fault::WrongKey`]); before that it gives
/// noise, and whoever reads the result has to notice.
pub fn decrypt(mut chunk: Chunk, key: &Key) -> Result<Vec<u8>, XbcryptError> {
    let found = crc32fast::hash(&chunk.payload);
    if found != chunk.expected {
        return Err(chunk.refuse(Fault::BadChecksum { expected: chunk.expected, found }));
    }
    chunk.check_algorithm(key).map_err(|fault| chunk.refuse(fault))?;
    let iv = chunk.iv.unwrap_or_default();
    match chunk.version {
        // Their writers meant to set the counter and set something that counter mode does not look at.
        Version::V1 => key.apply(&Iv::default(), &mut chunk.payload),
        Version::V2 => {
            refuse_downgraded(&mut chunk, &iv, key)?;
            key.apply(&Iv::default(), &mut chunk.payload);
        }
        Version::V3 => {
            key.apply(&iv, &mut chunk.payload);
            if !hash_is_right(&chunk.payload) {
                let wrong_key = chunk.number == 1 && key.algorithm() != Algorithm::None;
                return Err(chunk.refuse(if wrong_key { Fault::WrongKey } else { Fault::BadHash }));
            }
            chunk.payload.truncate(chunk.plain_length());
        }
    }
    Ok(chunk.payload)
}

/// The marks of versions 2 and 3 differ in one bit, and no checksum covers them. A chunk that says 2 and would
/// be right as one of version 3 is one of version 3; read as it asks to be, it would give noise. Leaves the
/// payload as it was.
fn refuse_downgraded(chunk: &mut Chunk, iv: &Iv, key: &Key) -> Result<(), XbcryptError> {
    key.apply(iv, &mut chunk.payload);
    if hash_is_right(&chunk.payload) {
        return Err(chunk.refuse(Fault::Downgraded));
    }
    key.apply(iv, &mut chunk.payload);
    Ok(())
}

/// Compares the last bytes with the hash of all before. The time it takes says nothing about the bytes.
fn hash_is_right(payload: &[u8]) -> bool {
    let Some((plain, hash)) = payload.split_last_chunk::<HASH_BYTES>() else { return false };
    Sha256::digest(plain).iter().zip(hash).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

//! Keys, expanded once and wiped at the end.

use std::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncrypt, InnerIvInit, IvSizeUser, KeyInit, StreamCipher};
use aes::{Aes128, Aes192, Aes256};
use ctr::{Ctr128BE, CtrCore, flavors};
use xb_core::ErrorClass;

use super::encrypt::Iv;

/// Which cipher a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// AES with a key of 16 bytes.
    Aes128,
    /// AES with a key of 24 bytes.
    Aes192,
    /// AES with a key of 32 bytes.
    Aes256,
    /// No encryption at all: chunks with a checksum and, in version 3, a hash.
    None,
}

/// A key, ready for use. Holds the expanded key only, which is wiped when it is dropped; whoever had the bytes
/// wipes those. `Debug` shows the algorithm and nothing else.
#[derive(Clone)]
pub struct Key(Schedule);

/// The round keys, wiped on drop by the cipher's own crate.
#[derive(Clone)]
enum Schedule {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    None,
}

/// The bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the key has {length} bytes, AES takes 16, 24 or 32{}",
    if *.ends_in_newline { "; it ends in a newline, which is part of the key: write the key file without" } else { "" }
)]
pub struct KeyError {
    /// How many bytes were given.
    pub length: usize,
    /// The last byte is a newline, as an editor leaves it at the end of a key file.
    pub ends_in_newline: bool,
}

impl KeyError {
    /// Whether trying again can help. It cannot.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }

    /// One word for the kind of fault, for logs and statistics. The word does not change.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        "bad-key"
    }
}

impl Key {
    /// A key of 16, 24 or 32 bytes, which also choose the algorithm. They are the bytes of the option
    /// `--encrypt-key` or the whole content of the file of `--encrypt-key-file`: nothing is decoded, derived
    /// or trimmed, a newline at the end of the file included, as xbcrypt does it.
    ///
    /// # Errors
    /// Any other length.
    pub fn new(bytes: &[u8]) -> Result<Self, KeyError> {
        let schedule = match bytes.len() {
            16 => Aes128::new_from_slice(bytes).ok().map(Schedule::Aes128),
            24 => Aes192::new_from_slice(bytes).ok().map(Schedule::Aes192),
            32 => Aes256::new_from_slice(bytes).ok().map(Schedule::Aes256),
            _ => None,
        };
        let error = KeyError { length: bytes.len(), ends_in_newline: bytes.ends_with(b"\n") };
        schedule.map(Key).ok_or(error)
    }

    /// What stands for a key with the algorithm NONE.
    #[must_use]
    pub fn none() -> Self {
        Key(Schedule::None)
    }

    /// The algorithm the key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.0 {
            Schedule::Aes128(_) => Algorithm::Aes128,
            Schedule::Aes192(_) => Algorithm::Aes192,
            Schedule::Aes256(_) => Algorithm::Aes256,
            Schedule::None => Algorithm::None,
        }
    }

    /// Encrypts or decrypts in place, the counter of the first block being `counter`.
    pub(super) fn apply(&self, counter: &Iv, bytes: &mut [u8]) {
        match &self.0 {
            Schedule::Aes128(aes) => apply_to(aes.clone(), counter, bytes),
            Schedule::Aes192(aes) => apply_to(aes.clone(), counter, bytes),
            Schedule::Aes256(aes) => apply_to(aes.clone(), counter, bytes),
            Schedule::None => {}
        }
    }
}

/// The counter is big-endian, has 128 bits and wraps; it can be exhausted by 2^128 blocks only.
fn apply_to<C>(aes: C, counter: &Iv, bytes: &mut [u8])
where
    C: BlockCipherEncrypt<BlockSize = U16>,
    CtrCore<C, flavors::Ctr128BE>: InnerIvInit<Inner = C> + IvSizeUser<IvSize = U16>,
    Ctr128BE<C>: StreamCipher,
{
    let core = CtrCore::<C, flavors::Ctr128BE>::inner_iv_init(aes, counter.into());
    Ctr128BE::<C>::from_core(core).apply_keystream(bytes);
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, masked)", self.algorithm())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of NIST SP 800-38A, section F.5.1 and F.5.5: first block.
    #[test]
    fn the_cipher_is_aes_in_counter_mode() {
        let counter: Iv = std::array::from_fn(|i| 0xf0 + i as u8);
        let plain = u128::from_str_radix("6bc1bee22e409f96e93d7e117393172a", 16).unwrap().to_be_bytes();
        let key_128 = u128::from_str_radix("2b7e151628aed2a6abf7158809cf4f3c", 16).unwrap().to_be_bytes();
        let mut block = plain;
        Key::new(&key_128).unwrap().apply(&counter, &mut block);
        assert_eq!(format!("{:032x}", u128::from_be_bytes(block)), "874d6191b620e3261bef6864990db6ce");
        let mut key_256 = Vec::new();
        for half in ["603deb1015ca71be2b73aef0857d7781", "1f352c073b6108d72d9810a30914dff4"] {
            key_256.extend(u128::from_str_radix(half, 16).unwrap().to_be_bytes());
        }
        let mut block = plain;
        Key::new(&key_256).unwrap().apply(&counter, &mut block);
        assert_eq!(format!("{:032x}", u128::from_be_bytes(block)), "601ec313775789a5b7a7f504bbf3d228");
    }

    #[test]
    fn the_counter_wraps_as_one_number_of_128_bits() {
        let key = Key::new(&[7; 16]).unwrap();
        let mut long = [0; 48];
        key.apply(&[0xff; 16], &mut long);
        let mut from_zero = [0; 32];
        key.apply(&[0; 16], &mut from_zero);
        assert_eq!(long[16..], from_zero);
    }

    #[test]
    fn the_length_of_the_key_chooses_the_algorithm() {
        for (length, algorithm) in [(16, Algorithm::Aes128), (24, Algorithm::Aes192), (32, Algorithm::Aes256)]
        {
            assert_eq!(Key::new(&vec![1; length]).unwrap().algorithm(), algorithm);
        }
        for length in (0..40).filter(|length| ![16, 24, 32].contains(length)) {
            let error = Key::new(&vec![1; length]).unwrap_err();
            assert_eq!((error.length, error.verdict()), (length, "bad-key"));
        }
    }

    #[test]
    fn a_newline_counts_and_is_named_when_it_is_too_much() {
        assert!(Key::new(b"0123456789abcde\n").is_ok());
        let error = Key::new(b"0123456789abcdef\n").unwrap_err();
        assert!(error.to_string().contains("17 bytes") && error.to_string().contains("newline"), "{error}");
        assert!(!Key::new(b"short").unwrap_err().to_string().contains("newline"));
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::new(b"0123456789abcdef").unwrap();
        assert_eq!(format!("{key:?}"), "Key(Aes128, masked)");
    }
}

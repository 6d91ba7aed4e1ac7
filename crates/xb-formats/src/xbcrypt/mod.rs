//! The encrypted chunks of `xbcrypt` (Percona XtraBackup), of all three versions.
//!
//! A stream is a sequence of chunks without header, trailer or index; nothing says how many there are. Chunks
//! of different versions may follow one another, so files joined together are one valid file, and no bytes
//! at all are the encryption of no bytes. Numbers are unsigned and little-endian:
//!
//! ```text
//! magic "XBCRYP01" "XBCRYP02" "XBCRYP03" | reserved u64 | original size u64 | encrypted size u64 |
//!   crc32 u32 | from version 2 on: IV size u64, IV | payload
//! ```
//!
//! | version | payload | counter of the first block |
//! |---|---|---|
//! | 1, 2 | the encrypted plaintext | 0, although version 2 stores an IV |
//! | 3 | the encrypted plaintext and its SHA-256 | the IV |
//!
//! The cipher is AES in counter mode, its counter one big-endian number of 128 bits that starts anew at every
//! chunk; the length of the key chooses between AES-128, AES-192 and AES-256, whatever algorithm was asked
//! for. With the algorithm NONE the payload is not encrypted and the IV has no bytes. The checksum covers the
//! payload as stored. Taken from the behaviour of xbcrypt 2.2.10 and 2.4.8, whose vectors are in the tests.
//!
//! What the format does **not** give: it authenticates nothing. Whoever knows a plaintext can replace it, and
//! whole chunks can be dropped, repeated, reordered or cut off at the end without a trace. Who needs more
//! compares a digest that is kept elsewhere. Before version 3 even a wrong key goes unnoticed: it gives noise.
//!
//! [`Splitter`] is the one parser: it cuts a stream into owned [`Chunk`]s, which [`decrypt`] turns into
//! plaintext, on any thread and in any order. [`ChunkReader`] pulls for it, [`Decoder`] does both steps in
//! turn. [`encrypt_chunk`] is the other direction, [`Writer`] calls it for a whole stream.
//!
//! ```
//! use xb_formats::xbcrypt::{Decoder, Key, Limits, Writer, XbcryptError};
//!
//! let key = Key::new(b"an example key of thirty-two by.")?;
//! // For the example only: real ones come from the system's source of randomness.
//! let mut ivs = [[1; 16], [2; 16]].into_iter();
//! let mut writer = Writer::new(Vec::new(), key.clone(), || ivs.next().unwrap_or_default());
//! writer.append(b"forty-two")?;
//! let encrypted = writer.finish()?;
//!
//! let mut plain = Vec::new();
//! let mut decoder = Decoder::new(key, Limits::default());
//! decoder.feed::<XbcryptError>(&encrypted, &mut |bytes| {
//!     plain.extend_from_slice(bytes);
//!     Ok(())
//! })?;
//! assert_eq!(decoder.finish()?.chunks, 1);
//! assert_eq!(plain, b"forty-two");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: whatever way the input is cut into calls, the result is the same; no plaintext of a chunk is
//! told before everything the chunk carries to check it was checked; memory grows with what has arrived.

mod chunk;
mod decoder;
mod encrypt;
mod error;
mod key;
mod reader;
mod splitter;
mod writer;

pub use chunk::{Chunk, Version, decrypt};
pub use decoder::Decoder;
pub use encrypt::{IV_BYTES, Iv, PLAIN_LIMIT, encrypt_chunk, encrypt_chunk_version_2};
pub use error::{Fault, XbcryptError};
pub use key::{Algorithm, Key, KeyError};
pub use reader::{ChunkReader, ReadError};
pub use splitter::{Limits, Splitter, StreamSummary};
pub use writer::{DEFAULT_CHUNK_BYTES, IvSource, WriteError, Writer};

/// What the magic of every version begins with; the version follows as one digit.
pub const MAGIC_PREFIX: [u8; 7] = *b"XBCRYP0";

/// The SHA-256 behind the plaintext of a version 3 chunk, in bytes.
const HASH_BYTES: usize = 32;

//! QuickLZ packets, levels 1 to 3, without a streaming buffer: every packet stands alone.
//!
//! ```text
//! flags u8 | packet size c, plaintext size d: u8 each, or u32 each | c - header bytes
//! ```
//!
//! | bit of the flags | meaning |
//! |---|---|
//! | 0 | 1: tokens; 0: the plaintext itself |
//! | 1 | 1: sizes of 4 bytes, a head of 9; 0: sizes of 1 byte, a head of 3 |
//! | 2, 3 | the level |
//! | 4, 5 | a streaming buffer: never used, refused |
//! | 6, 7 | 1 and 0 |
//!
//! Tokens come in groups of up to 31: a control word of 32 bits whose bit 31 is set and whose bits tell from
//! bit 0 on what each token is, 0 a literal byte, 1 a match of at least 3 bytes with something at least 3
//! bytes before. A match begins at least 11 and ends at least 4 bytes before the end of the plaintext.
//!
//! Levels 1 and 2 name the source of a match by its place in a hash table that both sides build: before a
//! match at p is read, the positions up to p − 3 at which a token began are entered, in order, under a hash of
//! the three bytes there. Level 3 names the distance.
//!
//! Packets of QuickLZ 1.4.1 (qpress 1.1) and 1.5.0 (XtraBackup, MariaDB) have this one form.

mod decode;
mod encode;
mod error;
mod header;
mod table;

pub(super) use decode::decompress_into;
pub(super) use encode::compress;
pub use error::{PacketError, TokenFault};
pub(super) use header::{LONG_HEAD, SHORT_HEAD, is_long};
pub use header::{Level, PacketHead};

/// How far behind the end of the plaintext a match begins at the latest.
const LAST_MATCH: usize = 11;
/// How many bytes behind the last match there are at least.
const TAIL: usize = 4;
/// The shortest stream of tokens in bytes; shorter ones are padded with bytes that mean nothing.
const MIN_TOKENS: usize = 9;
/// The bit of a control word behind the last of its tokens.
const SENTINEL: u32 = 1 << 31;

/// The first four bytes at a place as a number, little-endian.
fn word_at(bytes: &[u8], place: usize) -> Option<u32> {
    bytes.get(place..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

//! The head of a packet.

use super::error::PacketError;
use crate::bytes::number_at;

/// A head with sizes of one byte, and one with sizes of four, in bytes.
pub(in crate::qpress) const SHORT_HEAD: usize = 3;
pub(in crate::qpress) const LONG_HEAD: usize = 9;
/// Below this many bytes of plaintext the known writers use a short head. Readers take either.
const SHORT_LIMIT: usize = 216;

const TOKENS: u8 = 0x01;
const LONG: u8 = 0x02;
const FIXED_MASK: u8 = 0xc0;
const FIXED: u8 = 0x40;

/// How hard the packet's writer tried, which also chooses the form of its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Level {
    /// The fastest to write, and what XtraBackup and MariaDB use.
    One,
    /// Between the two.
    Two,
    /// The fastest to read.
    Three,
}

/// What the head of a packet says, checked as far as a head can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketHead {
    /// The level.
    pub level: Level,
    /// Tokens follow, rather than the plaintext itself.
    pub compressed: bool,
    /// Bytes of the head.
    pub head_bytes: usize,
    /// Bytes of the whole packet, head included.
    pub packet_bytes: usize,
    /// Bytes of the plaintext, at least 1.
    pub plain_bytes: usize,
}

/// Whether the head that begins with this byte is a long one.
pub(in crate::qpress) fn is_long(flags: u8) -> bool {
    flags & LONG != 0
}

impl PacketHead {
    /// Reads the head a packet begins with: 3 or 9 bytes, as bit 1 of the first one says.
    ///
    /// # Errors
    /// When there are not as many, and when they cannot be the head of a packet.
    pub fn parse(packet: &[u8]) -> Result<Self, PacketError> {
        let flags = packet.first().copied().unwrap_or_default();
        let head_bytes = if is_long(flags) { LONG_HEAD } else { SHORT_HEAD };
        if packet.len() < head_bytes {
            return Err(bad_size(packet.len() as u64, "its head alone has more"));
        }
        let (size, plain) = if is_long(flags) {
            (number_at::<4>(packet, 1), number_at::<4>(packet, 5))
        } else {
            (number_at::<1>(packet, 1), number_at::<1>(packet, 2))
        };
        let level = level_of(flags)?;
        if plain == 0 {
            return Err(PacketError::Empty);
        }
        let compressed = flags & TOKENS != 0;
        if compressed && size < (SHORT_HEAD + super::MIN_TOKENS) as u64 {
            return Err(bad_size(size, "tokens need 12 at least"));
        }
        if !compressed && size != head_bytes as u64 + plain {
            return Err(bad_size(size, "it holds its plaintext as it is"));
        }
        let fits = |number: u64| {
            let limit = usize::MAX as u64;
            usize::try_from(number).map_err(|_| PacketError::Oversize {
                what: "a size in a packet",
                value: number,
                limit,
            })
        };
        let (packet_bytes, plain_bytes) = (fits(size)?, fits(plain)?);
        Ok(PacketHead { level, compressed, head_bytes, packet_bytes, plain_bytes })
    }

    /// The head of a packet of level 1, its size left to be filled in by [`set_size`].
    pub(super) fn begin(compressed: bool, plain_bytes: u32) -> Vec<u8> {
        let flags = FIXED | 1 << 2 | u8::from(compressed);
        match u8::try_from(plain_bytes) {
            Ok(short) if usize::from(short) < SHORT_LIMIT => vec![flags, 0, short],
            _ => {
                let mut head = vec![flags | LONG, 0, 0, 0, 0];
                head.extend(plain_bytes.to_le_bytes());
                head
            }
        }
    }
}

/// Fills in the size of a packet that is complete.
pub(super) fn set_size(packet: &mut [u8]) {
    let size = (packet.len() as u64).to_le_bytes();
    let width = if packet.first().is_some_and(|flags| is_long(*flags)) { 4 } else { 1 };
    for (place, byte) in packet.iter_mut().skip(1).zip(size.into_iter().take(width)) {
        *place = byte;
    }
}

fn level_of(flags: u8) -> Result<Level, PacketError> {
    if flags & FIXED_MASK != FIXED {
        return Err(PacketError::BadFlags { byte: flags });
    }
    match flags >> 4 & 3 {
        0 => {}
        class => return Err(PacketError::Streaming { class }),
    }
    match flags >> 2 & 3 {
        1 => Ok(Level::One),
        2 => Ok(Level::Two),
        3 => Ok(Level::Three),
        _ => Err(PacketError::NoLevel),
    }
}

fn bad_size(size: u64, expected: &'static str) -> PacketError {
    PacketError::BadSize { size, expected }
}

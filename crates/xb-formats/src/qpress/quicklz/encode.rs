//! Making a packet of level 1.

use super::header::{PacketHead, set_size};
use super::table::Level1;
use super::{LAST_MATCH, MIN_TOKENS, SENTINEL, TAIL, word_at};

/// The longest match a token of level 1 can name.
const MAX_MATCH: usize = 255;
/// The longest match a token of two bytes can name.
const MAX_SHORT_MATCH: usize = 17;
/// Bytes a group of 31 tokens can take at most, its control word and that of the next included.
const GROUP: usize = 4 + 31 * 3 + 4;

/// Compresses 1 to 2^32 − 1 bytes. What does not become smaller is stored as it is.
pub(in crate::qpress) fn compress(plain: &[u8]) -> Vec<u8> {
    let length = plain.len() as u32;
    let mut packet = PacketHead::begin(true, length);
    let head = packet.len();
    packet.resize(head + plain.len() + GROUP, 0);
    let tokens = packet.get_mut(head..).and_then(|room| write_tokens(plain, room));
    match tokens {
        // What pads the stream is zero, because the buffer was.
        Some(size) => packet.truncate(head + size.max(MIN_TOKENS)),
        None => {
            packet = PacketHead::begin(false, length);
            packet.extend_from_slice(plain);
        }
    }
    set_size(&mut packet);
    packet
}

/// Where the encoder stands.
struct Encoder<'a> {
    plain: &'a [u8],
    /// The packet behind its head, and how much of it is written.
    room: &'a mut [u8],
    written: usize,
    table: Level1,
    position: usize,
    /// The first position at which a token began and which is not in the table yet.
    unentered: usize,
}

/// Writes the tokens of `plain`. Nothing when they would not be shorter.
fn write_tokens(plain: &[u8], room: &mut [u8]) -> Option<usize> {
    let table = Level1::new();
    let mut encoder = Encoder { plain, room, written: 0, table, position: 0, unentered: 0 };
    while encoder.position < plain.len() {
        if encoder.is_hopeless() {
            return None;
        }
        encoder.write_group()?;
    }
    (encoder.written < plain.len()).then_some(encoder.written)
}

impl Encoder<'_> {
    /// Whether nothing has been gained: in all, or by more than a thirtieth in the first half.
    fn is_hopeless(&self) -> bool {
        let worth = self.position - self.position / 32;
        self.written >= self.plain.len() || (self.position > self.plain.len() / 2 && self.written > worth)
    }

    /// Writes up to 31 tokens with their control word.
    fn write_group(&mut self) -> Option<()> {
        let control_at = self.written;
        self.written += 4;
        let mut control = SENTINEL;
        for bit in 0..31 {
            match self.plain.get(self.position) {
                None => break,
                Some(_) if self.write_match() => control |= 1 << bit,
                Some(literal) => {
                    *self.room.get_mut(self.written)? = *literal;
                    self.written += 1;
                    self.position += 1;
                }
            }
        }
        *self.room.get_mut(control_at..)?.first_chunk_mut()? = control.to_le_bytes();
        Some(())
    }

    /// Writes a match if there is one at the current position.
    fn write_match(&mut self) -> bool {
        let at = self.position;
        if at + LAST_MATCH > self.plain.len() {
            return false;
        }
        while self.unentered + 3 <= at {
            self.enter_next();
        }
        let Some(word) = word_at(self.plain, at) else { return false };
        let hash = Level1::hash(word);
        let Some(source) = self.table.get(hash) else { return false };
        if word_at(self.plain, source).is_none_or(|candidate| (candidate ^ word) & 0x00ff_ffff != 0) {
            return false;
        }
        let longest = MAX_MATCH.min(self.plain.len() - TAIL - at);
        let length = common_length(self.plain, source, at, longest);
        if !self.write_token(hash, length) {
            return false;
        }
        while self.unentered <= at {
            self.enter_next();
        }
        self.position += length;
        self.unentered = self.position;
        true
    }

    fn enter_next(&mut self) {
        if let Some(word) = word_at(self.plain, self.unentered) {
            self.table.set(Level1::hash(word), self.unentered);
        }
        self.unentered += 1;
    }

    fn write_token(&mut self, hash: usize, length: usize) -> bool {
        let place = self.room.get_mut(self.written..).and_then(|room| room.first_chunk_mut::<3>());
        let Some(place) = place else { return false };
        let low = if length <= MAX_SHORT_MATCH { length - 2 } else { 0 };
        let [first, second] = ((hash << 4 | low) as u16).to_le_bytes();
        // The third byte of a short match is overwritten by what follows.
        *place = [first, second, length as u8];
        self.written += if low == 0 { 3 } else { 2 };
        true
    }
}

/// How many bytes are equal at two positions, at most `longest`. The first three are known to be.
fn common_length(plain: &[u8], source: usize, at: usize, longest: usize) -> usize {
    let (Some(before), Some(here)) = (plain.get(source..source + longest), plain.get(at..at + longest))
    else {
        return 3;
    };
    let mut length = 0;
    for (a, b) in before.chunks(8).zip(here.chunks(8)) {
        let (Some(a), Some(b)) = (a.first_chunk(), b.first_chunk()) else {
            return length + a.iter().zip(b).take_while(|(a, b)| a == b).count();
        };
        let differs = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differs != 0 {
            return length + (differs.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    length
}

//! A second decompressor for QuickLZ packets: a byte at a time, by the words of the format, with no thought
//! of speed. What it says must be what the real one says.

use std::ops::Range;

use xb_formats::qpress::{Level, PacketHead};

/// Bytes a match keeps away from the end: where it begins and where it ends.
const LAST_MATCH: usize = 11;
const TAIL: usize = 4;

/// Positions under their hashes.
struct Places {
    /// For each hash the last entry under it.
    last: Vec<Option<usize>>,
    entries: Vec<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    position: usize,
    /// How many there were under the same hash before, and the last of them.
    nth: usize,
    before: Option<usize>,
}

impl Places {
    fn new() -> Self {
        Places { last: vec![None; 4096], entries: Vec::new() }
    }

    fn enter(&mut self, hash: usize, position: usize) {
        let before = self.last[hash];
        let nth = before.map_or(0, |before| self.entries[before].nth + 1);
        self.last[hash] = Some(self.entries.len());
        self.entries.push(Place { position, nth, before });
    }

    /// What is under a hash, the last entry first.
    fn under(&self, hash: usize) -> impl Iterator<Item = Place> {
        let entry = |index: usize| self.entries[index];
        std::iter::successors(self.last[hash].map(entry), move |place| place.before.map(entry))
    }
}

/// A match token: its length in bytes, where its source begins, and how many bytes are copied.
type Match = (usize, Option<usize>, usize);

/// The plaintext of a packet, or nothing when it has none.
#[must_use]
pub fn expand(head: PacketHead, packet: &[u8]) -> Option<Vec<u8>> {
    expand_noting(head, packet, &mut None)
}

/// The same, which also notes the part of the plaintext that the last match made.
#[must_use]
pub fn expand_noting(
    head: PacketHead,
    packet: &[u8],
    last_match: &mut Option<Range<usize>>,
) -> Option<Vec<u8>> {
    let body = packet.get(head.head_bytes..head.packet_bytes)?;
    if !head.compressed {
        return (body.len() == head.plain_bytes).then(|| body.to_vec());
    }
    let mut plain = Vec::new();
    let mut places = Places::new();
    // Positions at which a token began and which have no place yet.
    let mut begun = Vec::new();
    let mut rest = body;
    let mut control = 1;
    while plain.len() < head.plain_bytes {
        if control == 1 {
            control = u32::from_le_bytes(*rest.first_chunk()?);
            rest = &rest[4..];
            if control >> 31 == 0 {
                return None;
            }
        }
        let (at, is_match) = (plain.len(), control & 1 == 1);
        control >>= 1;
        if !is_match {
            let (literal, behind) = rest.split_first()?;
            plain.push(*literal);
            rest = behind;
            begun.push(at);
            continue;
        }
        let known = begun.partition_point(|position| position + 3 <= at);
        for position in begun.drain(..known) {
            places.enter(hash(head.level, &plain[position..])?, position);
        }
        begun.push(at);
        let word = u32::from_le_bytes(*rest.first_chunk()?);
        let (token, source, length) = read(head.level, word, at, &places);
        let source = source.filter(|source| source + 3 <= at)?;
        if length < 3 || at + LAST_MATCH > head.plain_bytes || at + length + TAIL > head.plain_bytes {
            return None;
        }
        for place in source..source + length {
            plain.push(plain[place]);
        }
        rest = rest.get(token..)?;
        *last_match = Some(at..plain.len());
    }
    Some(plain)
}

/// The hash of the first three bytes.
fn hash(level: Level, bytes: &[u8]) -> Option<usize> {
    let [a, b, c] = *bytes.first_chunk()?;
    let three = u32::from_le_bytes([a, b, c, 0]);
    Some(match level {
        Level::One => (three ^ three >> 12) as usize % 4096,
        Level::Two => (three ^ three >> 9 ^ three >> 13) as usize % 2048,
        Level::Three => 0,
    })
}

fn read(level: Level, word: u32, at: usize, places: &Places) -> Match {
    let bits = |from: u32, count: u32| (word >> from) as usize & ((1 << count) - 1);
    match level {
        Level::One => {
            let source = places.under(bits(4, 12)).next().map(|place| place.position);
            if bits(0, 4) == 0 { (3, source, bits(16, 8)) } else { (2, source, bits(0, 4) + 2) }
        }
        Level::Two => {
            // The positions take four slots in turn; the latest one of a slot counts.
            let slot = places.under(bits(5, 11)).find(|place| place.nth % 4 == bits(0, 2));
            let source = slot.map(|place| place.position);
            if bits(2, 3) == 0 { (3, source, bits(16, 8)) } else { (2, source, bits(2, 3) + 2) }
        }
        Level::Three => {
            let (token, distance, length) = match (bits(0, 2), bits(2, 5)) {
                (0, _) => (1, bits(2, 6), 3),
                (1, _) => (2, bits(2, 14), 3),
                (2, _) => (2, bits(6, 10), bits(2, 4) + 3),
                (_, 0) => (4, bits(15, 17), bits(7, 8) + 3),
                (_, length) => (3, bits(7, 17), length + 2),
            };
            (token, at.checked_sub(distance), length)
        }
    }
}

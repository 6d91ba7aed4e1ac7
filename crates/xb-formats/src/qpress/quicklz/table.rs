//! How the levels name the source of a match.
//!
//! A table is filled from the plaintext as far as it is known. It is made anew for each packet, so that an
//! entry of an earlier one can never be taken for one of this.

use super::word_at;

/// What a match token says.
#[derive(Clone, Copy)]
pub(super) struct Match {
    /// Bytes of the token.
    pub(super) token: usize,
    /// Where the source begins; nothing when there is none.
    pub(super) source: Option<usize>,
    /// How many bytes are to be copied.
    pub(super) length: usize,
}

/// The way of one level.
pub(super) trait Sources {
    /// Enters the positions of a range, at each of which a token began. Three bytes are known at each.
    fn enter(&mut self, plain: &[u8], from: usize, to: usize);

    /// Reads a match token at position `at` of the plaintext: its first byte is the lowest of `word`.
    fn read(&self, word: u32, at: usize) -> Match;
}

const LEVEL_1_ENTRIES: usize = 4096;
const LEVEL_2_ENTRIES: usize = 2048;
const LEVEL_2_SLOTS: usize = 4;

/// Level 1: the last position of each hash. Entries are one above the position; zero is an empty one.
pub(super) struct Level1 {
    last: [u32; LEVEL_1_ENTRIES],
}

impl Level1 {
    pub(super) fn new() -> Self {
        Level1 { last: [0; LEVEL_1_ENTRIES] }
    }

    /// The hash of the lower three bytes of a word.
    pub(super) fn hash(word: u32) -> usize {
        let three = word & 0x00ff_ffff;
        (three ^ three >> 12) as usize & (LEVEL_1_ENTRIES - 1)
    }

    /// Enters a position under a hash.
    pub(super) fn set(&mut self, hash: usize, position: usize) {
        self.last[hash & (LEVEL_1_ENTRIES - 1)] = position as u32 + 1;
    }

    /// The last position that was entered under a hash.
    pub(super) fn get(&self, hash: usize) -> Option<usize> {
        self.last[hash & (LEVEL_1_ENTRIES - 1)].checked_sub(1).map(|position| position as usize)
    }
}

impl Sources for Level1 {
    fn enter(&mut self, plain: &[u8], from: usize, to: usize) {
        for_each_word(plain, from, to, |position, word| self.set(Level1::hash(word), position));
    }

    fn read(&self, word: u32, _: usize) -> Match {
        let source = self.get(word as usize >> 4);
        match word & 0xf {
            0 => Match { token: 3, source, length: (word >> 16 & 0xff) as usize },
            short => Match { token: 2, source, length: short as usize + 2 },
        }
    }
}

/// Level 2: the last four positions of each hash, and how many there were.
pub(super) struct Level2 {
    slots: [[u32; LEVEL_2_SLOTS]; LEVEL_2_ENTRIES],
    entered: [u8; LEVEL_2_ENTRIES],
}

impl Level2 {
    pub(super) fn new() -> Self {
        Level2 { slots: [[0; LEVEL_2_SLOTS]; LEVEL_2_ENTRIES], entered: [0; LEVEL_2_ENTRIES] }
    }

    fn hash(word: u32) -> usize {
        let three = word & 0x00ff_ffff;
        (three ^ three >> 9 ^ three >> 13) as usize & (LEVEL_2_ENTRIES - 1)
    }
}

impl Sources for Level2 {
    fn enter(&mut self, plain: &[u8], from: usize, to: usize) {
        for_each_word(plain, from, to, |position, word| {
            let hash = Level2::hash(word);
            let entered = &mut self.entered[hash];
            self.slots[hash][usize::from(*entered) % LEVEL_2_SLOTS] = position as u32 + 1;
            *entered = entered.wrapping_add(1);
        });
    }

    fn read(&self, word: u32, _: usize) -> Match {
        let slots = self.slots[(word >> 5) as usize & (LEVEL_2_ENTRIES - 1)];
        let entry = slots[word as usize & (LEVEL_2_SLOTS - 1)];
        let source = entry.checked_sub(1).map(|position| position as usize);
        match word >> 2 & 7 {
            0 => Match { token: 3, source, length: (word >> 16 & 0xff) as usize },
            short => Match { token: 2, source, length: short as usize + 2 },
        }
    }
}

/// Level 3: no table, the token has the distance.
pub(super) struct Level3;

impl Sources for Level3 {
    fn enter(&mut self, _: &[u8], _: usize, _: usize) {}

    fn read(&self, word: u32, at: usize) -> Match {
        let (token, distance, length) = match (word & 3, word >> 2 & 0x1f) {
            (0, _) => (1, word >> 2 & 0x3f, 3),
            (1, _) => (2, word >> 2 & 0x3fff, 3),
            (2, _) => (2, word >> 6 & 0x3ff, (word >> 2 & 0xf) + 3),
            (_, 0) => (4, word >> 15, (word >> 7 & 0xff) + 3),
            (_, length) => (3, word >> 7 & 0x1_ffff, length + 2),
        };
        Match { token, source: at.checked_sub(distance as usize), length: length as usize }
    }
}

/// Calls back with each position of a range and the word that begins there. The plaintext goes on behind the
/// range by a byte more than the hashes need.
fn for_each_word(plain: &[u8], from: usize, to: usize, mut each: impl FnMut(usize, u32)) {
    let Some(bytes) = plain.get(from..to + 3) else { return };
    for (place, window) in bytes.windows(4).enumerate() {
        if let Some(word) = word_at(window, 0) {
            each(from + place, word);
        }
    }
}

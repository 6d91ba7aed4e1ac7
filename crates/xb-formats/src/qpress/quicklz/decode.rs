//! Expanding a packet.
//!
//! The plaintext is written into a buffer that goes on a little behind its end, so that short copies can be
//! made in one step of fixed length; what lands behind the end, or is overwritten right after, does not
//! matter. Every position is checked against both buffers all the same, by the language.

use super::error::{PacketError, TokenFault};
use super::header::{Level, PacketHead};
use super::table::{Level1, Level2, Level3, Sources};
use super::{LAST_MATCH, SENTINEL, TAIL, word_at};

/// Bytes of the buffer behind the plaintext.
const SLACK: usize = 32;

/// No packet expands to more than this many times its size: a token of 3 bytes makes 255.
const MAX_RATIO: usize = 85;

/// Expands a packet, head included, of which nothing is missing and nothing follows, into `plain`, whatever
/// that held before. Memory: at most 85 times the packet.
pub(in crate::qpress) fn decompress_into(packet: &[u8], plain: &mut Vec<u8>) -> Result<(), PacketError> {
    let head = PacketHead::parse(packet)?;
    if head.packet_bytes != packet.len() {
        let size = packet.len() as u64;
        return Err(PacketError::BadSize { size, expected: "its head says otherwise" });
    }
    let body = packet.get(head.head_bytes..).unwrap_or_default();
    if !head.compressed {
        plain.clear();
        plain.extend_from_slice(body);
        return Ok(());
    }
    let length = head.plain_bytes;
    if length > body.len().saturating_mul(MAX_RATIO) {
        return Err(PacketError::BadToken { position: 0, length, fault: TokenFault::EndsEarly });
    }
    // What is left from before is not cleared: every byte is written before it is read as a source.
    plain.resize(length + SLACK, 0);
    let tokens = Tokens { body, next: 0, plain, position: 0, length };
    let expanded = match head.level {
        Level::One => tokens.expand(Level1::new()),
        Level::Two => tokens.expand(Level2::new()),
        Level::Three => tokens.expand(Level3),
    };
    expanded.map_err(|(position, fault)| PacketError::BadToken { position, length, fault })?;
    plain.truncate(length);
    Ok(())
}

/// A packet in the course of being expanded.
struct Tokens<'a> {
    /// The packet without its head, and how much of it is used.
    body: &'a [u8],
    next: usize,
    /// `length` bytes of plaintext, of which `position` are known, and [`SLACK`] bytes.
    plain: &'a mut [u8],
    position: usize,
    length: usize,
}

/// The helpers are inlined so that all of this lives in registers.
impl Tokens<'_> {
    /// An error comes with the number of bytes expanded before.
    fn expand(mut self, mut sources: impl Sources) -> Result<(), (usize, TokenFault)> {
        let mut control = 1;
        // The first position at which a token began and which is not in the table yet. All positions from
        // here to the current one are such: matches are entered as soon as they are copied.
        let mut unentered = 0;
        while self.position < self.length {
            let step = if control == 1 {
                self.control_word().map(|word| control = word)
            } else if control & 1 == 0 {
                let run = (control.trailing_zeros() as usize).min(self.length - self.position);
                control >>= run;
                self.literals(run)
            } else {
                control >>= 1;
                self.one_match(&mut sources, &mut unentered)
            };
            step.map_err(|fault| (self.position, fault))?;
        }
        Ok(())
    }

    /// Copies a match and brings the table up to date before and after.
    #[inline(always)]
    fn one_match(&mut self, sources: &mut impl Sources, unentered: &mut usize) -> Result<(), TokenFault> {
        let begin = self.position;
        if begin + LAST_MATCH > self.length {
            return Err(TokenFault::InTail);
        }
        if begin >= *unentered + 3 {
            sources.enter(self.plain, *unentered, begin - 2);
            *unentered = begin - 2;
        }
        self.copy_match(sources)?;
        sources.enter(self.plain, *unentered, begin + 1);
        *unentered = self.position;
        Ok(())
    }

    #[inline(always)]
    fn control_word(&mut self) -> Result<u32, TokenFault> {
        let word = word_at(self.body, self.next).ok_or(TokenFault::EndsEarly)?;
        self.next += 4;
        if word & SENTINEL == 0 { Err(TokenFault::NoSentinel) } else { Ok(word) }
    }

    /// Copies up to 31 literals.
    #[inline(always)]
    fn literals(&mut self, run: usize) -> Result<(), TokenFault> {
        let rest = self.body.get(self.next..).unwrap_or_default();
        if rest.len() < run {
            return Err(TokenFault::EndsEarly);
        }
        let target = self.plain.get_mut(self.position..).unwrap_or_default();
        let copied = match run {
            0..=8 => copy_fixed::<8>(rest, target),
            9..=16 => copy_fixed::<16>(rest, target),
            _ => copy_fixed::<32>(rest, target),
        };
        if !copied {
            for (to, from) in target.iter_mut().zip(rest.iter().take(run)) {
                *to = *from;
            }
        }
        self.next += run;
        self.position += run;
        Ok(())
    }

    /// Reads a match token and copies the match. A word can be read at every match that is right: at least
    /// four literals follow.
    #[inline(always)]
    fn copy_match(&mut self, sources: &impl Sources) -> Result<(), TokenFault> {
        let word = word_at(self.body, self.next).ok_or(TokenFault::EndsEarly)?;
        let at = self.position;
        let Match3 { token, source, length } = Match3::of(sources.read(word, at), at)?;
        if at + length + TAIL > self.length {
            return Err(TokenFault::InTail);
        }
        repeat(self.plain, source, at, length);
        self.next += token;
        self.position += length;
        Ok(())
    }
}

/// A match that can be copied: at least 3 bytes, from at least 3 bytes before.
struct Match3 {
    token: usize,
    source: usize,
    length: usize,
}

impl Match3 {
    fn of(read: super::table::Match, at: usize) -> Result<Self, TokenFault> {
        let source = read.source.filter(|source| source + 3 <= at).ok_or(TokenFault::NoSource)?;
        if read.length < 3 {
            return Err(TokenFault::TooShort);
        }
        Ok(Match3 { token: read.token, source, length: read.length })
    }
}

/// Copies `N` bytes in one step, where both sides have as many.
fn copy_fixed<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    match (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        (Some(from), Some(to)) => {
            *to = *from;
            true
        }
        _ => false,
    }
}

/// Copies a match byte by byte in rising order, or with the same result: where source and target overlap,
/// what lies between them repeats. Up to 15 bytes behind the match are overwritten.
fn repeat(plain: &mut [u8], source: usize, at: usize, length: usize) {
    let distance = at - source;
    match distance {
        16.. => copy_steps::<16>(plain, source, at, length),
        8..16 => copy_steps::<8>(plain, source, at, length),
        _ => {
            let head = length.min(16);
            if let Some(window) = plain.get_mut(source..at + head) {
                for place in distance..distance + head {
                    window[place] = window[place - distance];
                }
            }
            if head < length {
                // What has been written repeats with every multiple of the distance as well.
                let wide = distance * (16 / distance);
                copy_steps::<8>(plain, at + head - wide, at + head, length - head);
            }
        }
    }
}

/// Copies in steps of `N`, the distance being at least that.
fn copy_steps<const N: usize>(plain: &mut [u8], source: usize, at: usize, length: usize) {
    let mut done = 0;
    while done < length {
        plain.copy_within(source + done..source + done + N, at + done);
        done += N;
    }
}

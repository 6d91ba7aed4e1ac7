//! gzip (RFC 1952): our own members say how long they are, others do not.

use flate2::{Decompress, FlushDecompress, Status};
use libdeflater::{DecompressionError, Decompressor, crc32};
use xb_formats::archive::Layer;

use super::frames::{Frames, InOrder, Scan};
use super::{PART_LIMIT, STEP_BYTES};
use crate::pack::compress::{GZIP_SUBFIELD, GZIP_TRAILER_BYTES};

/// Bytes before the extra field.
const FIXED: usize = 12;
/// The flag that an extra field follows, and no other.
const EXTRA_ONLY: u8 = 0x04;
/// With the one method there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Members with our extra field.
pub(super) struct GzipFrames;

impl Frames for GzipFrames {
    const LAYER: Layer = Layer::Gzip;

    fn scan(&mut self, held: &[u8]) -> Scan {
        let Some((head, rest)) = held.split_first_chunk::<FIXED>() else { return Scan::Need(FIXED) };
        if head[..3] != MAGIC || head[3] != EXTRA_ONLY {
            return Scan::Unknown;
        }
        let extra = usize::from(u16::from_le_bytes([head[10], head[11]]));
        let Some(subfields) = rest.get(..extra) else { return Scan::Need(FIXED + extra) };
        let least = FIXED + extra + GZIP_TRAILER_BYTES;
        match member_size(subfields).filter(|size| (least..=PART_LIMIT).contains(size)) {
            None => Scan::Unknown,
            Some(size) if held.len() < size => Scan::Need(size),
            Some(_) => match held.last_chunk::<4>().map(|n| u32::from_le_bytes(*n) as usize) {
                Some(content) if content <= PART_LIMIT => Scan::Whole(content),
                _ => Scan::Unknown,
            },
        }
    }

    fn restart(&mut self) {}

    fn in_order(&self) -> Result<Box<dyn InOrder>, String> {
        Ok(Box::new(Members { member: Decompress::new_gzip(WINDOW_BITS), state: State::Between }))
    }
}

/// The size in our subfield, if it is among these.
fn member_size(mut subfields: &[u8]) -> Option<usize> {
    while let Some((head, rest)) = subfields.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        if head[..2] == GZIP_SUBFIELD {
            return Some(u32::from_le_bytes(value.try_into().ok()?) as usize);
        }
        subfields = rest.get(length..)?;
    }
    None
}

/// Unpacks one whole member into `space`, which has the size of its content. Gives the bytes that came out.
///
/// The checksum is looked for where the member ends by its own word: one that says it is longer than it is would
/// otherwise take what follows with it.
pub(super) fn expand(inflate: &mut Decompressor, member: &[u8], space: &mut [u8]) -> Result<usize, String> {
    let extra =
        member.get(10..FIXED).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let trailer = member.len().saturating_sub(GZIP_TRAILER_BYTES);
    let (Some(body), Some(check)) = (member.get(FIXED + extra..trailer), word_at(member, trailer)) else {
        return Err(CUT.to_owned());
    };
    let got = inflate.deflate_decompress(body, space).map_err(|error| match error {
        DecompressionError::BadData => "the compressed data is damaged".to_owned(),
        DecompressionError::InsufficientSpace => "it is longer than it says".to_owned(),
    })?;
    if crc32(space.get(..got).unwrap_or_default()) == check {
        Ok(got)
    } else {
        Err("the checksum of the content is wrong".to_owned())
    }
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

const CUT: &str = "it ends in the middle";

/// The largest window there is, 32 KiB.
const WINDOW_BITS: u8 = 15;

/// Member after member.
struct Members {
    member: Decompress,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// A member may begin.
    Between,
    Inside,
    /// Zeros behind the last member, as tapes and block devices leave them.
    Padding,
}

impl InOrder for Members {
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        while out.len() < STEP_BYTES {
            if self.state != State::Inside {
                match input.first() {
                    None => break,
                    Some(0) => {
                        self.state = State::Padding;
                        *input = &input[1..];
                        continue;
                    }
                    Some(_) if self.state == State::Padding => {
                        return Err("something follows the zeros behind its end".to_owned());
                    }
                    Some(_) => {
                        self.member = Decompress::new_gzip(WINDOW_BITS);
                        self.state = State::Inside;
                    }
                }
            }
            out.reserve(STEP_BYTES);
            let (before, had) = (self.member.total_in(), out.len());
            let status = self
                .member
                .decompress_vec(input, out, FlushDecompress::None)
                .map_err(|error| error.message().map_or_else(|| error.to_string(), str::to_owned))?;
            let taken = usize::try_from(self.member.total_in() - before).unwrap_or(input.len());
            *input = input.get(taken..).unwrap_or_default();
            if status == Status::StreamEnd {
                self.state = State::Between;
            }
            if taken == 0 && out.len() == had && self.state == State::Inside {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.state {
            State::Inside => Err(CUT.to_owned()),
            State::Between | State::Padding => Ok(()),
        }
    }
}

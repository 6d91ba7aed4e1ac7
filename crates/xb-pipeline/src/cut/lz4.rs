//! LZ4 frames (lz4_Frame_format.md 1.6.4): those of moderate size that say how long their content is, as XtraBackup
//! and we write them, and others. The blocks in them are unpacked by `lz4_flex`.

use std::hash::Hasher;

use lz4_flex::block::{decompress_into, decompress_into_with_dict};
use twox_hash::XxHash32;
use xb_formats::archive::Layer;

use super::frames::{Frames, InOrder, Scan};
use super::{PART_LIMIT, STEP_BYTES};

const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The frames of user data, which readers pass over, have 16 magics in a row.
const SKIPPABLE: std::ops::RangeInclusive<u32> = 0x184D_2A50..=0x184D_2A5F;
/// Magic, flags and block descriptor.
const FIXED: usize = 6;
const CHECKSUM: usize = 4;
/// How far back a linked block may refer.
const WINDOW: usize = 64 * 1024;
/// The bit of a block's size that says that it is not compressed.
const STORED: u32 = 1 << 31;

/// What the head of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    length: usize,
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    content: Option<u64>,
    max_block: usize,
}

/// Reads the head; `Err(Ok(n))` when `n` bytes are needed for it, `Err(Err(_))` when it is none.
fn read_head(held: &[u8]) -> Result<Head, Result<usize, String>> {
    let Some(([a, b, c, d, flags, descriptor], _)) = held.split_first_chunk::<FIXED>() else {
        return Err(Ok(FIXED));
    };
    let refuse = |reason: &str| Err(Err(reason.to_owned()));
    if [*a, *b, *c, *d] != MAGIC {
        return refuse("what follows is no frame");
    }
    let has = |bit: u8| flags & bit != 0;
    if flags >> 6 != 1 || has(0x02) || descriptor & 0x8f != 0 || descriptor >> 4 < 4 {
        return refuse("the head of a frame is damaged, or of a newer version");
    }
    if has(0x01) {
        return refuse("it was compressed with a dictionary, which is not supported");
    }
    let length = FIXED + if has(0x08) { 8 } else { 0 } + 1;
    let Some((fields, check)) = held.get(4..length).and_then(|head| head.split_last()).map(|(c, f)| (f, c))
    else {
        return Err(Ok(length));
    };
    if (XxHash32::oneshot(0, fields) >> 8) as u8 != *check {
        return refuse("the checksum of the head of a frame is wrong");
    }
    Ok(Head {
        length,
        linked: !has(0x20),
        block_checksums: has(0x10),
        content_checksum: has(0x04),
        content: fields
            .get(2..)
            .and_then(|size| size.first_chunk::<8>())
            .map(|size| u64::from_le_bytes(*size)),
        // 64 KiB, 256 KiB, 1 MiB, 4 MiB.
        max_block: 1 << (8 + 2 * (descriptor >> 4)),
    })
}

/// What a frame of user data asks to pass over; `None` for other frames.
fn skip_length(held: &[u8]) -> Option<usize> {
    let magic = word_at(held, 0).filter(|magic| SKIPPABLE.contains(magic));
    magic.and_then(|_| word_at(held, 4)).map(|length| length as usize)
}

/// How many bytes make the head of a frame, as far as those that are held can tell.
fn head_need(held: &[u8]) -> usize {
    match word_at(held, 0) {
        Some(magic) if SKIPPABLE.contains(&magic) => 8,
        _ => read_head(held).err().and_then(Result::ok).unwrap_or(held.len()),
    }
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}

/// Walks over the heads of the blocks of a frame, once each.
#[derive(Default)]
pub(super) struct Lz4Frames {
    head: Option<Head>,
    walked: usize,
    is_last: bool,
}

impl Frames for Lz4Frames {
    const LAYER: Layer = Layer::Lz4;

    fn scan(&mut self, held: &[u8]) -> Scan {
        let head = match self.head {
            Some(head) => head,
            None => match read_head(held) {
                Ok(head) => {
                    self.walked = head.length;
                    *self.head.insert(head)
                }
                Err(Ok(wanted)) => return Scan::Need(wanted),
                Err(Err(_)) => return Scan::Unknown,
            },
        };
        let content = head.content.and_then(|content| usize::try_from(content).ok());
        let Some(content) = content.filter(|content| *content <= PART_LIMIT) else { return Scan::Unknown };
        while !self.is_last {
            let Some(size) = word_at(held, self.walked) else { return within_limit(self.walked + 4) };
            self.is_last = size == 0;
            let block = (size & !STORED) as usize;
            if block > head.max_block {
                return Scan::Unknown;
            }
            let check = if head.block_checksums && !self.is_last { CHECKSUM } else { 0 };
            self.walked += 4 + block + check;
        }
        let end = self.walked + if head.content_checksum { CHECKSUM } else { 0 };
        if held.len() >= end { Scan::Whole(content) } else { within_limit(end) }
    }

    fn restart(&mut self) {
        *self = Lz4Frames::default();
    }

    fn in_order(&self) -> Result<Box<dyn InOrder>, String> {
        Ok(Box::new(Stream::default()))
    }
}

fn within_limit(wanted: usize) -> Scan {
    if wanted <= PART_LIMIT { Scan::Need(wanted) } else { Scan::Unknown }
}

/// Unpacks one whole frame into `space`, which has the size of its content. Gives the bytes that came out.
pub(super) fn expand(frame: &[u8], space: &mut [u8]) -> Result<usize, String> {
    let head = read_head(frame).map_err(|problem| problem.err().unwrap_or_else(|| CUT.to_owned()))?;
    let (mut at, mut filled) = (head.length, 0);
    loop {
        let size = word_at(frame, at).ok_or(CUT)?;
        at += 4;
        if size == 0 {
            break;
        }
        let length = (size & !STORED) as usize;
        let block = frame.get(at..at + length).ok_or(CUT)?;
        at += length;
        if head.block_checksums {
            check_block(block, word_at(frame, at).ok_or(CUT)?)?;
            at += CHECKSUM;
        }
        let (done, rest) = space.split_at_mut(filled);
        let room = head.max_block.min(rest.len());
        let history = if head.linked { &done[done.len().saturating_sub(WINDOW)..] } else { &[][..] };
        filled += expand_block(block, size & STORED != 0, history, rest.get_mut(..room).unwrap_or_default())?;
    }
    let content = space.get(..filled).unwrap_or_default();
    if head.content_checksum && word_at(frame, at) != Some(XxHash32::oneshot(0, content)) {
        return Err(WRONG_CONTENT.to_owned());
    }
    Ok(filled)
}

const CUT: &str = "it ends in the middle of a frame";
const WRONG_CONTENT: &str = "the checksum of the content of a frame is wrong";

fn check_block(block: &[u8], expected: u32) -> Result<(), String> {
    if XxHash32::oneshot(0, block) == expected {
        Ok(())
    } else {
        Err("the checksum of a block is wrong".to_owned())
    }
}

fn expand_block(block: &[u8], stored: bool, history: &[u8], space: &mut [u8]) -> Result<usize, String> {
    if stored {
        let space = space.get_mut(..block.len()).ok_or("a block is longer than its frame says")?;
        space.copy_from_slice(block);
        return Ok(block.len());
    }
    let got = if history.is_empty() {
        decompress_into(block, space)
    } else {
        decompress_into_with_dict(block, space, history)
    };
    got.map_err(|error| error.to_string())
}

/// Frame after frame, a block at a time.
#[derive(Default)]
struct Stream {
    /// Of the field that comes next.
    held: Vec<u8>,
    place: Place,
    /// The end of the content so far, for blocks that refer to it.
    history: Vec<u8>,
    /// Room for a block.
    space: Vec<u8>,
    hash: XxHash32,
    passed: u64,
}

/// What comes next.
#[derive(Clone, Copy, Default)]
enum Place {
    #[default]
    Head,
    Skip(usize),
    Size(Head),
    Block(Head, u32),
    Checksum(Head),
}

impl Stream {
    /// Takes bytes until `wanted` are held.
    fn gather(&mut self, input: &mut &[u8], wanted: usize) -> bool {
        let take = wanted.saturating_sub(self.held.len()).min(input.len());
        let (bytes, rest) = input.split_at(take);
        self.held.extend_from_slice(bytes);
        *input = rest;
        self.held.len() >= wanted
    }

    fn begin(&mut self, head: Head) -> Place {
        self.history.clear();
        self.hash = XxHash32::with_seed(0);
        self.passed = 0;
        Place::Size(head)
    }

    fn unpack(&mut self, head: Head, size: u32, out: &mut Vec<u8>) -> Result<(), String> {
        let length = (size & !STORED) as usize;
        let block = self.held.get(..length).ok_or(CUT)?;
        if head.block_checksums {
            check_block(block, word_at(&self.held, length).ok_or(CUT)?)?;
        }
        if self.space.len() < head.max_block {
            self.space.resize(head.max_block, 0);
        }
        let space = self.space.get_mut(..head.max_block).unwrap_or_default();
        let got = expand_block(block, size & STORED != 0, &self.history, space)?;
        let content = space.get(..got).unwrap_or_default();
        if head.content_checksum {
            self.hash.write(content);
        }
        if head.linked {
            self.history.extend_from_slice(content);
            self.history.drain(..self.history.len().saturating_sub(WINDOW));
        }
        self.passed += got as u64;
        out.extend_from_slice(content);
        Ok(())
    }

    fn finish(&self, head: Head) -> Result<(), String> {
        if head.content.is_some_and(|content| content != self.passed) {
            return Err(format!("a frame has {} bytes, not as many as it says", self.passed));
        }
        let expected = head.content_checksum.then(|| word_at(&self.held, 0));
        match expected {
            Some(expected) if expected != Some(self.hash.finish_32()) => Err(WRONG_CONTENT.to_owned()),
            _ => Ok(()),
        }
    }
}

impl InOrder for Stream {
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        while out.len() < STEP_BYTES {
            let wanted = match self.place {
                Place::Head => head_need(&self.held),
                Place::Skip(left) => {
                    let take = left.min(input.len());
                    *input = input.get(take..).unwrap_or_default();
                    if take < left {
                        self.place = Place::Skip(left - take);
                        break;
                    }
                    self.place = Place::Head;
                    continue;
                }
                Place::Size(_) => 4,
                Place::Block(head, size) => {
                    let check = if head.block_checksums { CHECKSUM } else { 0 };
                    (size & !STORED) as usize + check
                }
                Place::Checksum(_) => CHECKSUM,
            };
            if !self.gather(input, wanted) {
                break;
            }
            // How long a head is, its first bytes say.
            if matches!(self.place, Place::Head) && head_need(&self.held) > self.held.len() {
                continue;
            }
            self.place = self.advance(out)?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        match self.place {
            Place::Head if self.held.is_empty() => Ok(()),
            _ => Err(CUT.to_owned()),
        }
    }
}

impl Stream {
    /// The field that is waited for is held. Gives what comes after it; what it unpacks to is appended to `out`.
    fn advance(&mut self, out: &mut Vec<u8>) -> Result<Place, String> {
        let next = match self.place {
            Place::Head => match skip_length(&self.held) {
                Some(length) => Place::Skip(length),
                None => {
                    let head = read_head(&self.held).map_err(|e| e.err().unwrap_or_else(|| CUT.to_owned()));
                    self.begin(head?)
                }
            },
            Place::Skip(_) => Place::Head,
            Place::Size(head) => match word_at(&self.held, 0).unwrap_or(0) {
                0 if head.content_checksum => Place::Checksum(head),
                0 => {
                    self.finish(head)?;
                    Place::Head
                }
                size if (size & !STORED) as usize > head.max_block => {
                    return Err("a block is longer than its frame allows".to_owned());
                }
                size => Place::Block(head, size),
            },
            Place::Block(head, size) => {
                self.unpack(head, size, out)?;
                Place::Size(head)
            }
            Place::Checksum(head) => {
                self.finish(head)?;
                Place::Head
            }
        };
        self.held.clear();
        Ok(next)
    }
}

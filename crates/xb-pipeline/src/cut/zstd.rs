//! Zstandard (RFC 8878): frames of moderate size that say how long their content is, and others.

use xb_formats::archive::Layer;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::frames::{Frames, InOrder, Scan};
use super::{Around, PART_LIMIT, STEP_BYTES};

const MAGIC: u32 = 0xFD2F_B528;
/// Magic and descriptor.
const FIXED: usize = 5;
const BLOCK_HEAD: usize = 3;

/// Walks over the heads of the blocks of a frame, once each.
pub(super) struct ZstdFrames {
    /// The largest window to take, as a power of two of bytes.
    window_log: u32,
    /// What the header said: content and checksum, in bytes.
    header: Option<(usize, usize)>,
    /// Up to where the frame is understood.
    walked: usize,
    is_last: bool,
}

impl ZstdFrames {
    /// A window is memory: 128 MiB, what `zstd` takes without being asked, or 8 MiB, what the levels up to 19 need.
    pub(super) fn new(around: Around) -> Self {
        let window_log = match around {
            Around::Whole => 27,
            Around::Member => 23,
        };
        ZstdFrames { window_log, header: None, walked: 0, is_last: false }
    }
}

impl Frames for ZstdFrames {
    const LAYER: Layer = Layer::Zstd;

    fn scan(&mut self, held: &[u8]) -> Scan {
        let (content, checksum) = match self.header {
            Some(header) => header,
            None => match read_header(held) {
                Ok((length, content, checksum)) => {
                    self.walked = length;
                    *self.header.insert((content, checksum))
                }
                Err(scan) => return scan,
            },
        };
        while !self.is_last {
            let Some(head) = held.get(self.walked..self.walked + BLOCK_HEAD) else {
                return within_limit(self.walked + BLOCK_HEAD);
            };
            let word = head.iter().rev().fold(0, |word, byte| word << 8 | usize::from(*byte));
            let (kind, size) = (word >> 1 & 3, word >> 3);
            // A block of kind 1 is one byte that is repeated.
            self.walked += BLOCK_HEAD + if kind == 1 { 1 } else { size };
            self.is_last = word & 1 == 1;
        }
        let end = self.walked + checksum;
        if held.len() >= end { Scan::Whole(content) } else { within_limit(end) }
    }

    fn restart(&mut self) {
        *self = ZstdFrames { window_log: self.window_log, header: None, walked: 0, is_last: false };
    }

    fn in_order(&self) -> Result<Box<dyn InOrder>, String> {
        let mut decoder = Decoder::new().map_err(|error| error.to_string())?;
        decoder
            .set_parameter(DParameter::WindowLogMax(self.window_log))
            .map_err(|error| error.to_string())?;
        let space = vec![0; SPACE_BYTES];
        Ok(Box::new(Stream { decoder, is_between: true, space }))
    }
}

fn within_limit(wanted: usize) -> Scan {
    if wanted <= PART_LIMIT { Scan::Need(wanted) } else { Scan::Unknown }
}

/// Length of the header, length of the content and length of the checksum. Section 3.1.1.1 of the RFC.
fn read_header(held: &[u8]) -> Result<(usize, usize, usize), Scan> {
    let Some(([a, b, c, d, descriptor], _)) = held.split_first_chunk::<FIXED>() else {
        return Err(Scan::Need(FIXED));
    };
    if u32::from_le_bytes([*a, *b, *c, *d]) != MAGIC {
        return Err(Scan::Unknown);
    }
    let single_segment = descriptor & 0x20 != 0;
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = match (descriptor >> 6, single_segment) {
        (0, false) => return Err(Scan::Unknown),
        (0, true) => 1,
        (code, _) => 1_usize << code,
    };
    let size_at = FIXED + usize::from(!single_segment) + dictionary_bytes;
    let length = size_at + size_bytes;
    let Some(field) = held.get(size_at..length) else { return Err(Scan::Need(length)) };
    let value = field.iter().rev().fold(0, |value: u64, byte| value << 8 | u64::from(*byte));
    // Two bytes stand for 256 more than they say.
    let content = if size_bytes == 2 { value + 256 } else { value };
    let checksum = if descriptor & 0x04 != 0 { 4 } else { 0 };
    match usize::try_from(content) {
        Ok(content) if content <= PART_LIMIT => Ok((length, content, checksum)),
        _ => Err(Scan::Unknown),
    }
}

/// Frame after frame. Its window is the most memory it takes.
struct Stream {
    decoder: Decoder<'static>,
    is_between: bool,
    space: Vec<u8>,
}

/// As much as the library gives at a time at most: a block.
const SPACE_BYTES: usize = 128 * 1024;

impl InOrder for Stream {
    fn step(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        while out.len() < STEP_BYTES && !(input.is_empty() && self.is_between) {
            let mut source = InBuffer::around(input);
            let mut target = OutBuffer::around(&mut self.space[..]);
            let hint = self.decoder.run(&mut source, &mut target).map_err(|error| error.to_string())?;
            let (taken, got) = (source.pos(), target.pos());
            *input = input.get(taken..).unwrap_or_default();
            self.is_between = hint == 0;
            out.extend_from_slice(self.space.get(..got).unwrap_or_default());
            if taken == 0 && got == 0 {
                break;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if self.is_between { Ok(()) } else { Err("it ends in the middle of a frame".to_owned()) }
    }
}

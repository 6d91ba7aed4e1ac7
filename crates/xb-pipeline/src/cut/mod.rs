//! Cutting a packed stream into parts that can be unpacked on their own, on any thread.
//!
//! A [`Cutter`] gets the stream in blocks of any size and gives part after part; [`Expander`] unpacks them.
//! A part holds a bounded number of bytes, packed and unpacked: what a stream declares beyond that, or does
//! not declare, is unpacked by the cutter itself, in steps, as any other reader of the format does it.

mod frames;
mod gzip;
mod lz4;
mod packets;
#[cfg(test)]
mod tests;
mod zstd;

use bytes::Bytes;
use libdeflater::Decompressor;
use xb_formats::archive::Layer;
use xb_formats::qpress;
use xb_formats::xbcrypt::{self, Key, Version};

use crate::flow::FlowError;
use crate::keys::KeyFault;
use frames::FrameCutter;

/// A part larger than this, packed or not, is unpacked in steps instead: memory stays bounded.
pub(crate) const PART_LIMIT: usize = 4 * 1024 * 1024;

/// Bytes after which one step of unpacking in order ends.
pub(crate) const STEP_BYTES: usize = 256 * 1024;

/// A piece of a packed stream.
pub(crate) enum Part {
    /// Unpacked already.
    Plain(Bytes),
    /// A whole gzip member, Zstandard frame or LZ4 frame.
    Frame(Frame),
    /// A chunk of xbcrypt.
    Chunk(xbcrypt::Chunk),
    /// A block of qpress.
    Block(qpress::Block),
}

/// One member or frame, header included.
pub(crate) struct Frame {
    layer: Layer,
    bytes: Vec<u8>,
    /// How long its content is, by its own word.
    content: usize,
    /// Where it begins in the stream.
    offset: u64,
}

impl Part {
    /// Bytes it has when it is unpacked.
    pub(crate) fn plain_length(&self) -> usize {
        match self {
            Part::Plain(bytes) => bytes.len(),
            Part::Frame(frame) => frame.content,
            Part::Chunk(chunk) => chunk.plain_length(),
            Part::Block(block) => block.plain_length(),
        }
    }

    /// Bytes of memory it takes, packed or unpacked: a stream can be one of empty parts, or of large parts with
    /// little in them.
    pub(crate) fn weight(&self) -> usize {
        let packed = match self {
            Part::Plain(_) => 0,
            Part::Frame(frame) => frame.bytes.len(),
            // It has a hash more than its content, at most.
            Part::Chunk(chunk) => chunk.plain_length(),
            Part::Block(block) => block.packet().len(),
        };
        packed.max(self.plain_length()) + size_of::<Part>()
    }
}

/// Cuts a stream into parts.
pub(crate) trait Cutter: Send {
    /// Takes bytes off `input` until a part is complete. `None`: all of `input` is taken and more is needed.
    fn cut(&mut self, input: &mut &[u8]) -> Result<Option<Part>, FlowError>;

    /// Called once there is no more input, until it gives `None`: what was held back.
    fn end(&mut self) -> Result<Option<Part>, FlowError>;
}

/// What a layer is around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Around {
    /// The archive.
    Whole,
    /// One file of it, of which several hundred may be open at a time.
    Member,
}

/// The cutter for a layer that is unpacked part by part; `None` for containers and age.
pub(crate) fn cutter_for(layer: Layer, around: Around) -> Option<Box<dyn Cutter>> {
    match layer {
        Layer::Gzip => Some(Box::new(FrameCutter::new(gzip::GzipFrames))),
        Layer::Zstd => Some(Box::new(FrameCutter::new(zstd::ZstdFrames::new(around)))),
        Layer::Lz4 => Some(Box::new(FrameCutter::new(lz4::Lz4Frames::default()))),
        Layer::Xbcrypt => Some(Box::new(packets::ChunkCutter::new())),
        Layer::Qpress => Some(Box::new(packets::BlockCutter::single())),
        Layer::Xbstream | Layer::Tar | Layer::Age => None,
    }
}

/// Unpacks parts. One a thread.
pub(crate) struct Expander {
    gzip: Decompressor,
    zstd: Option<::zstd::bulk::Decompressor<'static>>,
    key: Option<Key>,
    no_key: Key,
    scratch: Vec<u8>,
}

impl Expander {
    /// With the key for xbcrypt, if there is one.
    pub(crate) fn new(key: Option<Key>) -> Self {
        Expander { gzip: Decompressor::new(), zstd: None, key, no_key: Key::none(), scratch: Vec::new() }
    }

    /// Appends the content of a part. Its length is what the part declares, never more.
    pub(crate) fn expand(&mut self, part: Part, out: &mut Vec<u8>) -> Result<(), FlowError> {
        match part {
            Part::Plain(bytes) => out.extend_from_slice(&bytes),
            Part::Frame(frame) => self.expand_frame(&frame, out).map_err(|reason| FlowError::Layer {
                layer: frame.layer,
                offset: frame.offset,
                reason,
            })?,
            Part::Chunk(chunk) => {
                // Version 1 does not say whether it is encrypted; nobody ever wrote one that is not.
                if self.key.is_none() && chunk.version() == Version::V1 {
                    return Err(KeyFault::KeyNeeded.into());
                }
                let key = self.key.as_ref().unwrap_or(&self.no_key);
                out.extend_from_slice(&xbcrypt::decrypt(chunk, key)?);
            }
            Part::Block(block) => {
                block.expand_into(&mut self.scratch)?;
                out.extend_from_slice(&self.scratch);
            }
        }
        Ok(())
    }

    fn expand_frame(&mut self, frame: &Frame, out: &mut Vec<u8>) -> Result<(), String> {
        let (start, length) = (out.len(), frame.content);
        out.resize(start + length, 0);
        let Some(space) = out.get_mut(start..) else { return Err("no room".to_owned()) };
        let got = match frame.layer {
            Layer::Gzip => gzip::expand(&mut self.gzip, &frame.bytes, space)?,
            Layer::Lz4 => lz4::expand(&frame.bytes, space)?,
            _ => self.zstd()?.decompress_to_buffer(&frame.bytes, space).map_err(|error| error.to_string())?,
        };
        if got == length { Ok(()) } else { Err(format!("it has {got} bytes and says {length}")) }
    }

    fn zstd(&mut self) -> Result<&mut ::zstd::bulk::Decompressor<'static>, String> {
        match &mut self.zstd {
            Some(zstd) => Ok(zstd),
            none => Ok(none.insert(::zstd::bulk::Decompressor::new().map_err(|error| error.to_string())?)),
        }
    }
}

//! The parser of encrypted streams, pushed by whoever has the bytes.

use super::HASH_BYTES;
use super::chunk::{Chunk, Version};
use super::encrypt::{IV_BYTES, Iv};
use super::error::{Fault, XbcryptError};
use crate::bytes::number_at;
use crate::field::Field;

/// Sizes of the fields, in bytes.
const MAGIC: usize = 8;
const HEAD: usize = 28;
const IV_SIZE: usize = 8;

/// The largest size the format knows, in bytes.
const SIZE_LIMIT: u64 = (1 << 31) - 1;

/// What a stream may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one chunk's payload, which is held in memory. Default 64 MiB; the tools write 64 KiB unless
    /// told otherwise. Values from 2^31 on count as 2^31 − 1, which is the limit of the format.
    pub max_chunk_bytes: u64,
    /// The oldest version to take. Default 1. Whoever knows that all chunks are of version 3 says so: in a
    /// chunk of an older version anything can be forged by one who knows an old plaintext under the same key.
    pub oldest_version: Version,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_chunk_bytes: 64 << 20, oldest_version: Version::V1 }
    }
}

/// What a complete stream held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct StreamSummary {
    /// Chunks.
    pub chunks: u64,
    /// Bytes of plaintext.
    pub plain_bytes: u64,
    /// Bytes of the stream.
    pub stream_bytes: u64,
    /// The oldest version among the chunks; nothing when there are none.
    pub oldest_version: Option<Version>,
}

/// Cuts a stream that is fed to it in pieces of any size into chunks.
///
/// Heads are checked here; payloads are not looked at, that is what [`decrypt`](super::decrypt) does. Memory:
/// the payload of the chunk that is not complete yet, as far as it has arrived. After an error, its own or
/// the caller's, a splitter answers everything with an error.
#[derive(Debug)]
pub struct Splitter {
    limits: Limits,
    part: Part,
    /// What `part` waits for.
    field: Field,
    /// Where the current chunk begins.
    chunk_start: u64,
    counts: StreamSummary,
    failed: Option<XbcryptError>,
}

/// What comes next in the stream.
#[derive(Clone, Copy, Debug)]
enum Part {
    Magic,
    Head(Version),
    IvSize(Head),
    Iv(Head),
    Payload(Head, Option<Iv>),
}

/// The fixed part of a chunk's head.
#[derive(Clone, Copy, Debug)]
struct Head {
    version: Version,
    size: usize,
    expected: u32,
}

/// Why parsing stops: a fault of the stream, or the caller's wish.
enum Stop<E> {
    Fault(Fault),
    Caller(E),
}

impl<E> From<Fault> for Stop<E> {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl Splitter {
    /// A splitter at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Splitter {
            limits,
            part: Part::Magic,
            field: Field::first(MAGIC),
            chunk_start: 0,
            counts: StreamSummary::default(),
            failed: None,
        }
    }

    /// How many bytes have been read, which is also how many were fed unless there was an error.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.field.position
    }

    /// Reads the next piece of the stream and hands every chunk that is complete to `on`, in order.
    ///
    /// # Errors
    /// The first fault of the stream, or the error of `on`. Both are final: a later call gives the fault
    /// again, or [`Fault::GivenUp`].
    pub fn feed<E: From<XbcryptError>>(
        &mut self,
        mut input: &[u8],
        on: &mut dyn FnMut(Chunk) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = &self.failed {
            return Err(E::from(error.clone()));
        }
        while self.field.gather(&mut input) {
            let stop = match self.read_field(on) {
                Ok(()) => continue,
                Err(stop) => stop,
            };
            let (fault, caller) = match stop {
                Stop::Fault(fault) => (fault, None),
                Stop::Caller(error) => (Fault::GivenUp, Some(error)),
            };
            let error = self.failed.insert(self.refuse(fault)).clone();
            return Err(caller.unwrap_or_else(|| E::from(error)));
        }
        Ok(())
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When it ends inside a chunk, and when there was an error before.
    pub fn finish(self) -> Result<StreamSummary, XbcryptError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !matches!(self.part, Part::Magic) || !self.field.bytes.is_empty() {
            return Err(self.refuse(Fault::Truncated { end: self.field.position }));
        }
        Ok(StreamSummary { stream_bytes: self.field.position, ..self.counts })
    }

    fn expect(&mut self, part: Part, wanted: usize) {
        self.part = part;
        self.field.expect(wanted);
    }

    /// Acts on a field that is complete.
    fn read_field<E>(&mut self, on: &mut dyn FnMut(Chunk) -> Result<(), E>) -> Result<(), Stop<E>> {
        match self.part {
            Part::Magic => self.read_magic()?,
            Part::Head(version) => self.read_head(version)?,
            Part::IvSize(head) => self.read_iv_size(head)?,
            Part::Iv(head) => {
                let iv = self.field.bytes.first_chunk().copied();
                self.expect(Part::Payload(head, iv), head.size);
            }
            Part::Payload(head, iv) => {
                let chunk = self.end_chunk(head, iv);
                on(chunk).map_err(Stop::Caller)?;
            }
        }
        Ok(())
    }

    fn read_magic(&mut self) -> Result<(), Fault> {
        let Some(version) = Version::of(&self.field.bytes) else {
            let found = self.field.bytes.first_chunk().copied().unwrap_or_default();
            return Err(Fault::BadMagic { found });
        };
        let demanded = self.limits.oldest_version;
        if version < demanded {
            return Err(Fault::TooOld { version, demanded });
        }
        self.expect(Part::Head(version), HEAD);
        Ok(())
    }

    /// The first 8 bytes are reserved: writers store zero, readers do not look.
    fn read_head(&mut self, version: Version) -> Result<(), Fault> {
        let original = number_at::<8>(&self.field.bytes, 8);
        let encrypted = number_at::<8>(&self.field.bytes, 16);
        let expected = number_at::<4>(&self.field.bytes, 24) as u32;
        let limit = self.limits.max_chunk_bytes.min(SIZE_LIMIT);
        within("the original size of a chunk", original, SIZE_LIMIT)?;
        within("the size of a chunk", encrypted, limit)?;
        if original != encrypted {
            return Err(Fault::SizesDiffer { original, encrypted });
        }
        if version == Version::V3 && encrypted < HASH_BYTES as u64 {
            return Err(Fault::NoRoomForHash { size: encrypted });
        }
        let value = encrypted;
        let size = usize::try_from(value).map_err(|_| Fault::Oversize {
            what: "the size of a chunk",
            value,
            limit: usize::MAX as u64,
        })?;
        let head = Head { version, size, expected };
        match version {
            Version::V1 => self.expect(Part::Payload(head, None), size),
            Version::V2 | Version::V3 => self.expect(Part::IvSize(head), IV_SIZE),
        }
        Ok(())
    }

    fn read_iv_size(&mut self, head: Head) -> Result<(), Fault> {
        let size = number_at::<8>(&self.field.bytes, 0);
        within("the size of an IV", size, IV_BYTES as u64)?;
        match usize::try_from(size) {
            Ok(IV_BYTES) => self.expect(Part::Iv(head), IV_BYTES),
            Ok(0) => self.expect(Part::Payload(head, None), head.size),
            _ => return Err(Fault::BadIvSize { size }),
        }
        Ok(())
    }

    /// Takes the payload that was gathered and waits for the next chunk.
    fn end_chunk(&mut self, head: Head, iv: Option<Iv>) -> Chunk {
        self.counts.chunks += 1;
        let chunk = Chunk {
            number: self.counts.chunks,
            offset: self.chunk_start,
            version: head.version,
            iv,
            expected: head.expected,
            payload: std::mem::take(&mut self.field.bytes),
        };
        self.counts.plain_bytes += chunk.plain_length() as u64;
        let oldest = self.counts.oldest_version.map_or(head.version, |oldest| oldest.min(head.version));
        self.counts.oldest_version = Some(oldest);
        self.chunk_start = self.field.position;
        self.expect(Part::Magic, MAGIC);
        chunk
    }

    /// A fault in the chunk that is being read.
    fn refuse(&self, fault: Fault) -> XbcryptError {
        XbcryptError { chunk: self.counts.chunks + 1, offset: self.chunk_start, fault }
    }
}

/// Compares a number with its limit.
fn within(what: &'static str, value: u64, limit: u64) -> Result<(), Fault> {
    if value > limit { Err(Fault::Oversize { what, value, limit }) } else { Ok(()) }
}

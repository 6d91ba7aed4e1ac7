//! The payload of a data or sparse chunk on its way through.

use crc32fast::Hasher;

use super::error::Fault;
use super::event::Event;
use super::files::OpenFile;
use crate::path::StreamPath;

/// A payload of which zero or more bytes have passed.
#[derive(Debug)]
pub(super) struct Payload {
    pub(super) path: StreamPath,
    pub(super) file: OpenFile,
    /// Bytes of the whole payload.
    pub(super) length: u64,
    /// Bytes that still go to the current position before the next entry of the map counts.
    run: u64,
    /// (skip, write) of a sparse chunk, in bytes; empty for a data chunk.
    map: Vec<(u32, u32)>,
    /// The next entry of the map.
    next: usize,
    expected: u32,
    crc: Hasher,
}

impl Payload {
    /// The payload of a data chunk: one run.
    pub(super) fn data(path: StreamPath, file: OpenFile, length: u64, expected: u32) -> Self {
        Payload { path, file, length, run: length, map: Vec::new(), next: 0, expected, crc: Hasher::new() }
    }

    /// The payload of a sparse chunk, its map to come.
    pub(super) fn sparse(path: StreamPath, file: OpenFile, length: u64, expected: u32) -> Self {
        Payload { run: 0, ..Payload::data(path, file, length, expected) }
    }

    /// Takes an entry of the map: two numbers, which the checksum covers.
    pub(super) fn add_entry(&mut self, raw: [u8; 8]) {
        self.crc.update(&raw);
        let [a, b, c, d, e, f, g, h] = raw;
        self.map.push((u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])));
    }

    /// The sums of the map: what is passed over and what is written.
    pub(super) fn sums(&self) -> (u64, u64) {
        self.map.iter().fold((0, 0), |(skips, writes): (u64, u64), (skip, write)| {
            (skips.saturating_add(u64::from(*skip)), writes.saturating_add(u64::from(*write)))
        })
    }

    /// Tells as much of the payload as the input holds and takes it off the input. True when all of it has
    /// passed. That the positions cannot overflow was checked with the head of the chunk.
    pub(super) fn deliver<E>(
        &mut self,
        input: &mut &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        loop {
            while self.run == 0 {
                let Some((skip, write)) = self.map.get(self.next).copied() else { return Ok(true) };
                self.next += 1;
                self.run = u64::from(write);
                if skip > 0 {
                    self.file.position += u64::from(skip);
                    on(Event::Seek { file: self.file.key, offset: self.file.position })?;
                }
            }
            if input.is_empty() {
                return Ok(false);
            }
            let length = usize::try_from(self.run).map_or(input.len(), |run| run.min(input.len()));
            let (bytes, rest) = input.split_at(length);
            *input = rest;
            self.crc.update(bytes);
            on(Event::Data { file: self.file.key, offset: self.file.position, bytes })?;
            self.run -= length as u64;
            self.file.position += length as u64;
            self.file.size = self.file.size.max(self.file.position);
        }
    }

    /// Compares the checksum. True when the chunk ended in a hole, which has made the file longer.
    pub(super) fn verify(&mut self) -> Result<bool, Fault> {
        let found = self.crc.clone().finalize();
        if found != self.expected {
            return Err(Fault::BadChecksum { expected: self.expected, found });
        }
        let ends_in_hole = !self.map.is_empty() && self.file.position > self.file.size;
        if ends_in_hole {
            self.file.size = self.file.position;
        }
        Ok(ends_in_hole)
    }
}

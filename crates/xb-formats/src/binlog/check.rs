//! The rules every event of a file keeps.

use super::FIRST_EVENT;
use super::error::Fault;
use super::event::Event;
use super::format::{ChecksumAlgorithm, FormatDescription};
use super::header::{EventHeader, EventKind, HEADER_BYTES};
use crate::bytes::number_at;

const CRC_BYTES: usize = 4;
/// Where the flags are; their first byte has the in-use flag.
const FLAGS: usize = 17;

/// Judges the events of one file, in order. What it lets pass stands at the place it says and is undamaged,
/// as far as checksums tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventCheck {
    position: u64,
    format: Option<FormatDescription>,
}

impl Default for EventCheck {
    fn default() -> Self {
        EventCheck { position: FIRST_EVENT, format: None }
    }
}

impl EventCheck {
    /// At the first event of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where the next event begins, in bytes.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// What the file said about its format, once it did.
    #[must_use]
    pub fn format(&self) -> Option<&FormatDescription> {
        self.format.as_ref()
    }

    /// Looks at the next event. After a fault the same place is still the next.
    ///
    /// # Errors
    /// The [`Fault`] for which it is not the next event of this file.
    pub fn check(&mut self, bytes: Vec<u8>) -> Result<Event, Fault> {
        let short = Fault::Short { length: bytes.len() as u64, needed: HEADER_BYTES as u64 };
        let header = EventHeader::parse(bytes.first_chunk().ok_or(short)?);
        if u64::from(header.length) != bytes.len() as u64 {
            return Err(Fault::BadLength { says: header.length.into(), found: bytes.len() as u64 });
        }
        let described = match header.kind {
            EventKind::FORMAT_DESCRIPTION => Some(FormatDescription::parse(&header, &bytes)?),
            _ => None,
        };
        let checksum_bytes = match (&described, &self.format) {
            (Some(own), _) if own.has_checksum => CRC_BYTES,
            (Some(_), _) => 0,
            (None, Some(format)) => format.checksum.bytes(),
            (None, None) => return Err(Fault::NoFormat { kind: header.kind }),
        };
        if checksum_bytes > 0 {
            verify(&bytes, described.is_some())?;
        }
        let offset = self.position;
        let event = Event { offset, header, bytes, checksum_bytes };
        let found = event.end() as u32;
        if header.next_position != 0 && header.next_position != found {
            return Err(Fault::BadPosition { says: header.next_position, found });
        }
        self.position = event.end();
        self.format = described.or_else(|| self.format.take());
        Ok(event)
    }
}

/// Compares an event with the CRC-32 at its end. A format description has the one from before the server
/// set its in-use flag.
fn verify(event: &[u8], is_format: bool) -> Result<(), Fault> {
    let needed = (HEADER_BYTES + CRC_BYTES) as u64;
    let short = Fault::Short { length: event.len() as u64, needed };
    let at = event.len().checked_sub(CRC_BYTES).filter(|at| *at >= HEADER_BYTES).ok_or(short)?;
    let (covered, checksum) = event.split_at(at);
    let mut hasher = crc32fast::Hasher::new();
    if is_format {
        let (before, behind) = covered.split_at(FLAGS);
        hasher.update(before);
        let (flag, behind) = behind.split_at(1);
        hasher.update(&flag.iter().map(|byte| byte & !(EventHeader::IN_USE as u8)).collect::<Vec<_>>());
        hasher.update(behind);
    } else {
        hasher.update(covered);
    }
    let (found, expected) = (hasher.finalize(), number_at::<CRC_BYTES>(checksum, 0) as u32);
    if found == expected { Ok(()) } else { Err(Fault::BadChecksum { expected, found }) }
}

/// Which algorithm an event has that came without a format description before it: the last four bytes are
/// its CRC-32, or they are not.
#[must_use]
pub fn strip_checksum(event: &[u8]) -> (&[u8], ChecksumAlgorithm) {
    match verify(event, false) {
        Ok(()) => (event.split_at(event.len().saturating_sub(CRC_BYTES)).0, ChecksumAlgorithm::Crc32),
        Err(_) => (event, ChecksumAlgorithm::Off),
    }
}

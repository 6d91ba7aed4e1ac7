//! One event, as it stands in the log.

use super::error::Fault;
use super::header::{EventHeader, HEADER_BYTES};
use super::payload::Payload;

/// A whole event whose framing, and checksum if it has one, are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it begins in its file, in bytes.
    pub offset: u64,
    /// Its header.
    pub header: EventHeader,
    /// All of it, with header and checksum.
    pub bytes: Vec<u8>,
    /// How many bytes at its end are checksum.
    pub(super) checksum_bytes: usize,
}

impl Event {
    /// Where it ends in its file, in bytes.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// What stands between header and checksum.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        let end = self.bytes.len().saturating_sub(self.checksum_bytes);
        self.bytes.get(HEADER_BYTES..end).unwrap_or_default()
    }

    /// What it says.
    ///
    /// # Errors
    /// [`Fault::BadBody`]: the bytes are as the server wrote them, and not understood.
    pub fn payload(&self) -> Result<Payload, Fault> {
        Payload::parse(&self.header, &self.bytes, self.body())
    }
}

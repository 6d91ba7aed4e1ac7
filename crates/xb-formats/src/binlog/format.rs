//! The format description event: who wrote the file, and whether events have checksums.

use super::cursor::Cursor;
use super::error::Fault;
use super::header::{EventHeader, EventKind, HEADER_BYTES};

/// Bytes of the server version, filled up with zeros.
const VERSION_BYTES: usize = 50;
/// Bytes of the body before the list of lengths: format version, server version, time, header length.
const BEFORE_LENGTHS: usize = 2 + VERSION_BYTES + 4 + 1;
/// The one version of binary logs since MySQL 5.0.
const BINLOG_VERSION: u64 = 4;

/// How events are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChecksumAlgorithm {
    /// Not at all.
    Off,
    /// By a CRC-32 in the last four bytes of each.
    Crc32,
}

impl ChecksumAlgorithm {
    /// Bytes it takes at the end of an event.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            ChecksumAlgorithm::Off => 0,
            ChecksumAlgorithm::Crc32 => 4,
        }
    }
}

/// What a format description event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatDescription {
    /// The version of the server that wrote the file, as it prints it.
    pub server_version: String,
    /// When the server started, in seconds since 1970; 0 in all files but the first after a start.
    pub created: u32,
    /// Whether the server was writing the file, or died while it did.
    pub in_use: bool,
    /// How the events behind this one are protected.
    pub checksum: ChecksumAlgorithm,
    /// Whether the writer knows checksums at all. If so this event has one, also where the others have none.
    pub(super) has_checksum: bool,
}

impl FormatDescription {
    /// Reads a whole event.
    ///
    /// # Errors
    /// [`Fault`] when it is too short, or of another format.
    pub(super) fn parse(header: &EventHeader, event: &[u8]) -> Result<Self, Fault> {
        let short = || Fault::BadBody { what: "format description" };
        let mut body = Cursor(event.get(HEADER_BYTES..).unwrap_or_default());
        let version = body.number::<2>().ok_or_else(short)?;
        known("format version", version, BINLOG_VERSION)?;
        let text = body.take(VERSION_BYTES).ok_or_else(short)?;
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let server_version = String::from_utf8_lossy(text).into_owned();
        let created = body.word().ok_or_else(short)?;
        known("event header length", body.number::<1>().ok_or_else(short)?, HEADER_BYTES as u64)?;
        let lengths = body.rest();
        let mut format = FormatDescription {
            has_checksum: knows_checksums(lengths),
            server_version,
            created,
            in_use: header.flags & EventHeader::IN_USE != 0,
            checksum: ChecksumAlgorithm::Off,
        };
        if format.has_checksum {
            // The algorithm and the checksum of this event are the last five bytes.
            let algorithm = lengths.iter().rev().nth(4).ok_or_else(short)?;
            format.checksum = match algorithm {
                0 => ChecksumAlgorithm::Off,
                1 => ChecksumAlgorithm::Crc32,
                other => return Err(Fault::Unknown { what: "checksum algorithm", value: u64::from(*other) }),
            };
        }
        Ok(format)
    }
}

fn known(what: &'static str, value: u64, wanted: u64) -> Result<(), Fault> {
    if value == wanted { Ok(()) } else { Err(Fault::Unknown { what, value }) }
}

/// Checksums came with MySQL 5.6.1 and MariaDB 5.3. Not told by the version, which may be damaged: the event
/// ends with a list of the lengths of what all types have behind the header, its own among them. If that is
/// its length to the last byte, no algorithm and no checksum follow.
fn knows_checksums(lengths: &[u8]) -> bool {
    let own = lengths.get(usize::from(EventKind::FORMAT_DESCRIPTION.0) - 1);
    own != Some(&((BEFORE_LENGTHS + lengths.len()) as u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list as a server with so many types of events writes it.
    fn lengths(types: usize) -> Vec<u8> {
        let mut lengths = vec![0; types];
        lengths[14] = (BEFORE_LENGTHS + types) as u8;
        lengths
    }

    #[test]
    fn what_follows_the_list_of_lengths_tells_of_checksums() {
        // MySQL 5.5 has 27 types, 5.6 has 35, MariaDB 10.11 has 171.
        for types in [27, 35, 171] {
            let mut lengths = lengths(types);
            assert!(!knows_checksums(&lengths));
            lengths.extend([1, 0, 0, 0, 0]);
            assert!(knows_checksums(&lengths));
        }
    }
}

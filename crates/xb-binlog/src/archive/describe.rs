//! What is to know of a log, from its bytes.

use std::io::{self, Read};

use xb_core::BinlogName;
use xb_formats::binlog::{End, FileReader, ReadError};
use xb_pipeline::Digest;

use super::entry::{LogEntry, LogState};
use super::last::Newest;

/// Where the flags of the first event begin; the in-use flag is in the first byte of them.
const IN_USE_AT: u64 = 21;

/// Digests a log from its first byte on, without the in-use flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct LogHasher {
    hasher: Box<blake3::Hasher>,
    at: u64,
}

impl LogHasher {
    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        let flag = IN_USE_AT.checked_sub(self.at).and_then(|at| usize::try_from(at).ok());
        match flag.and_then(|at| bytes.split_at_checked(at)) {
            Some((before, [flag, behind @ ..])) => {
                self.hasher.update(before);
                self.hasher.update(&[flag & !1]);
                self.hasher.update(behind);
            }
            _ => {
                self.hasher.update(bytes);
            }
        }
        self.at += bytes.len() as u64;
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> u64 {
        self.at
    }

    /// Their digest.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.finalize().into()
    }
}

/// Digests what passes.
struct Hashed<R> {
    source: R,
    hasher: LogHasher,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        Ok(got)
    }
}

/// Reads a closed log.
///
/// # Errors
/// [`ReadError`]. How it ends, the caller judges.
pub(crate) fn closed_log(name: &BinlogName, source: impl Read) -> Result<(LogEntry, Option<End>), ReadError> {
    let mut hashed = Hashed { source, hasher: LogHasher::default() };
    let mut reader = FileReader::new(&mut hashed);
    let mut newest = Newest::None;
    for event in reader.by_ref() {
        newest.set(event?);
    }
    let end = reader.end();
    let entry = LogEntry::of(name.clone(), LogState::Closed, reader.facts(), newest.get());
    drop(reader);
    let hasher = hashed.hasher;
    Ok((LogEntry { size_bytes: hasher.length(), digest: Some(hasher.digest()), ..entry }, end))
}

/// Reads a log that is being written, as far as it is good, and says how it ends there; nothing where that is
/// damage.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn open_log(name: &BinlogName, source: impl Read) -> io::Result<(LogEntry, Option<End>)> {
    let mut hashed = Hashed { source, hasher: LogHasher::default() };
    let mut reader = FileReader::new(&mut hashed);
    let mut newest = Newest::None;
    let mut is_damaged = false;
    for event in reader.by_ref() {
        match event {
            Ok(event) => newest.set(event),
            Err(ReadError::Io(error)) => return Err(error),
            Err(ReadError::Format(_)) => is_damaged = true,
        }
    }
    let end = reader.end().filter(|_| !is_damaged);
    let entry = LogEntry::of(name.clone(), LogState::Open, reader.facts(), newest.get());
    let (check, _) = reader.into_parts();
    let size_bytes = check.position().min(hashed.hasher.length());
    Ok((LogEntry { size_bytes, ..entry }, end))
}

/// Why a closed log that ends like this is not whole.
pub(crate) fn fault_of(end: Option<End>) -> Option<String> {
    match end {
        Some(End::Torn { at, length }) => Some(format!(
            "it ends inside of an event: that begins at byte {at}, and the log ends at {length}"
        )),
        Some(End::Open { at: 0 }) => Some("it is empty".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_does_not_see_the_in_use_flag_however_the_bytes_come() {
        let mut log = vec![9; 100];
        let of = |log: &[u8], cut: usize| {
            let mut hasher = LogHasher::default();
            log.chunks(cut).for_each(|part| hasher.update(part));
            (hasher.digest(), hasher.length())
        };
        let expected = of(&log, 100);
        for cut in [1, 7, 21, 22, 23, 50] {
            assert_eq!(of(&log, cut), expected, "{cut}");
        }
        log[21] ^= 1;
        assert_eq!(of(&log, 13), expected);
        log[21] ^= 2;
        assert_ne!(of(&log, 13), expected);
    }
}

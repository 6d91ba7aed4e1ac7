//! Looking into MySQL's compressed transactions.

use std::io::Read;

use xb_formats::binlog::{Content, EventHeader, HEADER_BYTES, content};

/// Bytes of all events of one transaction that are looked into. What is behind is not told of.
const LIMIT: u64 = 64 << 20;
const ZSTD: u64 = 0;
const NONE: u64 = 255;

/// Gives what each of the events is. Gives false when not all of them were read: they are compressed in a way
/// that is not known, damaged, or too many.
pub(super) fn read(compression: u64, bytes: &[u8], on: &mut dyn FnMut(Content<'_>)) -> bool {
    match compression {
        NONE => events(bytes, on),
        ZSTD => zstd::Decoder::with_buffer(bytes).is_ok_and(|decoder| events(decoder.take(LIMIT), on)),
        _ => false,
    }
}

fn events(mut source: impl Read, on: &mut dyn FnMut(Content<'_>)) -> bool {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if source.by_ref().take(HEADER_BYTES as u64).read_to_end(&mut bytes).is_err() {
            return false;
        }
        let Some(header) = bytes.first_chunk().map(EventHeader::parse) else { return bytes.is_empty() };
        let Some(rest) = u64::from(header.length).checked_sub(HEADER_BYTES as u64) else { return false };
        if source.by_ref().take(rest).read_to_end(&mut bytes).is_err() {
            return false;
        }
        if bytes.len() as u64 != u64::from(header.length) {
            return false;
        }
        on(content(header.kind, bytes.get(HEADER_BYTES..).unwrap_or_default()));
    }
}

//! Plaintext in chunks of any size, in both versions that are written.

use xb_formats::xbcrypt::{
    Algorithm, Decoder, Key, Limits, StreamSummary, Version, WriteError, Writer, XbcryptError,
};
use xb_fuzz::pieces;
use xb_fuzz::script::Script;

/// How many chunks a stream is to have at most, about.
const CHUNKS: usize = 300;

pub(crate) fn check(script: &mut Script<'_>) {
    let Some(key) = key(script) else { return };
    let version = if script.byte() & 1 == 0 { Version::V3 } else { Version::V2 };
    let chunk_bytes = script.number() % 2000 + 1;
    let written = write(script, &key, version, chunk_bytes);
    assert!(written.is_ok(), "{:?}", written.err());
    let Ok((stream, plain)) = written else { return };

    let got = read(&stream, &key);
    let chunks = plain.len().div_ceil(chunk_bytes) as u64;
    let summary = StreamSummary {
        chunks,
        plain_bytes: plain.len() as u64,
        stream_bytes: stream.len() as u64,
        oldest_version: (chunks > 0).then_some(version),
    };
    assert_eq!(got, Ok((plain, summary)));

    if let (Version::V3, 1.., Ok(other)) = (version, chunks, Key::new(b"some other key..")) {
        assert!(read(&stream, &other).is_err(), "a wrong key goes unnoticed");
    }
    if key.algorithm() != Algorithm::None && chunks > 0 {
        assert!(read(&stream, &Key::none()).is_err(), "no key goes unnoticed");
    }
}

fn key(script: &mut Script<'_>) -> Option<Key> {
    match script.byte() % 4 {
        0 => Some(Key::none()),
        1 => Key::new(&script.field::<16>()).ok(),
        2 => Key::new(&script.field::<24>()).ok(),
        _ => Key::new(&script.field::<32>()).ok(),
    }
}

fn write(
    script: &mut Script<'_>,
    key: &Key,
    version: Version,
    chunk_bytes: usize,
) -> Result<(Vec<u8>, Vec<u8>), WriteError> {
    let mut iv: u128 = u128::from_le_bytes(script.field());
    let ivs = || {
        iv = iv.wrapping_add(1 << 64);
        iv.to_be_bytes()
    };
    let mut writer = Writer::new(Vec::new(), key.clone(), ivs).chunk_bytes(chunk_bytes);
    if version == Version::V2 {
        writer = writer.version_2();
    }
    let mut plain = Vec::new();
    while !script.is_over() && plain.len() < chunk_bytes * CHUNKS {
        let content = script.content();
        writer.append(&content)?;
        plain.extend(content);
    }
    Ok((writer.finish()?, plain))
}

fn read(stream: &[u8], key: &Key) -> Result<(Vec<u8>, StreamSummary), XbcryptError> {
    let mut decoder = Decoder::new(key.clone(), Limits::default());
    let mut plain = Vec::new();
    for piece in pieces(stream) {
        decoder.feed::<XbcryptError>(piece, &mut |bytes| {
            plain.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    decoder.finish().map(|summary| (plain, summary))
}

//! The decoder of xbcrypt, with a key and without, as the input is and with its checksums and hashes made
//! right: the same comes out whatever way the input is cut, and by both ways of reading; encrypted again, it
//! is what it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xb_formats::xbcrypt::{
    Chunk, Decoder, Key, Limits, Splitter, StreamSummary, Version, XbcryptError, decrypt, encrypt_chunk,
    encrypt_chunk_version_2,
};
use xb_fuzz::{pieces, seal};

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let low = Limits { max_chunk_bytes: 100, oldest_version: Version::V2 };
    let Ok(key) = Key::new(b"an example key of thirty-two by.") else { return };
    for key in [key, Key::none()] {
        let sealed = seal::xbcrypt(input, &key);
        for limits in [limits, low] {
            check(input, &key, limits);
            if sealed != input {
                check(&sealed, &key, limits);
            }
        }
    }
});

/// The plaintext by chunks, how it ended, and how far it came.
type Outcome = (Vec<Vec<u8>>, Result<StreamSummary, XbcryptError>, u64);

fn check(stream: &[u8], key: &Key, limits: Limits) {
    let whole = read(std::iter::once(stream), key, limits);
    assert_eq!(whole, read(pieces(stream), key, limits));
    let (plain, end, _) = whole;
    let bytes: usize = plain.iter().map(Vec::len).sum();
    assert!(bytes <= stream.len(), "{bytes} bytes of plaintext in {}", stream.len());
    if let Ok(summary) = &end {
        assert_eq!((summary.stream_bytes, summary.plain_bytes), (stream.len() as u64, bytes as u64));
        if let Some((_, cut)) = stream.split_last() {
            assert!(read(std::iter::once(cut), key, limits).1.is_err(), "its end is not missed");
        }
    }
    check_chunks(stream, key, limits, &plain, &end);
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, key: &Key, limits: Limits) -> Outcome {
    let mut decoder = Decoder::new(key.clone(), limits);
    let mut plain = Vec::new();
    for piece in pieces {
        let mut take = |bytes: &[u8]| {
            assert!(!bytes.is_empty());
            plain.push(bytes.to_vec());
            Ok(())
        };
        let fed = decoder.feed::<XbcryptError>(piece, &mut take);
        if let Err(error) = fed {
            let again = decoder.feed::<XbcryptError>(b"XBCRYP03", &mut take);
            assert_eq!(again.as_ref(), Err(&error), "it goes on after an error");
            let position = decoder.position();
            assert_eq!(decoder.finish().as_ref(), Err(&error), "it ends well after an error");
            return (plain, Err(error), position);
        }
    }
    let position = decoder.position();
    (plain, decoder.finish(), position)
}

/// Cuts the stream into chunks, decrypts each, and compares with what the decoder made of it.
fn check_chunks(
    stream: &[u8],
    key: &Key,
    limits: Limits,
    plain: &[Vec<u8>],
    end: &Result<StreamSummary, XbcryptError>,
) {
    let mut splitter = Splitter::new(limits);
    let mut chunks: Vec<Chunk> = Vec::new();
    let fed = splitter.feed::<XbcryptError>(stream, &mut |chunk| {
        let (number, offset) = chunks.last().map_or((0, None), |last| (last.number(), Some(last.offset())));
        assert_eq!(chunk.number(), number + 1);
        assert!(offset < Some(chunk.offset()));
        assert!(chunk.version() >= limits.oldest_version);
        assert!(chunk.plain_length() as u64 <= limits.max_chunk_bytes);
        chunks.push(chunk);
        Ok(())
    });
    let mut wanted_end = match fed {
        Ok(()) => splitter.finish(),
        Err(error) => Err(error),
    };
    let mut decrypted = Vec::new();
    for chunk in chunks {
        let length = chunk.plain_length();
        let (version, offset) = (chunk.version(), chunk.offset() as usize);
        match decrypt(chunk, key) {
            Ok(bytes) => {
                assert_eq!(bytes.len(), length);
                check_encrypted(&stream[offset..], version, key, &bytes);
                decrypted.push(bytes);
            }
            Err(error) => {
                wanted_end = Err(error);
                break;
            }
        }
    }
    decrypted.retain(|bytes| !bytes.is_empty());
    assert_eq!((decrypted.as_slice(), &wanted_end), (plain, end));
}

/// Encrypts what was decrypted and compares with where it came from, but for the reserved field.
fn check_encrypted(stream: &[u8], version: Version, key: &Key, plain: &[u8]) {
    let iv = stream.get(44..).and_then(|rest| rest.first_chunk().copied()).unwrap_or_default();
    let chunk = match version {
        Version::V1 => return,
        Version::V2 => encrypt_chunk_version_2(key, iv, plain),
        Version::V3 => encrypt_chunk(key, iv, plain),
    };
    assert!(chunk.is_ok());
    // What is empty is never written.
    let Some(chunk) = chunk.ok().filter(|chunk| !chunk.is_empty()) else { return };
    let from = stream.get(..chunk.len()).unwrap_or_default();
    assert_eq!((from.get(..8), from.get(16..)), (chunk.get(..8), chunk.get(16..)));
}

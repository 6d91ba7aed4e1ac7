//! Encrypted streams: those of real tools, damaged and hostile ones, and what holds for every one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

mod support;

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use support::layers::{decrypt, key_of};
use support::manifest::{cut, digest, vectors};
use xb_formats::archive::{Layer, sniff};
use xb_formats::xbcrypt::{
    Chunk, ChunkReader, Decoder, Fault, Iv, Key, Limits, PLAIN_LIMIT, ReadError, Splitter, Version, Writer,
    XbcryptError, encrypt_chunk, encrypt_chunk_version_2,
};

const KEY: &[u8] = b"percona_xtrabackup_is_awesome___";

fn key() -> Key {
    Key::new(KEY).unwrap()
}

/// IVs that never repeat within a test.
fn ivs() -> impl FnMut() -> Iv {
    let mut count = 0_u128;
    move || {
        count += 1;
        (count << 64).to_be_bytes()
    }
}

fn encrypted(plain: &[u8], chunk_bytes: usize) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), key(), ivs()).chunk_bytes(chunk_bytes);
    writer.append(plain).unwrap();
    writer.finish().unwrap()
}

/// A chunk whose head says what it is told to.
fn chunk(version: u8, sizes: (u64, u64), iv: Option<&[u8]>, payload: &[u8]) -> Vec<u8> {
    let mut chunk = format!("XBCRYP0{version}").into_bytes();
    chunk.extend([0; 8]);
    chunk.extend(sizes.0.to_le_bytes());
    chunk.extend(sizes.1.to_le_bytes());
    chunk.extend(crc32fast::hash(payload).to_le_bytes());
    if let Some(iv) = iv {
        chunk.extend((iv.len() as u64).to_le_bytes());
        chunk.extend(iv);
    }
    chunk.extend(payload);
    chunk
}

fn fault(stream: &[u8], key: &Key) -> Fault {
    decrypt([stream], key).unwrap_err().fault
}

#[test]
fn streams_of_real_tools_decode_to_their_digests() {
    let vectors = vectors("xbcrypt", "ok");
    assert!(vectors.len() >= 22, "only {} vectors found", vectors.len());
    for (vector, stream) in vectors {
        assert!(stream.is_empty() || sniff(&stream) == Some(Layer::Xbcrypt), "{}", vector.id);
        let key = key_of(&vector);
        let (plain, summary) =
            decrypt([stream.as_slice()], &key).unwrap_or_else(|e| panic!("{}: {e}", vector.id));
        let [content] = vector.content.as_slice() else { panic!("{} has one content", vector.id) };
        assert_eq!(
            (Some(plain.len()), digest(&plain)),
            (content.size, content.sha256.clone()),
            "{}",
            vector.id
        );
        assert_eq!(summary.stream_bytes, stream.len() as u64);
        assert_eq!(summary.plain_bytes, plain.len() as u64);
        for size in [1, 7, 36, 1000, 65_521] {
            assert_eq!(
                decrypt(stream.chunks(size), &key).unwrap(),
                (plain.clone(), summary),
                "{}",
                vector.id
            );
        }
    }
}

#[test]
fn damaged_and_hostile_streams_are_refused_with_their_verdict() {
    let vectors = vectors("xbcrypt", "reject");
    assert!(vectors.len() >= 14, "only {} vectors found", vectors.len());
    for (vector, stream) in vectors {
        let key = key_of(&vector);
        let error =
            decrypt([stream.as_slice()], &key).err().unwrap_or_else(|| panic!("{} was taken", vector.id));
        assert_eq!(Some(error.verdict()), vector.verdict.as_deref(), "{}: {error}", vector.id);
        let bytewise = decrypt(stream.chunks(1), &key).err();
        assert_eq!(bytewise, Some(error.clone()), "{}: the cut changes the error", vector.id);
        assert!(!error.to_string().bytes().any(|b| b.is_ascii_control()), "{}: {error:?}", vector.id);
    }
}

/// The samples of version 1 come from a source tree whose licence keeps them out of this one.
#[test]
fn the_samples_of_version_1_decode_where_they_are_at_hand() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/formats/vectors");
    let load = |name: &str| std::fs::read(vectors.join(name));
    let sample = load("xbcrypt/xbc-v1-sample.xbcrypt");
    let (Ok(sample), Ok(plain)) = (sample, load("plain/decrypt_v1_test_file.txt")) else { return };
    let (decrypted, summary) = decrypt([sample.as_slice()], &key()).unwrap();
    assert!(decrypted == plain);
    assert_eq!(summary.oldest_version, Some(Version::V1));
    // The same sample, then version 2, then version 3.
    let mixed = load("xbcrypt/xbc-mixed-123.xbcrypt").unwrap();
    let (decrypted, _) = decrypt([mixed.as_slice()], &key()).unwrap();
    assert_eq!(digest(&decrypted), "9c7d9d787cd88a82cd4ef3f3ed4ef043d822a463a4857a95c4a60c0e93a94890");
}

#[test]
fn versions_1_and_2_differ_in_their_heads_only_and_all_may_be_mixed() {
    let all = vectors("xbcrypt", "ok");
    let named = |id: &str| &all.iter().find(|(v, _)| v.id == id).unwrap().1;
    let (second, third) = (named("xbc-v2-chunk1030"), named("xbc-v3-chunk1k"));
    let mut first = Vec::new();
    let mut rest = second.as_slice();
    while !rest.is_empty() {
        let (head, behind) = rest.split_at(60);
        let size = usize::from(head[24]) | usize::from(head[25]) << 8;
        let (payload, behind) = behind.split_at(size);
        first.extend(b"XBCRYP01");
        first.extend(&head[8..36]);
        first.extend(payload);
        rest = behind;
    }
    let plain = decrypt([second.as_slice()], &key()).unwrap().0;
    assert!(decrypt([first.as_slice()], &key()).unwrap().0 == plain);
    let joined = [first.as_slice(), second, third, &first].concat();
    let (got, summary) = decrypt(joined.chunks(999), &key()).unwrap();
    assert!(got == plain.repeat(4));
    assert_eq!((summary.chunks, summary.oldest_version), (20, Some(Version::V1)));
}

#[test]
fn a_chunk_of_version_3_that_says_2_is_not_taken() {
    let mut stream = encrypted(b"checked by a hash", 100);
    stream[7] = b'2';
    assert_eq!(fault(&stream, &key()), Fault::Downgraded);
    assert_ne!(decrypt([stream.as_slice()], &Key::new(&[0; 32]).unwrap()).unwrap().0, b"checked by a hash");
}

#[test]
fn a_wrong_key_is_told_from_damage() {
    let wrong = Key::new(b"wrong_key_wrong_key_wrong_key___").unwrap();
    let stream = encrypted(&[5; 3000], 1000);
    let error = decrypt([stream.as_slice()], &wrong).unwrap_err();
    assert_eq!((&error.fault, error.chunk, error.offset), (&Fault::WrongKey, 1, 0));
    assert!(error.is_about_the_key() && error.to_string().contains("the key is wrong"), "{error}");

    let joined = [encrypted(&[5; 3000], 1000), encrypt_chunk(&wrong, [9; 16], b"other").unwrap()].concat();
    let error = decrypt([joined.as_slice()], &key()).unwrap_err();
    assert_eq!((&error.fault, error.chunk, error.offset), (&Fault::BadHash, 4, stream.len() as u64));
    assert!(!error.is_about_the_key());

    let old = encrypt_chunk_version_2(&key(), [9; 16], b"nothing to check it by").unwrap();
    let (noise, _) = decrypt([old.as_slice()], &wrong).unwrap();
    assert_ne!(noise, b"nothing to check it by");
}

#[test]
fn a_key_is_given_if_and_only_if_the_data_is_encrypted() {
    for make in [encrypt_chunk, encrypt_chunk_version_2] {
        let clear = make(&Key::none(), [1; 16], b"clear").unwrap();
        assert!(clear.windows(5).any(|bytes| bytes == b"clear"));
        assert_eq!(decrypt([clear.as_slice()], &Key::none()).unwrap().0, b"clear");
        assert_eq!(fault(&clear, &key()), Fault::NotEncrypted);
        let secret = make(&key(), [1; 16], b"secret").unwrap();
        assert!(!secret.windows(6).any(|bytes| bytes == b"secret"));
        assert_eq!(fault(&secret, &Key::none()), Fault::KeyNeeded);
    }
    // Version 1 does not say.
    let first = chunk(1, (5, 5), None, b"clear");
    assert_eq!(decrypt([first.as_slice()], &Key::none()).unwrap().0, b"clear");
}

#[test]
fn heads_that_lie_are_refused_before_anything_is_taken() {
    let iv = [3_u8; 16];
    let over = |value| Fault::Oversize { what: "the size of a chunk", value, limit: 64 << 20 };
    let huge = 1_u64 << 63;
    assert_eq!(
        fault(&chunk(3, ((64 << 20) + 1, (64 << 20) + 1), Some(&iv), b""), &key()),
        over((64 << 20) + 1)
    );
    assert_eq!(
        decrypt([chunk(3, (64, huge), Some(&iv), b"").as_slice()], &key()).unwrap_err().verdict(),
        "oversize"
    );
    assert_eq!(
        decrypt([chunk(3, (huge, 64), Some(&iv), b"").as_slice()], &key()).unwrap_err().verdict(),
        "oversize"
    );
    assert_eq!(
        fault(&chunk(2, (64, 65), Some(&iv), &[0; 65]), &key()),
        Fault::SizesDiffer { original: 64, encrypted: 65 }
    );
    assert_eq!(fault(&chunk(2, (64, 64), Some(&iv[..15]), &[0; 64]), &key()), Fault::BadIvSize { size: 15 });
    assert_eq!(fault(&chunk(3, (31, 31), Some(&iv), &[0; 31]), &key()), Fault::NoRoomForHash { size: 31 });
    assert_eq!(fault(&chunk(3, (64, 64), Some(&[]), &[0; 64]), &key()), Fault::NotEncrypted);
}

#[test]
fn a_reserved_field_is_not_looked_at_and_empty_chunks_are_passed_over() {
    let mut stream = encrypted(b"hello", 100);
    stream[8..16].copy_from_slice(&[0xff; 8]);
    stream.extend(chunk(1, (0, 0), None, b""));
    stream.extend(chunk(2, (0, 0), Some(&[7; 16]), b""));
    let (plain, summary) = decrypt(stream.chunks(3), &key()).unwrap();
    assert_eq!((plain.as_slice(), summary.chunks, summary.plain_bytes), (&b"hello"[..], 3, 5));
    assert_eq!(summary.oldest_version, Some(Version::V1));
}

#[test]
fn limits_are_kept() {
    let stream = encrypted(&[1; 100], 100);
    let read = |limits| {
        let mut decoder = Decoder::new(key(), limits);
        decoder.feed::<XbcryptError>(&stream, &mut |_| Ok(()))?;
        decoder.finish()
    };
    let just = Limits { max_chunk_bytes: 132, oldest_version: Version::V3 };
    assert!(read(just).is_ok());
    assert_eq!(read(Limits { max_chunk_bytes: 131, ..just }).unwrap_err().verdict(), "oversize");
    let old = encrypt_chunk_version_2(&key(), [0; 16], b"old").unwrap();
    let mut decoder = Decoder::new(key(), just);
    let error = decoder.feed::<XbcryptError>(&old, &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.fault, Fault::TooOld { version: Version::V2, demanded: Version::V3 });
    let long = vec![0; PLAIN_LIMIT + 1];
    assert!(matches!(encrypt_chunk(&key(), [0; 16], &long), Err(Fault::Oversize { .. })));
}

#[test]
fn memory_follows_what_has_arrived() {
    let mut splitter = Splitter::new(Limits { max_chunk_bytes: u64::MAX, ..Limits::default() });
    let claimed = (1 << 31) - 1;
    let head = chunk(1, (claimed, claimed), None, b"only this");
    splitter.feed::<XbcryptError>(&head, &mut |_| panic!("the chunk is not complete")).unwrap();
    assert_eq!(splitter.finish().unwrap_err().fault, Fault::Truncated { end: head.len() as u64 });
}

#[test]
fn chunks_are_read_from_a_source_and_decrypted_in_any_order() {
    let plain: Vec<u8> = (0..700_000_u32).map(|n| (n % 253) as u8).collect();
    let stream = encrypted(&plain, 65_536);
    let mut reader = ChunkReader::new(stream.as_slice());
    let mut chunks = reader.by_ref().collect::<Result<Vec<Chunk>, ReadError>>().unwrap();
    let summary = reader.summary().unwrap();
    assert_eq!((summary.chunks, summary.stream_bytes), (11, stream.len() as u64));
    assert_eq!(chunks.iter().map(Chunk::plain_length).sum::<usize>(), plain.len());
    chunks.reverse();
    let mut parts: Vec<_> = chunks
        .into_iter()
        .map(|chunk| (chunk.offset(), xb_formats::xbcrypt::decrypt(chunk, &key()).unwrap()))
        .collect();
    parts.sort();
    assert!(parts.into_iter().flat_map(|(_, part)| part).eq(plain));

    let cut = &stream[..stream.len() - 1];
    let mut reader = ChunkReader::new(cut);
    assert_eq!(reader.by_ref().take_while(Result::is_ok).count(), 10);
    assert!(reader.next().is_none() && reader.summary().is_none());
}

#[test]
fn a_decoder_stays_failed() {
    let mut decoder = Decoder::new(key(), Limits::default());
    let error = decoder.feed::<XbcryptError>(b"not a stream", &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.verdict(), "bad-magic");
    let stream = encrypted(b"hello", 100);
    let again = decoder.feed::<XbcryptError>(&stream, &mut |_| panic!("nothing may be told"));
    assert_eq!(again, Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn the_error_of_a_listener_ends_the_stream() {
    let stream = encrypted(b"hello", 2);
    let mut decoder = Decoder::new(key(), Limits::default());
    let stopped = decoder.feed::<ReadError>(&stream, &mut |_| Err(std::io::Error::other("disk full").into()));
    assert!(matches!(stopped, Err(ReadError::Io(_))));
    let error = decoder.feed::<XbcryptError>(b"", &mut |_| Ok(())).unwrap_err();
    assert_eq!((&error.fault, error.chunk), (&Fault::GivenUp, 1));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn a_stream_cut_anywhere_but_between_chunks_is_refused() {
    let stream = encrypted(&[7; 500], 100);
    let chunk = stream.len() / 5;
    for length in 0..stream.len() {
        match decrypt([&stream[..length]], &key()) {
            Ok((plain, summary)) => {
                assert_eq!(length % chunk, 0);
                assert_eq!((plain.len(), summary.chunks), (length / chunk * 100, (length / chunk) as u64));
            }
            Err(error) => {
                assert_ne!(length % chunk, 0);
                assert_eq!(error.verdict(), "truncated", "cut at {length}: {error}");
                assert_eq!(error.offset, (length / chunk * chunk) as u64);
            }
        }
    }
}

/// Flips each bit. Returns how many were noticed, how many changed nothing, and how many changed what is read.
fn flip_each_bit(stream: &[u8]) -> (usize, usize, usize) {
    let right = decrypt([stream], &key()).unwrap().0;
    let (mut noticed, mut harmless, mut changed) = (0, 0, 0);
    for bit in 0..stream.len() * 8 {
        let mut flipped = stream.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match decrypt([flipped.as_slice()], &key()) {
            Err(_) => noticed += 1,
            Ok((plain, _)) if plain == right => harmless += 1,
            Ok(_) => changed += 1,
        }
    }
    (noticed, harmless, changed)
}

#[test]
fn a_flipped_bit_is_noticed_unless_nobody_looks_at_it() {
    let plain: Vec<u8> = (0..2500_u32).map(|n| (n % 97) as u8).collect();
    let stream = encrypted(&plain, 1000);
    let (noticed, harmless, changed) = flip_each_bit(&stream);
    println!("version 3: {noticed} noticed, {harmless} harmless, {changed} changed");
    // The reserved fields of three chunks.
    assert_eq!((harmless, changed), (3 * 64, 0));
    assert_eq!(noticed, stream.len() * 8 - harmless);

    let mut writer = Writer::new(Vec::new(), key(), ivs()).version_2().chunk_bytes(1000);
    writer.append(&plain).unwrap();
    let stream = writer.finish().unwrap();
    let (noticed, harmless, changed) = flip_each_bit(&stream);
    println!("version 2: {noticed} noticed, {harmless} harmless, {changed} changed");
    // Its IVs are not used either.
    assert_eq!((harmless, changed), (3 * (64 + 128), 0));
    assert_eq!(noticed, stream.len() * 8 - harmless);
}

#[test]
fn chunks_can_be_left_out_without_a_trace() {
    let stream = encrypted(&[1, 2, 3], 1);
    let chunk = stream.len() / 3;
    let shortened = [&stream[..chunk], &stream[2 * chunk..]].concat();
    assert_eq!(decrypt([shortened.as_slice()], &key()).unwrap().0, [1, 3]);
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        parts in vec(vec(any::<u8>(), 0..700), 0..6),
        chunk_bytes in 1..900_usize,
        key_length in prop_oneof![Just(16_usize), Just(24), Just(32)],
        old in any::<bool>(),
        cuts in vec(1..400_usize, 1..40),
    ) {
        let key = Key::new(&KEY[..key_length]).unwrap();
        let writer = Writer::new(Vec::new(), key.clone(), ivs()).chunk_bytes(chunk_bytes);
        let mut writer = if old { writer.version_2() } else { writer };
        for part in &parts {
            writer.append(part).unwrap();
        }
        let stream = writer.finish().unwrap();
        let plain = parts.concat();
        let (got, summary) = decrypt(cut(&stream, &cuts), &key).unwrap();
        prop_assert_eq!(&got, &plain);
        prop_assert_eq!(summary.chunks, plain.len().div_ceil(chunk_bytes) as u64);
        prop_assert_eq!(summary.oldest_version.is_none(), plain.is_empty());
        prop_assert_eq!(decrypt([stream.as_slice()], &key).unwrap(), (got, summary));
    }

    #[test]
    fn no_input_makes_the_decoder_panic(noise in vec(any::<u8>(), 0..200), start in 0..120_usize) {
        let mut stream = encrypted(b"hello, hello, hello, hello", 13);
        stream.truncate(start);
        stream.extend(noise);
        let whole = decrypt([stream.as_slice()], &key());
        prop_assert_eq!(whole, decrypt(stream.chunks(1), &key()));
    }
}

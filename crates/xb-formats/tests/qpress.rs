//! qpress archives: those of real tools, damaged and hostile ones, and what holds for every one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use support::layers::{Unpacked, unpack, unpack_as};
use support::manifest::{cut, digest, vectors};
use xb_formats::archive::{Layer, sniff};
use xb_formats::qpress::{
    Decoder, Event, Fault, Level, Limits, PackedBlock, PacketError, PacketHead, QpressError, ReadError,
    Reader, Shape, TokenFault, WriteError, Writer,
};

/// An archive with a chunk size of 64 KiB that consists of these parts.
fn archive(parts: &[&[u8]]) -> Vec<u8> {
    [b"qpress10", &65_536_u64.to_le_bytes()[..], &parts.concat()].concat()
}

fn named(kind: u8, name: &[u8]) -> Vec<u8> {
    [&[kind][..], &(name.len() as u32).to_le_bytes(), name, b"\0"].concat()
}

fn adler32(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1_u32, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

fn block(position: u64, packet: &[u8]) -> Vec<u8> {
    [b"NEWBNEWB", &position.to_le_bytes()[..], &adler32(packet).to_le_bytes(), packet].concat()
}

const TRAILER: &[u8] = b"ENDSENDS\0\0\0\0\0\0\0\0";

/// An archive of one file in one block.
fn single(packet: &[u8]) -> Vec<u8> {
    archive(&[&named(b'F', b"f"), &block(0, packet), TRAILER])
}

fn fault(archive: &[u8]) -> Fault {
    unpack([archive]).unwrap_err().fault
}

#[test]
fn archives_of_real_tools_decode_to_their_digests() {
    let vectors = vectors("qpress", "ok");
    assert!(vectors.len() >= 24, "only {} vectors found", vectors.len());
    for (vector, bytes) in vectors {
        assert_eq!(sniff(&bytes), Some(Layer::Qpress), "{}", vector.id);
        let got = unpack([bytes.as_slice()]).unwrap_or_else(|e| panic!("{}: {e}", vector.id));
        let digests: BTreeMap<_, _> = got.files.iter().map(|(path, b)| (path.clone(), digest(b))).collect();
        let wanted: BTreeMap<_, _> =
            vector.content.iter().map(|c| (c.path.clone(), c.sha256.clone())).collect();
        assert_eq!(digests, wanted, "{}", vector.id);
        assert_eq!(got.directories, vector.directories.iter().cloned().collect(), "{}", vector.id);
        assert_eq!(got.summary.archive_bytes, bytes.len() as u64);
        assert_eq!(got.summary.plain_bytes, got.files.values().map(|b| b.len() as u64).sum::<u64>());
        for size in [1, 7, 1000, 65_521] {
            assert_eq!(unpack(bytes.chunks(size)).unwrap(), got, "{} in pieces of {size}", vector.id);
        }
    }
}

#[test]
fn damaged_and_hostile_archives_are_refused_with_their_verdict() {
    let vectors = vectors("qpress", "reject");
    assert!(vectors.len() >= 22, "only {} vectors found", vectors.len());
    for (vector, bytes) in vectors {
        let error = unpack([bytes.as_slice()]).err().unwrap_or_else(|| panic!("{} was taken", vector.id));
        assert_eq!(Some(error.verdict()), vector.verdict.as_deref(), "{}: {error}", vector.id);
        assert_eq!(
            unpack(bytes.chunks(1)).err(),
            Some(error.clone()),
            "{}: the cut changes the error",
            vector.id
        );
        assert!(!error.to_string().bytes().any(|b| b.is_ascii_control()), "{}: {error:?}", vector.id);
    }
}

#[test]
fn all_levels_stand_among_the_archives_of_real_tools() {
    let mut seen = BTreeSet::new();
    for (_, bytes) in vectors("qpress", "ok") {
        let mut decoder = Decoder::new(Limits::default(), Shape::Any);
        decoder
            .feed::<QpressError>(&bytes, &mut |event| {
                if let Event::Block(block) = event {
                    let head = block.head();
                    assert_eq!(PacketHead::parse(block.packet()), Ok(head));
                    seen.insert((head.level as u8, head.compressed, head.head_bytes));
                }
                Ok(())
            })
            .unwrap();
    }
    for level in [Level::One, Level::Two, Level::Three] {
        for head_bytes in [3, 9] {
            assert!(seen.contains(&(level as u8, true, head_bytes)), "{level:?} {head_bytes}");
        }
    }
    assert!(seen.contains(&(Level::One as u8, false, 9)) && seen.contains(&(Level::Three as u8, false, 9)));
}

/// The same 36 bytes from both versions of QuickLZ, at all levels.
#[test]
fn packets_expand_as_their_writers_meant() {
    let plain = b"hello world hello world hello world\n";
    let begin = |flags: u8, size: u8| [flags, size, 0x24];
    let literals = [&[0, 0x10, 0, 0x80][..], b"hello world "].concat();
    let packets = [
        [&begin(0x45, 0x1a)[..], &literals, b"\xe0\x3a\x14rld\n"].concat(),
        [&begin(0x49, 0x1a)[..], &literals, b"\x20\x07\x14rld\n"].concat(),
        [&begin(0x4d, 0x1a)[..], &literals, b"\x4b\x06\x00rld\n"].concat(),
        [&begin(0x45, 0x1b)[..], b"\0\x20\0\x80hello world h\x30\xaa\x13rld\n"].concat(),
    ];
    for packet in packets {
        let got = unpack([single(&packet).as_slice()]).unwrap();
        assert_eq!(got.files["f"], plain);
    }
    assert_eq!(PackedBlock::new(plain).unwrap().packet()[..3], begin(0x45, 0x1a));
}

#[test]
fn the_smallest_file_is_read_byte_for_byte() {
    let packet = b"\x45\x0c\x02\0\0\0\x80hi\0\0\0";
    assert_eq!(unpack([single(packet).as_slice()]).unwrap().files["f"], b"hi");
    assert!(matches!(fault(&single(&packet[..11])), Fault::BadChecksum { .. }));
}

#[test]
fn tokens_that_make_no_sense_are_refused() {
    let bad = |packet: &[u8]| match fault(&single(packet)) {
        Fault::Packet(PacketError::BadToken { fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    let packet = |flags: u8, plain: u8, tokens: &[u8]| {
        let padded = [tokens, &vec![0; 9_usize.saturating_sub(tokens.len())]].concat();
        [&[flags, padded.len() as u8 + 3, plain][..], &padded].concat()
    };
    let five = |match_token: &[u8]| [b"\x20\0\0\x80abcde", match_token, b"wxyzwxyzwxyz"].concat();
    // Nothing but the plaintext's own literals is left to read, and it is too little.
    assert_eq!(bad(&packet(0x45, 20, b"\0\0\0\x80abcdefgh")), TokenFault::EndsEarly);
    assert_eq!(bad(&packet(0x45, 200, b"\0\0\0\x80")), TokenFault::EndsEarly);
    assert_eq!(bad(&packet(0x45, 9, b"\0\0\0\0abcdefghi")), TokenFault::NoSentinel);
    // A match at the very beginning, one of an entry that was never made, one of an entry not yet made.
    assert_eq!(bad(&packet(0x45, 40, b"\x01\0\0\x80\x11\x11abcdefgh")), TokenFault::NoSource);
    assert_eq!(bad(&packet(0x45, 40, &five(b"\x01\x00"))), TokenFault::NoSource);
    assert_eq!(bad(&packet(0x49, 40, &five(b"\x04\x00"))), TokenFault::NoSource);
    assert_eq!(bad(&packet(0x4d, 40, &five(&[2 << 2]))), TokenFault::NoSource);
    assert_eq!(bad(&packet(0x4d, 40, &five(&[6 << 2]))), TokenFault::NoSource);
    // "abc" is known: hash 0x261 ^ 0x636 of "abc" is what level 1 looks for.
    let abc = (0x63_6261_u32 ^ 0x63_6261 >> 12) & 0xfff;
    let token = |length: u32| ((abc << 4 | length) as u16).to_le_bytes();
    let good = packet(0x45, 20, &[b"\x40\0\0\x80abcdef", &token(1)[..], b"0123456789\x80"].concat());
    assert_eq!(
        bad(&packet(
            0x45,
            20,
            &[b"\x40\0\0\x80abcdef", &[token(0)[0], token(0)[1], 2][..], b"0123456789"].concat()
        )),
        TokenFault::TooShort
    );
    let expanded = PacketHead::parse(&good).unwrap();
    assert_eq!((expanded.level, expanded.plain_bytes), (Level::One, 20));
    assert_eq!(
        bad(&packet(0x45, 16, &[b"\x40\0\0\x80abcdef", &token(1)[..], b"0123456789"].concat())),
        TokenFault::InTail
    );
    assert_eq!(
        bad(&packet(0x45, 20, &[b"\x40\0\0\x80abcdef", &token(9)[..], b"0123456789"].concat())),
        TokenFault::InTail
    );
}

#[test]
fn heads_of_packets_that_lie_are_refused() {
    let long = |flags: u8, size: u32, plain: u32| {
        [&[flags][..], &size.to_le_bytes(), &plain.to_le_bytes(), b"12345678"].concat()
    };
    let parse = |packet: &[u8]| PacketHead::parse(packet).unwrap_err();
    assert!(matches!(parse(&long(0x07, 17, 8)), PacketError::BadFlags { byte: 7 }));
    assert!(matches!(parse(&long(0xc7, 17, 8)), PacketError::BadFlags { .. }));
    assert!(matches!(parse(&long(0x43, 17, 8)), PacketError::NoLevel));
    assert!(matches!(parse(&long(0x67, 17, 8)), PacketError::Streaming { class: 2 }));
    assert!(matches!(parse(&long(0x47, 17, 0)), PacketError::Empty));
    assert!(matches!(parse(&long(0x47, 11, 8)), PacketError::BadSize { size: 11, .. }));
    assert!(matches!(parse(&long(0x46, 16, 8)), PacketError::BadSize { size: 16, .. }));
    assert!(matches!(parse(&long(0x46, 17, 8)[..8]), PacketError::BadSize { size: 8, .. }));
    assert!(PacketHead::parse(&long(0x46, 17, 8)).is_ok());
    // An expansion no packet of this size can have is refused before memory is asked for it.
    let bomb = archive(&[&named(b'F', b"f"), &block(0, &long(0x47, 17, 60_000)), TRAILER]);
    let (position, length, ends_early) = (0, 60_000, TokenFault::EndsEarly);
    assert_eq!(fault(&bomb), Fault::Packet(PacketError::BadToken { position, length, fault: ends_early }));
}

#[test]
fn names_that_lead_out_or_nowhere_are_refused() {
    for (name, verdict) in [
        (&b""[..], "bad-path"),
        (b".", "bad-path"),
        (b"..", "path-escape"),
        (b"/etc", "path-escape"),
        (b"a/b", "path-escape"),
        (b"..\\a", "path-escape"),
        (b"a\0b", "bad-path"),
        (&[b'n'; 256], "bad-path"),
    ] {
        for kind in [b'D', b'F'] {
            let error = unpack([archive(&[&named(kind, name)]).as_slice()]).unwrap_err();
            assert_eq!((error.verdict(), error.offset), (verdict, 16), "{error}");
        }
    }
    let open_ended = [&b"F\x01\0\0\0fX"[..], TRAILER].concat();
    assert_eq!(fault(&archive(&[&open_ended])), Fault::NameUnterminated);
    let nested = archive(&[&named(b'D', b"d"), b"UU"]);
    assert_eq!(fault(&nested), Fault::AboveTop);
    let deep = named(b'D', &[b'd'; 200]).repeat(3);
    assert_eq!(unpack([archive(&[&deep]).as_slice()]).unwrap_err().verdict(), "bad-path");
}

#[test]
fn directories_are_nested_and_no_path_comes_twice() {
    let file = [named(b'F', b"f"), TRAILER.to_vec()].concat();
    let tree = archive(&[
        &named(b'D', b"a"),
        &file,
        &named(b'D', b"b"),
        b"U",
        b"U",
        &named(b'D', b"b"),
        &file,
        b"U",
    ]);
    let got = unpack(tree.chunks(1)).unwrap();
    assert_eq!(got.directories.into_iter().collect::<Vec<_>>(), ["a", "a/b", "b"]);
    assert_eq!(got.files.into_keys().collect::<Vec<_>>(), ["a/f", "b/f"]);
    assert_eq!((got.summary.files, got.summary.directories, got.summary.blocks), (2, 3, 0));
    for twice in [archive(&[&file, &file]), archive(&[&file, &named(b'D', b"f")])] {
        assert_eq!(fault(&twice), Fault::Duplicate);
    }
    let again = archive(&[&named(b'D', b"a"), b"U", &named(b'D', b"a"), b"U"]);
    assert_eq!(fault(&again), Fault::Duplicate);
    assert_eq!(fault(&archive(&[&named(b'D', b"a")])), Fault::DirectoryOpen);
}

#[test]
fn an_archive_of_a_single_file_is_nothing_else() {
    let read = |parts: &[&[u8]]| unpack_as([archive(parts).as_slice()], Limits::default(), Shape::Single);
    let file = |name: &[u8]| [named(b'F', name), TRAILER.to_vec()].concat();
    assert!(read(&[&file(b"a")]).is_ok());
    assert_eq!(read(&[]).unwrap_err().fault, Fault::NoFile);
    assert_eq!(read(&[&file(b"a"), &file(b"b")]).unwrap_err().fault, Fault::NotSingle);
    assert_eq!(read(&[&named(b'D', b"a")]).unwrap_err().fault, Fault::NotSingle);
    assert_eq!(read(&[&file(b"a"), b"U"]).unwrap_err().fault, Fault::NotSingle);
    assert_eq!(
        unpack([archive(&[]).as_slice()]),
        Ok(Unpacked { summary: qpress_summary(16), ..Unpacked::default() })
    );
}

fn qpress_summary(archive_bytes: u64) -> xb_formats::qpress::ArchiveSummary {
    xb_formats::qpress::ArchiveSummary { archive_bytes, ..Default::default() }
}

#[test]
fn limits_are_kept() {
    let mut writer = Writer::with_chunk_bytes(Vec::new(), 100).unwrap();
    writer.enter_directory(b"d").unwrap();
    writer.enter_directory(b"e").unwrap();
    writer.write_file(b"a", &mut &[1; 150][..]).unwrap();
    writer.write_file(b"b", &mut &[1; 50][..]).unwrap();
    writer.leave_directory().unwrap();
    writer.leave_directory().unwrap();
    let archive = writer.finish().unwrap();
    let read = |limits| unpack_as([archive.as_slice()], limits, Shape::Any);
    let just = Limits {
        max_chunk_size: 100,
        max_block_bytes: 100,
        max_entries: 4,
        max_depth: 2,
        max_file_size: 150,
        max_plain_bytes: 200,
    };
    assert!(read(just).is_ok());
    for low in [
        Limits { max_chunk_size: 99, ..just },
        Limits { max_block_bytes: 99, ..just },
        Limits { max_entries: 3, ..just },
        Limits { max_depth: 1, ..just },
        Limits { max_file_size: 149, ..just },
        Limits { max_plain_bytes: 199, ..just },
    ] {
        assert_eq!(read(low).map_err(|e| e.verdict()).err(), Some("oversize"), "{low:?}");
    }
}

#[test]
fn a_writer_refuses_what_no_reader_takes() {
    let mut writer = Writer::with_chunk_bytes(Vec::new(), 10).unwrap();
    assert!(matches!(writer.enter_directory(b".."), Err(WriteError::Path(_))));
    assert!(matches!(writer.begin_file(b"a/b"), Err(WriteError::Path(_))));
    assert!(matches!(writer.append(b"x"), Err(WriteError::Sequence(_))));
    assert!(matches!(writer.end_file(), Err(WriteError::Sequence(_))));
    assert!(matches!(writer.leave_directory(), Err(WriteError::Sequence(_))));
    writer.write_file(b"a", &mut &b"hello"[..]).unwrap();
    assert!(matches!(writer.begin_file(b"a"), Err(WriteError::Refused { fault: Fault::Duplicate, .. })));
    writer.begin_file(b"b").unwrap();
    assert!(matches!(writer.begin_file(b"c"), Err(WriteError::Sequence(_))));
    assert!(matches!(writer.leave_directory(), Err(WriteError::Sequence(_))));
    let long = PackedBlock::new(&[0; 11]).unwrap();
    let refused = writer.append_block(&long).unwrap_err();
    assert!(refused.to_string().starts_with("b cannot be put"), "{refused}");
    assert!(matches!(writer.finish(), Err(WriteError::Sequence(_))));
    assert!(PackedBlock::new(b"").is_err());
}

#[test]
fn blocks_made_elsewhere_take_their_place() {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.begin_file(b"f").unwrap();
    writer.append(b"one ").unwrap();
    writer.append_block(&PackedBlock::new(b"two ").unwrap()).unwrap();
    writer.append(b"three").unwrap();
    assert_eq!(writer.end_file().unwrap(), 13);
    let archive = writer.finish().unwrap();
    let got = unpack([archive.as_slice()]).unwrap();
    assert_eq!((got.files["f"].as_slice(), got.summary.blocks), (&b"one two three"[..], 3));
}

#[test]
fn what_repeats_becomes_smaller_and_what_does_not_is_stored() {
    let zeros = PackedBlock::new(&[0; 65_536]).unwrap();
    assert!(zeros.packet().len() < 900, "{}", zeros.packet().len());
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    let noise: Vec<u8> = noise.take(65_536).collect();
    let stored = PackedBlock::new(&noise).unwrap();
    assert_eq!((stored.packet().len(), stored.packet()[0]), (65_536 + 9, 0x46));
    // What the tools of the same level make of the same text, within a twentieth.
    let all = vectors("qpress", "ok");
    for id in ["qp-L1-text200k", "qp-L1-mixed", "qp-xtrabackup22-ibd"] {
        let (_, theirs) = all.iter().find(|(vector, _)| vector.id == id).unwrap();
        let files = unpack([theirs.as_slice()]).unwrap().files;
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (name, content) in &files {
            writer.write_file(name.as_bytes(), &mut content.as_slice()).unwrap();
        }
        let ours = writer.finish().unwrap();
        println!("{id}: {} of ours, {} of theirs", ours.len(), theirs.len());
        assert!(ours.len() < theirs.len() * 21 / 20, "{id}: {} against {}", ours.len(), theirs.len());
        assert_eq!(unpack([ours.as_slice()]).unwrap().files, files);
    }
}

#[test]
fn a_reader_pulls_what_a_decoder_is_fed() {
    let content: Vec<u8> = (0..900_000_u32).map(|n| (n / 7 % 251) as u8).collect();
    let mut writer = Writer::new(Vec::new()).unwrap();
    assert_eq!(writer.write_file(b"stdin", &mut content.as_slice()).unwrap(), 900_000);
    let archive = writer.finish().unwrap();
    let mut got = Vec::new();
    let summary = Reader::new(archive.as_slice())
        .run::<ReadError>(&mut |event| {
            if let Event::Block(block) = event {
                got.extend(block.expand()?);
            }
            Ok(())
        })
        .unwrap();
    assert!(got == content);
    assert_eq!(summary, unpack([archive.as_slice()]).unwrap().summary);
}

#[test]
fn a_decoder_stays_failed() {
    let mut decoder = Decoder::new(Limits::default(), Shape::Any);
    let error = decoder.feed::<QpressError>(b"not an archive", &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.verdict(), "bad-magic");
    let again = decoder.feed::<QpressError>(&small_archive(), &mut |_| panic!("nothing may be told"));
    assert_eq!(again, Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn the_error_of_a_listener_ends_the_archive() {
    let mut decoder = Decoder::new(Limits::default(), Shape::Any);
    let full = || std::io::Error::other("disk full");
    let stopped = decoder.feed::<ReadError>(&small_archive(), &mut |_| Err(full().into()));
    assert!(matches!(stopped, Err(ReadError::Io(_))));
    let error = decoder.feed::<QpressError>(b"", &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.fault, Fault::GivenUp);
    assert_eq!(decoder.finish(), Err(error));
}

/// Two files in a directory and one beside it, in blocks of 500 bytes.
fn small_archive() -> Vec<u8> {
    let text = b"a text that repeats, a text that repeats and a text that ends. ".repeat(11);
    let mut writer = Writer::with_chunk_bytes(Vec::new(), 500).unwrap();
    writer.enter_directory(b"shop").unwrap();
    writer.write_file(b"orders.ibd", &mut text.as_slice()).unwrap();
    writer.write_file(b"short", &mut &b"short"[..]).unwrap();
    writer.leave_directory().unwrap();
    writer.write_file(b"last", &mut &text[100..600]).unwrap();
    writer.finish().unwrap()
}

#[test]
fn an_archive_cut_anywhere_but_behind_a_complete_record_at_the_top_is_refused() {
    let archive = small_archive();
    let right = unpack([archive.as_slice()]).unwrap();
    let mut taken = Vec::new();
    for length in 0..archive.len() {
        match unpack([&archive[..length]]) {
            Ok(got) => {
                assert!(got.files.iter().all(|(path, content)| right.files[path] == *content));
                taken.push(got.files.len());
            }
            Err(error) => assert_eq!(error.verdict(), "truncated", "cut at {length}: {error}"),
        }
    }
    // Behind the head, and behind the directory.
    assert_eq!(taken, [0, 2]);
}

#[test]
fn a_flipped_bit_is_noticed_unless_it_is_in_a_name_or_nobody_looks_at_it() {
    for (what, archive) in
        [("packed", small_archive()), ("real", vector("qp-stdin")), ("tree", vector("qp-tree"))]
    {
        let right = unpack([archive.as_slice()]).unwrap();
        let contents: BTreeSet<_> = right.files.values().collect();
        let (mut noticed, mut harmless, mut renamed) = (0, 0, 0);
        for bit in 0..archive.len() * 8 {
            let mut flipped = archive.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(got) = unpack([flipped.as_slice()]) else {
                noticed += 1;
                continue;
            };
            if (&got.files, &got.directories) == (&right.files, &right.directories) {
                harmless += 1;
                continue;
            }
            // No checksum covers names and records: a name may change, or a file without blocks.
            assert_eq!(got.files.values().collect::<BTreeSet<_>>(), contents, "{what}: bit {bit}");
            renamed += 1;
        }
        println!("{what}: {noticed} noticed, {harmless} harmless, {renamed} names changed");
        assert!(noticed > archive.len() * 8 * 8 / 10, "{what}: {noticed}");
    }
}

fn vector(id: &str) -> Vec<u8> {
    vectors("qpress", "ok").into_iter().find(|(vector, _)| vector.id == id).unwrap().1
}

/// Without the checksum in the way: a changed packet gives an error or as many bytes as it says, never a panic.
#[test]
fn packets_with_any_bit_flipped_expand_to_their_length_or_not_at_all() {
    for id in ["qp-L1-small", "qp-L2-small", "qp-L3-small"] {
        let archive = vector(id);
        let mut packets = Vec::new();
        let mut decoder = Decoder::new(Limits::default(), Shape::Any);
        decoder
            .feed::<QpressError>(&archive, &mut |event| {
                if let Event::Block(block) = event {
                    packets.push(block.packet().to_vec());
                }
                Ok(())
            })
            .unwrap();
        let (mut refused, mut expanded) = (0, 0);
        for packet in packets {
            for bit in 0..packet.len() * 8 {
                let mut flipped = packet.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                match unpack([single(&flipped).as_slice()]) {
                    Ok(_) => expanded += 1,
                    Err(_) => refused += 1,
                }
            }
        }
        println!("{id}: {refused} refused, {expanded} expanded to something");
        assert!(refused > 1000 && expanded > 1000);
    }
}

/// Bytes with runs, repetitions near and far, and noise.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..40),
        (any::<u8>(), 0..600_usize).prop_map(|(byte, count)| vec![byte; count]),
        (vec(any::<u8>(), 1..12), 0..60_usize).prop_map(|(unit, count)| unit.repeat(count)),
        (vec(0..4_u8, 0..300)),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        files in vec(content(), 0..5),
        chunk_bytes in prop_oneof![1..20_usize, 200..2000_usize, Just(65_536)],
        cuts in vec(1..400_usize, 1..40),
    ) {
        let mut writer = Writer::with_chunk_bytes(Vec::new(), chunk_bytes).unwrap();
        let mut wanted = BTreeMap::new();
        for (i, content) in files.iter().enumerate() {
            let name = format!("f{i}");
            if i % 2 == 0 {
                writer.write_file(name.as_bytes(), &mut content.as_slice()).unwrap();
                wanted.insert(name, content.clone());
            } else {
                writer.enter_directory(format!("d{i}").as_bytes()).unwrap();
                writer.begin_file(name.as_bytes()).unwrap();
                for piece in content.chunks(77) {
                    writer.append(piece).unwrap();
                }
                writer.end_file().unwrap();
                writer.leave_directory().unwrap();
                wanted.insert(format!("d{i}/{name}"), content.clone());
            }
        }
        let archive = writer.finish().unwrap();
        let got = unpack(cut(&archive, &cuts)).unwrap();
        prop_assert_eq!(&got.files, &wanted);
        prop_assert_eq!(unpack([archive.as_slice()]).unwrap(), got);
    }

    #[test]
    fn every_block_comes_back(mut plain in content(), last in any::<u8>()) {
        plain.push(last);
        let packed = PackedBlock::new(&plain).unwrap();
        prop_assert!(packed.packet().len() <= plain.len() + 9);
        let got = unpack([single(packed.packet()).as_slice()]).unwrap();
        prop_assert_eq!(&got.files["f"], &plain);
    }

    #[test]
    fn no_input_makes_the_decoder_panic(noise in vec(any::<u8>(), 0..200), start in 0..400_usize) {
        let mut archive = small_archive();
        archive.truncate(start);
        archive.extend(noise);
        prop_assert_eq!(unpack([archive.as_slice()]), unpack(archive.chunks(1)));
    }

    #[test]
    fn no_packet_makes_the_expansion_panic(
        level in 1..4_u8,
        plain in 1..216_u8,
        control in any::<u32>(),
        tokens in vec(prop_oneof![any::<u8>(), Just(0), Just(b'a')], 9..120),
    ) {
        let body = [&(control | 1 << 31).to_le_bytes()[..], &tokens].concat();
        let packet = [&[0x41 | level << 2, body.len() as u8 + 3, plain][..], &body].concat();
        if let Ok(got) = unpack([single(&packet).as_slice()]) {
            prop_assert_eq!(got.files["f"].len(), usize::from(plain));
        }
    }
}

//! What holds for every stream.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

mod support;

use proptest::collection::vec;
use proptest::prelude::*;
use support::{Tree, extract};
use xb_formats::xbstream::{
    Decoder, Dialect, Fault, Limits, ReadError, Reader, StreamPath, WriteError, Writer, XbstreamError,
};

fn path(text: &str) -> StreamPath {
    StreamPath::new(text.as_bytes()).unwrap()
}

/// Files written in turns, a piece of each at a time; a piece is data or a sparse chunk with the hole given.
fn interleaved(files: &[Vec<(u16, Vec<u8>)>]) -> (Vec<u8>, Tree) {
    let mut writer = Writer::new(Vec::new());
    let mut tree = Tree::new();
    let mut open: Vec<_> =
        (0..files.len()).map(|i| (writer.begin_file(path(&format!("d/{i}"))).unwrap(), Vec::new())).collect();
    for turn in 0..files.iter().map(Vec::len).max().unwrap_or(0) {
        for (pieces, (file, content)) in files.iter().zip(&mut open) {
            let Some((hole, bytes)) = pieces.get(turn) else { continue };
            if *hole == 0 {
                writer.append(file, bytes).unwrap();
            } else {
                let half = bytes.len() / 2;
                let map = [
                    (0, half as u32),
                    (u32::from(*hole), (bytes.len() - half) as u32),
                    (u32::from(*hole), 0),
                ];
                writer.write_sparse(file, &map, bytes).unwrap();
                content.extend(&bytes[..half]);
                content.resize(content.len() + usize::from(*hole), 0);
                content.extend(&bytes[half..]);
                content.resize(content.len() + usize::from(*hole), 0);
                continue;
            }
            content.extend(bytes);
        }
    }
    for (i, (file, content)) in open.into_iter().enumerate() {
        writer.end_file(file).unwrap();
        tree.insert(format!("d/{i}"), content);
    }
    (writer.finish().unwrap(), tree)
}

fn contents() -> impl Strategy<Value = Vec<Vec<(u16, Vec<u8>)>>> {
    vec(vec((prop_oneof![2 => Just(0), 1 => 1..5000_u16], vec(any::<u8>(), 0..300)), 0..5), 0..5)
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_the_stream_is_cut(files in contents(), cuts in vec(1..400_usize, 1..60)) {
        let (stream, tree) = interleaved(&files);
        let mut pieces = Vec::new();
        let mut rest = stream.as_slice();
        for size in cuts {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        let (got, summary) = extract(pieces).unwrap();
        prop_assert_eq!(&got.tree, &tree);
        prop_assert_eq!(summary.files, tree.len() as u64);
        prop_assert_eq!(summary.stream_bytes, stream.len() as u64);
        prop_assert_eq!(extract([stream.as_slice()]).unwrap().1, summary);
    }

    #[test]
    fn no_input_makes_the_decoder_panic(noise in vec(any::<u8>(), 0..200), start in 0..120_usize) {
        let (mut stream, _) = interleaved(&[vec![(0, b"hello".to_vec()), (9, b"sparse".to_vec())]]);
        let start = start.min(stream.len());
        stream.truncate(start);
        stream.extend(noise);
        let whole = extract([stream.as_slice()]).map(|(got, summary)| (got.tree, summary));
        let bytewise = extract(stream.chunks(1)).map(|(got, summary)| (got.tree, summary));
        prop_assert_eq!(whole, bytewise);
    }
}

/// Three files of two chunks each, one after the other, and where each ends.
fn small_stream() -> (Vec<u8>, Vec<usize>) {
    let mut stream = Vec::new();
    let mut ends = vec![0];
    for name in ["shop/orders.ibd", "ibdata1", "xtrabackup_info"] {
        let mut writer = Writer::new(stream);
        let mut file = writer.begin_file(path(name)).unwrap();
        writer.append(&mut file, b"first chunk of ").unwrap();
        writer.append(&mut file, name.as_bytes()).unwrap();
        writer.end_file(file).unwrap();
        stream = writer.finish().unwrap();
        ends.push(stream.len());
    }
    (stream, ends)
}

#[test]
fn a_stream_cut_anywhere_but_behind_a_complete_file_is_refused() {
    let (stream, ends) = small_stream();
    for length in 0..=stream.len() {
        let got = extract([&stream[..length]]);
        match got {
            Ok((got, _)) => assert_eq!(ends.get(got.tree.len()), Some(&length)),
            Err(error) => {
                assert!(!ends.contains(&length));
                assert_eq!(error.verdict(), "truncated", "cut at {length}: {error}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed_unless_it_is_in_a_flag_without_meaning() {
    let (stream, _) = small_stream();
    let right = extract([stream.as_slice()]).unwrap().0.tree;
    let flags: Vec<usize> = (0..stream.len()).filter(|at| stream[..*at].ends_with(b"XBSTCK01")).collect();
    for bit in 0..stream.len() * 8 {
        let mut flipped = stream.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok((got, _)) = extract([flipped.as_slice()]) {
            assert_eq!(got.tree, right, "bit {bit} changed what is read");
            assert!(flags.contains(&(bit / 8)) && bit % 8 < 2, "bit {bit} went unnoticed");
        }
    }
}

#[test]
fn a_file_whose_only_chunk_is_its_end_is_protected_by_nothing() {
    let mut writer = Writer::new(Vec::new());
    writer.write_file(path("empty"), &mut std::io::empty()).unwrap();
    let stream = writer.finish().unwrap();
    let mut names = 0;
    for bit in 0..stream.len() * 8 {
        let mut flipped = stream.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok((got, _)) = extract([flipped.as_slice()]) {
            // E and D differ in one bit: the file is gone without a trace.
            let removed = bit / 8 == 9 && got.tree.is_empty();
            assert!(removed || got.tree.values().all(Vec::is_empty), "bit {bit}");
            names += usize::from(!got.tree.contains_key("empty"));
        }
    }
    assert!(names > 8, "the format has no checksum over names");
}

#[test]
fn a_decoder_stays_failed() {
    let mut decoder = Decoder::new(Limits::default(), Dialect::Auto);
    let error = decoder.feed::<XbstreamError>(b"not a stream", &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.verdict(), "bad-magic");
    let (stream, _) = small_stream();
    let again = decoder.feed::<XbstreamError>(&stream, &mut |_| panic!("nothing may be told"));
    assert_eq!(again, Err(error.clone()));
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn the_error_of_a_listener_ends_the_stream() {
    let (stream, _) = small_stream();
    let mut decoder = Decoder::new(Limits::default(), Dialect::Auto);
    let stopped = decoder.feed::<ReadError>(&stream, &mut |_| Err(std::io::Error::other("disk full").into()));
    assert!(matches!(stopped, Err(ReadError::Io(_))));
    let error = decoder.feed::<XbstreamError>(b"", &mut |_| Ok(())).unwrap_err();
    assert_eq!(error.fault, Fault::GivenUp);
    assert_eq!(decoder.finish(), Err(error));
}

#[test]
fn the_names_of_unfinished_files_are_told() {
    let mut writer = Writer::new(Vec::new());
    for name in ["a", "b\u{7}", "c", "d"] {
        let mut file = writer.begin_file(path(name)).unwrap();
        writer.append(&mut file, b"x").unwrap();
    }
    assert!(matches!(writer.finish(), Err(WriteError::Unfinished(Fault::FilesOpen { count: 4, .. }))));

    let (stream, ends) = small_stream();
    let end_chunk = 14 + "xtrabackup_info".len();
    let error = extract([&stream[..ends[3] - end_chunk]]).err().unwrap();
    assert_eq!(error.fault, Fault::FilesOpen { count: 1, names: vec!["xtrabackup_info".into()] });
    assert!(error.to_string().contains("xtrabackup_info"), "{error}");
}

#[test]
fn limits_are_kept() {
    let (stream, _) = interleaved(&[vec![(0, vec![1; 100])], vec![(50, vec![2; 100])]]);
    let read = |limits: Limits| {
        let mut decoder = Decoder::new(limits, Dialect::Auto);
        decoder.feed::<XbstreamError>(&stream, &mut |_| Ok(()))?;
        decoder.finish()
    };
    let limits = Limits::default();
    assert!(read(limits).is_ok());
    for low in [
        Limits { max_open_files: 1, ..limits },
        Limits { max_files: 1, ..limits },
        Limits { max_payload_bytes: 99, ..limits },
        Limits { max_map_entries: 2, ..limits },
        Limits { max_file_size: 199, ..limits },
    ] {
        assert_eq!(read(low).map_err(|e| e.verdict()), Err("oversize"), "{low:?}");
    }
    let just = Limits {
        max_open_files: 2,
        max_files: 2,
        max_payload_bytes: 100,
        max_map_entries: 3,
        max_file_size: 200,
    };
    assert!(read(just).is_ok());
}

/// A chunk of a type that consists of its path and a tail.
fn chunk(flags: u8, kind: u8, path: &str, tail: &[u8]) -> Vec<u8> {
    let mut chunk = b"XBSTCK01".to_vec();
    chunk.extend([flags, kind]);
    chunk.extend((path.len() as u32).to_le_bytes());
    chunk.extend(path.as_bytes());
    chunk.extend(tail);
    chunk
}

fn data(flags: u8, path: &str, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let mut tail = (bytes.len() as u64).to_le_bytes().to_vec();
    tail.extend(offset.to_le_bytes());
    tail.extend(crc32fast::hash(bytes).to_le_bytes());
    tail.extend(bytes);
    chunk(flags, b'P', path, &tail)
}

fn rename(from: &str, to: &str) -> Vec<u8> {
    let mut tail = (to.len() as u32).to_le_bytes().to_vec();
    tail.extend(to.as_bytes());
    chunk(0, b'R', from, &tail)
}

fn end(path: &str) -> Vec<u8> {
    chunk(0, b'E', path, b"")
}

#[test]
fn files_are_removed_renamed_and_replaced_only_after_their_end() {
    for open in [
        vec![data(0, "a", 0, b"x"), chunk(0, b'D', "a", b"")],
        vec![data(0, "a", 0, b"x"), rename("a", "b")],
        vec![end("b"), data(0, "a", 0, b"x"), rename("b", "a")],
    ] {
        let error = extract([open.concat().as_slice()]).err().unwrap();
        assert_eq!(error.verdict(), "bad-sequence");
    }
}

#[test]
fn a_path_is_the_same_with_and_without_a_leading_dot() {
    let stream = [end("a"), end("./a")].concat();
    assert_eq!(extract([stream.as_slice()]).err().map(|e| e.fault), Some(Fault::Duplicate));
}

#[test]
fn only_files_of_the_stream_are_rewritten_renamed_or_removed() {
    let stream = [
        data(2, "new", 0, b"1"),
        end("new"),
        chunk(0, b'D', "never seen", b""),
        rename("never seen", "new"),
        rename("new", "new"),
        data(2, "new", 0, b"2"),
        data(2, "new", 1, b"3"),
        end("new"),
        data(0, "other", 0, b"4"),
        end("other"),
        rename("other", "new"),
        end("other"),
    ];
    let (got, _) = extract([stream.concat().as_slice()]).unwrap();
    assert_eq!((got.rewrites, got.renames, got.removals), (1, 1, 0));
    assert_eq!(got.tree.get("new").map(Vec::as_slice), Some(&b"4"[..]));
    assert_eq!(got.tree.get("other").map(Vec::len), Some(0));
}

#[test]
fn large_files_are_cut_into_chunks_that_every_tool_takes() {
    let content: Vec<u8> = (0..23_000_000_u32).map(|n| (n % 251) as u8).collect();
    let mut writer = Writer::new(Vec::new());
    let mut file = writer.begin_file(path("a")).unwrap();
    writer.append(&mut file, &content).unwrap();
    writer.end_file(file).unwrap();
    assert_eq!(writer.write_file(path("b"), &mut content.as_slice()).unwrap(), 23_000_000);
    assert!(matches!(writer.write_file(path("b"), &mut &b""[..]), Err(WriteError::Refused { .. })));
    let stream = writer.finish().unwrap();
    let (got, summary) = extract([stream.as_slice()]).unwrap();
    assert!(got.tree.values().all(|bytes| *bytes == content));
    assert_eq!(summary.chunks, 3 + 1 + 22 + 1);
    let pulled = Reader::new(stream.as_slice()).run::<ReadError>(&mut |_| Ok(())).unwrap();
    assert_eq!(pulled, summary);
}

#[test]
fn a_sparse_chunk_must_be_described_by_its_map() {
    let mut writer = Writer::new(Vec::new());
    let mut file = writer.begin_file(path("a")).unwrap();
    assert!(matches!(
        writer.write_sparse(&mut file, &[(0, 3)], b"four"),
        Err(WriteError::Refused { fault: Fault::BadMap { described: 3, length: 4 }, .. })
    ));
}

#[test]
fn an_error_tells_where_its_chunk_begins_also_behind_a_seek() {
    let seek = chunk(0, b'S', "a", &7_u64.to_le_bytes());
    let good = [data(0, "a", 0, b"x"), seek].concat();
    let stream = [good.clone(), data(0, "a", 8, b"y"), end("a")].concat();
    let error = extract([stream.as_slice()]).err().unwrap();
    assert_eq!(error.fault, Fault::OutOfOrder { expected: 7, found: 8 });
    assert_eq!((error.offset, error.path.as_deref()), (good.len() as u64, Some("a")));
    assert!(error.to_string().starts_with(&format!("xbstream, chunk at byte {}, file a: ", good.len())));
}

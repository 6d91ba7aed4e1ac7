//! Small archives that unpack to very much do not take much memory. Alone in its process, which is measured.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::io::{Read, Write};
use std::path::Path;

use support::forms::all_keys;
use support::options;
use xb_formats::qpress::PackedBlock;
use xb_pipeline::archive::list;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::Wanted;

/// Bytes of zeros that each bomb unpacks to, several times what reading it may take.
const SIZE: u64 = 768 << 20;

/// Of qpress, which compresses less and is unpacked by code that is not optimized in tests.
const QPRESS_SIZE: u64 = 384 << 20;

/// The most memory the process has had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// A tar archive with one file of zeros, of which a part is packed and repeated.
fn bomb(pack: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    const PART: usize = 64 << 20;
    let header =
        support::build::tar_entry(b"zeros", tar::EntryType::Regular, b"", |header| header.set_size(SIZE));
    let part = pack(&vec![0; PART]).repeat((SIZE / PART as u64) as usize);
    [pack(&header), part, pack(&support::build::TAR_END)].concat()
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn lz4(plain: &[u8]) -> Vec<u8> {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

    let mut encoder =
        FrameEncoder::with_frame_info(FrameInfo::new().block_size(BlockSize::Max4MB), Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// In the largest blocks that qpress writes, of which one is made and repeated.
fn qpress() -> Vec<u8> {
    const BLOCK: usize = 32 << 20;
    let block = PackedBlock::new(&vec![0; BLOCK]).unwrap();
    let mut writer = xb_formats::qpress::Writer::with_chunk_bytes(Vec::new(), BLOCK).unwrap();
    writer.begin_file(b"zeros").unwrap();
    for _ in 0..QPRESS_SIZE / BLOCK as u64 {
        writer.append_block(&block).unwrap();
    }
    writer.end_file().unwrap();
    writer.finish().unwrap()
}

/// As many empty frames as there is room for, and a name of tar that never ends.
fn others() -> [(&'static str, Vec<u8>, bool); 3] {
    let empty = zstd::bulk::compress(b"", 1).unwrap().repeat(3_000_000);
    let tar = support::build::tar_entry(b"a", tar::EntryType::Regular, b"x", |_| {});
    let mut compressor = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    let name =
        support::build::tar_entry(b"a", tar::EntryType::GNULongName, b"", |header| header.set_size(SIZE));
    compressor.write_all(&name).unwrap();
    std::io::copy(&mut std::io::repeat(b'n').take(SIZE), &mut compressor).unwrap();
    let whole = zstd::bulk::compress(&[&tar[..], &support::build::TAR_END].concat(), 1).unwrap();
    let nested = (0..7).fold(whole.clone(), |inner, _| zstd::bulk::compress(&inner, 1).unwrap());
    [
        ("empty frames", [empty, whole].concat(), true),
        ("endless name", compressor.finish().unwrap(), false),
        ("eight layers", nested, false),
    ]
}

#[test]
fn memory_does_not_grow_with_what_comes_out() {
    let (keys, cancel) = (all_keys(), CancelToken::new());
    let gzip = |plain: &[u8]| support::build::gzip(plain, 1);
    let bombs = [
        ("gzip", bomb(gzip), SIZE),
        ("zstd", bomb(zstd), SIZE),
        ("lz4", bomb(lz4), SIZE),
        ("qpress", qpress(), QPRESS_SIZE),
    ];
    let others = others();
    // From here on the peak counts anew: making the bombs took more than reading them may.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    for (what, bomb, size) in bombs {
        let listing =
            list(&bomb[..], Path::new("bomb"), &Wanted::default(), &options(&keys, &cancel)).unwrap();
        assert_eq!(listing.members.iter().map(|member| member.size_bytes).sum::<u64>(), size, "{what}");
        println!("{what}: {} bytes packed, {} MiB more at the peak", bomb.len(), (peak() - before) >> 20);
    }
    for (what, bomb, is_taken) in others {
        let listed = list(&bomb[..], Path::new("bomb"), &Wanted::default(), &options(&keys, &cancel));
        assert_eq!(listed.is_ok(), is_taken, "{what}: {listed:?}");
        println!("{what}: {} bytes packed, {} MiB more at the peak", bomb.len(), (peak() - before) >> 20);
    }
    assert!(peak() - before < 300 << 20, "{} MiB", (peak() - before) >> 20);
}

use std::io::Write;

use bytes::Bytes;
use rstest::rstest;
use xb_formats::qpress;

use super::*;
use crate::pack::compress::{BlockCompressor, Compression};

fn sample(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| ((i * i) >> 7) as u8 ^ (i / 300) as u8).collect()
}

/// Blocks of our own, one after the other.
fn compressed(content: &[u8], compression: Compression) -> Vec<u8> {
    let mut compressor = BlockCompressor::new(compression).unwrap();
    let pack = |block: &[u8]| compressor.compress(Bytes::copy_from_slice(block)).unwrap();
    content.chunks(100_000).map(pack).collect::<Vec<_>>().concat()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn encrypted(content: &[u8]) -> Vec<u8> {
    let key = Key::new(&[7; 16]).unwrap();
    content.chunks(9000).flat_map(|part| xbcrypt::encrypt_chunk(&key, [9; 16], part).unwrap()).collect()
}

fn qpressed(content: &[u8]) -> Vec<u8> {
    let mut writer = qpress::Writer::with_chunk_bytes(Vec::new(), 5000).unwrap();
    writer.write_file(b"name", &mut &content[..]).unwrap();
    writer.finish().unwrap()
}

/// Cuts a stream that comes in blocks of `block` bytes. Gives the content, and how many parts were left to threads.
fn cut(layer: Layer, stream: &[u8], block: usize) -> Result<(Vec<u8>, usize), FlowError> {
    let mut cutter = cutter_for(layer, super::Around::Whole).unwrap();
    let mut expander = Expander::new(Some(Key::new(&[7; 16]).unwrap()));
    let (mut content, mut parts) = (Vec::new(), 0);
    let mut take = |part: Part| {
        parts += usize::from(!matches!(part, Part::Plain(_)));
        expander.expand(part, &mut content)
    };
    for mut input in stream.chunks(block) {
        while let Some(part) = cutter.cut(&mut input)? {
            take(part)?;
        }
        assert!(input.is_empty(), "{layer}: {} bytes of a block are lost", input.len());
    }
    while let Some(part) = cutter.end()? {
        take(part)?;
    }
    Ok((content, parts))
}

/// What is written here is unpacked by all threads, in whatever blocks it comes.
#[rstest]
#[case(Layer::Gzip, compressed(&sample(350_000), Compression::GZIP), 4)]
#[case(Layer::Zstd, compressed(&sample(350_000), Compression::ZSTD), 4)]
#[case(Layer::Lz4, compressed(&sample(350_000), Compression::Lz4), 4)]
#[case(Layer::Xbcrypt, encrypted(&sample(350_000)), 39)]
#[case(Layer::Qpress, qpressed(&sample(350_000)), 70)]
#[case(Layer::Gzip, gzip(&sample(350_000)), 0)]
#[case(Layer::Zstd, ::zstd::stream::encode_all(&sample(350_000)[..], 1).unwrap(), 0)]
#[case(Layer::Gzip, [compressed(&sample(350_000)[..200_000], Compression::GZIP), gzip(&sample(350_000)[200_000..])].concat(), 2)]
fn streams_come_back_in_parts(#[case] layer: Layer, #[case] stream: Vec<u8>, #[case] parts: usize) {
    for block in [1, 7, 4099, 100_000, usize::MAX >> 1] {
        let (content, found) = cut(layer, &stream, block).unwrap();
        assert!(content == sample(350_000), "{layer} in blocks of {block}");
        assert_eq!(found, parts, "{layer} in blocks of {block}");
    }
}

/// A member whose own word covers the next one, too, would otherwise swallow it.
#[test]
fn a_member_that_claims_what_follows_it_is_refused() {
    let (first, second) = (sample(5000), sample(10_000).split_off(5000));
    let mut stream = compressed(&first, Compression::GZIP);
    stream.extend(compressed(&second, Compression::GZIP));
    let length = u32::try_from(stream.len()).unwrap();
    stream[16..20].copy_from_slice(&length.to_le_bytes());
    let error = cut(Layer::Gzip, &stream, 1000).unwrap_err().to_string();
    assert_eq!(error, "gzip, at byte 0: the checksum of the content is wrong");
}

/// Frames that claim 2^62 bytes, and blocks that claim more than there are.
#[test]
fn no_memory_is_taken_at_the_word_of_a_stream() {
    let mut zstd = 0xFD2F_B528_u32.to_le_bytes().to_vec();
    zstd.push(0xE0);
    zstd.extend((1_u64 << 62).to_le_bytes());
    let mut lz4 = compressed(b"x", Compression::Lz4);
    lz4[6..14].copy_from_slice(&(1_u64 << 62).to_le_bytes());
    lz4[14] = (twox_hash::XxHash32::oneshot(0, &lz4[4..14]) >> 8) as u8;
    for (layer, stream) in [(Layer::Zstd, zstd), (Layer::Lz4, lz4)] {
        assert!(cut(layer, &stream, 1).is_err(), "{layer}");
    }
}

/// Where the stream is damaged is told in bytes of the layer.
#[test]
fn the_place_of_damage_is_told() {
    for (layer, compression) in
        [(Layer::Gzip, Compression::GZIP), (Layer::Zstd, Compression::ZSTD), (Layer::Lz4, Compression::Lz4)]
    {
        let first = compressed(&sample(100_000), compression).len();
        let mut stream = compressed(&sample(200_000), compression);
        let middle = first + (stream.len() - first) / 2;
        stream[middle] ^= 0x10;
        let message = cut(layer, &stream, 4099).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{layer}, at byte {first}: ")), "{message}");
        stream.truncate(middle);
        let message = cut(layer, &stream, 4099).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("{layer}, at byte ")) && message.contains("ends in the middle"),
            "{message}"
        );
    }
}

/// A frame that says that its content is of moderate size, and is larger itself: what was held of it by the time that
/// shows is more than one step can unpack.
#[test]
fn a_frame_that_is_larger_than_its_content_comes_back() {
    use lz4_flex::frame::{BlockSize, FrameEncoder, FrameInfo};

    let mut noise = blake3::Hasher::new().finalize_xof();
    let mut content = vec![0; PART_LIMIT - 10];
    noise.fill(&mut content);
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).content_size(Some(content.len() as u64));
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(&content).unwrap();
    let stream = encoder.finish().unwrap();
    assert!(stream.len() > PART_LIMIT);
    for block in [65_536, usize::MAX >> 1] {
        let (got, parts) = cut(Layer::Lz4, &stream, block).unwrap();
        assert!(got == content && parts == 0);
    }
}

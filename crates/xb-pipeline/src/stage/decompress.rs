//! Decompression that uses all cores where the stream allows it.
//!
//! A [`Splitter`] cuts a compressed stream into parts that can be decompressed alone: gzip members that
//! carry their size (ours do), zstd frames of moderate size. From the first part that cannot be told apart
//! so, the rest is decompressed in one go by one thread, as any gzip or zstd reader does.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use super::compress::{GZIP_SUBFIELD, GZIP_TRAILER_BYTES};

/// A part larger than this, compressed or not, is read as a stream instead: memory stays bounded.
const PART_LIMIT: usize = 4 * 1024 * 1024;
/// Size of reads from the file.
const READ_BYTES: usize = 256 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: u32 = 0xFD2F_B528;

/// A piece of a compressed stream.
pub(crate) enum Part {
    /// One gzip member of ours: header included, with the size of its content.
    GzipMember(Vec<u8>, usize),
    /// One zstd frame with the size of its content.
    ZstdFrame(Vec<u8>, usize),
    /// Already decompressed, or never compressed.
    Plain(Vec<u8>),
}

/// What the stream is, by its first bytes. What the bytes say wins over a name.
enum Mode<R> {
    Gzip(BufReader<R>),
    Zstd(BufReader<R>),
    /// One thread reads, whatever the layer was.
    Rest(Box<dyn Read + Send>),
    /// While the mode changes, and after an error.
    Ended,
}

/// Cuts a stream into [`Part`]s.
pub(crate) struct Splitter<R> {
    mode: Mode<R>,
}

impl<R: Read + Send + 'static> Splitter<R> {
    pub(crate) fn new(input: R) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(READ_BYTES, input);
        let head = reader.fill_buf()?;
        let mode = if head.starts_with(&GZIP_MAGIC) {
            Mode::Gzip(reader)
        } else if head.starts_with(&ZSTD_MAGIC.to_le_bytes()) {
            Mode::Zstd(reader)
        } else {
            Mode::Rest(Box::new(reader))
        };
        Ok(Splitter { mode })
    }

    /// The next part, `None` at the end of the stream.
    pub(crate) fn next(&mut self) -> io::Result<Option<Part>> {
        loop {
            match std::mem::replace(&mut self.mode, Mode::Ended) {
                Mode::Ended => return Ok(None),
                Mode::Rest(mut rest) => {
                    let mut block = vec![0; READ_BYTES];
                    let got = read_full(&mut rest, &mut block)?;
                    block.truncate(got);
                    if got > 0 {
                        self.mode = Mode::Rest(rest);
                        return Ok(Some(Part::Plain(block)));
                    }
                }
                Mode::Gzip(mut reader) => match gzip_part(&mut reader)? {
                    Cut::End => (),
                    Cut::Part(bytes, content) => {
                        self.mode = Mode::Gzip(reader);
                        return Ok(Some(Part::GzipMember(bytes, content)));
                    }
                    Cut::Foreign(head) => {
                        let rest = rejoin(head, reader);
                        self.mode = Mode::Rest(Box::new(flate2::bufread::MultiGzDecoder::new(rest)));
                    }
                },
                Mode::Zstd(mut reader) => match zstd_part(&mut reader)? {
                    Cut::End => (),
                    Cut::Part(bytes, content) => {
                        self.mode = Mode::Zstd(reader);
                        return Ok(Some(Part::ZstdFrame(bytes, content)));
                    }
                    Cut::Foreign(head) => {
                        let rest = rejoin(head, reader);
                        self.mode = Mode::Rest(Box::new(zstd::stream::read::Decoder::with_buffer(rest)?));
                    }
                },
            }
        }
    }
}

fn rejoin<R: Read>(head: Vec<u8>, reader: BufReader<R>) -> Chain<Cursor<Vec<u8>>, BufReader<R>> {
    Cursor::new(head).chain(reader)
}

/// What stands next in a compressed stream.
enum Cut {
    /// Nothing more.
    End,
    /// A part, whole, and the size of its content.
    Part(Vec<u8>, usize),
    /// Something else; these bytes of it were read already.
    Foreign(Vec<u8>),
}

/// A member with our extra field, whole; anything else is foreign.
fn gzip_part(reader: &mut impl BufRead) -> io::Result<Cut> {
    const FIXED: usize = 12;
    let mut member = Vec::new();
    if !gather(reader, &mut member, FIXED)? {
        return Ok(if member.is_empty() { Cut::End } else { Cut::Foreign(member) });
    }
    let extra = usize::from(u16::from_le_bytes([member[10], member[11]]));
    let only_extra_flag = member[3] == 0x04;
    if !only_extra_flag || !gather(reader, &mut member, FIXED + extra)? {
        return Ok(Cut::Foreign(member));
    }
    let Some(size) = member_size(&member[FIXED..]).filter(|size| (member.len()..=PART_LIMIT).contains(size))
    else {
        return Ok(Cut::Foreign(member));
    };
    if !gather(reader, &mut member, size)? || size < FIXED + extra + GZIP_TRAILER_BYTES {
        return Ok(Cut::Foreign(member));
    }
    let content = member.last_chunk::<4>().map_or(0, |n| u32::from_le_bytes(*n)) as usize;
    Ok(if content <= PART_LIMIT { Cut::Part(member, content) } else { Cut::Foreign(member) })
}

/// The size in our subfield, if it is among these.
fn member_size(mut subfields: &[u8]) -> Option<usize> {
    while let Some((head, rest)) = subfields.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let value = rest.get(..length)?;
        if head[..2] == GZIP_SUBFIELD {
            return Some(u32::from_le_bytes(value.try_into().ok()?) as usize);
        }
        subfields = &rest[length..];
    }
    None
}

/// A frame whose content size is known and moderate, whole; anything else is foreign. RFC 8878 section 3.1.
fn zstd_part(reader: &mut impl BufRead) -> io::Result<Cut> {
    let mut frame = Vec::new();
    if !gather(reader, &mut frame, 5)? {
        return Ok(if frame.is_empty() { Cut::End } else { Cut::Foreign(frame) });
    }
    let magic = u32::from_le_bytes([frame[0], frame[1], frame[2], frame[3]]);
    let descriptor = frame[4];
    let single_segment = descriptor & 0x20 != 0;
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size_bytes = match (descriptor >> 6, single_segment) {
        (0, false) => 0,
        (0, true) => 1,
        (code, _) => 1_usize << code,
    };
    let size_at = 5 + usize::from(!single_segment) + dictionary_bytes;
    if magic != ZSTD_MAGIC || size_bytes == 0 || !gather(reader, &mut frame, size_at + size_bytes)? {
        return Ok(Cut::Foreign(frame));
    }
    let content = content_size(&frame[size_at..]);
    let checksum_bytes = if descriptor & 0x04 != 0 { 4 } else { 0 };
    if content > PART_LIMIT as u64 || !gather_blocks(reader, &mut frame, checksum_bytes)? {
        return Ok(Cut::Foreign(frame));
    }
    Ok(Cut::Part(frame, usize::try_from(content).map_err(io::Error::other)?))
}

/// One, two, four or eight bytes; two stand for 256 more than they say.
fn content_size(field: &[u8]) -> u64 {
    let value = field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    if field.len() == 2 { value + 256 } else { value }
}

/// Appends the blocks of a frame whose header is already there. `false` when they do not end in time.
fn gather_blocks(reader: &mut impl BufRead, frame: &mut Vec<u8>, checksum_bytes: usize) -> io::Result<bool> {
    loop {
        let at = frame.len();
        if !gather(reader, frame, at + 3)? {
            return Ok(false);
        }
        let head = u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], 0]);
        let (is_last, kind, size) = (head & 1 == 1, head >> 1 & 3, (head >> 3) as usize);
        let stored = if kind == 1 { 1 } else { size };
        let trailer = if is_last { checksum_bytes } else { 0 };
        if frame.len() + stored > PART_LIMIT || !gather(reader, frame, at + 3 + stored + trailer)? {
            return Ok(false);
        }
        if is_last {
            return Ok(true);
        }
    }
}

/// Reads until `buffer` holds `wanted` bytes. `false` when the stream ends before.
fn gather(reader: &mut impl BufRead, buffer: &mut Vec<u8>, wanted: usize) -> io::Result<bool> {
    while buffer.len() < wanted {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(false);
        }
        let take = available.len().min(wanted - buffer.len());
        buffer.extend_from_slice(&available[..take]);
        reader.consume(take);
    }
    Ok(true)
}

/// Reads until `block` is full or the input ends; gives the bytes read.
pub(crate) fn read_full(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Decompresses parts. One a thread.
pub(crate) struct PartDecompressor {
    gzip: libdeflater::Decompressor,
    zstd: zstd::bulk::Decompressor<'static>,
}

impl PartDecompressor {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(PartDecompressor {
            gzip: libdeflater::Decompressor::new(),
            zstd: zstd::bulk::Decompressor::new()?,
        })
    }

    /// The content of a part. Its size is what the part declares, never more.
    pub(crate) fn decompress(&mut self, part: Part) -> io::Result<Vec<u8>> {
        let corrupt = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
        match part {
            Part::Plain(bytes) => Ok(bytes),
            Part::GzipMember(bytes, size) => {
                let mut content = vec![0; size];
                let got = self.gzip.gzip_decompress(&bytes, &mut content);
                let got = got.map_err(|error| corrupt(format!("corrupt gzip member: {error}")))?;
                if got == size {
                    Ok(content)
                } else {
                    Err(corrupt("gzip member shorter than it says".into()))
                }
            }
            Part::ZstdFrame(bytes, size) => {
                let content = self.zstd.decompress(&bytes, size);
                let content = content.map_err(|error| corrupt(format!("corrupt zstd frame: {error}")))?;
                if content.len() == size {
                    Ok(content)
                } else {
                    Err(corrupt("zstd frame shorter than it says".into()))
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rstest::rstest;

    use super::super::compress::{BlockCompressor, Compression};
    use super::*;

    fn sample(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| ((i * i) >> 7) as u8 ^ (i / 300) as u8).collect()
    }

    fn compressed(content: &[u8], compression: Compression) -> Vec<u8> {
        let mut compressor = BlockCompressor::new(compression).unwrap();
        let mut stream = Vec::new();
        for block in content.chunks(100_000) {
            let mut output = Vec::new();
            compressor.compress(block, &mut output).unwrap();
            stream.extend_from_slice(&output);
        }
        stream
    }

    fn decompressed(stream: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let mut splitter = Splitter::new(Cursor::new(stream))?;
        let mut decompressor = PartDecompressor::new()?;
        let (mut content, mut parts) = (Vec::new(), 0);
        while let Some(part) = splitter.next()? {
            parts += usize::from(!matches!(part, Part::Plain(_)));
            content.extend(decompressor.decompress(part)?);
        }
        Ok((content, parts))
    }

    #[rstest]
    #[case(Compression::GZIP, 4)]
    #[case(Compression::ZSTD, 4)]
    #[case(Compression::None, 0)]
    fn what_was_compressed_comes_back_block_by_block(#[case] compression: Compression, #[case] parts: usize) {
        let content = sample(350_000);
        assert_eq!(decompressed(compressed(&content, compression)).unwrap(), (content, parts));
    }

    #[rstest]
    #[case(Compression::GZIP)]
    #[case(Compression::ZSTD)]
    fn cut_or_changed_streams_are_refused(#[case] compression: Compression) {
        let content = sample(150_000);
        let stream = compressed(&content, compression);
        for cut in (1..stream.len()).step_by(997) {
            let result = decompressed(stream[..cut].to_vec());
            assert!(result.as_ref().map_or(true, |(got, _)| got != &content), "cut at {cut}");
        }
        for at in (0..stream.len()).step_by(499) {
            let mut flipped = stream.clone();
            flipped[at] ^= 0x10;
            let harmless = decompressed(flipped).is_ok_and(|(got, _)| got == content);
            let header_byte = compression != Compression::ZSTD && at % (stream.len() / 2 + 1) < 20;
            assert!(!harmless || header_byte, "a bit changed at {at} of {} went unseen", stream.len());
        }
    }

    #[test]
    fn foreign_streams_are_read_too() {
        let content = sample(400_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&content).unwrap();
        assert_eq!(decompressed(gzip.finish().unwrap()).unwrap(), (content.clone(), 0));
        let streamed = zstd::stream::encode_all(&content[..], 1).unwrap();
        assert_eq!(decompressed(streamed).unwrap(), (content.clone(), 0));
        let mut mixed = compressed(&content[..100_000], Compression::GZIP);
        let mut gzip = flate2::write::GzEncoder::new(&mut mixed, flate2::Compression::fast());
        gzip.write_all(&content[100_000..]).unwrap();
        gzip.finish().unwrap();
        assert_eq!(decompressed(mixed).unwrap(), (content, 1));
    }

    #[test]
    fn a_frame_cannot_make_us_allocate_what_it_claims() {
        // A single-segment frame that claims 2^62 bytes.
        let mut bomb = ZSTD_MAGIC.to_le_bytes().to_vec();
        bomb.push(0xE0);
        bomb.extend_from_slice(&(1_u64 << 62).to_le_bytes());
        assert!(decompressed(bomb).is_err());
    }
}

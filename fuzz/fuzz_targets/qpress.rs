//! The decoder of qpress archives, in both shapes, as the input is and with its checksums made right: the
//! same is told whatever way the input is cut, and every block expands to what its head says or not at all.
//! What was told makes the same archive again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xb_formats::path::StreamPath;
use xb_formats::qpress::{ArchiveSummary, Block, Decoder, Event, FileKey, Limits, QpressError, Shape};
use xb_fuzz::{is_safe_path, pieces, seal};

/// Bytes all blocks of an archive may have together.
const ROOM: u64 = 4 << 20;

fuzz_target!(|input: &[u8]| {
    let limits = Limits { max_plain_bytes: ROOM, ..Limits::default() };
    let low = Limits {
        max_chunk_size: 1 << 20,
        max_block_bytes: 1 << 16,
        max_entries: 3,
        max_depth: 2,
        max_file_size: 100_000,
        max_plain_bytes: ROOM,
    };
    let sealed = seal::qpress(input);
    let narrow = Limits { max_plain_bytes: 100_000, ..limits };
    for (limits, shape) in [(limits, Shape::Any), (narrow, Shape::Single), (low, Shape::Any)] {
        check(input, limits, shape);
        if sealed != input {
            check(&sealed, limits, shape);
        }
    }
});

/// What was told, how it ended, and how far it came.
type Outcome = (Vec<Told>, Result<ArchiveSummary, QpressError>, u64);

fn check(archive: &[u8], limits: Limits, shape: Shape) {
    let whole = read(std::iter::once(archive), limits, shape);
    assert_eq!(whole, read(pieces(archive), limits, shape), "{shape:?}");
    let (told, end, _) = whole;
    if let Ok(summary) = &end {
        let count = |is: fn(&Told) -> bool| told.iter().filter(|told| is(told)).count() as u64;
        assert_eq!(summary.files, count(|told| matches!(told, Told::Close(..))));
        assert_eq!(summary.blocks, count(|told| matches!(told, Told::Block(..))));
        assert_eq!(summary.directories, count(|told| matches!(told, Told::Enter(..))));
        assert_eq!(summary.directories, count(|told| matches!(told, Told::Leave(..))));
        assert_eq!(summary.archive_bytes, archive.len() as u64);
        assert!(shape == Shape::Any || (summary.files, summary.directories) == (1, 0));
        assert_eq!(rebuilt(&told, archive), archive, "another archive reads the same");
        if let Some((_, cut)) = archive.split_last() {
            assert!(read(std::iter::once(cut), limits, shape).1.is_err(), "its end is not missed");
        }
    }
}

/// The archive that holds what was told. Of the one that was read it takes what no event tells: the chunk
/// size and the bytes behind the mark of a trailer.
fn rebuilt(told: &[Told], archive: &[u8]) -> Vec<u8> {
    let copy = |built: &mut Vec<u8>| {
        let bytes = archive.iter().skip(built.len()).take(8);
        built.extend(bytes);
    };
    let name = |built: &mut Vec<u8>, kind: u8, path: &StreamPath| {
        built.push(kind);
        built.extend((path.file_name().len() as u32).to_le_bytes());
        built.extend(path.file_name());
        built.push(0);
    };
    let mut built = b"qpress10".to_vec();
    copy(&mut built);
    for told in told {
        match told {
            Told::Enter(path) => name(&mut built, b'D', path),
            Told::Leave(_) => built.push(b'U'),
            Told::Open(_, path) => name(&mut built, b'F', path),
            Told::Block(block, _) => {
                built.extend(b"NEWBNEWB");
                built.extend(block.offset().to_le_bytes());
                built.extend(block.checksum().to_le_bytes());
                built.extend(block.packet());
            }
            Told::Close(..) => {
                built.extend(b"ENDSENDS");
                copy(&mut built);
            }
        }
    }
    built
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: Limits, shape: Shape) -> Outcome {
    let mut decoder = Decoder::new(limits, shape);
    let mut watch =
        Watch { limits, told: Vec::new(), inside: Vec::new(), open: None, plain: Vec::new(), all: 0 };
    for piece in pieces {
        let fed = decoder.feed::<QpressError>(piece, &mut |event| {
            watch.take(event);
            Ok(())
        });
        if let Err(error) = fed {
            let again = decoder.feed::<QpressError>(b"U", &mut |event| {
                watch.take(event);
                Ok(())
            });
            assert_eq!(again.as_ref(), Err(&error), "it goes on after an error");
            let position = decoder.position();
            assert_eq!(decoder.finish().as_ref(), Err(&error), "it ends well after an error");
            return (watch.told, Err(error), position);
        }
    }
    let position = decoder.position();
    let end = decoder.finish();
    if let Ok(summary) = &end {
        assert!(watch.open.is_none() && watch.inside.is_empty(), "it ends with something open");
        assert_eq!(summary.plain_bytes, watch.all);
    }
    (watch.told, end, position)
}

/// An event that was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Enter(StreamPath),
    Leave(StreamPath),
    Open(FileKey, StreamPath),
    Block(Block, Result<u32, QpressError>),
    Close(FileKey, StreamPath, u64),
}

/// Holds what is told against what was told before.
struct Watch {
    limits: Limits,
    told: Vec<Told>,
    inside: Vec<StreamPath>,
    /// The file that is open, and how long it is so far.
    open: Option<(FileKey, StreamPath, u64)>,
    /// What the last block expanded to.
    plain: Vec<u8>,
    all: u64,
}

impl Watch {
    fn take(&mut self, event: Event<'_>) {
        let told = match event {
            Event::Enter { path } => {
                self.check_new(path);
                self.inside.push(path.clone());
                assert!(self.inside.len() <= self.limits.max_depth);
                Told::Enter(path.clone())
            }
            Event::Leave { path } => {
                assert!(self.open.is_none());
                assert_eq!(self.inside.pop().as_ref(), Some(path));
                Told::Leave(path.clone())
            }
            Event::Open { file, path } => {
                self.check_new(path);
                assert!(self.open.is_none());
                self.open = Some((file, path.clone(), 0));
                Told::Open(file, path.clone())
            }
            Event::Block(block) => self.block(block),
            Event::Close { file, path, size } => {
                assert_eq!(self.open.take(), Some((file, path.clone(), size)));
                Told::Close(file, path.clone(), size)
            }
        };
        self.told.push(told);
    }

    /// Expands a block into memory that holds what was there before, and into fresh memory.
    fn block(&mut self, block: Block) -> Told {
        let length = block.plain_length();
        assert!(length > 0 && length as u64 <= self.limits.max_block_bytes);
        self.all += length as u64;
        assert!(self.all <= self.limits.max_plain_bytes);
        if let Some((file, _, size)) = &mut self.open {
            assert_eq!((block.file(), block.offset()), (*file, *size));
            *size += length as u64;
            assert!(*size <= self.limits.max_file_size);
        }
        assert!(self.open.is_some(), "a block without a file");
        assert_eq!(block.packet().len(), block.head().packet_bytes);
        let expanded = block.expand();
        let again = block.expand_into(&mut self.plain);
        assert_eq!(again.as_ref().err(), expanded.as_ref().err());
        let digest = expanded.map(|plain| {
            assert_eq!(plain.len(), length);
            assert_eq!(plain, self.plain, "what was there before counts");
            crc32fast::hash(&plain)
        });
        Told::Block(block, digest)
    }

    /// A path that has not been told, one component below the directory that is open.
    fn check_new(&self, path: &StreamPath) {
        assert!(is_safe_path(path.as_bytes()), "{path:?}");
        let parent = self.inside.last().map_or(&b""[..], StreamPath::as_bytes);
        let name = path.as_bytes().strip_prefix(parent).unwrap_or_default();
        let name = if parent.is_empty() { name } else { name.strip_prefix(b"/").unwrap_or_default() };
        assert!(!name.is_empty() && !name.contains(&b'/') && !name.contains(&b'\\'), "{path:?}");
        let is_known = self.told.iter().any(|told| match told {
            Told::Enter(before) | Told::Open(_, before) => before == path,
            _ => false,
        });
        assert!(!is_known, "{path:?} is told twice");
    }
}

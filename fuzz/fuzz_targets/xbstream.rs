//! The decoder of xbstream, in all dialects, as the input is and with its checksums made right: the same is
//! told whatever way the input is cut, what is told keeps what the events promise, and no chunk is out of
//! order.

#![no_main]

use std::collections::{HashMap, HashSet};
use std::path::Component;

use libfuzzer_sys::fuzz_target;
use xb_formats::xbstream::{
    Decoder, Dialect, Event, FileKey, Limits, StreamPath, StreamSummary, XbstreamError,
};
use xb_fuzz::{is_safe_path, pieces, seal};

fuzz_target!(|input: &[u8]| {
    let limits = Limits::default();
    let low = Limits {
        max_open_files: 2,
        max_files: 4,
        max_payload_bytes: 100,
        max_map_entries: 3,
        max_file_size: 300,
    };
    for (limits, dialect) in [
        (limits, Dialect::Auto),
        (limits, Dialect::Percona),
        (limits, Dialect::MariaDb),
        (low, Dialect::Auto),
    ] {
        check(input, limits, dialect);
        let sealed = seal::xbstream(input, dialect);
        if sealed != input {
            check(&sealed, limits, dialect);
        }
    }
});

fn check(stream: &[u8], limits: Limits, dialect: Dialect) {
    let whole = read(std::iter::once(stream), limits, dialect);
    assert_eq!(whole, read(pieces(stream), limits, dialect), "{dialect:?}");
    if let Ok(summary) = &whole.1 {
        assert_eq!(summary.stream_bytes, stream.len() as u64);
        check_order(stream, dialect, summary);
        if let Some((_, cut)) = stream.split_last() {
            assert!(read(std::iter::once(cut), limits, dialect).1.is_err(), "its end is not missed");
        }
    }
}

/// In a stream that was taken, every chunk puts its data where the one before it left its file.
fn check_order(stream: &[u8], dialect: Dialect, summary: &StreamSummary) {
    let chunks = seal::xbstream_chunks(stream, dialect);
    assert_eq!(chunks.len() as u64, summary.chunks);
    let mut positions: HashMap<&[u8], u64> = HashMap::new();
    for chunk in chunks {
        let mut path = &stream[chunk.path];
        while let Some(rest) = path.strip_prefix(b"./") {
            path = rest;
        }
        if let Some(begin) = chunk.begin {
            assert_eq!(begin, positions.get(path).copied().unwrap_or_default(), "data out of order");
        }
        if chunk.kind == b'E' {
            positions.remove(path);
        } else if let Some(position) = chunk.leaves_at {
            positions.insert(path, position);
        }
    }
}

/// What was told, how it ended, and how far it came.
type Outcome = (Vec<Told>, Result<StreamSummary, XbstreamError>, u64);

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: Limits, dialect: Dialect) -> Outcome {
    let mut decoder = Decoder::new(limits, dialect);
    let mut watch = Watch { limits, ..Watch::default() };
    for piece in pieces {
        let fed = decoder.feed::<XbstreamError>(piece, &mut |event| {
            watch.take(event);
            Ok(())
        });
        if let Err(error) = fed {
            let again = decoder.feed::<XbstreamError>(b"XBSTCK01", &mut |event| {
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
        watch.end(summary);
    }
    (watch.told, end, position)
}

/// An event that was told. Data that follows on data is one with it.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Open(FileKey, StreamPath, bool),
    Data(FileKey, u64, Vec<u8>),
    Seek(FileKey, u64),
    Extend(FileKey, u64),
    ChunkEnd(FileKey),
    Close(FileKey, StreamPath, u64),
    Remove(StreamPath),
    Rename(StreamPath, StreamPath),
}

/// A file that was opened and not closed.
struct File {
    path: StreamPath,
    position: u64,
    size: u64,
}

/// Holds what is told against what was told before.
#[derive(Default)]
struct Watch {
    limits: Limits,
    told: Vec<Told>,
    open: HashMap<FileKey, File>,
    complete: HashSet<StreamPath>,
    last_key: Option<FileKey>,
    closed: u64,
    data_bytes: u64,
}

impl Watch {
    fn take(&mut self, event: Event<'_>) {
        let told = match event {
            Event::Open { file, path, rewrite } => {
                self.check_path(path);
                assert!(self.last_key.replace(file) < Some(file), "a key came twice");
                assert!(self.open.values().all(|open| open.path != *path), "it is open already");
                assert_eq!(self.complete.remove(path), rewrite);
                self.open.insert(file, File { path: path.clone(), position: 0, size: 0 });
                assert!(self.open.len() <= self.limits.max_open_files);
                Told::Open(file, path.clone(), rewrite)
            }
            Event::Data { file, offset, bytes } => return self.data(file, offset, bytes),
            Event::Seek { file, offset } => {
                assert!(offset <= self.limits.max_file_size);
                self.file(file).position = offset;
                Told::Seek(file, offset)
            }
            Event::Extend { file, size } => {
                assert!(size <= self.limits.max_file_size);
                let open = self.file(file);
                assert!(size > open.size, "a file is extended to what it is");
                assert_eq!(size, open.position, "a file is extended to elsewhere than its position");
                open.size = size;
                Told::Extend(file, size)
            }
            Event::ChunkEnd { file } => {
                self.file(file);
                Told::ChunkEnd(file)
            }
            Event::Close { file, path, size } => {
                let open = self.open.remove(&file);
                assert_eq!(open.map(|open| (open.path, open.size)), Some((path.clone(), size)));
                assert!(self.complete.insert(path.clone()));
                self.closed += 1;
                Told::Close(file, path.clone(), size)
            }
            Event::Remove { path } => {
                assert!(self.complete.remove(path), "what is removed was never complete");
                Told::Remove(path.clone())
            }
            Event::Rename { from, to } => {
                self.check_path(to);
                assert!(self.complete.remove(from), "what is renamed was never complete");
                assert!(self.open.values().all(|open| open.path != *to), "an open file is replaced");
                self.complete.insert(to.clone());
                Told::Rename(from.clone(), to.clone())
            }
        };
        self.told.push(told);
    }

    fn data(&mut self, file: FileKey, offset: u64, bytes: &[u8]) {
        assert!(!bytes.is_empty());
        let end = offset.checked_add(bytes.len() as u64);
        assert!(end.is_some_and(|end| end <= self.limits.max_file_size), "data behind the largest size");
        let open = self.file(file);
        assert_eq!(offset, open.position, "data elsewhere than at the position");
        open.position += bytes.len() as u64;
        open.size = open.size.max(open.position);
        self.data_bytes += bytes.len() as u64;
        match self.told.last_mut() {
            Some(Told::Data(last, begin, before))
                if *last == file && *begin + before.len() as u64 == offset =>
            {
                before.extend_from_slice(bytes);
            }
            _ => self.told.push(Told::Data(file, offset, bytes.to_vec())),
        }
    }

    fn file(&mut self, key: FileKey) -> &mut File {
        match self.open.get_mut(&key) {
            Some(file) => file,
            None => unreachable!("{key:?} is not open"),
        }
    }

    fn check_path(&self, path: &StreamPath) {
        assert!(is_safe_path(path.as_bytes()), "{path:?}");
        assert!(path.as_path().components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
    }

    fn end(&self, summary: &StreamSummary) {
        assert!(self.open.is_empty(), "it ends with files open");
        assert_eq!((summary.files, summary.payload_bytes), (self.closed, self.data_bytes));
    }
}

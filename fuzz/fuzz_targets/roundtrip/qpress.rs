//! Directories and files, in order and out of it.

use std::collections::HashSet;

use xb_formats::path::StreamPath;
use xb_formats::qpress::{Decoder, Event, Limits, PackedBlock, QpressError, Shape, WriteError, Writer};
use xb_fuzz::script::Script;
use xb_fuzz::{expand, pieces};

/// How many blocks an archive is to have at most, about.
const BLOCKS: usize = 300;

/// What an archive holds, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Enter(StreamPath),
    Leave,
    File(StreamPath, Vec<u8>),
}

/// A writer, and what it was told to write.
struct Writing {
    writer: Writer<Vec<u8>>,
    entries: Vec<Entry>,
    inside: Vec<StreamPath>,
    known: HashSet<StreamPath>,
    file: Option<(StreamPath, Vec<u8>)>,
    plain_bytes: usize,
}

pub(crate) fn check(script: &mut Script<'_>) {
    let writer = Writer::with_chunk_bytes(Vec::new(), script.number() % 4096);
    assert!(writer.is_ok());
    let Ok(writer) = writer else { return };
    let mut writing = Writing {
        writer,
        entries: Vec::new(),
        inside: Vec::new(),
        known: HashSet::new(),
        file: None,
        plain_bytes: 0,
    };
    let (chunk_bytes, max_depth) = (writing.writer.chunk_bytes(), Limits::default().max_depth);
    while !script.is_over() && writing.plain_bytes < chunk_bytes * BLOCKS && writing.inside.len() < max_depth
    {
        writing.step(script);
    }
    let (archive, entries) = writing.finish();
    assert_eq!(read(&archive, chunk_bytes), Ok(entries));
}

impl Writing {
    /// Does an instruction. The writer takes it exactly when it makes sense.
    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 8 {
            0 => self.enter(script.short()),
            1 => {
                let fits = self.file.is_none() && !self.inside.is_empty();
                compare(self.writer.leave_directory(), fits);
                if fits {
                    self.inside.pop();
                    self.entries.push(Entry::Leave);
                }
            }
            2 => self.begin(script.short()),
            3 => {
                let content = script.content();
                compare(self.writer.append(&content), self.file.is_some());
                self.note(&content);
            }
            4 => self.append_block(&script.content()),
            5 => self.end(),
            _ => {
                let (name, content) = (script.short(), script.content());
                let path = self.path_of(name);
                let length = compare(self.writer.write_file(name, &mut content.as_slice()), path.is_some());
                if let Some(path) = path {
                    assert_eq!(length, Some(content.len() as u64));
                    self.known.insert(path.clone());
                    self.plain_bytes += content.len();
                    self.entries.push(Entry::File(path, content));
                }
            }
        }
    }

    /// The path of an entry that may begin now.
    fn path_of(&self, name: &[u8]) -> Option<StreamPath> {
        let path = StreamPath::child(self.inside.last(), name).ok()?;
        (self.file.is_none() && !self.known.contains(&path)).then_some(path)
    }

    fn enter(&mut self, name: &[u8]) {
        let path = self.path_of(name);
        compare(self.writer.enter_directory(name), path.is_some());
        if let Some(path) = path {
            self.known.insert(path.clone());
            self.inside.push(path.clone());
            self.entries.push(Entry::Enter(path));
        }
    }

    fn begin(&mut self, name: &[u8]) {
        let path = self.path_of(name);
        compare(self.writer.begin_file(name), path.is_some());
        if let Some(path) = path {
            self.known.insert(path.clone());
            self.file = Some((path, Vec::new()));
        }
    }

    fn append_block(&mut self, content: &[u8]) {
        let block = PackedBlock::new(content);
        assert_eq!(block.is_ok(), !content.is_empty());
        let Ok(block) = block else { return };
        assert_eq!(block.plain_length(), content.len());
        let fits = self.file.is_some() && content.len() <= self.writer.chunk_bytes();
        compare(self.writer.append_block(&block), fits);
        if fits {
            self.note(content);
        }
    }

    fn note(&mut self, content: &[u8]) {
        if let Some((_, file)) = &mut self.file {
            file.extend_from_slice(content);
            self.plain_bytes += content.len();
        }
    }

    fn end(&mut self) {
        let length = compare(self.writer.end_file(), self.file.is_some());
        if let Some((path, content)) = self.file.take() {
            assert_eq!(length, Some(content.len() as u64));
            self.entries.push(Entry::File(path, content));
        }
    }

    fn finish(mut self) -> (Vec<u8>, Vec<Entry>) {
        if self.file.is_some() {
            self.end();
        }
        while self.inside.pop().is_some() {
            compare(self.writer.leave_directory(), true);
            self.entries.push(Entry::Leave);
        }
        let archive = compare(self.writer.finish(), true);
        (archive.unwrap_or_default(), self.entries)
    }
}

/// Holds a result against what is due.
fn compare<T>(result: Result<T, WriteError>, fits: bool) -> Option<T> {
    assert_eq!(result.is_ok(), fits, "{:?}", result.err());
    result.ok()
}

fn read(archive: &[u8], chunk_bytes: usize) -> Result<Vec<Entry>, QpressError> {
    let mut decoder = Decoder::new(Limits::default(), Shape::Any);
    let (mut entries, mut content) = (Vec::new(), Vec::new());
    for piece in pieces(archive) {
        decoder.feed::<QpressError>(piece, &mut |event| {
            match event {
                Event::Enter { path } => entries.push(Entry::Enter(path.clone())),
                Event::Leave { .. } => entries.push(Entry::Leave),
                Event::Open { .. } => content.clear(),
                Event::Block(block) => {
                    assert!(block.plain_length() <= chunk_bytes);
                    let plain = block.expand()?;
                    assert_eq!(expand::expand(block.head(), block.packet()).as_ref(), Some(&plain));
                    content.extend(plain);
                }
                Event::Close { path, .. } => entries.push(Entry::File(path.clone(), content.clone())),
            }
            Ok(())
        })?;
    }
    decoder.finish().map(|_| entries)
}

//! Files written in turns, with data and with sparse chunks.

use std::collections::{BTreeMap, HashMap};

use xb_formats::xbstream::{
    Decoder, Dialect, Event, FileInWork, FileKey, Limits, StreamPath, WriteError, Writer, XbstreamError,
};
use xb_fuzz::pieces;
use xb_fuzz::script::Script;

/// What a file holds: its length, and what was written where. Runs that follow one another are one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Content {
    size: u64,
    runs: Vec<(u64, Vec<u8>)>,
}

impl Content {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.size = self.size.max(offset + bytes.len() as u64);
        match self.runs.last_mut() {
            _ if bytes.is_empty() => {}
            Some((begin, run)) if *begin + run.len() as u64 == offset => run.extend_from_slice(bytes),
            _ => self.runs.push((offset, bytes.to_vec())),
        }
    }
}

type Tree = BTreeMap<StreamPath, Content>;

/// A writer, and what it was told to write.
struct Writing {
    writer: Writer<Vec<u8>>,
    open: Vec<(StreamPath, FileInWork, Content)>,
    complete: Tree,
}

pub(crate) fn check(script: &mut Script<'_>) {
    let mut writing = Writing { writer: Writer::new(Vec::new()), open: Vec::new(), complete: Tree::new() };
    while !script.is_over() {
        if writing.step(script).is_none() {
            return;
        }
    }
    let Some((stream, complete)) = writing.finish() else { return };
    for dialect in [Dialect::Auto, Dialect::Percona] {
        assert_eq!(read(&stream, dialect).as_ref(), Ok(&complete), "{dialect:?}");
    }
}

impl Writing {
    /// Does an instruction. Nothing when the writer fails where it must not, which it never should.
    fn step(&mut self, script: &mut Script<'_>) -> Option<()> {
        let kind = script.byte();
        if kind.is_multiple_of(4) {
            return self.begin(script);
        }
        let index = usize::from(script.byte()).checked_rem(self.open.len());
        let Some(index) = index else { return Some(()) };
        let (path, file, content) = &mut self.open[index];
        match kind % 4 {
            1 => {
                let bytes = script.content();
                must(self.writer.append(file, &bytes))?;
                content.write(content.size, &bytes);
            }
            2 => {
                let map: Vec<(u32, u32)> = (0..script.byte() % 8).map(|_| entry(script)).collect();
                let length: u32 = map.iter().map(|(_, write)| write).sum();
                let payload = script.take(length as usize);
                let written = self.writer.write_sparse(file, &map, payload);
                if payload.len() != length as usize {
                    assert!(matches!(written, Err(WriteError::Refused { .. })), "{path} has a wrong map");
                    return Some(());
                }
                must(written)?;
                let mut rest = payload;
                for (skip, write) in map {
                    let (bytes, behind) = rest.split_at(write as usize);
                    content.write(content.size + u64::from(skip), bytes);
                    rest = behind;
                }
            }
            _ => {
                let (path, file, content) = self.open.swap_remove(index);
                must(self.writer.end_file(file))?;
                self.complete.insert(path, content);
            }
        }
        Some(())
    }

    fn begin(&mut self, script: &mut Script<'_>) -> Option<()> {
        let Ok(path) = StreamPath::new(script.short()) else { return Some(()) };
        let is_known = self.complete.contains_key(&path) || self.open.iter().any(|(open, ..)| *open == path);
        match self.writer.begin_file(path.clone()) {
            Ok(file) => {
                assert!(!is_known, "{path} is begun twice");
                self.open.push((path, file, Content::default()));
            }
            Err(error) => assert!(is_known, "{path} is refused: {error}"),
        }
        Some(())
    }

    fn finish(mut self) -> Option<(Vec<u8>, Tree)> {
        for (path, file, content) in self.open {
            must(self.writer.end_file(file))?;
            self.complete.insert(path, content);
        }
        must(self.writer.finish()).map(|stream| (stream, self.complete))
    }
}

/// An entry of a map, with holes of all lengths.
fn entry(script: &mut Script<'_>) -> (u32, u32) {
    let skip = u32::from_le_bytes(script.field()) >> (script.byte() % 32);
    (skip, u32::from(script.byte()))
}

/// A result that has to be right.
fn must<T>(result: Result<T, WriteError>) -> Option<T> {
    assert!(result.is_ok(), "{:?}", result.err());
    result.ok()
}

fn read(stream: &[u8], dialect: Dialect) -> Result<Tree, XbstreamError> {
    let mut decoder = Decoder::new(Limits::default(), dialect);
    let mut open: HashMap<FileKey, Content> = HashMap::new();
    let mut tree = Tree::new();
    for piece in pieces(stream) {
        decoder.feed::<XbstreamError>(piece, &mut |event| {
            match event {
                Event::Data { file, offset, bytes } => open.entry(file).or_default().write(offset, bytes),
                Event::Extend { file, size } => open.entry(file).or_default().size = size,
                Event::Close { file, path, size } => {
                    let content = open.remove(&file).unwrap_or_default();
                    assert_eq!(content.size, size);
                    tree.insert(path.clone(), content);
                }
                _ => {}
            }
            Ok(())
        })?;
    }
    decoder.finish().map(|_| tree)
}

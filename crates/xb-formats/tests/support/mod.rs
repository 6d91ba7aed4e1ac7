//! Extraction into memory, shared by the tests of streams.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

pub mod layers;
pub mod manifest;

use std::collections::{BTreeMap, HashMap};

use xb_formats::xbstream::{
    Decoder, Dialect, Event, FileKey, Limits, StreamPath, StreamSummary, XbstreamError,
};

/// Complete files by path.
pub type Tree = BTreeMap<String, Vec<u8>>;

#[derive(Default)]
pub struct Extraction {
    open: HashMap<FileKey, (StreamPath, Vec<u8>)>,
    pub tree: Tree,
    pub renames: usize,
    pub removals: usize,
    pub rewrites: usize,
    pub chunk_ends: usize,
}

impl Extraction {
    pub fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Open { file, path, rewrite } => {
                assert!(self.open.insert(file, (path.clone(), Vec::new())).is_none(), "a key came twice");
                assert_eq!(self.tree.remove(&path.to_string()).is_some(), rewrite);
                self.rewrites += usize::from(rewrite);
            }
            Event::Data { file, offset, bytes } => {
                assert!(!bytes.is_empty());
                let (start, end) = (offset as usize, offset as usize + bytes.len());
                let content = &mut self.open.get_mut(&file).expect("data of an open file").1;
                content.resize(content.len().max(end), 0);
                content[start..end].copy_from_slice(bytes);
            }
            Event::Seek { file, .. } => assert!(self.open.contains_key(&file)),
            Event::Extend { file, size } => {
                let content = &mut self.open.get_mut(&file).expect("an open file").1;
                content.resize(content.len().max(size as usize), 0);
            }
            Event::ChunkEnd { file } => {
                assert!(self.open.contains_key(&file));
                self.chunk_ends += 1;
            }
            Event::Close { file, path, size } => {
                let (opened_as, content) = self.open.remove(&file).expect("an open file");
                assert_eq!((&opened_as, content.len() as u64), (path, size));
                assert!(self.tree.insert(path.to_string(), content).is_none());
            }
            Event::Remove { path } => {
                assert!(self.tree.remove(&path.to_string()).is_some());
                self.removals += 1;
            }
            Event::Rename { from, to } => {
                let content = self.tree.remove(&from.to_string()).expect("a complete file");
                self.tree.insert(to.to_string(), content);
                self.renames += 1;
            }
        }
    }
}

/// Feeds the pieces one by one and ends the stream.
pub fn extract<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Extraction, StreamSummary), XbstreamError> {
    extract_as(pieces, Dialect::Auto)
}

pub fn extract_as<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    dialect: Dialect,
) -> Result<(Extraction, StreamSummary), XbstreamError> {
    let mut decoder = Decoder::new(Limits::default(), dialect);
    let mut extraction = Extraction::default();
    for piece in pieces {
        decoder.feed::<XbstreamError>(piece, &mut |event| {
            extraction.take(event);
            Ok(())
        })?;
    }
    decoder.finish().map(|summary| (extraction, summary))
}

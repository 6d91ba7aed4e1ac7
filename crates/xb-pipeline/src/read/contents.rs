//! What is in an xbstream or a qpress archive.

use std::thread::Scope;

use bytes::Bytes;
use xb_formats::path::StreamPath;
use xb_formats::qpress::{self, QpressError, Shape};
use xb_formats::xbstream::{Decoder, Dialect, Event, Limits, XbstreamError};

use crate::flow::{About, BLOCK_BYTES, Blocks, FlowError, Piece};
use crate::parallel::{Flow, background, spread};

/// Open files of one stream: engines have one per copying thread, and file descriptors are few.
pub(crate) const OPEN_FILES: usize = 512;

/// Limits for every stream that becomes files.
pub(crate) fn xbstream_limits() -> Limits {
    Limits { max_open_files: OPEN_FILES, ..Limits::default() }
}

/// Limits for every qpress archive: a block has at most as many bytes as qpress itself writes, for some of them
/// are in memory at a time.
pub(crate) fn qpress_limits() -> qpress::Limits {
    qpress::Limits { max_block_bytes: qpress::MAX_CHUNK_BYTES as u64, ..qpress::Limits::default() }
}

/// The piece that an event of an xbstream is; `None` when it is of no consequence. `block` is what the decoder
/// was fed with.
pub(crate) fn piece_of(event: &Event<'_>, block: &Bytes) -> Option<Piece> {
    Some(match event {
        Event::Open { file, path, rewrite } => {
            let about = About { rewrite: *rewrite, ..About::default() };
            Piece::Open { file: file.number(), path: (*path).clone(), about }
        }
        Event::Data { file, offset, bytes } => {
            Piece::Data { file: file.number(), offset: *offset, bytes: block.slice_ref(bytes) }
        }
        Event::Extend { file, size } => Piece::Extend { file: file.number(), size: *size },
        Event::Close { file, size, .. } => Piece::Close { file: file.number(), size: *size },
        Event::Remove { path } => Piece::Remove { path: (*path).clone() },
        Event::Rename { from, to } => Piece::Rename { from: (*from).clone(), to: (*to).clone() },
        // Data carries its place; a seek alone changes nothing. Checksums are the decoder's business.
        Event::Seek { .. } | Event::ChunkEnd { .. } => return None,
    })
}

/// The pieces of an xbstream. Nothing is copied: data are parts of the blocks. Their checksums are taken on a
/// thread of its own, while somebody else writes what was checked before.
pub(super) fn xbstream_pieces<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut blocks: impl Blocks + 'scope,
) -> Flow<Vec<Piece>, FlowError> {
    background(scope, move |outflow| {
        let mut decoder = Decoder::new(xbstream_limits(), Dialect::Auto);
        while let Some(block) = blocks.next_block()? {
            let mut pieces = Vec::new();
            let fed = decoder.feed::<XbstreamError>(&block, &mut |event| {
                pieces.extend(piece_of(&event, &block));
                Ok(())
            });
            // What comes before a fault is good, and is passed on first.
            if !pieces.is_empty() && !outflow.give(pieces) {
                return Ok(());
            }
            fed?;
        }
        decoder.finish()?;
        Ok(())
    })
}

/// A piece of a qpress archive, its data still packed.
enum Packed {
    Piece(Piece),
    Block(qpress::Block),
}

/// Bytes handed to the decoder at a time.
const FEED_BYTES: usize = 256 * 1024;

/// The pieces of a qpress archive, its blocks unpacked on all threads.
pub(super) fn qpress_pieces<'scope>(
    scope: &'scope Scope<'scope, '_>,
    blocks: impl Blocks + 'scope,
    threads: usize,
) -> Flow<Vec<Piece>, FlowError> {
    let mut archive = QpressParts {
        blocks,
        decoder: Some(qpress::Decoder::new(qpress_limits(), Shape::Any)),
        current: Bytes::new(),
        ready: std::collections::VecDeque::new(),
    };
    let make_worker = || {
        |batch: Vec<Packed>| {
            let expand = |packed| match packed {
                Packed::Piece(piece) => Ok(piece),
                Packed::Block(block) => {
                    let bytes = Bytes::from(block.expand()?);
                    Ok(Piece::Data { file: block.file().number(), offset: block.offset(), bytes })
                }
            };
            batch.into_iter().map(expand).collect::<Result<Vec<_>, FlowError>>()
        }
    };
    spread(scope, threads, move || archive.next_batch(), make_worker)
}

/// Cuts a qpress archive at its blocks.
struct QpressParts<B> {
    blocks: B,
    decoder: Option<qpress::Decoder>,
    current: Bytes,
    ready: std::collections::VecDeque<Packed>,
}

impl<B: Blocks> QpressParts<B> {
    /// As much as unpacks to about a block, so that small ones do not cost a change of threads each.
    fn next_batch(&mut self) -> Result<Option<Vec<Packed>>, FlowError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BLOCK_BYTES && batch.len() < BLOCK_BYTES / 1024 {
            let Some(packed) = self.next_packed()? else { break };
            if let Packed::Block(block) = &packed {
                bytes += block.packet().len().max(block.plain_length());
            }
            batch.push(packed);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn next_packed(&mut self) -> Result<Option<Packed>, FlowError> {
        while self.ready.is_empty() {
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            if self.current.is_empty() {
                match self.blocks.next_block()? {
                    Some(block) => self.current = block,
                    None => {
                        if let Some(decoder) = self.decoder.take() {
                            decoder.finish()?;
                        }
                        return Ok(None);
                    }
                }
            }
            let piece = self.current.split_to(FEED_BYTES.min(self.current.len()));
            decoder.feed::<QpressError>(&piece, &mut |event| {
                self.ready.extend(packed_of(event));
                Ok(())
            })?;
        }
        Ok(self.ready.pop_front())
    }
}

fn packed_of(event: qpress::Event<'_>) -> Option<Packed> {
    let copy = |path: &StreamPath| path.clone();
    Some(match event {
        qpress::Event::Enter { path } => Packed::Piece(Piece::Directory { path: copy(path) }),
        qpress::Event::Leave { .. } => return None,
        qpress::Event::Open { file, path } => {
            Packed::Piece(Piece::Open { file: file.number(), path: copy(path), about: About::default() })
        }
        qpress::Event::Block(block) => Packed::Block(block),
        qpress::Event::Close { file, size, .. } => Packed::Piece(Piece::Close { file: file.number(), size }),
    })
}

//! The formats of `xb-formats` that come in chunks and blocks anyway.

use std::collections::VecDeque;

use xb_formats::qpress::{self, Event, QpressError, Shape};
use xb_formats::xbcrypt::{self, Splitter, XbcryptError};

use super::{Cutter, Part};
use crate::flow::FlowError;
use crate::read::qpress_limits;

/// Bytes handed to a decoder at a time, so that little waits in the queue.
const FEED_BYTES: usize = 256 * 1024;

fn feed<'i>(input: &mut &'i [u8]) -> &'i [u8] {
    let (piece, rest) = input.split_at(FEED_BYTES.min(input.len()));
    *input = rest;
    piece
}

/// Chunks of xbcrypt.
pub(super) struct ChunkCutter {
    splitter: Option<Splitter>,
    ready: VecDeque<xbcrypt::Chunk>,
}

impl ChunkCutter {
    pub(super) fn new() -> Self {
        ChunkCutter { splitter: Some(Splitter::new(xbcrypt::Limits::default())), ready: VecDeque::new() }
    }
}

impl Cutter for ChunkCutter {
    fn cut(&mut self, input: &mut &[u8]) -> Result<Option<Part>, FlowError> {
        while self.ready.is_empty() && !input.is_empty() {
            let Some(splitter) = &mut self.splitter else { return Ok(None) };
            splitter.feed::<XbcryptError>(feed(input), &mut |chunk| {
                self.ready.push_back(chunk);
                Ok(())
            })?;
        }
        Ok(self.ready.pop_front().map(Part::Chunk))
    }

    fn end(&mut self) -> Result<Option<Part>, FlowError> {
        if self.ready.is_empty()
            && let Some(splitter) = self.splitter.take()
        {
            splitter.finish()?;
        }
        Ok(self.ready.pop_front().map(Part::Chunk))
    }
}

/// Blocks of a qpress archive of one file.
pub(super) struct BlockCutter {
    decoder: Option<qpress::Decoder>,
    ready: VecDeque<qpress::Block>,
}

impl BlockCutter {
    pub(super) fn single() -> Self {
        let decoder = qpress::Decoder::new(qpress_limits(), Shape::Single);
        BlockCutter { decoder: Some(decoder), ready: VecDeque::new() }
    }
}

impl Cutter for BlockCutter {
    fn cut(&mut self, input: &mut &[u8]) -> Result<Option<Part>, FlowError> {
        while self.ready.is_empty() && !input.is_empty() {
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            decoder.feed::<QpressError>(feed(input), &mut |event| {
                if let Event::Block(block) = event {
                    self.ready.push_back(block);
                }
                Ok(())
            })?;
        }
        Ok(self.ready.pop_front().map(Part::Block))
    }

    fn end(&mut self) -> Result<Option<Part>, FlowError> {
        if self.ready.is_empty()
            && let Some(decoder) = self.decoder.take()
        {
            decoder.finish()?;
        }
        Ok(self.ready.pop_front().map(Part::Block))
    }
}

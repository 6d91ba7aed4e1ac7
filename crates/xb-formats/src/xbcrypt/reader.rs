//! A splitter that fetches its input itself.

use std::collections::VecDeque;
use std::io::{self, Read};

use xb_core::ErrorClass;

use super::chunk::Chunk;
use super::error::XbcryptError;
use super::splitter::{Limits, Splitter, StreamSummary};

/// Bytes fetched at a time.
const BLOCK: usize = 256 * 1024;

/// Cuts a source into chunks: an iterator that ends after the last chunk of a complete stream or after its
/// first error. Memory: one chunk, and the chunks of the 256 KiB that were fetched last.
#[derive(Debug)]
pub struct ChunkReader<R> {
    source: R,
    block: Vec<u8>,
    ready: VecDeque<Chunk>,
    /// Nothing after the end or an error.
    splitter: Option<Splitter>,
    /// The error behind the chunks that are still ready.
    failed: Option<ReadError>,
    summary: Option<StreamSummary>,
}

/// Reading a stream from a source failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("cannot read the xbcrypt stream: {0}")]
    Io(#[from] io::Error),
    /// The stream is refused.
    #[error(transparent)]
    Format(#[from] XbcryptError),
}

impl ReadError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ReadError::Io(_) => ErrorClass::Transient,
            ReadError::Format(error) => error.class(),
        }
    }
}

impl<R: Read> ChunkReader<R> {
    /// A reader with default limits.
    pub fn new(source: R) -> Self {
        ChunkReader::with(source, Limits::default())
    }

    /// A reader with limits.
    pub fn with(source: R, limits: Limits) -> Self {
        ChunkReader {
            source,
            block: vec![0; BLOCK],
            ready: VecDeque::new(),
            splitter: Some(Splitter::new(limits)),
            failed: None,
            summary: None,
        }
    }

    /// What the stream held, once the iterator has come to its end without an error.
    #[must_use]
    pub fn summary(&self) -> Option<StreamSummary> {
        self.summary.filter(|_| self.ready.is_empty())
    }

    /// Fetches a block and cuts it.
    fn fetch(&mut self, mut splitter: Splitter) -> Result<(), ReadError> {
        let length = loop {
            match self.source.read(&mut self.block) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        if length == 0 {
            self.summary = Some(splitter.finish()?);
            return Ok(());
        }
        let ready = &mut self.ready;
        splitter.feed::<XbcryptError>(self.block.get(..length).unwrap_or_default(), &mut |chunk| {
            ready.push_back(chunk);
            Ok(())
        })?;
        self.splitter = Some(splitter);
        Ok(())
    }
}

impl<R: Read> Iterator for ChunkReader<R> {
    type Item = Result<Chunk, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            let splitter = self.splitter.take()?;
            self.failed = self.fetch(splitter).err();
        }
    }
}

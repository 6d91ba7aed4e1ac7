//! A decoder that fetches its input itself.

use std::io::{self, Read};

use xb_core::ErrorClass;

use super::decoder::Decoder;
use super::error::XbstreamError;
use super::event::{Dialect, Event, Limits, StreamSummary};
use crate::pull::each_block;

/// Reads a whole stream from a source.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    decoder: Decoder,
}

/// Reading a stream from a source failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("cannot read the xbstream: {0}")]
    Io(#[from] io::Error),
    /// The stream is refused.
    #[error(transparent)]
    Format(#[from] XbstreamError),
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

impl<R: Read> Reader<R> {
    /// A reader with default limits that tells the dialect by itself.
    pub fn new(source: R) -> Self {
        Reader::with(source, Limits::default(), Dialect::Auto)
    }

    /// A reader with limits and a dialect.
    pub fn with(source: R, limits: Limits, dialect: Dialect) -> Self {
        Reader { source, decoder: Decoder::new(limits, dialect) }
    }

    /// Reads to the end of the source and tells `on` what is in the stream.
    ///
    /// # Errors
    /// The error of the source, the fault of the stream or the error of `on`, whichever comes first.
    pub fn run<E: From<XbstreamError> + From<io::Error>>(
        mut self,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<StreamSummary, E> {
        each_block(&mut self.source, |block| self.decoder.feed(block, on))?;
        Ok(self.decoder.finish()?)
    }
}

//! A decoder that fetches its input itself.

use std::io::{self, Read};

use xb_core::ErrorClass;

use super::decoder::Decoder;
use super::error::QpressError;
use super::event::{ArchiveSummary, Event, Limits, Shape};
use crate::pull::each_block;

/// Reads a whole archive from a source.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    decoder: Decoder,
}

/// Reading an archive from a source failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source failed.
    #[error("cannot read the qpress archive: {0}")]
    Io(#[from] io::Error),
    /// The archive is refused.
    #[error(transparent)]
    Format(#[from] QpressError),
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
    /// A reader of any archive, with default limits.
    pub fn new(source: R) -> Self {
        Reader::with(source, Limits::default(), Shape::Any)
    }

    /// A reader with limits and a shape.
    pub fn with(source: R, limits: Limits, shape: Shape) -> Self {
        Reader { source, decoder: Decoder::new(limits, shape) }
    }

    /// Reads to the end of the source and tells `on` what is in the archive.
    ///
    /// # Errors
    /// The error of the source, the fault of the archive or the error of `on`, whichever comes first.
    pub fn run<E: From<QpressError> + From<io::Error>>(
        mut self,
        on: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<ArchiveSummary, E> {
        each_block(&mut self.source, |block| self.decoder.feed(block, on))?;
        Ok(self.decoder.finish()?)
    }
}

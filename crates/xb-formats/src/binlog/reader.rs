//! A splitter that fetches its input itself, and gathers what the events say.

use std::collections::VecDeque;
use std::io::{self, Read};

use xb_core::ErrorClass;

use super::check::EventCheck;
use super::error::BinlogError;
use super::event::Event;
use super::facts::FileFacts;
use super::splitter::{End, Limits, Splitter};

/// Bytes fetched at a time.
const BLOCK: usize = 256 * 1024;

/// Cuts a file into events: an iterator that ends behind the last whole event or after its first error.
/// Memory: one event, and the events of the 256 KiB that were fetched last.
#[derive(Debug)]
pub struct FileReader<R> {
    source: R,
    block: Vec<u8>,
    ready: VecDeque<Event>,
    splitter: Splitter,
    /// The error behind the events that are still ready.
    failed: Option<ReadError>,
    is_over: bool,
    end: Option<End>,
    facts: FileFacts,
}

/// Reading a log from a source stopped.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The source cannot be read.
    #[error("cannot read the binary log: {0}")]
    Io(#[from] io::Error),
    /// The log is damaged.
    #[error(transparent)]
    Format(#[from] BinlogError),
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

impl<R: Read> FileReader<R> {
    /// A reader with default limits.
    pub fn new(source: R) -> Self {
        FileReader::with(source, Limits::default())
    }

    /// A reader with limits.
    pub fn with(source: R, limits: Limits) -> Self {
        FileReader {
            source,
            block: vec![0; BLOCK],
            ready: VecDeque::new(),
            splitter: Splitter::new(limits),
            failed: None,
            is_over: false,
            end: None,
            facts: FileFacts::default(),
        }
    }

    /// How the log ends, once the iterator has come to its end without an error.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        self.end.filter(|_| self.ready.is_empty())
    }

    /// What the events that were given out so far say.
    #[must_use]
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// What is needed to go on behind the last good event: how to judge the next one, and the facts so far.
    #[must_use]
    pub fn into_parts(self) -> (EventCheck, FileFacts) {
        (self.splitter.check().clone(), self.facts)
    }

    /// Fetches a block and cuts it.
    fn fetch(&mut self) -> Result<(), ReadError> {
        let length = loop {
            match self.source.read(&mut self.block) {
                Ok(length) => break length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        };
        if length == 0 {
            self.is_over = true;
            self.end = Some(self.splitter.finish()?);
            return Ok(());
        }
        let ready = &mut self.ready;
        self.splitter.feed::<BinlogError>(self.block.get(..length).unwrap_or_default(), &mut |event| {
            ready.push_back(event);
            Ok(())
        })?;
        Ok(())
    }
}

impl<R: Read> Iterator for FileReader<R> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.facts.observe(&event);
                return Some(Ok(event));
            }
            if let Some(error) = self.failed.take() {
                return Some(Err(error));
            }
            if self.is_over {
                return None;
            }
            if let Err(error) = self.fetch() {
                self.is_over = true;
                self.failed = Some(error);
            }
        }
    }
}

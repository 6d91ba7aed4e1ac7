//! Cutting a log into transactions.

use std::io::Read;

use serde::Serialize;
use xb_formats::binlog::{Content, Event, FileReader, ReadError};

use super::transaction::{Gathering, ReadingLimits, TransactionSummary};

/// A piece of a log. Borders between transactions are where pieces begin and end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// One of the file's own events.
    Between {
        /// Where it begins, in bytes.
        begin: u64,
        /// Where it ends, in bytes.
        end: u64,
    },
    /// A transaction.
    Transaction(TransactionSummary),
}

impl Piece {
    /// Where it begins and ends, in bytes.
    #[must_use]
    pub fn range(&self) -> (u64, u64) {
        match self {
            Piece::Between { begin, end } => (*begin, *end),
            Piece::Transaction(summary) => (summary.begin, summary.end),
        }
    }
}

/// The pieces of a log, in order and without anything between them: an iterator that ends with the log, or
/// with the first error. A transaction that the log ends inside of comes last, as what it is.
pub fn pieces<R: Read>(log: R, limits: ReadingLimits) -> Pieces<R> {
    Pieces { reader: FileReader::new(log), limits, ahead: None, open: None }
}

/// The transactions of a log, in order; see [`pieces`].
pub fn transactions<R: Read>(
    log: R,
    limits: ReadingLimits,
) -> impl Iterator<Item = Result<TransactionSummary, ReadError>> {
    pieces(log, limits).filter_map(|piece| match piece {
        Ok(Piece::Transaction(summary)) => Some(Ok(summary)),
        Ok(Piece::Between { .. }) => None,
        Err(error) => Some(Err(error)),
    })
}

/// See [`pieces`].
#[derive(Debug)]
pub struct Pieces<R> {
    reader: FileReader<R>,
    limits: ReadingLimits,
    /// An event that was read and belongs to the next piece.
    ahead: Option<Event>,
    open: Option<Gathering>,
}

impl<R: Read> Pieces<R> {
    fn close(&mut self) -> Option<Piece> {
        self.open.take().map(|open| Piece::Transaction(open.finish()))
    }

    /// Adds an event, and gives the piece that ends with it or before it.
    fn add(&mut self, event: Event) -> Option<Piece> {
        let content = event.content();
        let stands_apart = content == Content::Between || (content == Content::Other && self.open.is_none());
        let begins = stands_apart || content == Content::Head;
        if begins && self.open.is_some() {
            // The server died while it wrote the transaction, and went on here.
            self.ahead = Some(event);
            return self.close();
        }
        if stands_apart {
            return Some(Piece::Between { begin: event.offset, end: event.end() });
        }
        let limits = self.limits;
        let open = self.open.get_or_insert_with(|| Gathering::begin(&event, limits));
        if open.add(&event) { self.close() } else { None }
    }
}

impl<R: Read> Iterator for Pieces<R> {
    type Item = Result<Piece, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.ahead.take() {
                Some(event) => event,
                None => match self.reader.next() {
                    Some(Ok(event)) => event,
                    Some(Err(error)) => {
                        self.open = None;
                        return Some(Err(error));
                    }
                    None => return self.close().map(Ok),
                },
            };
            if let Some(piece) = self.add(event) {
                return Some(Ok(piece));
            }
        }
    }
}

//! Why a replay stopped.

use xb_core::{BinlogName, ErrorClass};
use xb_formats::binlog::ReadError;
use xb_pipeline::cancel::Cancelled;
use xb_pipeline::fs::FsError;
use xb_pipeline::process::ProcessError;

use super::refused::StoppedIn;
use crate::archive::{ArchiveError, EpochNumber, Logs, Place};
use crate::recover::RecoverError;

/// A replay stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The server refused a statement. Everything before it is done.
    #[error("{} was refused: {message}", refused(place, transaction.as_deref()))]
    Statement {
        /// The event of the statement, or the one before it where a statement has several.
        place: Place,
        /// The transaction it is in, where that could be found out.
        transaction: Option<Box<StoppedIn>>,
        /// The client's words.
        message: String,
    },
    /// The client ended without saying that a statement was refused.
    #[error("the client ended with {how} at about {place}: {tail}")]
    Client {
        /// The last event it can have read.
        place: Place,
        /// How it ended.
        how: String,
        /// What it said.
        tail: String,
    },
    /// The program that prints logs as SQL ended badly.
    #[error("{program} for {log} of epoch {epoch} ended with {how}: {tail}")]
    Print {
        /// Its name.
        program: String,
        /// The epoch.
        epoch: EpochNumber,
        /// The log.
        log: BinlogName,
        /// How it ended.
        how: String,
        /// What it said.
        tail: String,
    },
    /// A log is not as it was when the plan was made.
    #[error(
        "{log} of epoch {epoch} has no border between transactions at {at}; it changed since the plan \
             was made, make another one"
    )]
    Changed {
        /// The epoch.
        epoch: EpochNumber,
        /// The log.
        log: BinlogName,
        /// Where a segment begins or ends, in bytes.
        at: u64,
    },
    /// The server says in a log that it lost events.
    #[error("the server lost events at {place}, which are in no log; recover to a point before it")]
    Incident {
        /// Where.
        place: Place,
    },
    /// A question to the private server was not answered.
    #[error("the private server did not answer \"{question}\": {message}")]
    Ask {
        /// The question.
        question: String,
        /// What the client said.
        message: String,
    },
    /// A log cannot be read.
    #[error("{log} of epoch {epoch}: {source}")]
    Read {
        /// The epoch.
        epoch: EpochNumber,
        /// The log.
        log: BinlogName,
        /// Why not.
        source: ReadError,
    },
    /// What the server has in the end is not what it was given.
    #[error(transparent)]
    Outcome(#[from] RecoverError),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A program did not start or did not end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be worked on.
    #[error(transparent)]
    File(#[from] FsError),
    /// The system gives no thread, or no random numbers.
    #[error("cannot get {what} for the replay: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
    /// Somebody asked for the end.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}

fn refused(place: &Place, transaction: Option<&StoppedIn>) -> String {
    match transaction {
        Some(transaction) => format!("a statement of {transaction}, at byte {},", place.at.position),
        None => format!("the statement at {place}"),
    }
}

impl ReplayError {
    /// The same, with the transaction that it is about.
    pub(super) fn in_transaction(self, logs: &dyn Logs) -> Self {
        match self {
            ReplayError::Statement { place, transaction: None, message } => {
                let transaction = StoppedIn::look(&place, logs).map(Box::new);
                ReplayError::Statement { place, transaction, message }
            }
            other => other,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            ReplayError::Read { source, .. } => source.class(),
            ReplayError::Outcome(source) => source.class(),
            ReplayError::Archive(source) => source.class(),
            _ => ErrorClass::Permanent,
        }
    }
}

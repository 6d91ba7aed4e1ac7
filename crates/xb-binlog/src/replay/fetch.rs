//! Making files of logs, one ahead of the one that is replayed.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use xb_core::BinlogName;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::FsError;

use super::error::ReplayError;
use crate::archive::{EpochNumber, Logs};
use crate::recover::{Piece, ReadingLimits, Segment, TransactionKind, TransactionSummary, pieces};

/// The segments of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) epoch: EpochNumber,
    pub(super) log: BinlogName,
    pub(super) segments: Vec<Segment>,
}

/// Segments that follow one another in one log, together.
pub(super) fn jobs(segments: Vec<Segment>) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    for segment in segments {
        match jobs.last_mut() {
            Some(job) if job.epoch == segment.epoch && job.log == segment.log => job.segments.push(segment),
            _ => jobs.push(Job { epoch: segment.epoch, log: segment.log.clone(), segments: vec![segment] }),
        }
    }
    jobs
}

/// A log in a file, as far as it is needed.
pub(super) struct Fetched {
    pub(super) path: PathBuf,
    pub(super) runs: Vec<Run>,
}

/// A part of a segment that goes to one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) segment: Segment,
    /// Whether the connection has to end behind it. A transaction that it prepared keeps it busy else.
    pub(super) ends_connection: bool,
}

/// Fetches logs until all are fetched or nobody wants any more. Two are on the disk at most: one that waits
/// to be taken, and the one that was taken before.
pub(super) fn fetch_all(
    jobs: &[Job],
    logs: &dyn Logs,
    directory: &Path,
    to: &SyncSender<Result<Fetched, ReplayError>>,
    stop: &AtomicBool,
    cancel: &CancelToken,
) {
    for (number, job) in jobs.iter().enumerate() {
        let path = directory.join(format!("log-{}", number % 2));
        let fetched = fetch(job, logs, path, stop, cancel);
        let failed = fetched.is_err();
        if to.send(fetched).is_err() || failed {
            return;
        }
    }
}

fn fetch(
    job: &Job,
    logs: &dyn Logs,
    path: PathBuf,
    stop: &AtomicBool,
    cancel: &CancelToken,
) -> Result<Fetched, ReplayError> {
    let wanted = job.segments.last().map_or(0, |segment| segment.to);
    let file = File::create(&path).map_err(FsError::on("create", &path))?;
    let source = logs.read(job.epoch, &job.log)?;
    let mut borders = Borders::new(job);
    for piece in pieces(Tee { source, file: &file }, ReadingLimits { statement_bytes: 16, items: 1 }) {
        cancel.check()?;
        let piece =
            piece.map_err(|source| ReplayError::Read { epoch: job.epoch, log: job.log.clone(), source })?;
        borders.see(&piece)?;
        if piece.range().1 >= wanted || stop.load(Ordering::Relaxed) {
            break;
        }
    }
    let runs = borders.finish()?;
    // What was read ahead.
    file.set_len(wanted).map_err(FsError::on("write", &path))?;
    Ok(Fetched { path, runs })
}

/// Writes down what is read.
struct Tee<'f, R> {
    source: R,
    file: &'f File,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.file.write_all(buffer.get(..length).unwrap_or_default())?;
        Ok(length)
    }
}

/// Checks that segments begin and end between transactions, and cuts them behind prepared transactions.
struct Borders<'j> {
    job: &'j Job,
    left: std::collections::VecDeque<Segment>,
    runs: Vec<Run>,
    /// Where the run begins that is being gathered, once the segment has begun.
    begin: Option<u64>,
    /// Where a prepared transaction ends, if it was the last one.
    prepared: Option<u64>,
}

impl<'j> Borders<'j> {
    fn new(job: &'j Job) -> Self {
        let left = job.segments.iter().cloned().collect();
        Borders { job, left, runs: Vec::new(), begin: None, prepared: None }
    }

    fn see(&mut self, piece: &Piece) -> Result<(), ReplayError> {
        let (begin, end) = piece.range();
        let Some(segment) = self.left.front().cloned() else { return Ok(()) };
        if begin == segment.from {
            self.begin = Some(begin);
        }
        let Some(run) = self.begin else { return Ok(()) };
        if let Piece::Transaction(summary) = piece {
            if summary.kind == TransactionKind::Incident {
                return Err(ReplayError::Incident { place: segment.place(begin) });
            }
            if let Some(at) = self.prepared.take().filter(|_| !ends_prepared(summary)) {
                self.push(&segment, run, at, true);
            }
            self.prepared = (summary.kind == TransactionKind::XaPrepared).then_some(end);
        }
        if end == segment.to {
            let ends_connection = self.prepared.take().is_some();
            let run = self.begin.take().unwrap_or(run);
            self.push(&segment, run, end, ends_connection);
            self.left.pop_front();
        }
        Ok(())
    }

    fn push(&mut self, segment: &Segment, from: u64, to: u64, ends_connection: bool) {
        if from < to {
            let segment = Segment { from, to, ..segment.clone() };
            self.runs.push(Run { segment, ends_connection });
        }
        self.begin = Some(to).filter(|to| *to < segment.to);
    }

    fn finish(self) -> Result<Vec<Run>, ReplayError> {
        match self.left.front() {
            None => Ok(self.runs),
            Some(segment) => {
                let at = if self.begin.is_some() { segment.to } else { segment.from };
                let (epoch, log) = (self.job.epoch, self.job.log.clone());
                Err(ReplayError::Changed { epoch, log, at })
            }
        }
    }
}

/// Whether a transaction is the end of a prepared one, which the same connection can do.
fn ends_prepared(summary: &TransactionSummary) -> bool {
    let text = summary.statements.first().and_then(|statement| statement.text.as_deref()).unwrap_or_default();
    let begins = |word: &str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word));
    begins("XA COMMIT") || begins("XA ROLLBACK")
}

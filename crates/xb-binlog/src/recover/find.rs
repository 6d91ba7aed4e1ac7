//! Looking a transaction up.

use chrono::{DateTime, Utc};
use serde::Serialize;
use xb_core::gtid::Gtid;

use super::clock::is_wholly_before;
use super::error::RecoverError;
use super::planner::may_have;
use super::scan::transactions;
use super::transaction::{ReadingLimits, TransactionSummary};
use crate::archive::{Epoch, LogEntry, Logs, Picture, Place};

/// A transaction, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Found {
    /// Where it begins.
    pub begin: Place,
    /// What it is. It ends in the same log.
    pub transaction: TransactionSummary,
}

/// The first transaction, in the order of the archive, whose time is the given one or later.
///
/// # Errors
/// What reading gives.
pub fn find_time(
    picture: &Picture,
    logs: &dyn Logs,
    time: DateTime<Utc>,
) -> Result<Option<Found>, RecoverError> {
    let may = |log: &LogEntry| !is_wholly_before(log, time);
    find(picture, logs, may, |summary| summary.time >= time)
}

/// A transaction by its GTID; the first, where several epochs have it.
///
/// # Errors
/// What reading gives.
pub fn find_gtid(picture: &Picture, logs: &dyn Logs, gtid: &Gtid) -> Result<Option<Found>, RecoverError> {
    let may = |log: &LogEntry| may_have(log.gtids.as_ref(), gtid);
    find(picture, logs, may, |summary| summary.gtid.as_ref() == Some(gtid))
}

fn find(
    picture: &Picture,
    logs: &dyn Logs,
    may: impl Fn(&LogEntry) -> bool,
    is_it: impl Fn(&TransactionSummary) -> bool,
) -> Result<Option<Found>, RecoverError> {
    let all = picture.epochs.iter().flat_map(|epoch| epoch.logs.iter().map(move |log| (epoch, log)));
    for (epoch, log) in all.filter(|(_, log)| may(log)) {
        if let Some(found) = in_log(epoch, log, logs, &is_it)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn in_log(
    epoch: &Epoch,
    log: &LogEntry,
    logs: &dyn Logs,
    is_it: impl Fn(&TransactionSummary) -> bool,
) -> Result<Option<Found>, RecoverError> {
    let number = epoch.record.number;
    for summary in transactions(logs.read(number, &log.name)?, ReadingLimits::default()) {
        let transaction =
            summary.map_err(|source| RecoverError::Read { epoch: number, log: log.name.clone(), source })?;
        if is_it(&transaction) {
            let at = xb_core::BinlogCoord { file: log.name.clone(), position: transaction.begin };
            return Ok(Some(Found { begin: Place { epoch: number, at }, transaction }));
        }
    }
    Ok(None)
}

//! What of an archive is one history: logs that follow on one another, and epochs that do.

use std::collections::BTreeMap;

use xb_core::BinlogName;
use xb_core::gtid::GtidSet;

use crate::archive::{Beginning, Epoch, EpochNumber, LogEntry, LogState, Picture};

/// Whether a log follows on another one of its epoch.
///
/// # Errors
/// Why not, in words for people.
pub(crate) fn follows(before: &LogEntry, log: &LogEntry) -> Result<(), String> {
    let (one, other) = (&before.name, &log.name);
    if one.prefix() != other.prefix() {
        return Err(format!("behind {one} come logs of another name, {other}"));
    }
    match other.number().saturating_sub(one.number()) {
        1 => {}
        2 => return Err(format!("the log between {one} and {other} is missing")),
        more => {
            return Err(format!("the {} logs between {one} and {other} are missing", more.saturating_sub(1)));
        }
    }
    if let Some(next) = before.next.as_ref().filter(|next| *next != other) {
        return Err(format!("{one} says that {next} follows, and it is {other}"));
    }
    match (&before.gtids_at_end, &log.gtids_before) {
        // A replica may execute what it does not write into its log.
        (Some(GtidSet::MySql(end)), Some(GtidSet::MySql(begin))) if !begin.includes(end) => {
            Err(format!("{other} was begun without transactions that are in {one} or before it"))
        }
        // A domain may be taken out of the list (FLUSH BINARY LOGS DELETE_DOMAIN_ID).
        (Some(GtidSet::MariaDb(end)), Some(GtidSet::MariaDb(begin)))
            if !begin.iter().all(|gtid| end.iter().any(|at_end| at_end == gtid)) =>
        {
            Err(format!("{one} ends with the transactions {end}, and {other} begins with {begin}"))
        }
        _ => Ok(()),
    }
}

/// The epoch that one goes on from without a gap, whether that is still there or not.
pub(crate) fn goes_on_from(picture: &Picture, epoch: &Epoch) -> Option<EpochNumber> {
    match &epoch.record.beginning {
        Beginning::Joined { epoch, .. } => Some(*epoch),
        Beginning::Broken { .. } => None,
        // The one who begins the first epoch does not look at logs without one.
        Beginning::First => {
            let flat = picture.epoch(0).filter(|flat| epoch.record.number > 0 && !flat.logs.is_empty())?;
            has_again_or_follows(flat, epoch).then_some(0)
        }
    }
}

/// Whether an epoch has the last log of another one too, or begins with the next.
fn has_again_or_follows(before: &Epoch, epoch: &Epoch) -> bool {
    let (Some(last), Some(first)) = (before.logs.last(), epoch.logs.first()) else { return false };
    let is_same_server = |server_id| last.server_id == server_id;
    if let Some(again) = epoch.log(&last.name) {
        let is_longer = again.size_bytes >= last.size_bytes && again.begun == last.begun;
        let is_equal = match (last.digest, again.digest) {
            (Some(last), Some(again)) => last == again,
            _ => is_longer,
        };
        return is_equal && is_same_server(again.server_id);
    }
    let is_next = last.name.prefix() == first.name.prefix() && last.name.number() + 1 == first.name.number();
    let is_closed = last.state == LogState::Closed && last.next.as_ref() == Some(&first.name);
    is_next && is_closed && is_same_server(first.server_id)
}

/// The newest of the logs without an epoch, as far as the first epoch has them again (the same logs, from their
/// heads on), and the number of that epoch.
pub(crate) fn again(picture: &Picture) -> Option<(EpochNumber, Vec<&BinlogName>)> {
    let goes_on = |epoch: &&Epoch| {
        epoch.record.beginning == Beginning::First && goes_on_from(picture, epoch) == Some(0)
    };
    let next = picture.epochs.iter().find(goes_on)?;
    let newest = picture.epoch(0)?.logs.iter().rev().map(|log| &log.name);
    Some((next.record.number, newest.take_while(|name| next.log(name).is_some()).collect()))
}

/// The oldest epoch of the history each epoch belongs to.
pub(crate) fn lineages(picture: &Picture) -> BTreeMap<EpochNumber, EpochNumber> {
    let mut oldest = BTreeMap::new();
    for epoch in &picture.epochs {
        let number = epoch.record.number;
        let before = goes_on_from(picture, epoch).and_then(|before| oldest.get(&before).copied());
        oldest.insert(number, before.unwrap_or(number));
    }
    oldest
}

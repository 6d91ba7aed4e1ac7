//! How far a replay has come, by what the private server says of itself.

use serde::{Deserialize, Serialize};
use xb_core::gtid::{Gtid, GtidSet, MysqlGtidSet};
use xb_pipeline::cancel::CancelToken;

use super::error::RecoverError;
use super::plan::{ReplayPlan, Segment};
use super::scan::transactions;
use super::transaction::{ReadingLimits, TransactionKind, TransactionSummary};
use crate::archive::{Logs, Place};

/// What is to be done after a replay was interrupted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resume {
    /// Everything before this place is done, and nothing behind it.
    Continue(Place),
    /// It cannot be told what is done, or not be gone on with: for the reason given, in words for people.
    StartOver(String),
    /// Everything is done.
    Done,
}

/// Tells how far a replay has come. `has` is what [`state`](crate::replay::state) says.
///
/// It is a proof as long as the machine has not gone down in between: the private server does not wait for
/// the disk, so that only what the system has taken over is sure to be there.
///
/// # Errors
/// What reading gives.
pub fn progress_of(
    has: Option<&GtidSet>,
    plan: &ReplayPlan,
    logs: &dyn Logs,
    cancel: &CancelToken,
) -> Result<Resume, RecoverError> {
    let (Some(has), Some(wanted)) = (has, plan.replayed.as_ref()) else {
        return Ok(match plan.segments.is_empty() {
            true => Resume::Done,
            false => Resume::StartOver("the server gives no GTIDs, which alone tell what is done".to_owned()),
        });
    };
    let is_mysql = matches!(wanted, GtidSet::MySql(_));
    // A set of MySQL does not tell of transactions without a number, which may be among the others.
    if !is_mysql && done(has, plan) == *wanted {
        return Ok(Resume::Done);
    }
    let mut look = Look::default();
    walk(plan, logs, cancel, &mut |segment, summary| {
        look.see(segment, summary, is_done(has, summary.gtid.as_ref()));
    })?;
    match (look.last, look.next) {
        _ if is_mysql && look.unnumbered => Ok(Resume::StartOver(
            "there are transactions without GTIDs, which alone tell what is done".to_owned(),
        )),
        (_, None) => Ok(Resume::Done),
        (None, Some(_)) if !has_nothing(has, plan) => {
            Ok(Resume::StartOver(format!("the server has {has}, none of which is in the plan")))
        }
        (last, Some((kind, next))) => Ok(match () {
            () if look.temporary => {
                Resume::StartOver("there were temporary tables, which are lost".to_owned())
            }
            () if look.split => Resume::StartOver(format!(
                "before {next} a table is created with its rows, of which it cannot be told whether they are there"
            )),
            () if is_unsure(kind) => Resume::StartOver(format!(
                "the transaction at {next} cannot be undone, and may have been done in part"
            )),
            () => Resume::Continue(last.unwrap_or_else(|| plan.start.clone())),
        }),
    }
}

/// Whether a server that died inside of it may have done some of it.
fn is_unsure(kind: TransactionKind) -> bool {
    !matches!(kind, TransactionKind::Transactional | TransactionKind::XaPrepared)
}

#[derive(Default)]
struct Look {
    /// Where the last transaction ends that is done.
    last: Option<Place>,
    /// The one behind it.
    next: Option<(TransactionKind, Place)>,
    /// Whether there were temporary tables before it.
    temporary: bool,
    /// The same, for those since then.
    pending: bool,
    /// Whether what seems done is near a transaction that takes two GTIDs: the second may be that of the
    /// transaction behind it.
    split: bool,
    /// How many transactions ago there was one, from 2 down.
    splits: u8,
    /// Whether there are transactions without a GTID.
    unnumbered: bool,
}

impl Look {
    fn see(&mut self, segment: &Segment, summary: &TransactionSummary, is_done: bool) {
        self.pending |= summary.has_temporary_tables;
        self.unnumbered |= summary.gtid.is_none();
        self.splits = if summary.is_split() { 2 } else { self.splits.saturating_sub(1) };
        if is_done {
            self.last = Some(segment.place(summary.end));
            self.next = None;
            self.temporary = self.pending;
            self.split = self.splits > 0;
        } else if self.next.is_none() {
            self.next = Some((summary.kind, segment.place(summary.begin)));
        }
    }
}

/// What a server has of the plan.
fn done(has: &GtidSet, plan: &ReplayPlan) -> GtidSet {
    match (has, &plan.gtids_at_start) {
        (GtidSet::MySql(has), Some(GtidSet::MySql(start))) => GtidSet::MySql(has.minus(start)),
        _ => has.clone(),
    }
}

fn has_nothing(has: &GtidSet, plan: &ReplayPlan) -> bool {
    done(has, plan).is_empty()
}

/// MySQL: it is in the set. MariaDB: it is the last of its domain, since numbers need not go upwards.
fn is_done(has: &GtidSet, gtid: Option<&Gtid>) -> bool {
    match (has, gtid) {
        (GtidSet::MySql(_), Some(gtid)) => has.contains(gtid),
        (GtidSet::MariaDb(list), Some(Gtid::MariaDb { domain, server, sequence })) => {
            list.get(*domain) == Some((*server, *sequence))
        }
        _ => false,
    }
}

fn walk(
    plan: &ReplayPlan,
    logs: &dyn Logs,
    cancel: &CancelToken,
    on: &mut dyn FnMut(&Segment, &TransactionSummary),
) -> Result<(), RecoverError> {
    for segment in &plan.segments {
        let log = logs.read(segment.epoch, &segment.log)?;
        for summary in transactions(log, ReadingLimits { statement_bytes: 64, items: 4 }) {
            cancel.check()?;
            let summary = summary.map_err(|source| RecoverError::Read {
                epoch: segment.epoch,
                log: segment.log.clone(),
                source,
            })?;
            if summary.begin >= segment.to {
                break;
            }
            if summary.begin >= segment.from {
                on(segment, &summary);
            }
        }
    }
    Ok(())
}

/// Checks that a server that was given the whole plan has all of it and nothing else. Statements without an
/// effect, and those about temporary tables, leave no trace in a MariaDB server's log: the last ones of a
/// domain may be missing for that.
///
/// # Errors
/// [`RecoverError::Strange`] with what differs, and what reading gives.
pub fn confirm(
    has: &GtidSet,
    plan: &ReplayPlan,
    logs: &dyn Logs,
    cancel: &CancelToken,
) -> Result<(), RecoverError> {
    let strange = |reason: String| Err(RecoverError::Strange { has: has.to_string(), reason });
    let Some(wanted) = &plan.replayed else {
        return if has_nothing(has, plan) { Ok(()) } else { strange("it should have nothing".to_owned()) };
    };
    if let (GtidSet::MySql(own), GtidSet::MySql(wanted)) = (has, wanted) {
        let all = match &plan.gtids_at_start {
            Some(GtidSet::MySql(start)) => start.union(wanted),
            _ => wanted.clone(),
        };
        let (missing, extra) = (all.minus(own), own.minus(&all));
        let differs = missing != MysqlGtidSet::default() || extra != MysqlGtidSet::default();
        return if differs {
            strange(format!("missing \"{missing}\", too many \"{extra}\""))
        } else {
            Ok(())
        };
    }
    let (GtidSet::MariaDb(own), GtidSet::MariaDb(wanted)) = (has, wanted) else {
        return strange(format!("it should have {wanted}"));
    };
    if own == wanted {
        return Ok(());
    }
    // Domain → whether what the server has was seen, and nothing since then that leaves a trace.
    let mut silent = std::collections::BTreeMap::new();
    walk(plan, logs, cancel, &mut |_, summary| {
        if let Some(Gtid::MariaDb { domain, server, sequence }) = summary.gtid {
            let at = own.get(domain);
            // The second part of one that takes two has a number of its own.
            let is_last = at == Some((server, sequence))
                || (summary.is_split() && at.is_some_and(|(_, own)| own == sequence + 1));
            let so_far = silent.get(&domain).copied().unwrap_or(own.get(domain).is_none());
            silent.insert(domain, is_last || (so_far && summary.may_log_nothing()));
        }
    })?;
    let is_strange = own.iter().any(|(domain, ..)| wanted.get(domain).is_none());
    if is_strange || silent.values().any(|silent| !silent) {
        return strange(format!("it should have {wanted}"));
    }
    Ok(())
}

//! Whether a target is reached.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use xb_core::gtid::{Gtid, GtidSet, MariaGtidList, MysqlGtidSet};
use xb_core::{BinlogCoord, BinlogName};

use super::clock::is_wholly_before;
use super::error::RecoverError;
use super::plan::ReplayPlan;
use super::planner::{latest, may_have};
use super::scan::Piece;
use super::steps::Step;
use super::target::Target;
use super::transaction::TransactionSummary;
use crate::archive::{EpochNumber, LogEntry, LogGtids, Picture, Place};
use crate::lineage::again;

/// What a piece of a log is to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target is behind it.
    GoOn,
    /// The target is before it.
    StopBefore,
    /// The target is at its end.
    StopBehind,
}

/// What is still to be found.
#[derive(Debug)]
enum Wanted {
    Time(DateTime<Utc>),
    MySql(MysqlGtidSet),
    /// Domain → server and sequence number.
    MariaDb(BTreeMap<u32, (u32, u64)>),
    Position(EpochNumber, BinlogCoord),
    End,
}

/// A target on the way from a backup.
#[derive(Debug)]
pub(super) struct Goal<'p> {
    picture: &'p Picture,
    wanted: Wanted,
}

impl<'p> Goal<'p> {
    pub(super) fn new(
        picture: &'p Picture,
        target: &Target,
        base: &Place,
        base_gtids: Option<&GtidSet>,
        steps: &[Step<'_>],
    ) -> Result<Self, RecoverError> {
        let wanted = match target {
            Target::Time(time) => Wanted::Time(*time),
            Target::Gtid(set) => gtids(set, base_gtids)?,
            Target::Position { epoch, coord } => position(picture, *epoch, coord, base, steps)?,
            Target::Latest => Wanted::End,
        };
        Ok(Goal { picture, wanted })
    }

    /// Whether a log must be read for it.
    pub(super) fn may_be_in(&self, step: &Step<'_>) -> bool {
        let own = step.log.gtids.as_ref();
        match &self.wanted {
            Wanted::Time(time) => !is_wholly_before(step.log, *time),
            Wanted::MySql(set) => match own {
                Some(LogGtids::MySql(own)) => set.intersects(own),
                _ => true,
            },
            Wanted::MariaDb(last) => last.iter().any(|(domain, (server, sequence))| {
                may_have(own, &Gtid::MariaDb { domain: *domain, server: *server, sequence: *sequence })
            }),
            Wanted::Position(epoch, coord) => {
                *epoch == step.epoch.record.number && coord.file == step.log.name
            }
            Wanted::End => false,
        }
    }

    pub(super) fn judge(&mut self, step: &Step<'_>, piece: &Piece) -> Result<Verdict, RecoverError> {
        let (begin, end) = piece.range();
        match (&mut self.wanted, piece) {
            (Wanted::Position(epoch, coord), _) => {
                if *epoch != step.epoch.record.number || coord.file != step.log.name {
                    return Ok(Verdict::GoOn);
                }
                match coord.position {
                    at if at <= begin => Ok(Verdict::StopBefore),
                    at if at == end => Ok(Verdict::StopBehind),
                    at if at < end => {
                        Err(RecoverError::NotABorder { place: step.place(at), before: begin, behind: end })
                    }
                    _ => Ok(Verdict::GoOn),
                }
            }
            (Wanted::Time(time), Piece::Transaction(summary)) if summary.time >= *time => {
                Ok(Verdict::StopBefore)
            }
            (Wanted::MySql(set), Piece::Transaction(summary)) => {
                if let Some(GtidSet::MySql(own)) = summary.gtid.as_ref().map(Gtid::alone) {
                    *set = set.minus(&own);
                }
                Ok(if set.is_empty() { Verdict::StopBehind } else { Verdict::GoOn })
            }
            (Wanted::MariaDb(last), Piece::Transaction(summary)) => {
                if let Some(Gtid::MariaDb { domain, server, sequence }) = summary.gtid {
                    last.retain(|d, wanted| *d != domain || *wanted != (server, sequence));
                }
                Ok(if last.is_empty() { Verdict::StopBehind } else { Verdict::GoOn })
            }
            _ => Ok(Verdict::GoOn),
        }
    }

    /// A backup that stands in a log which was begun behind the target stands behind it, too.
    pub(super) fn check_log(&self, log: &LogEntry, base: &Place) -> Result<(), RecoverError> {
        let begun = log.begun.and_then(|begun| DateTime::from_timestamp(i64::from(begun), 0));
        match &self.wanted {
            Wanted::Time(time) if begun.is_some_and(|begun| begun >= *time) => {
                let target = Target::Time(*time).to_string();
                Err(RecoverError::BeforeBase { target, base: base.clone() })
            }
            _ => Ok(()),
        }
    }

    /// A transaction that is in the backup must not be behind the target.
    pub(super) fn check_base(&self, summary: &TransactionSummary, base: &Place) -> Result<(), RecoverError> {
        match &self.wanted {
            Wanted::Time(time) if summary.time >= *time => {
                let target = Target::Time(*time).to_string();
                Err(RecoverError::BeforeBase { target, base: base.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Whether the end of the archive is as good as the target.
    pub(super) fn is_met_at_end(&self, steps: &[Step<'_>], seen_until: Option<DateTime<Utc>>) -> bool {
        match &self.wanted {
            Wanted::Time(time) => {
                let last = steps.iter().filter_map(latest).max();
                last.max(seen_until).is_some_and(|until| until >= *time)
            }
            Wanted::End => true,
            // The very end of the last log.
            Wanted::Position(epoch, coord) => steps
                .last()
                .is_some_and(|step| step.place(step.from) == Place { epoch: *epoch, at: coord.clone() }),
            _ => false,
        }
    }

    /// Why the target was not reached.
    pub(super) fn missed(
        &self,
        target: &Target,
        plan: &ReplayPlan,
        seen_until: Option<DateTime<Utc>>,
    ) -> RecoverError {
        let missing = match &self.wanted {
            Wanted::MySql(set) => Some(GtidSet::MySql(set.clone())),
            Wanted::MariaDb(last) => {
                let mut list = MariaGtidList::default();
                last.iter().for_each(|(domain, (server, sequence))| list.set(*domain, *server, *sequence));
                Some(GtidSet::MariaDb(list))
            }
            _ => None,
        };
        if let Some(gtids) = missing {
            let nearest = nearest(&gtids, plan.gtids_at_stop.as_ref());
            return RecoverError::NotInArchive { gtids, nearest };
        }
        if let Wanted::Position(_, coord) = &self.wanted {
            return no_such_log(self.picture, &coord.file);
        }
        let (end, last) = (plan.stop.clone(), plan.last_time);
        RecoverError::EndsEarly { target: target.to_string(), end, last, seen_until }
    }
}

/// What of a set is not in the backup.
fn gtids(set: &GtidSet, base: Option<&GtidSet>) -> Result<Wanted, RecoverError> {
    let in_base = || RecoverError::AlreadyInBase { gtids: set.clone() };
    match (set, base) {
        (GtidSet::MySql(set), Some(GtidSet::MySql(base))) => {
            let left = set.minus(base);
            if left.is_empty() { Err(in_base()) } else { Ok(Wanted::MySql(left)) }
        }
        (GtidSet::MySql(set), _) => Ok(Wanted::MySql(set.clone())),
        (GtidSet::MariaDb(list), base) => {
            let base = match base {
                Some(GtidSet::MariaDb(base)) => base.clone(),
                _ => MariaGtidList::default(),
            };
            let is_new = |(domain, _, sequence): &(u32, u32, u64)| {
                base.get(*domain).is_none_or(|(_, reached)| reached < *sequence)
            };
            let left: BTreeMap<_, _> = list
                .iter()
                .filter(is_new)
                .map(|(domain, server, sequence)| (domain, (server, sequence)))
                .collect();
            if left.is_empty() { Err(in_base()) } else { Ok(Wanted::MariaDb(left)) }
        }
    }
}

/// Which epoch a position is in, and whether it is behind the backup. Where that stands does not tell which
/// epoch is meant: logs of the same name may be of another history.
fn position(
    picture: &Picture,
    epoch: Option<EpochNumber>,
    coord: &BinlogCoord,
    base: &Place,
    steps: &[Step<'_>],
) -> Result<Wanted, RecoverError> {
    let again = again(picture).filter(|(_, logs)| logs.contains(&&coord.file)).map(|(number, _)| number);
    // A log that is there without an epoch and in one, too, is one log.
    let one = |number: EpochNumber| again.filter(|_| number == 0).unwrap_or(number);
    let has = picture.epochs.iter().filter(|epoch| epoch.log(&coord.file).is_some());
    let has: BTreeSet<EpochNumber> = has.map(|epoch| one(epoch.record.number)).collect();
    let number = match (epoch.map(one), has.first()) {
        (Some(number), _) if has.contains(&number) => number,
        (None, Some(_)) if has.len() > 1 => {
            let (log, epochs) = (coord.file.clone(), has.into_iter().collect());
            return Err(RecoverError::AmbiguousLog { log, epochs });
        }
        (None, Some(only)) => *only,
        (Some(number), _) if picture.epoch(number).is_none() => {
            let has = picture.epochs.iter().map(|epoch| epoch.record.number).collect();
            return Err(RecoverError::NoSuchEpoch { epoch: number, has });
        }
        _ => return Err(no_such_log(picture, &coord.file)),
    };
    let before = |at: &Place| RecoverError::BeforeBase { target: at.to_string(), base: base.clone() };
    let fits = |step: &&Step<'_>| step.log.name == coord.file && one(step.epoch.record.number) == number;
    let is_long_enough = |step: &&Step<'_>| coord.position <= step.log.size_bytes;
    let found = steps.iter().filter(fits).find(is_long_enough).or_else(|| steps.iter().rfind(fits));
    let Some(step) = found else {
        return Err(before(&Place { epoch: number, at: coord.clone() }));
    };
    let place = step.place(coord.position);
    if coord.position < step.from && step.place(step.from) == *base {
        return Err(before(&place));
    }
    if coord.position > step.log.size_bytes {
        let target = place.to_string();
        return Err(RecoverError::EndsEarly {
            target,
            end: step.place(step.log.size_bytes),
            last: latest(step),
            seen_until: None,
        });
    }
    Ok(Wanted::Position(step.epoch.record.number, coord.clone()))
}

fn no_such_log(picture: &Picture, log: &BinlogName) -> RecoverError {
    RecoverError::NoSuchLog { log: log.clone(), has: super::base::contents(picture) }
}

/// What of the origin of these transactions is there.
fn nearest(missing: &GtidSet, there: Option<&GtidSet>) -> String {
    let near = match (missing, there) {
        (GtidSet::MySql(missing), Some(GtidSet::MySql(there))) => {
            let is_near = |uuid: &str| missing.iter().any(|(own, ..)| own == uuid);
            let own = there.iter().filter(|(uuid, ..)| is_near(uuid));
            own.filter_map(|(uuid, tag, intervals)| {
                let tag = if tag.is_empty() { String::new() } else { format!("{tag}:") };
                Some(format!("{uuid}:{tag}{}", intervals.last()?.1))
            })
            .collect::<Vec<_>>()
        }
        (GtidSet::MariaDb(missing), Some(GtidSet::MariaDb(there))) => {
            let of =
                |domain| there.get(domain).map(|(server, sequence)| format!("{domain}-{server}-{sequence}"));
            missing.iter().filter_map(|(domain, ..)| of(domain)).collect()
        }
        _ => Vec::new(),
    };
    if near.is_empty() { "nothing of that origin".to_owned() } else { near.join(", ") }
}

//! Making a plan: from the backup log by log, until the target is reached.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use xb_core::gtid::{Gtid, GtidSet};
use xb_formats::binlog::FIRST_EVENT;
use xb_pipeline::cancel::CancelToken;

use super::cover::{Cover, Standing};
use super::error::RecoverError;
use super::goal::{Goal, Verdict};
use super::plan::{EndsEarly, Excluded, ReplayPlan, Segment};
use super::scan::{Piece, pieces};
use super::steps::{Gap, Step, steps};
use super::target::{Options, Target};
use super::transaction::{ReadingLimits, TransactionSummary};
use crate::archive::{LogGtids, Logs, Picture, Place};

/// Says which pieces of which logs lead from a backup to a target. `base_gtids` is what the backup has; of
/// MySQL's, what it has is left out wherever it turns up again.
///
/// # Errors
/// [`RecoverError`], which says why there is no such way.
pub fn plan(
    picture: &Picture,
    logs: &dyn Logs,
    base: &Place,
    base_gtids: Option<&GtidSet>,
    target: &Target,
    options: &Options,
    cancel: &CancelToken,
) -> Result<ReplayPlan, RecoverError> {
    let steps = steps(picture, base);
    let goal = Goal::new(picture, target, base, base_gtids, &steps)?;
    let cover = base_gtids.filter(|set| matches!(set, GtidSet::MySql(_))).cloned().map(Cover::new);
    let mut planner = Planner {
        logs,
        options,
        cancel,
        goal,
        cover,
        left: options.exclude.iter().cloned().collect(),
        plan: ReplayPlan::empty(base.clone()),
        has_seen: false,
    };
    let reached = planner.walk(&steps)?;
    planner.finish(reached, base_gtids, target, &steps)
}

/// How the way ends.
enum Reached {
    Target,
    End,
    Gap(Gap),
}

struct Planner<'a> {
    logs: &'a dyn Logs,
    options: &'a Options,
    cancel: &'a CancelToken,
    goal: Goal<'a>,
    cover: Option<Cover>,
    /// What is to be left out and was not seen yet.
    left: BTreeSet<Gtid>,
    plan: ReplayPlan,
    /// Whether a transaction behind the start was seen.
    has_seen: bool,
}

impl Planner<'_> {
    fn walk(&mut self, steps: &[Step<'_>]) -> Result<Reached, RecoverError> {
        for (index, step) in steps.iter().enumerate() {
            self.cancel.check()?;
            if index == 0 {
                self.goal.check_log(step.log, &step.place(step.from))?;
                self.plan.gtids_at_start = step.log.gtids_before.clone();
                self.plan.gtids_at_stop = step.log.gtids_before.clone();
            }
            if let Some(gap) = self.gap_before(step) {
                if !self.options.across_gaps {
                    return Ok(Reached::Gap(gap));
                }
                self.plan.gaps.push(gap);
                self.plan.gtids_at_stop =
                    joined(self.plan.gtids_at_stop.take(), step.log.gtids_before.as_ref());
            }
            if let Some(joins) = step.joins {
                self.cover = Some(Cover::new(joins.clone()));
            }
            let reached = if self.must_read(step, index) { self.read(step)? } else { self.take_whole(step) };
            if reached {
                return Ok(Reached::Target);
            }
        }
        Ok(Reached::End)
    }

    /// Also a joined log has to begin with no more than what is done.
    fn gap_before(&self, step: &Step<'_>) -> Option<Gap> {
        if let Some(gap) = &step.gap {
            return Some(gap.clone());
        }
        let (joins, begin) = (step.joins?, step.log.gtids_before.as_ref()?);
        let reason = format!("the second begins with the transactions {begin}, the first ends with {joins}");
        let from = self.plan.stop.clone();
        (!joins.includes(begin)).then(|| Gap { from, to: step.place(FIRST_EVENT), reason })
    }

    fn must_read(&self, step: &Step<'_>, index: usize) -> bool {
        // A log that does not say where the server goes on may end inside of a transaction.
        index == 0
            || step.log.next.is_none()
            || self.cover.as_ref().is_some_and(|cover| cover.touches(step.log))
            || self.left.iter().any(|gtid| may_have(step.log.gtids.as_ref(), gtid))
            || self.goal.may_be_in(step)
    }

    /// A log of which all is replayed, by what is known of it.
    fn take_whole(&mut self, step: &Step<'_>) -> bool {
        let own = step.log.gtids.as_ref();
        self.plan.transactions += own.map_or(0, count);
        let last = step.log.times.and_then(|(_, latest)| DateTime::from_timestamp(i64::from(latest), 0));
        self.plan.last_time = last.or(self.plan.last_time);
        let own = own.map(as_set);
        self.plan.gtids_at_stop = joined(self.plan.gtids_at_stop.take(), own.as_ref());
        self.plan.replayed = joined(self.plan.replayed.take(), own.as_ref());
        self.cut(step, FIRST_EVENT, step.log.size_bytes);
        self.plan.stop = step.place(step.log.size_bytes);
        false
    }

    /// Goes through a log. Gives whether the target is in it.
    fn read(&mut self, step: &Step<'_>) -> Result<bool, RecoverError> {
        let failed = |source| RecoverError::Read {
            epoch: step.epoch.record.number,
            log: step.log.name.clone(),
            source,
        };
        let log = self.logs.read(step.epoch.record.number, &step.log.name)?;
        // Where the segment begins that is being gathered, and where the last whole piece ends.
        let (mut begin, mut end) = (step.from, step.from);
        for piece in pieces(log, ReadingLimits::default()) {
            let piece = piece.map_err(failed)?;
            self.cancel.check()?;
            let range = piece.range();
            if range.0 < step.from {
                self.before_start(step, &piece)?;
                continue;
            }
            let verdict = self.goal.judge(step, &piece)?;
            if verdict == Verdict::StopBefore {
                self.cut(step, begin, end);
                return Ok(true);
            }
            if let Piece::Transaction(summary) = &piece {
                if !summary.is_whole() {
                    break;
                }
                if !self.keep(step, summary)? {
                    self.cut(step, begin, end);
                    begin = range.1;
                }
            }
            end = range.1;
            self.plan.stop = step.place(end);
            if verdict == Verdict::StopBehind {
                self.cut(step, begin, end);
                return Ok(true);
            }
        }
        self.cut(step, begin, end);
        Ok(false)
    }

    /// What lies before the start is in the backup.
    fn before_start(&mut self, step: &Step<'_>, piece: &Piece) -> Result<(), RecoverError> {
        let (before, behind) = piece.range();
        if behind > step.from {
            return Err(RecoverError::NotABorder { place: step.place(step.from), before, behind });
        }
        let Piece::Transaction(summary) = piece else { return Ok(()) };
        self.goal.check_base(summary, &self.plan.start)?;
        if let Some(gtid) = &summary.gtid {
            self.plan.gtids_at_start.iter_mut().for_each(|set| set.add(gtid));
            self.plan.gtids_at_stop.iter_mut().for_each(|set| set.add(gtid));
        }
        Ok(())
    }

    /// Counts a transaction, and says whether it is replayed.
    fn keep(&mut self, step: &Step<'_>, summary: &TransactionSummary) -> Result<bool, RecoverError> {
        self.has_seen = true;
        let standing = self.cover.as_mut().map_or(Standing::New, |cover| cover.judge(summary.gtid.as_ref()));
        match standing {
            Standing::Done => return Ok(false),
            Standing::BehindHole(reason) => {
                let gap = Gap { from: self.plan.stop.clone(), to: step.place(summary.begin), reason };
                if !self.options.across_gaps {
                    return Err(RecoverError::Gap { gap });
                }
                self.plan.gaps.push(gap);
            }
            Standing::New => {}
        }
        self.plan.last_time = Some(summary.time);
        let Some(gtid) = &summary.gtid else {
            self.plan.transactions += 1;
            return Ok(true);
        };
        self.plan.gtids_at_stop.get_or_insert_with(|| nothing_like(gtid)).add(gtid);
        if self.left.remove(gtid) {
            let (begin, end) = (step.place(summary.begin), summary.end);
            self.plan.excluded.push(Excluded { gtid: gtid.clone(), begin, end });
            return Ok(false);
        }
        self.plan.transactions += 1;
        self.plan.replayed.get_or_insert_with(|| nothing_like(gtid)).add(gtid);
        Ok(true)
    }

    fn cut(&mut self, step: &Step<'_>, from: u64, to: u64) {
        if from < to {
            self.plan.bytes += to - from;
            let (epoch, log) = (step.epoch.record.number, step.log.name.clone());
            self.plan.segments.push(Segment { epoch, log, from, to });
        }
    }

    fn finish(
        mut self,
        reached: Reached,
        base_gtids: Option<&GtidSet>,
        target: &Target,
        steps: &[Step<'_>],
    ) -> Result<ReplayPlan, RecoverError> {
        let is_there = match reached {
            Reached::Target => true,
            Reached::End => self.goal.is_met_at_end(steps, self.options.seen_until),
            Reached::Gap(gap) => {
                if !self.options.best_effort {
                    return Err(RecoverError::Gap { gap });
                }
                self.plan.ends_early = Some(EndsEarly::Gap(gap));
                true
            }
        };
        if !is_there {
            if !self.options.best_effort {
                return Err(self.goal.missed(target, &self.plan, self.options.seen_until));
            }
            self.plan.ends_early = Some(EndsEarly::Archive);
        }
        if let Some(gtid) = self.left.pop_first() {
            return Err(RecoverError::NotExcluded { gtid });
        }
        if let Some(base @ GtidSet::MySql(_)) = base_gtids {
            self.plan.gtids_at_start = joined(self.plan.gtids_at_start.take(), Some(base));
            self.plan.gtids_at_stop = joined(self.plan.gtids_at_stop.take(), Some(base));
        }
        Ok(self.plan)
    }
}

/// Whether a log may have a transaction, by what is known of it.
pub(super) fn may_have(own: Option<&LogGtids>, gtid: &Gtid) -> bool {
    match (own, gtid) {
        (Some(LogGtids::MySql(set)), Gtid::MySql { uuid, tag, number }) => set.contains(uuid, tag, *number),
        (Some(LogGtids::MariaDb(ranges)), Gtid::MariaDb { domain, .. }) => {
            // A server need not count upwards, so that the range says nothing about what is within.
            ranges.iter().any(
                |(first, _)| matches!(first.parse(), Ok(Gtid::MariaDb { domain: d, .. }) if d == *domain),
            )
        }
        (Some(_), _) => false,
        (None, _) => true,
    }
}

/// The set without anything in it of a GTID's flavour.
fn nothing_like(gtid: &Gtid) -> GtidSet {
    match gtid {
        Gtid::MySql { .. } => GtidSet::MySql(Default::default()),
        Gtid::MariaDb { .. } => GtidSet::MariaDb(Default::default()),
    }
}

/// MySQL: the union. MariaDB: what the second has counts.
fn joined(first: Option<GtidSet>, second: Option<&GtidSet>) -> Option<GtidSet> {
    match (first, second) {
        (Some(GtidSet::MySql(first)), Some(GtidSet::MySql(second))) => {
            Some(GtidSet::MySql(first.union(second)))
        }
        (Some(GtidSet::MariaDb(mut first)), Some(GtidSet::MariaDb(second))) => {
            second.iter().for_each(|(domain, server, sequence)| first.set(domain, server, sequence));
            Some(GtidSet::MariaDb(first))
        }
        (first, None) => first,
        (_, Some(second)) => Some(second.clone()),
    }
}

fn as_set(own: &LogGtids) -> GtidSet {
    match own {
        LogGtids::MySql(set) => GtidSet::MySql(set.clone()),
        LogGtids::MariaDb(ranges) => {
            let mut set = GtidSet::MariaDb(Default::default());
            ranges.iter().filter_map(|(_, last)| last.parse().ok()).for_each(|last| set.add(&last));
            set
        }
    }
}

fn count(own: &LogGtids) -> u64 {
    let sequence = |text: &String| match text.parse() {
        Ok(Gtid::MariaDb { sequence, .. }) => sequence,
        _ => 0,
    };
    match own {
        LogGtids::MySql(set) => set.count(),
        LogGtids::MariaDb(ranges) => {
            let counts =
                ranges.iter().map(|(first, last)| (sequence(last) + 1).saturating_sub(sequence(first)));
            counts.sum()
        }
    }
}

/// The time of a log's last event.
pub(super) fn latest(step: &Step<'_>) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(i64::from(step.log.times?.1), 0)
}

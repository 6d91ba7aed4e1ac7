//! The rules of the calendar: the newest, the days, and the last ones of weeks, months and years.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, TimeDelta};
use xb_core::BackupId;

use super::RetentionPolicy;
use super::reason::KeepReason;

/// Why sets are kept.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    /// By set; a set without an entry goes.
    pub(super) reasons: BTreeMap<BackupId, Vec<KeepReason>>,
    /// The oldest set that stays for being recent; what is broken and newer is left alone by every policy.
    pub(super) oldest_current: Option<BackupId>,
}

impl Verdicts {
    pub(super) fn keep(&mut self, set: BackupId, reason: KeepReason) {
        self.reasons.entry(set).or_default().push(reason);
    }
}

/// Applies the numbers of the policy to the sets that can be restored, oldest first.
pub(super) fn by_calendar(restorable: &[BackupId], policy: RetentionPolicy) -> Verdicts {
    let mut verdicts = Verdicts::default();
    let newest = restorable.len().saturating_sub(usize::try_from(policy.sets).unwrap_or(usize::MAX));
    let within = first_within_days(restorable, policy.days);
    for (index, id) in restorable.iter().enumerate().skip(newest.min(within)) {
        let reasons = [(newest, KeepReason::Newest), (within, KeepReason::Days)];
        for (_, reason) in reasons.into_iter().filter(|(first, _)| index >= *first) {
            verdicts.keep(*id, reason);
        }
    }
    verdicts.oldest_current = restorable.get(newest.min(within)).or(restorable.last()).copied();
    for (number, reason) in [
        (policy.weeks, week as fn(BackupId) -> KeepReason),
        (policy.months, month as fn(BackupId) -> KeepReason),
        (policy.years, year as fn(BackupId) -> KeepReason),
    ] {
        // A period's reason is the same value for all its sets, and a different one for those of another.
        let lasts: BTreeMap<KeepReason, BackupId> = restorable.iter().map(|id| (reason(*id), *id)).collect();
        let lasts: BTreeSet<BackupId> = lasts.into_values().collect();
        let candidates: Vec<BackupId> =
            lasts.into_iter().rev().filter(|id| !verdicts.reasons.contains_key(id)).collect();
        for id in candidates.into_iter().take(usize::try_from(number).unwrap_or(usize::MAX)) {
            verdicts.keep(id, reason(id));
        }
    }
    if let Some(last) = restorable.last().filter(|last| !verdicts.reasons.contains_key(last)) {
        verdicts.keep(*last, KeepReason::LastRestorable);
    }
    verdicts
}

/// The place of the oldest set that is needed to recover the last days; behind the end when there are none.
fn first_within_days(restorable: &[BackupId], days: u32) -> usize {
    let Some(newest) = restorable.last().filter(|_| days > 0) else { return restorable.len() };
    let since =
        TimeDelta::try_days(i64::from(days)).and_then(|days| newest.local_time().checked_sub_signed(days));
    // Longer ago than there are dates: all of them.
    let Some(since) = since else { return 0 };
    restorable.iter().skip(1).take_while(|next| next.local_time() <= since).count()
}

fn week(id: BackupId) -> KeepReason {
    let week = id.local_time().iso_week();
    KeepReason::Week { year: week.year(), week: week.week() }
}

fn month(id: BackupId) -> KeepReason {
    let day = id.local_time();
    KeepReason::Month { year: day.year(), month: day.month() }
}

fn year(id: BackupId) -> KeepReason {
    KeepReason::Year { year: id.local_time().year() }
}

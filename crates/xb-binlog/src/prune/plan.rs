//! Which logs nobody needs any more.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::FIRST_EVENT;

use crate::archive::names::epoch_directory;
use crate::archive::{Epoch, EpochNumber, LogEntry, Picture};
use crate::lineage::lineages;

/// The place from which a backup that is kept is gone on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Its epoch. Where it is not known, every epoch that has logs of the name may be it.
    pub epoch: Option<EpochNumber>,
    /// The place.
    pub at: BinlogCoord,
    /// When the backup was made, in seconds since 1970. For those who tell of it; clocks differ, so nothing is decided
    /// by it.
    pub time: Option<u32>,
}

/// A log that is to go, with all that is there of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Doomed {
    /// Its epoch.
    pub epoch: EpochNumber,
    /// Its name.
    pub name: BinlogName,
    /// The length of its file in bytes; 0 for one that cannot be used.
    pub stored_bytes: u64,
}

/// What is to go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PrunePlan {
    /// Logs, in the order in which they go: what stays is without a hole at any time.
    pub logs: Vec<Doomed>,
    /// Epochs that have nothing then, and go too.
    pub epochs: Vec<EpochNumber>,
}

impl PrunePlan {
    /// Whether all stays.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.epochs.is_empty()
    }
}

/// Says what can go.
///
/// Without `keep_after` that is what is older than the oldest of the places in the same history, as long as there is
/// one. With it, in seconds since 1970, only logs go that have nothing from then on, and no backup needs. On doubt a
/// log stays.
#[must_use]
pub fn plan_prune(picture: &Picture, needs: &[Need], keep_after: Option<u32>) -> PrunePlan {
    let mut plan = PrunePlan::default();
    if needs.is_empty() && keep_after.is_none() {
        return plan;
    }
    let lineages = lineages(picture);
    let needed = needs.iter().map(|need| Needed::of(picture, &lineages, need)).collect();
    let judge = Judge { picture, lineages, needed, keep_after, has_strangers: with_strangers(picture) };
    let mut stopped = BTreeSet::new();
    for epoch in &picture.epochs {
        let lineage = judge.lineage(epoch.record.number);
        // What is behind something that stays, stays.
        if !stopped.contains(&lineage) && !judge.take(epoch, &mut plan) {
            stopped.insert(lineage);
        }
    }
    plan
}

/// Epochs with files that are not ours: they cannot go.
fn with_strangers(picture: &Picture) -> BTreeSet<EpochNumber> {
    let of = |epoch: &Epoch| {
        let directory = format!("{}/", epoch_directory(epoch.record.number));
        let has = picture.strangers.iter().any(|stranger| stranger.starts_with(&directory));
        has.then_some(epoch.record.number)
    };
    picture.epochs.iter().filter_map(of).collect()
}

/// What a backup needs.
enum Needed<'a> {
    /// All there is: nothing tells where its place would be.
    All,
    /// All epochs from one on, which is not there any more.
    From(EpochNumber),
    /// In each of these epochs the logs from one on, and all that goes on from there.
    In(Vec<(EpochNumber, EpochNumber)>, &'a BinlogName),
}

impl<'a> Needed<'a> {
    fn of(picture: &Picture, lineages: &BTreeMap<EpochNumber, EpochNumber>, need: &'a Need) -> Self {
        let file = &need.at.file;
        let with_lineage = |number: EpochNumber| lineages.get(&number).map(|lineage| (number, *lineage));
        match need.epoch {
            Some(number) => match with_lineage(number) {
                Some(found) => Needed::In(vec![found], file),
                None => Needed::From(number),
            },
            None => {
                let has_name = |epoch: &&Epoch| {
                    let names = epoch.logs.iter().map(|log| &log.name);
                    names
                        .chain(epoch.faults.iter().map(|fault| &fault.name))
                        .any(|n| n.prefix() == file.prefix())
                };
                let found: Vec<_> = picture
                    .epochs
                    .iter()
                    .filter(has_name)
                    .filter_map(|epoch| with_lineage(epoch.record.number))
                    .collect();
                if found.is_empty() { Needed::All } else { Needed::In(found, file) }
            }
        }
    }

    fn covers(&self, epoch: EpochNumber, lineage: EpochNumber, log: &BinlogName) -> bool {
        match self {
            Needed::All => true,
            Needed::From(first) => epoch >= *first,
            Needed::In(places, file) => places.iter().any(|(number, of)| {
                let is_older = epoch == *number && log < *file;
                *of == lineage && epoch >= *number && !is_older
            }),
        }
    }

    fn is_about(&self, lineage: EpochNumber) -> bool {
        match self {
            Needed::All | Needed::From(_) => false,
            Needed::In(places, _) => places.iter().any(|(_, of)| *of == lineage),
        }
    }
}

struct Judge<'a> {
    picture: &'a Picture,
    lineages: BTreeMap<EpochNumber, EpochNumber>,
    needed: Vec<Needed<'a>>,
    keep_after: Option<u32>,
    has_strangers: BTreeSet<EpochNumber>,
}

impl Judge<'_> {
    fn lineage(&self, epoch: EpochNumber) -> EpochNumber {
        self.lineages.get(&epoch).copied().unwrap_or(epoch)
    }

    /// Plans what goes of an epoch; whether all of it does.
    fn take(&self, epoch: &Epoch, plan: &mut PrunePlan) -> bool {
        let number = epoch.record.number;
        let is_newest = self.picture.epochs.last().is_some_and(|last| last.record.number == number);
        let mut all = true;
        for prefix in prefixes(epoch) {
            all &= self.take_of_name(epoch, prefix, plan);
        }
        if !all || is_newest || self.has_strangers.contains(&number) {
            return false;
        }
        if number > 0 {
            plan.epochs.push(number);
        }
        true
    }

    /// The same for the logs of one name.
    fn take_of_name(&self, epoch: &Epoch, prefix: &str, plan: &mut PrunePlan) -> bool {
        let number = epoch.record.number;
        let of_name = |name: &BinlogName| name.prefix() == prefix;
        let logs = epoch.logs.iter().filter(|log| of_name(&log.name)).map(|log| (&log.name, Some(log)));
        let faults =
            epoch.faults.iter().filter(|fault| of_name(&fault.name)).map(|fault| (&fault.name, None));
        let mut items: Vec<(&BinlogName, Option<&LogEntry>)> = logs.chain(faults).collect();
        items.sort_by_key(|(name, _)| name.number());
        let newest = items.last().map(|(name, _)| *name).filter(|_| self.is_newest_with_logs(epoch));
        let mut going = Vec::new();
        let mut gone = 0;
        for (name, log) in &items {
            let verdict = self.judge(number, name, *log);
            if verdict == Verdict::Stays || newest == Some(*name) {
                break;
            }
            let stored_bytes = log.map_or(0, LogEntry::stored_bytes);
            going.push(Doomed { epoch: number, name: (*name).clone(), stored_bytes });
            if verdict == Verdict::Goes {
                gone = going.len();
            }
        }
        // What is not known to be old goes with what is newer and goes.
        going.truncate(gone);
        let all = going.len() == items.len();
        plan.logs.extend(going);
        all
    }

    /// Whether no newer epoch has any log: a streamer goes on from there.
    fn is_newest_with_logs(&self, epoch: &Epoch) -> bool {
        let has_any = |epoch: &&Epoch| !epoch.logs.is_empty() || !epoch.faults.is_empty();
        let newest = self.picture.epochs.iter().rev().find(has_any);
        newest.is_some_and(|newest| newest.record.number == epoch.record.number)
    }

    fn judge(&self, epoch: EpochNumber, name: &BinlogName, log: Option<&LogEntry>) -> Verdict {
        let lineage = self.lineage(epoch);
        if self.needed.iter().any(|needed| needed.covers(epoch, lineage, name)) {
            return Verdict::Stays;
        }
        let Some(keep_after) = self.keep_after else {
            let is_known = self.needed.iter().any(|needed| needed.is_about(lineage));
            return if is_known { Verdict::Goes } else { Verdict::Stays };
        };
        match log.map(|log| (log.latest(), log.size_bytes)) {
            None => Verdict::WithNext,
            Some((Some(latest), _)) if latest < keep_after => Verdict::Goes,
            // It has nothing at all.
            Some((None, ..=FIRST_EVENT)) => Verdict::Goes,
            Some(_) => Verdict::Stays,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Goes,
    /// If one behind it goes.
    WithNext,
    Stays,
}

fn prefixes(epoch: &Epoch) -> BTreeSet<&str> {
    let names = epoch.logs.iter().map(|log| log.name.prefix());
    names.chain(epoch.faults.iter().map(|fault| fault.name.prefix())).collect()
}

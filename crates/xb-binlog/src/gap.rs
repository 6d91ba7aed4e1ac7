//! What an archive lacks.

use serde::Serialize;
use xb_core::BinlogCoord;
use xb_core::gtid::GtidSet;
use xb_formats::binlog::FIRST_EVENT;

use crate::archive::{Beginning, Epoch, EpochNumber, LogEntry, Picture, Place};
use crate::lineage::{follows, goes_on_from};

/// A stretch of a server's history that is not in the archive. What is on its two sides cannot be replayed through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last place before it; none where there is nothing before it.
    pub from: Option<Place>,
    /// The first place behind it; none where there is nothing behind it.
    pub to: Option<Place>,
    /// The time of the last event before it, in seconds since 1970.
    pub from_time: Option<u32>,
    /// The time at which the log behind it was begun, in seconds since 1970.
    pub to_time: Option<u32>,
    /// Why it is one, in words for people.
    pub reason: String,
}

/// A log in its epoch; one side of a gap.
type Side<'a> = Option<(EpochNumber, &'a LogEntry)>;

fn gap(before: Side<'_>, behind: Side<'_>, reason: String) -> Gap {
    let end = |(epoch, log): (EpochNumber, &LogEntry)| Place {
        epoch,
        at: BinlogCoord { file: log.name.clone(), position: log.size_bytes },
    };
    let begin = |(epoch, log): (EpochNumber, &LogEntry)| Place {
        epoch,
        at: BinlogCoord { file: log.name.clone(), position: FIRST_EVENT },
    };
    Gap {
        from: before.map(end),
        to: behind.map(begin),
        from_time: before.and_then(|(_, log)| log.latest()),
        to_time: behind.and_then(|(_, log)| log.begun),
        reason,
    }
}

/// Every gap of an archive, oldest first. What was removed before its oldest log is none.
#[must_use]
pub fn gaps(picture: &Picture) -> Vec<Gap> {
    let mut gaps = Vec::new();
    for (index, epoch) in picture.epochs.iter().enumerate() {
        let older = picture.epochs.get(..index).unwrap_or_default();
        gaps.extend(before_epoch(picture, older, epoch));
        within(epoch, &mut gaps);
    }
    gaps
}

fn first(epoch: &Epoch) -> Side<'_> {
    epoch.logs.first().map(|log| (epoch.record.number, log))
}

fn last(epoch: &Epoch) -> Side<'_> {
    epoch.logs.last().map(|log| (epoch.record.number, log))
}

/// The border at which an epoch begins.
fn before_epoch(picture: &Picture, older: &[Epoch], epoch: &Epoch) -> Option<Gap> {
    let newest_older = older.iter().rev().find_map(last);
    if let Some(joined) = goes_on_from(picture, epoch) {
        let before = picture.epoch(joined).filter(|before| !before.logs.is_empty())?;
        let reason = not_joined(before, epoch)?;
        return Some(gap(last(before), first(epoch), reason));
    }
    match &epoch.record.beginning {
        Beginning::Broken { epoch: number, reason, .. } => {
            let before = picture.epoch(*number).and_then(last).or(newest_older)?;
            Some(gap(Some(before), first(epoch), reason.clone()))
        }
        _ => {
            let reason = format!(
                "nothing says that epoch {} goes on where the logs before it end",
                epoch.record.number
            );
            Some(gap(Some(newest_older?), first(epoch), reason))
        }
    }
}

/// Why what was a join when it was made is none any more.
fn not_joined(before: &Epoch, epoch: &Epoch) -> Option<String> {
    let Beginning::Joined { at, gtids, .. } = &epoch.record.beginning else { return None };
    let (number, joined) = (epoch.record.number, before.record.number);
    let end = before.end()?;
    // Behind the place there may be more: what was only in that server.
    if end < *at {
        return Some(format!(
            "epoch {number} goes on from {at} of epoch {joined}, which ends at {end} by now"
        ));
    }
    let first = epoch.logs.first()?;
    let needed = first.gtids_before.as_ref()?;
    let is_there = match (gtids, needed) {
        (GtidSet::MySql(known), GtidSet::MySql(needed)) => known.includes(needed),
        (GtidSet::MariaDb(known), GtidSet::MariaDb(needed)) => known.includes(needed),
        _ => true,
    };
    (!is_there).then(|| {
        format!("the first log of epoch {number}, {}, begins behind where epoch {joined} ended", first.name)
    })
}

/// Holes in an epoch.
fn within(epoch: &Epoch, gaps: &mut Vec<Gap>) {
    let number = epoch.record.number;
    let mut faults: Vec<_> = epoch.faults.iter().collect();
    let mut before: Option<&LogEntry> = None;
    for log in &epoch.logs {
        let is_older = |fault: &&crate::archive::LogFault| fault.name < log.name;
        let (own, rest): (Vec<_>, Vec<_>) = faults.into_iter().partition(is_older);
        faults = rest;
        let told: Vec<String> =
            own.iter().map(|fault| format!("{} cannot be used: {}", fault.name, fault.reason)).collect();
        let hole = before.and_then(|before| follows(before, log).err());
        let reason = if told.is_empty() { hole } else { Some(told.join("; ")) };
        if let Some(reason) = reason {
            gaps.push(gap(before.map(|log| (number, log)), Some((number, log)), reason));
        }
        before = Some(log);
    }
    if !faults.is_empty() {
        let told: Vec<String> =
            faults.iter().map(|fault| format!("{} cannot be used: {}", fault.name, fault.reason)).collect();
        gaps.push(gap(before.map(|log| (number, log)), None, told.join("; ")));
    }
}

#[cfg(test)]
mod tests {
    use xb_pipeline::Digest;

    use super::*;
    use crate::archive::{LogFault, LogState};
    use crate::prune::tests::{broken, closed, entry, epoch, joined, picture};
    use crate::testing::{log, name, time_of};

    fn reasons(picture: &Picture) -> Vec<String> {
        gaps(picture).into_iter().map(|gap| gap.reason).collect()
    }

    #[test]
    fn an_archive_without_a_gap_has_none() {
        let whole =
            picture(vec![epoch(1, Beginning::First, closed(1..=3)), epoch(2, joined(1, 3), closed(3..=5))]);
        assert_eq!(reasons(&whole), Vec::<String>::new());
        assert_eq!(reasons(&picture(vec![epoch(7, broken(6), closed(3..=5))])), Vec::<String>::new());
    }

    #[test]
    fn a_border_that_is_broken_is_one_with_both_its_sides() {
        let gaps = gaps(&picture(vec![
            epoch(1, Beginning::First, closed(1..=3)),
            epoch(2, broken(1), closed(7..=8)),
        ]));
        let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
        assert_eq!(gap.from.as_ref().unwrap().to_string(), "b.000003:1000 of epoch 1");
        assert_eq!(gap.to.as_ref().unwrap().to_string(), "b.000007:4 of epoch 2");
        assert_eq!((gap.from_time, gap.to_time), (Some(time_of(3)), Some(time_of(7))));
        assert_eq!(gap.reason, "it was reset");
        // Also where the epoch before it is not there any more.
        let reasons = reasons(&picture(vec![
            epoch(1, Beginning::First, closed(1..=3)),
            epoch(3, broken(2), closed(7..=8)),
        ]));
        assert_eq!(reasons, ["it was reset"]);
    }

    #[test]
    fn holes_in_an_epoch_are_told() {
        let mut logs = closed(1..=9);
        logs.remove(6);
        logs.drain(1..4);
        let holes = reasons(&picture(vec![epoch(1, Beginning::First, logs)]));
        assert_eq!(
            holes,
            [
                "the 3 logs between b.000001 and b.000005 are missing",
                "the log between b.000006 and b.000008 is missing",
            ]
        );
        let mut logs = closed(1..=2);
        logs[0].next = Some(log(7));
        let holes = reasons(&picture(vec![epoch(1, Beginning::First, logs)]));
        assert_eq!(holes, ["b.000001 says that b.000007 follows, and it is b.000002"]);
        let mut logs = closed(1..=2);
        let set = |last: u32| format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-{last}").parse().unwrap();
        (logs[0].gtids_at_end, logs[1].gtids_before) = (Some(set(9)), Some(set(8)));
        let holes = reasons(&picture(vec![epoch(1, Beginning::First, logs)]));
        assert!(holes[0].starts_with("b.000002 was begun without transactions"), "{holes:?}");
        let holes = |end: &str, begin: &str| {
            let mut logs = closed(1..=2);
            logs[0].gtids_at_end = Some(end.parse().unwrap());
            logs[1].gtids_before = Some(begin.parse().unwrap());
            reasons(&picture(vec![epoch(1, Beginning::First, logs)])).len()
        };
        assert_eq!(holes("0-1-9,5-1-3", "0-1-9,5-1-3"), 0);
        assert_eq!(holes("0-1-9,5-1-3", "0-1-9"), 0, "a domain was taken out of the list");
        assert_eq!((holes("0-1-9", "0-1-10"), holes("0-1-9", "0-1-9,5-1-3")), (1, 1));
    }

    #[test]
    fn a_log_with_a_fault_is_a_gap_wherever_it_is() {
        for number in 1..=3_u64 {
            let mut epoch = epoch(1, Beginning::First, closed(1..=3));
            epoch.logs.remove(number as usize - 1);
            epoch.faults.push(LogFault { name: log(number), reason: "it is torn".to_owned() });
            let gaps = gaps(&picture(vec![epoch]));
            let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
            assert_eq!(gap.reason, format!("{} cannot be used: it is torn", log(number)));
            assert_eq!((gap.from.is_some(), gap.to.is_some()), (number > 1, number < 3));
        }
    }

    #[test]
    fn a_join_whose_end_was_lost_since_is_a_gap() {
        let of = |last, gtids: Option<&str>| {
            let mut second = epoch(2, joined(1, 3), closed(3..=5));
            second.logs[0].gtids_before = gtids.map(|gtids| gtids.parse().unwrap());
            reasons(&picture(vec![epoch(1, Beginning::First, closed(1..=last)), second])).len()
        };
        assert_eq!((of(3, None), of(2, None)), (0, 1));
        assert_eq!((of(3, Some("0-1-1")), of(3, Some("0-1-2"))), (0, 1));
    }

    #[test]
    fn logs_without_an_epoch_are_joined_when_the_last_of_them_is_there_again() {
        let flat = || {
            let mut logs = closed(1..=2);
            logs.push(entry(log(3), time_of(3), LogState::Open));
            epoch(0, Beginning::First, logs)
        };
        let with = |logs| reasons(&picture(vec![flat(), epoch(1, Beginning::First, logs)])).len();
        assert_eq!(with(closed(3..=5)), 0);
        assert_eq!(with(closed(2..=5)), 0);
        assert_eq!(with(closed(4..=5)), 1, "the end of an open one is not known");
        let mut other = closed(3..=5);
        other[0].begun = Some(1);
        assert_eq!(with(other), 1);
        let mut of_another = closed(3..=5);
        of_another[0].server_id = Some(2);
        assert_eq!(with(of_another), 1);
        let mut shorter = closed(3..=5);
        shorter[0].size_bytes = 999;
        assert_eq!(with(shorter), 1);
        let mut renamed = closed(3..=3);
        renamed[0].name = name("a.000003");
        assert_eq!(with(renamed), 1);
        let mut changed = closed(3..=5);
        changed[0].digest = Some(Digest::of(b"another"));
        let whole = epoch(0, Beginning::First, closed(1..=3));
        assert_eq!(reasons(&picture(vec![whole, epoch(1, Beginning::First, changed)])).len(), 1);
        let closed_flat = epoch(0, Beginning::First, closed(1..=3));
        let all = picture(vec![closed_flat, epoch(1, Beginning::First, closed(4..=5))]);
        assert_eq!(gaps(&all), []);
    }
}

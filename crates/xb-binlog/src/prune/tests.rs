//! Plans for archives of every kind: what is needed stays, what stays is without a hole.

use std::collections::BTreeMap;
use std::fs;

use xb_core::{BinlogCoord, BinlogName};
use xb_pipeline::Digest;

use super::*;
use crate::archive::{Beginning, Epoch, EpochNumber, EpochRecord, LogEntry, LogFault, LogState, Picture};
use crate::gap::gaps;
use crate::lineage::lineages;
use crate::testing::{Place, close, log, open, server, time_of};

/// A log that is only written down.
pub(crate) fn entry(name: BinlogName, time: u32, state: LogState) -> LogEntry {
    let next: BinlogName = format!("{}.{:06}", name.prefix(), name.number() + 1).parse().unwrap();
    LogEntry {
        name,
        state,
        size_bytes: 1000,
        digest: (state == LogState::Closed).then(|| Digest::of(b"it")),
        stored: None,
        begun: Some(time),
        times: Some((time, time)),
        commit_times: None,
        previous: None,
        next: (state == LogState::Closed).then_some(next),
        gtids_before: None,
        gtids: None,
        gtids_at_end: None,
        last: None,
        server_version: None,
        server_id: Some(1),
        has_checksums: true,
        encrypted_at_server: false,
    }
}

pub(crate) fn epoch(number: EpochNumber, beginning: Beginning, logs: Vec<LogEntry>) -> Epoch {
    let begun = chrono::DateTime::from_timestamp(0, 0).unwrap();
    Epoch { record: EpochRecord { number, begun, server: server(), beginning }, logs, faults: Vec::new() }
}

pub(crate) fn closed(numbers: std::ops::RangeInclusive<u64>) -> Vec<LogEntry> {
    numbers.map(|number| entry(log(number), time_of(number), LogState::Closed)).collect()
}

pub(crate) fn joined(epoch: EpochNumber, number: u64) -> Beginning {
    let at = BinlogCoord { file: log(number), position: 1000 };
    Beginning::Joined { epoch, at, gtids: "0-1-1".parse().unwrap() }
}

pub(crate) fn broken(epoch: EpochNumber) -> Beginning {
    Beginning::Broken { epoch, at: None, reason: "it was reset".to_owned() }
}

pub(crate) fn picture(epochs: Vec<Epoch>) -> Picture {
    Picture { epochs, strangers: Vec::new() }
}

fn need(epoch: Option<EpochNumber>, number: u64) -> Need {
    Need { epoch, at: BinlogCoord { file: log(number), position: 500 }, time: None }
}

fn gone(plan: &PrunePlan) -> Vec<(EpochNumber, u64)> {
    plan.logs.iter().map(|log| (log.epoch, log.name.number())).collect()
}

#[test]
fn what_is_before_the_oldest_need_goes() {
    let picture = picture(vec![epoch(1, Beginning::First, closed(1..=9))]);
    assert!(plan_prune(&picture, &[], None).is_empty());
    let plan = plan_prune(&picture, &[need(Some(1), 7), need(Some(1), 4)], None);
    assert_eq!(gone(&plan), [(1, 1), (1, 2), (1, 3)]);
    assert!(plan.epochs.is_empty());
    // The newest stays, also if nobody needs it.
    assert_eq!(plan_prune(&picture, &[], Some(u32::MAX)).logs.len(), 8);
    assert_eq!(plan_prune(&picture, &[need(Some(1), 99)], None).logs.len(), 8);
}

#[test]
fn with_a_time_only_what_is_older_goes_and_never_what_is_needed() {
    let picture = picture(vec![epoch(1, Beginning::First, closed(1..=9))]);
    assert_eq!(plan_prune(&picture, &[], Some(time_of(4))).logs.len(), 3);
    assert_eq!(plan_prune(&picture, &[need(Some(1), 3)], Some(time_of(8))).logs.len(), 2);
    assert_eq!(plan_prune(&picture, &[need(Some(1), 8)], Some(time_of(3))).logs.len(), 2);
    let mut unsure = picture;
    unsure.epochs[0].logs[1].times = None;
    unsure.epochs[0].logs[1].begun = None;
    assert_eq!(gone(&plan_prune(&unsure, &[], Some(u32::MAX))), [(1, 1)], "behind doubt nothing goes");
}

#[test]
fn epochs_that_go_on_from_one_another_are_one_history() {
    let epochs = vec![
        epoch(1, Beginning::First, closed(1..=3)),
        epoch(2, joined(1, 3), closed(3..=5)),
        epoch(3, broken(2), closed(1..=4)),
    ];
    let picture = picture(epochs);
    let plan = plan_prune(&picture, &[need(Some(1), 2)], None);
    assert_eq!(gone(&plan), [(1, 1)]);
    let plan = plan_prune(&picture, &[need(Some(2), 4)], None);
    assert_eq!((gone(&plan), plan.epochs), (vec![(1, 1), (1, 2), (1, 3), (2, 3)], vec![1]));
    // Another history has its own needs.
    assert_eq!(gone(&plan_prune(&picture, &[need(Some(3), 2)], None)), [(3, 1)]);
    let plan = plan_prune(&picture, &[need(Some(3), 2)], Some(u32::MAX));
    assert_eq!((plan.logs.len(), plan.epochs), (7, vec![1, 2]));
    // An epoch that is not known: all that may be it.
    assert_eq!(gone(&plan_prune(&picture, &[need(None, 3)], None)), [(1, 1), (1, 2), (3, 1), (3, 2)]);
    assert!(plan_prune(&picture, &[need(Some(1), 2), need(None, 1)], Some(u32::MAX)).is_empty());
    let nowhere =
        Need { at: BinlogCoord { file: crate::testing::name("x.000009"), position: 4 }, ..need(None, 1) };
    assert!(plan_prune(&picture, &[nowhere], Some(u32::MAX)).is_empty());
    // One that is gone: all behind it.
    let plan = plan_prune(&picture, &[need(Some(9), 1)], Some(u32::MAX));
    assert_eq!(plan.epochs, [1, 2]);
}

#[test]
fn the_last_log_stays_also_when_an_empty_epoch_is_behind_it() {
    let picture = picture(vec![
        epoch(1, Beginning::First, Vec::new()),
        epoch(2, broken(1), closed(1..=3)),
        epoch(3, joined(2, 3), Vec::new()),
    ]);
    let plan = plan_prune(&picture, &[], Some(u32::MAX));
    assert_eq!((gone(&plan), plan.epochs), (vec![(2, 1), (2, 2)], vec![1]));
}

#[test]
fn numbers_with_more_digits_and_faults_are_in_their_order() {
    let names = ["b.999998", "b.999999", "b.1000000", "b.1000001"].map(crate::testing::name);
    let logs = names.iter().cloned().map(|name| entry(name, 5, LogState::Closed)).collect();
    let mut picture = picture(vec![epoch(1, Beginning::First, logs)]);
    let at = BinlogCoord { file: names[2].clone(), position: 4 };
    let needs = [Need { epoch: Some(1), at, time: None }];
    assert_eq!(gone(&plan_prune(&picture, &needs, None)), [(1, 999_998), (1, 999_999)]);
    let lost = picture.epochs[0].logs.remove(1);
    picture.epochs[0].faults.push(LogFault { name: lost.name, reason: "gone".to_owned() });
    assert_eq!(gone(&plan_prune(&picture, &needs, None)), [(1, 999_998), (1, 999_999)]);
    assert_eq!(gone(&plan_prune(&picture, &needs, Some(u32::MAX))), [(1, 999_998)]);
}

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn random_picture(random: &mut Random) -> Picture {
    let mut epochs = Vec::new();
    let mut time = 1000;
    for number in 1..=random.below(5) as u32 + 1 {
        let beginning = match random.below(3) {
            _ if number == 1 => Beginning::First,
            0 => broken(number - 1),
            _ => joined(random.below(u64::from(number) - 1) as u32 + 1, 1),
        };
        let start = random.below(10) + 1;
        let logs = (start..start + random.below(6)).map(|n| {
            time += random.below(100) as u32;
            let prefix = if random.below(200) == 0 { "a" } else { "b" };
            let mut log = entry(format!("{prefix}.{n:06}").parse().unwrap(), time, LogState::Closed);
            if random.below(15) == 0 {
                (log.times, log.begun) = (None, None);
            }
            log
        });
        let logs = logs.collect();
        epochs.push(epoch(number, beginning, logs));
    }
    picture(epochs)
}

#[test]
fn whatever_the_archive_what_is_needed_stays_and_there_is_no_new_hole() {
    let mut removed = 0;
    for seed in 0..20_000 {
        let mut random = Random(seed);
        let before = random_picture(&mut random);
        let needs: Vec<Need> = (0..random.below(4))
            .map(|_| {
                let epoch = (random.below(3) > 0).then(|| random.below(6) as u32 + 1);
                need(epoch, random.below(16) + 1)
            })
            .collect();
        let keep_after = (random.below(2) == 0).then(|| 1000 + random.below(1500) as u32);
        let plan = plan_prune(&before, &needs, keep_after);
        check(&before, &needs, keep_after, &plan);
        removed += plan.logs.len();
    }
    assert!(removed > 10_000, "{removed}");
}

fn check(before: &Picture, needs: &[Need], keep_after: Option<u32>, plan: &PrunePlan) {
    let lineages = lineages(before);
    let goes: BTreeMap<_, _> = plan.logs.iter().map(|log| ((log.epoch, log.name.to_string()), ())).collect();
    let is_gone = |epoch: EpochNumber, name: &BinlogName| goes.contains_key(&(epoch, name.to_string()));
    let newest = before.epochs.iter().rev().find(|epoch| !epoch.logs.is_empty());
    if let Some(epoch) = newest {
        assert!(!is_gone(epoch.record.number, &epoch.logs.last().unwrap().name), "the newest went");
    }
    for epoch in &before.epochs {
        let number = epoch.record.number;
        // What goes of a name is its beginning.
        for prefix in ["a", "b"] {
            let of: Vec<_> = epoch.logs.iter().filter(|log| log.name.prefix() == prefix).collect();
            let stays = of.iter().position(|log| !is_gone(number, &log.name)).unwrap_or(of.len());
            assert!(of[stays..].iter().all(|log| !is_gone(number, &log.name)), "a hole in {before:?}");
        }
        for log in &epoch.logs {
            let needed = needs.iter().any(|need| match need.epoch {
                Some(of) if before.epoch(of).is_some() => {
                    let later = lineages[&of] == lineages[&number] && number > of;
                    later || (of == number && (log.name >= need.at.file))
                }
                Some(of) => number >= of,
                None => log.name >= need.at.file,
            });
            let is_young = keep_after.is_some_and(|after| log.latest().is_none_or(|latest| latest >= after));
            assert!(!(needed || is_young) || !is_gone(number, &log.name), "{} of {number} went", log.name);
        }
    }
    // Nothing of an older epoch of a history stays if something of a newer one went.
    for older in &before.epochs {
        let (old, stays) =
            (older.record.number, older.logs.iter().any(|l| !is_gone(older.record.number, &l.name)));
        let newer_went =
            plan.logs.iter().any(|log| log.epoch > old && lineages[&log.epoch] == lineages[&old]);
        assert!(!(stays && newer_went), "a hole between epochs in {before:?}");
    }
}

#[test]
fn what_was_planned_is_removed_with_all_that_belongs_to_it() {
    let place = Place::with_logs(1..=3);
    fs::write(place.epoch(1).join("b.000001.torn-77"), "torn").unwrap();
    let second = place.begin(broken(1));
    close(&second, 1, time_of(20));
    close(&second, 2, time_of(21));
    open(&second, 3, time_of(22));
    drop(second);
    let before = place.archive.picture().unwrap();
    let plan = plan_prune(&before, &[need(Some(2), 2)], Some(time_of(21)));
    assert_eq!(plan.epochs, [1]);
    prune(&place.archive, &plan).unwrap();
    assert!(!place.epoch(1).exists());
    let names: Vec<_> = fs::read_dir(place.epoch(2)).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    let picture = place.archive.picture().unwrap();
    assert_eq!(picture.epochs[0].logs[0].name, log(2));
    assert!(gaps(&picture).is_empty());
    // Once more does no harm.
    prune(&place.archive, &plan).unwrap();
    assert_eq!(place.archive.picture().unwrap(), picture);
}

#[test]
fn a_log_of_which_only_the_entry_went_is_removed_the_next_time() {
    let place = Place::with_logs(1..=3);
    fs::remove_file(place.epoch(1).join("b.000001.json")).unwrap();
    let picture = place.archive.picture().unwrap();
    assert_eq!((picture.epochs[0].logs.len(), picture.epochs[0].faults.len()), (4, 0));
    prune(&place.archive, &plan_prune(&picture, &[need(Some(1), 2)], None)).unwrap();
    assert!(!place.epoch(1).join("b.000001").exists() && !place.epoch(1).join("b.000001.json").exists());
}

#[test]
fn an_epoch_with_a_file_of_somebody_else_stays() {
    let place = Place::with_logs(1..=2);
    fs::write(place.epoch(1).join("notes.txt"), "").unwrap();
    let second = place.begin(broken(1));
    close(&second, 1, time_of(20));
    let plan = plan_prune(&place.archive.picture().unwrap(), &[], Some(u32::MAX));
    assert_eq!((plan.logs.len(), plan.epochs.len()), (3, 0));
    prune(&place.archive, &plan).unwrap();
    assert!(place.epoch(1).join("epoch.json").exists());
}

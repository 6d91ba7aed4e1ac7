use rstest::rstest;
use xb_catalog::manifest::Sizes;
use xb_catalog::{BackupSet, BackupState, Origin, ShelvedSet};
use xb_core::{BackupId, Lsn, LsnRange};
use xb_formats::archive::Archive;

use super::*;
use crate::lock::RunInfo;

const GIB: u64 = 1 << 30;

fn now() -> DateTime<FixedOffset> {
    "2026-11-22T20:00:00+01:00".parse().unwrap()
}

fn id(text: &str) -> BackupId {
    text.parse().unwrap()
}

/// A backup that counts, took a minute and is as large as this. Its LSNs are told from the position in the
/// chain.
fn record(set: &str, name: &str, position: u64, stored: Option<u64>) -> BackupRecord {
    let place = xb_catalog::layout::Place { set: id(set), id: id(name) };
    let started = id(name).local_time().and_local_timezone(*now().offset()).unwrap();
    BackupRecord {
        kind: place.kind(),
        place,
        origin: Origin::Native,
        state: BackupState::Complete,
        directory: name.into(),
        base: None,
        lsns: Some(LsnRange {
            from: Lsn(position * 10),
            to: Lsn(position * 10 + 10),
            last: Lsn(position * 10 + 12),
        }),
        started: Moment::Exact(started),
        ended: Some(Moment::Exact(started + chrono::TimeDelta::seconds(60))),
        archive: Some(Archive::Directory),
        sizes: stored.map(|stored_bytes| Sizes {
            datadir_bytes: None,
            stream_bytes: 3 * stored_bytes,
            stored_bytes,
        }),
        binlog: None,
        replica_of: Vec::new(),
        server: None,
        engine: None,
        engine_version: None,
        archive_digest: None,
    }
}

/// The set of a full backup and of incrementals, each of this size.
fn set(name: &str, full: Option<u64>, incrementals: &[(&str, Option<u64>)]) -> BackupSet {
    let members = incrementals.iter().zip(1..);
    BackupSet {
        id: id(name),
        full: Some(record(name, name, 0, full)),
        incrementals: members.map(|((member, size), at)| record(name, member, at, *size)).collect(),
    }
}

/// An older set and a newer one: fulls of 10 and 12 GiB, incrementals of 1, 3 and 2 GiB.
fn catalog() -> Catalog {
    let sets = vec![
        set("2026_11_15-03_00_00", Some(10 * GIB), &[("2026_11_16-03_00_00", Some(GIB))]),
        set(
            "2026_11_21-03_00_00",
            Some(12 * GIB),
            &[("2026_11_22-03_00_00", Some(3 * GIB)), ("2026_11_22-15_00_00", Some(2 * GIB))],
        ),
    ];
    Catalog { root: "/stor".into(), sets, ..Catalog::default() }
}

/// The set as it stands on a shelf.
fn shelved(set: BackupSet) -> ShelvedSet {
    ShelvedSet { name: set.newest_member(), directory: "/stor/shelf".into(), set }
}

fn run_of(name: &str, kind: BackupKind) -> RunInfo {
    RunInfo { backup: id(name), kind, full: id("2026_11_21-03_00_00"), pid: 4711 }
}

/// Nobody streams.
fn no_logs() -> &'static Glance {
    static NONE: std::sync::LazyLock<Glance> = std::sync::LazyLock::new(Glance::default);
    &NONE
}

fn facts<'a>(catalog: &'a Catalog, lock: &'a LockState, free_bytes: u64) -> Facts<'a> {
    let limits = Thresholds { running: 24, age: 36, binlog_lag_seconds: 300 };
    Facts {
        catalog,
        lock: Some(lock),
        free_bytes: Some(free_bytes),
        copies: &[],
        logs: no_logs(),
        limits,
        now: now(),
    }
}

fn judged(catalog: &Catalog, lock: &LockState) -> StatusReport {
    judge(facts(catalog, lock, 100 * GIB))
}

fn verdict(report: &StatusReport, name: &str) -> Option<(Level, String)> {
    let mut found = report.checks.iter().filter(|check| check.name == name);
    let verdict = found.next().map(|check| (check.level, check.message.clone()));
    assert!(found.next().is_none(), "{name} has two verdicts");
    verdict
}

#[test]
fn all_is_well() {
    let report = judged(&catalog(), &LockState::Free);
    assert_eq!(
        (report.level, report.message.as_str()),
        (Level::Ok, "Last backup incr from 2026_11_22-15_00_00")
    );
    insta::assert_debug_snapshot!(report);
}

#[rstest]
#[case(4, Level::Warn, "Last backup incr from 2026_11_22-15_00_00 is 4 hours old, more than 4")]
#[case(5, Level::Ok, "Last backup incr from 2026_11_22-15_00_00")]
fn the_last_backup_is_old_when_it_ended_too_long_ago(
    #[case] age: u64,
    #[case] level: Level,
    #[case] message: &str,
) {
    let (catalog, lock) = (catalog(), LockState::Free);
    let limits = Thresholds { running: 24, age, binlog_lag_seconds: 300 };
    let report = judge(Facts { limits, ..facts(&catalog, &lock, 100 * GIB) });
    assert_eq!((report.level, report.message.as_str()), (level, message));
    assert_eq!(report.values.last.age_seconds, Some(5 * 3600 - 60), "it ended a minute after it began");
}

#[test]
fn a_store_without_a_backup_that_counts_is_critical() {
    let mut catalog = Catalog { root: "/stor".into(), ..Catalog::default() };
    let report = judged(&catalog, &LockState::Free);
    assert_eq!((report.level, report.message.as_str()), (Level::Critical, "No backup found"));
    assert_eq!((report.values.sets, report.values.backups), (Some(0), Some(0)));
    assert_eq!(verdict(&report, Check::CHAIN), None);
    // Why there is none says more.
    let lock = LockState::Stale(run_of("2026_11_22-19_00_00", BackupKind::Full));
    let report = judged(&catalog, &lock);
    assert!(report.message.ends_with("by process 4711 ended without finishing"), "{}", report.message);
    let mut only = set("2026_11_21-03_00_00", None, &[]);
    only.full.as_mut().unwrap().state = BackupState::Broken("half of it is gone".to_owned());
    catalog.sets.push(only);
    let report = judged(&catalog, &LockState::Free);
    assert!(report.message.starts_with("Set 2026_11_21-03_00_00 is broken: "), "{}", report.message);
    assert_eq!(verdict(&report, Check::LAST_BACKUP), Some((Level::Critical, "No backup found".to_owned())));
}

#[rstest]
#[case("2026_11_22-19_00_00", Level::Ok, "Backup incr 2026_11_22-19_00_00 has been running for 1 hours")]
#[case("2026_11_21-20_00_00", Level::Ok, "Backup incr 2026_11_21-20_00_00 has been running for 24 hours")]
#[case("2026_11_21-19_59_59", Level::Warn, "Backup incr 2026_11_21-19_59_59 has been running for 24 hours")]
fn a_run_that_goes_on_for_too_long_is_a_warning(
    #[case] began: &str,
    #[case] level: Level,
    #[case] message: &str,
) {
    let lock = LockState::Held(Some(run_of(began, BackupKind::Incremental)));
    let report = judged(&catalog(), &lock);
    assert_eq!(verdict(&report, Check::RUNNING), Some((level, message.to_owned())));
    assert_eq!(report.values.running.now, Some(true));
    assert!(report.values.running.seconds.is_some());
    assert_eq!(report.level, level);
}

#[test]
fn a_run_does_not_hide_that_the_last_backup_is_old() {
    let lock = LockState::Held(Some(run_of("2026_11_21-03_00_00", BackupKind::Full)));
    let catalog = catalog();
    let limits = Thresholds { running: 24, age: 1, binlog_lag_seconds: 300 };
    let report = judge(Facts { limits, ..facts(&catalog, &lock, 100 * GIB) });
    // Both are warnings; the first is told.
    assert!(report.message.starts_with("Last backup incr from "), "{}", report.message);
    assert_eq!(verdict(&report, Check::RUNNING).unwrap().0, Level::Warn);
}

#[test]
fn a_run_that_was_killed_is_critical() {
    let lock = LockState::Stale(run_of("2026_11_22-19_00_00", BackupKind::Incremental));
    let report = judged(&catalog(), &lock);
    let expected = "Backup incr 2026_11_22-19_00_00 by process 4711 ended without finishing";
    assert_eq!((report.level, report.message.as_str()), (Level::Critical, expected));
    assert_eq!(report.values.running, Running { now: Some(false), seconds: None });
}

#[test]
fn without_a_lock_to_look_at_nothing_is_said_of_runs() {
    let (catalog, lock) = (catalog(), LockState::Free);
    let report = judge(Facts { lock: None, ..facts(&catalog, &lock, 100 * GIB) });
    assert_eq!((verdict(&report, Check::RUNNING), report.values.running.now), (None, None));
    assert_eq!(report.level, Level::Ok);
}

#[test]
fn a_gap_in_the_newest_set_is_critical_and_one_in_an_older_set_is_not() {
    let mut catalog = catalog();
    catalog.sets[0].incrementals[0].lsns.as_mut().unwrap().from = Lsn(99);
    assert_eq!(judged(&catalog, &LockState::Free).level, Level::Ok);
    catalog.sets[1].incrementals.remove(0);
    let report = judged(&catalog, &LockState::Free);
    let (level, message) = verdict(&report, Check::CHAIN).unwrap();
    assert_eq!((level, report.message.as_str()), (Level::Critical, message.as_str()));
    assert!(
        message.starts_with("Set 2026_11_21-03_00_00 is broken: 2026_11_22-15_00_00 begins at LSN 20"),
        "{message}"
    );
}

/// The largest of the last incrementals has 3 GiB, the newest full 12, so a fifth more is 14.4.
#[rstest]
#[case(3 * GIB - 1, Level::Critical, "2.9 GiB are free, the next backup needs about 3.0 GiB")]
#[case(3 * GIB, Level::Warn, "3.0 GiB are free, a full backup needs about 12.0 GiB")]
#[case(12 * GIB * 6 / 5 - 1, Level::Warn, "14.3 GiB are free, a full backup needs about 12.0 GiB")]
#[case(12 * GIB * 6 / 5, Level::Ok, "14.3 GiB are free")]
fn room_is_held_against_what_backups_took(#[case] free: u64, #[case] level: Level, #[case] message: &str) {
    let report = judge(facts(&catalog(), &LockState::Free, free));
    assert_eq!(verdict(&report, Check::SPACE), Some((level, message.to_owned())));
    assert_eq!((report.level, report.values.free_bytes), (level, Some(free)));
    assert_eq!(report.values.needed_bytes, Some(12 * GIB));
    let limits = report.values.limits;
    assert_eq!((limits.free_warn_bytes, limits.free_critical_bytes), (Some(12 * GIB * 6 / 5), Some(3 * GIB)));
}

#[test]
fn where_only_fulls_are_taken_the_next_is_one() {
    let sets = vec![set("2026_11_22-15_00_00", Some(10 * GIB), &[])];
    let catalog = Catalog { sets, ..Catalog::default() };
    let at = |free| verdict(&judge(facts(&catalog, &LockState::Free, free)), Check::SPACE).unwrap().0;
    assert_eq!((at(10 * GIB - 1), at(10 * GIB), at(12 * GIB)), (Level::Critical, Level::Warn, Level::Ok));
}

#[test]
fn an_incremental_of_long_ago_does_not_count() {
    let names: Vec<String> = (10..=18).map(|hour| format!("2026_11_22-{hour}_00_00")).collect();
    let sized = |at: usize| Some(if at < 2 { 9 * GIB } else { GIB });
    let members: Vec<(&str, Option<u64>)> =
        names.iter().enumerate().map(|(at, name)| (name.as_str(), sized(at))).collect();
    let sets = vec![set("2026_11_22-03_00_00", Some(10 * GIB), &members)];
    let catalog = Catalog { sets, ..Catalog::default() };
    assert_eq!(Space::of(&catalog), Some(Space { next: GIB, needed: 10 * GIB }));
}

#[test]
fn an_incremental_on_a_shelf_does_not_count_as_one_of_the_last() {
    let names: Vec<String> = (10..=18).map(|hour| format!("2025_12_28-{hour}_00_00")).collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), Some(30 * GIB))).collect();
    let yearly = vec![shelved(set("2025_12_28-03_00_00", Some(40 * GIB), &members))];
    let catalog = Catalog { yearly, ..catalog() };
    assert_eq!(Space::of(&catalog), Some(Space { next: 3 * GIB, needed: 12 * GIB }));
}

#[test]
fn the_last_incrementals_are_those_with_the_newest_names_in_whatever_set() {
    // The newer full backup broke after an incremental of it, so those that followed joined the older set.
    let names: Vec<String> = (10..=16).map(|hour| format!("2026_11_22-{hour}_00_00")).collect();
    let members: Vec<_> = names.iter().map(|name| (name.as_str(), Some(GIB))).collect();
    let mut newer = set("2026_11_22-05_00_00", Some(10 * GIB), &[("2026_11_22-06_00_00", Some(9 * GIB))]);
    newer.full.as_mut().unwrap().state = BackupState::Broken("half of it is gone".to_owned());
    let sets = vec![set("2026_11_22-03_00_00", Some(10 * GIB), &members), newer];
    let catalog = Catalog { sets, ..Catalog::default() };
    assert_eq!(Space::of(&catalog), Some(Space { next: GIB, needed: 10 * GIB }));
}

#[test]
fn without_a_base_the_next_is_a_full_one_as_large_as_the_newest_on_a_shelf() {
    let Catalog { sets, .. } = catalog();
    let catalog = Catalog { weekly: sets.into_iter().map(shelved).collect(), ..Catalog::default() };
    assert_eq!(Space::of(&catalog), Some(Space { next: 12 * GIB, needed: 12 * GIB }));
    // What is left of a current set makes no incremental likely.
    let mut rest = set("2026_11_22-16_00_00", None, &[("2026_11_22-17_00_00", Some(GIB))]);
    rest.full = None;
    let catalog = Catalog { sets: vec![rest], ..catalog };
    assert_eq!(Space::of(&catalog), Some(Space { next: 12 * GIB, needed: 12 * GIB }));
}

#[test]
fn unknown_sizes_and_unknown_room_say_nothing() {
    let sets = vec![set("2026_11_22-03_00_00", None, &[("2026_11_22-15_00_00", None)])];
    let unsized_catalog = Catalog { root: "/stor".into(), sets, ..Catalog::default() };
    let report = judge(facts(&unsized_catalog, &LockState::Free, 1));
    assert_eq!((verdict(&report, Check::SPACE), report.values.needed_bytes), (None, None));
    assert_eq!((report.level, report.values.free_bytes), (Level::Ok, Some(1)));
    let (catalog, lock) = (catalog(), LockState::Free);
    let report = judge(Facts { free_bytes: None, ..facts(&catalog, &lock, 1) });
    assert_eq!((verdict(&report, Check::SPACE), report.level), (None, Level::Ok));
}

#[test]
fn while_a_run_writes_nothing_is_said_of_room() {
    let report = judge(facts(&catalog(), &LockState::Held(None), 1));
    assert_eq!((verdict(&report, Check::SPACE), report.level), (None, Level::Ok));
}

#[test]
fn the_worst_is_told_and_all_others_are_kept() {
    let lock = LockState::Stale(run_of("2026_11_22-19_00_00", BackupKind::Incremental));
    let catalog = catalog();
    let limits = Thresholds { running: 24, age: 1, binlog_lag_seconds: 300 };
    let report = judge(Facts { limits, ..facts(&catalog, &lock, GIB) });
    let levels: Vec<_> = report.checks.iter().map(|check| (check.name, check.level)).collect();
    let expected = [
        (Check::LAST_BACKUP, Level::Warn),
        (Check::RUNNING, Level::Critical),
        (Check::CHAIN, Level::Ok),
        (Check::SPACE, Level::Critical),
        (Check::STORE, Level::Ok),
    ];
    assert_eq!(levels, expected);
    assert!(report.message.ends_with("ended without finishing"), "{}", report.message);
}

#[test]
fn what_can_be_restored_begins_with_the_oldest_whole_chain() {
    let mut catalog = catalog();
    let oldest = |catalog: &Catalog| judged(catalog, &LockState::Free).values.oldest_restorable_unix.unwrap();
    let ended = |text: &str| text.parse::<DateTime<FixedOffset>>().unwrap().timestamp();
    assert_eq!(oldest(&catalog), ended("2026-11-15T03:01:00+01:00"));
    catalog.sets[0].full.as_mut().unwrap().archive = None;
    assert_eq!(oldest(&catalog), ended("2026-11-21T03:01:00+01:00"), "its form cannot be read");
}

#[test]
fn a_restore_reaches_as_far_back_as_the_oldest_whole_chain_on_any_shelf() {
    let of = |name: &str| shelved(set(name, None, &[]));
    let mut catalog = Catalog {
        weekly: vec![of("2026_11_01-03_00_00")],
        monthly: vec![of("2026_07_26-03_00_00"), of("2026_08_30-03_00_00")],
        // Shelves are no order in time: this one was put there by hand.
        yearly: vec![of("2026_10_25-03_00_00")],
        ..catalog()
    };
    let oldest = |catalog: &Catalog| judged(catalog, &LockState::Free).values.oldest_restorable_unix.unwrap();
    let ended = |text: &str| text.parse::<DateTime<FixedOffset>>().unwrap().timestamp();
    assert_eq!(oldest(&catalog), ended("2026-07-26T03:01:00+01:00"));
    catalog.monthly[0].set.full.as_mut().unwrap().state = BackupState::Broken("cut".to_owned());
    assert_eq!(oldest(&catalog), ended("2026-08-30T03:01:00+01:00"));
    catalog.sets.clear();
    catalog.monthly.clear();
    catalog.weekly.clear();
    assert_eq!(oldest(&catalog), ended("2026-10-25T03:01:00+01:00"), "without a current set, too");
}

#[test]
fn sets_on_shelves_are_counted_apart_and_no_backup_is_counted_twice() {
    let counts = |catalog: &Catalog| {
        let values = judged(catalog, &LockState::Free).values;
        (values.sets, values.shelved_sets, values.backups, values.incrementals_since_full)
    };
    assert_eq!(counts(&catalog()), (Some(2), Some(0), Some(5), Some(2)));
    let old = || shelved(set("2026_10_25-03_00_00", None, &[("2026_10_26-03_00_00", None)]));
    let other = Catalog { weekly: vec![old()], ..catalog() };
    assert_eq!(counts(&other), (Some(2), Some(1), Some(7), Some(2)));
    // After crashes: one set is on two shelves, another on a shelf and still a current one.
    let moved = shelved(catalog().sets.remove(0));
    let other = Catalog { weekly: vec![old(), moved], monthly: vec![old()], ..catalog() };
    assert_eq!(counts(&other), (Some(2), Some(1), Some(7), Some(2)));
    let other = Catalog { weekly: vec![old()], ..Catalog::default() };
    assert_eq!(counts(&other), (Some(0), Some(1), Some(2), None));
}

#[test]
fn backups_on_shelves_only_leave_the_next_incremental_nothing_to_build_on() {
    let expected = "No current full backup: the next incremental has nothing to build on";
    let weekly = || catalog().sets.into_iter().map(shelved).collect();
    let other = Catalog { weekly: weekly(), ..Catalog::default() };
    let report = judged(&other, &LockState::Free);
    assert_eq!((report.level, report.message.as_str()), (Level::Critical, expected));
    assert_eq!(verdict(&report, Check::CHAIN), Some((Level::Critical, expected.to_owned())));
    assert_eq!(verdict(&report, Check::LAST_BACKUP).unwrap().0, Level::Ok, "the last one counts there, too");
    // What is left of a current set is told as well.
    let mut rest = set("2026_11_22-16_00_00", None, &[("2026_11_22-17_00_00", None)]);
    rest.full = None;
    let other = Catalog { sets: vec![rest], weekly: weekly(), ..Catalog::default() };
    let (level, message) = verdict(&judged(&other, &LockState::Free), Check::CHAIN).unwrap();
    let broken = "; set 2026_11_22-16_00_00 is broken: the full backup 2026_11_22-16_00_00 that \
                  2026_11_22-17_00_00 builds on is missing";
    assert_eq!((level, message), (Level::Critical, format!("{expected}{broken}")));
    // A current set to build on makes it well, whatever is on the shelves.
    let other = Catalog { weekly: weekly(), ..catalog() };
    assert_eq!(verdict(&judged(&other, &LockState::Free), Check::CHAIN).unwrap().0, Level::Ok);
}

#[test]
fn incrementals_on_a_shelf_without_their_full_backup_are_no_good_news() {
    let mut rest = set("2026_11_22-03_00_00", None, &[("2026_11_22-15_00_00", None)]);
    rest.full = None;
    let catalog = Catalog { monthly: vec![shelved(rest)], ..Catalog::default() };
    let report = judged(&catalog, &LockState::Free);
    assert_eq!(verdict(&report, Check::LAST_BACKUP).unwrap().0, Level::Ok);
    assert_eq!((report.level, report.values.oldest_restorable_unix), (Level::Critical, None));
}

#[test]
fn a_time_without_a_zone_is_taken_to_be_in_that_of_now() {
    let mut catalog = catalog();
    let last = catalog.sets[1].incrementals.last_mut().unwrap();
    last.ended = Some(Moment::Local(last.ended.unwrap().local()));
    let report = judged(&catalog, &LockState::Free);
    let ended = "2026-11-22T15:01:00+01:00".parse::<DateTime<FixedOffset>>().unwrap().timestamp();
    assert_eq!(report.values.last.ended_unix, Some(ended));
}

#[test]
fn a_store_that_cannot_be_looked_at_is_critical() {
    let report = StatusReport::unknown("no store".to_owned());
    assert_eq!((report.level, report.message.as_str()), (Level::Critical, "no store"));
    assert_eq!((report.checks.len(), report.checks[0].name), (1, Check::STORE));
}

#[rstest]
#[case(0, "0 bytes")]
#[case(1023, "1023 bytes")]
#[case(1536, "1.5 KiB")]
#[case(GIB - 1, "1023.9 MiB")]
#[case(u64::MAX, "16777215.9 TiB")]
fn sizes_are_told_in_units_and_never_rounded_up(#[case] bytes: u64, #[case] text: &str) {
    assert_eq!(size(bytes), text);
}

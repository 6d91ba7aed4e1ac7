//! An archive through crashes, damage, and others who work on it.

use std::fs;
use std::path::Path;

use xb_pipeline::cancel::CancelToken;
use xb_pipeline::keys::Keys;

use super::*;
use crate::gap::gaps;
use crate::testing::{Place, close, events_of, keys, log, open, read, server, time_of, zstd};

fn damage(path: &Path, at: usize) {
    let mut content = fs::read(path).unwrap();
    content[at] ^= 0x10;
    fs::write(path, content).unwrap();
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn convert_first(place: &Place, packing: &xb_pipeline::Packing, keys: &Keys) -> LogEntry {
    let entry = place.archive.picture().unwrap().epochs[0].logs[0].clone();
    convert(&place.epoch(1), &entry, packing, keys, &CancelToken::new()).unwrap()
}

#[test]
fn what_is_written_down_is_what_the_log_says() {
    let place = Place::with_logs(1..=3);
    let before = place.archive.picture().unwrap();
    let epoch = &before.epochs[0];
    assert_eq!((epoch.logs.len(), epoch.faults.len()), (4, 0));
    let first = &epoch.logs[0];
    assert_eq!((first.state, first.next.clone()), (LogState::Closed, Some(log(2))));
    assert_eq!((epoch.logs[1].previous.clone(), epoch.logs[3].state), (Some(log(1)), LogState::Open));
    for number in 1..=3 {
        fs::remove_file(place.epoch(1).join(format!("{}.json", log(number)))).unwrap();
    }
    assert_eq!(BinlogArchive::look(place.archive.root()).picture().unwrap(), before);
    assert!(!place.epoch(1).join("b.000001.json").exists(), "who only looks writes nothing");
    assert_eq!(place.archive.picture().unwrap(), before);
    assert!(place.epoch(1).join("b.000001.json").exists());
}

#[test]
fn a_log_that_goes_on_after_a_crash_has_the_same_digest() {
    let place = Place::new();
    let epoch = place.begin(Beginning::First);
    let events = events_of(1, 5).events;
    let mut partial = epoch.begin(log(1)).unwrap();
    for event in &events[..3] {
        partial.append(event.clone()).unwrap();
    }
    partial.sync().unwrap();
    drop(partial);
    let mut partial = epoch.partial().unwrap().unwrap();
    for event in &events[3..] {
        partial.append(event.clone()).unwrap();
    }
    partial.complete().unwrap();
    let picture = place.archive.picture().unwrap();
    verify(&*place.archive, 1, &picture.epochs[0].logs[0]).unwrap();
}

#[test]
fn a_damaged_entry_is_made_again() {
    let place = Place::with_logs(1..=2);
    let before = place.archive.picture().unwrap();
    let path = place.epoch(1).join("b.000001.json");
    let good = fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(17) {
        damage(&path, at);
        assert_eq!(place.archive.picture().unwrap(), before, "byte {at}");
        fs::write(&path, &good).unwrap();
    }
    fs::write(&path, "no json").unwrap();
    assert_eq!(place.archive.picture().unwrap(), before);
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn damaged_and_missing_logs_are_told() {
    let place = Place::with_logs(1..=5);
    let of = |name: &str| place.epoch(1).join(name);
    fs::remove_file(of("b.000001")).unwrap();
    let whole = fs::read(of("b.000002")).unwrap();
    fs::write(of("b.000002"), &whole[..whole.len() - 1]).unwrap();
    fs::remove_file(of("b.000003.json")).unwrap();
    damage(&of("b.000003"), 300);
    damage(&of("b.000004"), 300);
    fs::write(of("notes.txt"), "").unwrap();
    fs::write(place.archive.root().join("notes.txt"), "").unwrap();
    let picture = place.archive.picture().unwrap();
    assert_eq!(picture.strangers, ["notes.txt", "epoch-000001/notes.txt"]);
    let faults = &picture.epochs[0].faults;
    let told: Vec<_> = faults.iter().map(|fault| fault.reason.as_str()).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].contains("is gone"), "{told:?}");
    assert!(told[1].contains("bytes, and should have"), "{told:?}");
    assert!(told[2].contains("event at byte 256"), "{told:?}");
    let found = verify(&*place.archive, 1, &picture.epochs[0].logs[0]).unwrap_err().to_string();
    assert!(found.contains("b.000004") && found.contains("event at byte 256"), "{found}");
    let gone = read(&*place.archive, 1, &log(9)).unwrap_err().to_string();
    assert!(gone.contains("there is no b.000009"), "{gone}");
}

#[test]
fn a_log_is_read_from_every_form_and_damage_is_told() {
    let place = Place::with_logs(1..=2);
    let (keys, packings) = keys(place.dir.path());
    let view = BinlogArchive::look(place.archive.root()).with_keys(keys.clone());
    let content = fs::read(place.epoch(1).join("b.000001")).unwrap();
    let bare = view.picture().unwrap();
    for packing in &packings {
        let entry = convert_first(&place, packing, &keys);
        let file = place.epoch(1).join(format!("b.000001{}", entry.form().suffix()));
        assert_eq!(read(&view, 1, &log(1)).unwrap(), content);
        verify(&view, 1, &entry).unwrap();
        let logs = names(&place.epoch(1));
        assert_eq!(logs.iter().filter(|name| name.starts_with("b.000001")).count(), 2, "{logs:?}");
        let picture = view.picture().unwrap();
        assert_eq!(picture.epochs[0].logs[0], entry);
        // What is written down can be made again, from what is there.
        fs::remove_file(place.epoch(1).join("b.000001.json")).unwrap();
        assert_eq!(BinlogArchive::look(view.root()).with_keys(keys.clone()).picture().unwrap(), picture);
        seal::write_entry(&place.epoch(1), &entry).unwrap();
        let good = fs::read(&file).unwrap();
        for at in [good.len() / 3, good.len() / 2, good.len() - 30] {
            damage(&file, at);
            let told = read(&view, 1, &log(1))
                .map(|_| ())
                .and_then(|()| verify(&view, 1, &entry).map_err(std::io::Error::other));
            let told = told.unwrap_err().to_string();
            assert!(told.contains("b.000001"), "{told}");
            fs::write(&file, &good).unwrap();
        }
        fs::write(&file, &good[..good.len() - 9]).unwrap();
        assert!(read(&view, 1, &log(1)).is_err());
        assert_eq!(view.picture().unwrap().epochs[0].faults.len(), 1);
        fs::write(&file, &good).unwrap();
    }
    convert_first(&place, &packings[0], &keys);
    assert_eq!(view.picture().unwrap(), bare);
}

#[test]
fn without_a_key_what_is_written_down_is_still_known() {
    let place = Place::with_logs(1..=2);
    let (keys, packings) = keys(place.dir.path());
    // For others: it cannot be read back here.
    let entry = convert_first(&place, &packings[2], &Keys::default());
    assert_eq!(place.archive.picture().unwrap().epochs[0].logs[0], entry);
    let told = read(&*place.archive, 1, &log(1)).unwrap_err().to_string();
    assert!(told.contains("no identity was given"), "{told}");
    let view = BinlogArchive::look(place.archive.root()).with_keys(keys);
    verify(&view, 1, &entry).unwrap();
}

#[test]
fn a_conversion_of_a_damaged_log_changes_nothing() {
    let place = Place::with_logs(1..=2);
    let entry = place.archive.picture().unwrap().epochs[0].logs[0].clone();
    damage(&place.epoch(1).join("b.000001"), 300);
    let before = names(&place.epoch(1));
    let outcome = convert(&place.epoch(1), &entry, &zstd(), &Keys::default(), &CancelToken::new());
    assert!(matches!(outcome, Err(ArchiveError::Digest { .. })), "{outcome:?}");
    assert_eq!(names(&place.epoch(1)), before);
}

/// What is there after a conversion was killed behind each of its steps.
#[test]
fn a_conversion_that_was_killed_is_finished_or_undone() {
    for step in 0..4 {
        let place = Place::with_logs(1..=2);
        let of = |name: &str| place.epoch(1).join(name);
        let content = fs::read(of("b.000001")).unwrap();
        let raw_entry = fs::read(of("b.000001.json")).unwrap();
        convert_first(&place, &zstd(), &Keys::default());
        // All of it was done; take back what came last.
        fs::write(of("b.000001"), &content).unwrap();
        if step < 3 {
            fs::write(of("b.000001.json"), &raw_entry).unwrap();
        }
        if step < 2 {
            fs::copy(of("b.000001.zst"), of("b.000001.zst.tmp")).unwrap();
            fs::remove_file(of("b.000001.zst")).unwrap();
        }
        if step < 1 {
            fs::write(of("b.000001.zst.tmp"), "half").unwrap();
        }
        assert_eq!(read(&*place.archive, 1, &log(1)).unwrap(), content);
        let (_, epoch) = place.archive.newest().unwrap().unwrap();
        let left: Vec<_> =
            names(epoch.directory()).into_iter().filter(|name| name.starts_with("b.000001")).collect();
        let expected = if step < 3 { "b.000001" } else { "b.000001.zst" };
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(left.contains(&expected.to_owned()), "step {step}: {left:?}");
        assert_eq!(read(&*place.archive, 1, &log(1)).unwrap(), content);
        assert!(place.archive.picture().unwrap().epochs[0].faults.is_empty());
    }
}

#[test]
fn of_two_forms_the_one_that_is_whole_stays() {
    let place = Place::with_logs(1..=2);
    let of = |name: &str| place.epoch(1).join(name);
    let content = fs::read(of("b.000001")).unwrap();
    convert_first(&place, &zstd(), &Keys::default());
    fs::write(of("b.000001"), &content).unwrap();
    damage(&of("b.000001.zst"), 30);
    EpochDirectory::open(place.epoch(1)).unwrap();
    assert!(!of("b.000001.zst").exists());
    assert_eq!(read(&*place.archive, 1, &log(1)).unwrap(), content);
    // Neither is: nothing goes.
    convert_first(&place, &zstd(), &Keys::default());
    fs::write(of("b.000001"), &content[..100]).unwrap();
    damage(&of("b.000001.zst"), 30);
    EpochDirectory::open(place.epoch(1)).unwrap();
    assert!(of("b.000001.zst").exists() && of("b.000001").exists());
}

#[test]
fn a_streamer_that_died_before_it_wrote_down_a_log_writes_it_then() {
    let place = Place::with_logs(1..=3);
    let of = |name: &str| place.epoch(1).join(name);
    fs::remove_file(of("b.000004.partial")).unwrap();
    let good = fs::read(of("b.000003.json")).unwrap();
    fs::remove_file(of("b.000003.json")).unwrap();
    let (_, epoch) = place.archive.newest().unwrap().unwrap();
    assert_eq!(fs::read(of("b.000003.json")).unwrap(), good);
    let (end, entry) = epoch.newest().unwrap().unwrap();
    assert_eq!((end.next.file, end.next.position), (log(3), entry.size_bytes));
    assert_eq!(end.last, entry.last);
    drop(epoch);
    // It is not read again: a packed log without a key would do.
    fs::write(of("b.000003.zst.age"), vec![0; 10]).unwrap();
    fs::remove_file(of("b.000003")).unwrap();
    let stored = StoredForm { suffix: ".zst.age".to_owned(), size_bytes: 10, digest: entry.digest.unwrap() };
    seal::write_entry(&place.epoch(1), &LogEntry { stored: Some(stored), ..entry }).unwrap();
    let (_, epoch) = place.archive.newest().unwrap().unwrap();
    assert_eq!(epoch.newest().unwrap().unwrap().0.next.file, log(3));
    assert!(matches!(epoch.begin(log(3)), Err(ArchiveError::Exists { .. })));
}

#[test]
fn one_adds_and_the_other_is_told_who() {
    let place = Place::new();
    let refused = BinlogArchive::open(place.archive.root()).unwrap_err();
    let ArchiveError::InUse { holder, .. } = &refused else { panic!("{refused}") };
    if let Some(holder) = holder {
        assert_eq!(*holder, std::process::id());
    }
    assert!(refused.to_string().contains("stop it first"), "{refused}");
    assert!(BinlogArchive::look(place.archive.root()).picture().is_ok());
    let nowhere = BinlogArchive::look(place.dir.path().join("nowhere"));
    assert_eq!(nowhere.picture().unwrap(), Picture::default());
}

#[test]
fn an_epoch_that_was_only_begun_is_begun_again() {
    let place = Place::new();
    assert!(place.archive.newest().unwrap().is_none());
    fs::create_dir(place.epoch(1)).unwrap();
    fs::write(place.epoch(1).join("epoch.json.tmp"), "{").unwrap();
    assert!(place.archive.picture().unwrap().epochs.is_empty());
    drop(place.begin(Beginning::First));
    let (record, _) = place.archive.newest().unwrap().unwrap();
    assert_eq!((record.number, record.server), (1, server()));
    fs::create_dir(place.epoch(2)).unwrap();
    fs::write(place.epoch(2).join("b.000001"), "somebody's").unwrap();
    let third = place.begin(Beginning::Broken { epoch: 1, at: None, reason: "x".into() });
    assert_eq!(third.directory(), place.epoch(3));
    assert_eq!(place.archive.picture().unwrap().strangers, ["epoch-000002"]);
    damage(&place.epoch(3).join("epoch.json"), 120);
    let told = place.archive.picture().unwrap_err().to_string();
    assert!(told.contains("epoch-000003/epoch.json") && told.contains("damaged"), "{told}");
}

#[test]
fn logs_without_an_epoch_are_epoch_0() {
    let place = Place::new();
    for number in 1..=2 {
        fs::write(place.archive.root().join(log(number).to_string()), events_of(number, 7).bytes()).unwrap();
    }
    let mut newest = events_of(3, 7).bytes();
    newest.truncate(newest.len() - 60);
    fs::write(place.archive.root().join("b.000003"), &newest).unwrap();
    let picture = place.archive.picture().unwrap();
    let flat = picture.epoch(0).unwrap();
    let states: Vec<_> = flat.logs.iter().map(|log| log.state).collect();
    assert_eq!(states, [LogState::Closed, LogState::Closed, LogState::Open]);
    assert!(flat.logs[2].size_bytes < newest.len() as u64);
    let content = read(&*place.archive, 0, &log(3)).unwrap();
    assert_eq!(content, newest[..flat.logs[2].size_bytes as usize]);
    assert_eq!(names(place.archive.root()), ["b.000001", "b.000002", "b.000003"]);
    assert_eq!(place.archive.picture().unwrap(), picture);
    place.begin(Beginning::First);
    assert_eq!(place.archive.picture().unwrap().epochs.len(), 2);
}

#[test]
fn a_brief_picture_tells_how_the_newest_log_begins() {
    let place = Place::new();
    for number in 1..=2 {
        fs::write(place.archive.root().join(log(number).to_string()), events_of(number, 7).bytes()).unwrap();
    }
    let brief = || BinlogArchive::look(place.archive.root()).brief().picture().unwrap();
    let first = place.begin(Beginning::First);
    close(&first, 2, 7);
    open(&first, 3, 8);
    // The last of those without an epoch is there again.
    assert_eq!(gaps(&brief()), []);
    drop(first);
    let second = place.begin(Beginning::Broken { epoch: 1, at: None, reason: "it was reset".to_owned() });
    open(&second, 1, 90);
    let [gap] = &gaps(&brief())[..] else { panic!("{:?}", gaps(&brief())) };
    assert_eq!((gap.to_time, gaps(&place.archive.picture().unwrap())[0].to_time), (Some(90), Some(90)));
}

#[test]
fn a_picture_stays_whole_while_others_work_on_the_archive() {
    let place = Place::with_logs(1..=30);
    let (_, epoch) = place.archive.newest().unwrap().unwrap();
    let root = place.archive.root().to_owned();
    let logs = place.archive.picture().unwrap().epochs[0].logs.clone();
    std::thread::scope(|scope| {
        let directory = place.epoch(1);
        let worker = scope.spawn(move || {
            for entry in logs.iter().filter(|log| log.state == LogState::Closed) {
                convert(&directory, entry, &zstd(), &Keys::default(), &CancelToken::new()).unwrap();
            }
        });
        let adder = scope.spawn(|| {
            epoch.partial().unwrap().unwrap().complete().unwrap();
            (32..60).for_each(|number| close(&epoch, number, time_of(number)));
        });
        let view = BinlogArchive::look(root);
        let (mut last, mut looks) = (30, 0);
        while looks < 20 || !worker.is_finished() || !adder.is_finished() {
            let picture = view.picture().unwrap();
            let epoch = &picture.epochs[0];
            assert!(epoch.faults.is_empty(), "{:?}", epoch.faults);
            let numbers: Vec<_> = epoch.logs.iter().map(|log| log.name.number()).collect();
            let newest = *numbers.last().unwrap();
            assert_eq!(numbers, (1..=newest).collect::<Vec<_>>());
            assert!(newest >= last, "{newest} after {last}");
            (last, looks) = (newest, looks + 1);
        }
    });
}

#[test]
fn ten_thousand_logs_are_looked_at_without_reading_them() {
    let place = Place::with_logs(1..=1);
    let picture = place.archive.picture().unwrap();
    let content = fs::read(place.epoch(1).join("b.000001")).unwrap();
    fs::remove_file(place.epoch(1).join("b.000002.partial")).unwrap();
    for number in 1..=10_000 {
        let entry =
            LogEntry { name: log(number), next: Some(log(number + 1)), ..picture.epochs[0].logs[0].clone() };
        let text = seal::entry_text(&entry).unwrap();
        fs::write(place.epoch(1).join(format!("{}.json", log(number))), text).unwrap();
        // What is in them does not matter: only their length is looked at.
        fs::write(place.epoch(1).join(log(number).to_string()), vec![0; content.len()]).unwrap();
    }
    let begun = std::time::Instant::now();
    let picture = BinlogArchive::look(place.archive.root()).picture().unwrap();
    let taken = begun.elapsed();
    println!("a picture of 10,000 logs takes {taken:?}");
    assert_eq!((picture.epochs[0].logs.len(), picture.epochs[0].faults.len()), (10_000, 0));
}

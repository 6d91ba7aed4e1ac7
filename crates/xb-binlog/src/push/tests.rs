//! An archive that is brought to a store by one who dies again and again.

use std::fs;

use xb_core::BinlogCoord;
use xb_pipeline::keys::Keys;
use xb_pipeline::store::wrap::fault::{Fault, Operation};

use super::*;
use crate::archive::{Beginning, BinlogArchive, convert};
use crate::elsewhere::Elsewhere;
use crate::prune::{Need, plan_prune, prune};
use crate::testing::{Place as Scene, bare, close, keys, log, open, read, time_of, zstd};

fn place(number: u64, position: u64) -> Place {
    Place { epoch: 1, at: BinlogCoord { file: log(number), position } }
}

fn push(
    pusher: &mut Pusher,
    scene: &Scene,
    open: Option<(&Place, &Packing)>,
) -> Result<Pushed, ArchiveError> {
    let picture = scene.archive.picture()?;
    let bare = bare();
    let packing = open.map_or(&bare, |(_, packing)| packing);
    let unclosed = Unclosed { packing, synced: open.map(|(place, _)| place) };
    pusher.push(&scene.archive, &picture, unclosed, &CancelToken::new())
}

fn assert_equal_elsewhere(scene: &Scene, store: &Arc<dyn Store>, keys: &Keys) {
    let there = Elsewhere::look(store.clone(), keys.clone()).unwrap();
    let (own, picture) = (scene.archive.picture().unwrap(), there.picture().unwrap());
    assert_eq!(picture, own);
    let own_logs = BinlogArchive::look(scene.archive.root()).with_keys(keys.clone());
    // It is an archive there, too, for whoever looks at the directory.
    let copy = BinlogArchive::look(scene.dir.path().join("store/binlogs")).with_keys(keys.clone());
    assert_eq!(copy.picture().unwrap(), own);
    for epoch in &own.epochs {
        for log in &epoch.logs {
            let number = epoch.record.number;
            let expected = read(&own_logs, number, &log.name).unwrap();
            assert_eq!(read(&there, number, &log.name).unwrap(), expected);
            assert_eq!(read(&copy, number, &log.name).unwrap(), expected);
        }
    }
}

/// Two epochs, one log packed, one never closed, and one that is open; where that ends.
fn scene() -> (Scene, Place) {
    let scene = Scene::with_logs(1..=3);
    let logs = scene.archive.picture().unwrap().epochs[0].logs.clone();
    convert(&scene.epoch(1), &logs[1], &zstd(), &Keys::default(), &CancelToken::new()).unwrap();
    let reason = "the server was begun anew".to_owned();
    let epoch = scene.begin(Beginning::Broken { epoch: 1, at: None, reason });
    close(&epoch, 1, time_of(9));
    let end = open(&epoch, 2, time_of(10));
    (scene, Place { epoch: 2, at: BinlogCoord { file: log(2), position: end } })
}

#[test]
fn a_pusher_that_dies_anywhere_is_gone_on_from() {
    let mut most = 0;
    for operations in 0.. {
        let (scene, end) = scene();
        let store = scene.store();
        let faulty = Fault::after(store.clone(), operations);
        let mut pusher = Pusher::new(Arc::new(faulty.clone()));
        let outcome = push(&mut pusher, &scene, Some((&end, &bare())));
        // What counts there is right, however far it came.
        let there = Elsewhere::look(store.clone(), Keys::default()).unwrap();
        for epoch in &there.picture().unwrap().epochs {
            assert!(epoch.faults.is_empty(), "{:?}", epoch.faults);
            epoch.logs.iter().for_each(|log| {
                read(&there, epoch.record.number, &log.name).unwrap();
            });
        }
        let mut again = Pusher::new(store.clone());
        push(&mut again, &scene, Some((&end, &bare()))).unwrap();
        assert_equal_elsewhere(&scene, &store, &Keys::default());
        most = operations;
        if outcome.is_ok() {
            break;
        }
    }
    // 2 epochs, 4 logs of 3 operations, two pieces, one listing.
    assert!(most >= 18, "{most}");
}

#[test]
fn the_same_pusher_goes_on_after_every_error() {
    use xb_pipeline::store::StoreErrorKind::Unreachable;
    use xb_pipeline::store::wrap::fault::Harm;
    for harm in [Harm::Fail(Unreachable), Harm::Lose(Unreachable)] {
        for passing in 0.. {
            let (scene, end) = scene();
            let store = scene.store();
            let faulty = Fault::new(store.clone()).any(passing, harm);
            let mut pusher = Pusher::new(Arc::new(faulty.clone()));
            let first = push(&mut pusher, &scene, Some((&end, &bare())));
            push(&mut pusher, &scene, Some((&end, &bare()))).unwrap();
            assert_equal_elsewhere(&scene, &store, &Keys::default());
            if first.is_ok() {
                break;
            }
        }
    }
}

#[test]
fn what_is_there_is_not_sent_again() {
    let (scene, end) = scene();
    let store = scene.store();
    let watched = Fault::new(store.clone());
    let mut pusher = Pusher::new(Arc::new(watched.clone()));
    let first = push(&mut pusher, &scene, Some((&end, &bare()))).unwrap();
    assert_eq!((first.logs, first.pieces), (4, 2));
    let before = watched.operations().len();
    assert_eq!(push(&mut pusher, &scene, Some((&end, &bare()))).unwrap(), Pushed::default());
    assert_eq!(watched.operations().len(), before, "nothing is asked");
    let mut another = Pusher::new(Arc::new(watched.clone()));
    assert_eq!(push(&mut another, &scene, Some((&end, &bare()))).unwrap(), Pushed::default());
    let creations = watched.operations().iter().filter(|done| **done == Operation::Create).count();
    assert_eq!(creations, 6);
    // Another form here is no reason to send it once more.
    let logs = scene.archive.picture().unwrap().epochs[0].logs.clone();
    convert(&scene.epoch(1), &logs[0], &zstd(), &Keys::default(), &CancelToken::new()).unwrap();
    assert_eq!(push(&mut another, &scene, None).unwrap().bytes, 0);
    let there = Elsewhere::look(store, Keys::default()).unwrap();
    assert!(there.picture().unwrap().epochs[0].logs[0].stored.is_none());
}

#[test]
fn an_object_without_a_seal_is_sealed_if_it_is_the_log_and_else_replaced() {
    for is_same in [true, false] {
        let scene = Scene::with_logs(1..=1);
        let store = scene.store();
        let mut content = fs::read(scene.epoch(1).join("b.000001")).unwrap();
        if !is_same {
            content[300] ^= 1;
        }
        store.put(&path_of(&*store, 1, "b.000001").unwrap(), &content).unwrap();
        let there = Elsewhere::look(store.clone(), Keys::default()).unwrap();
        assert!(there.picture().unwrap().epochs.is_empty());
        let pushed = push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
        assert_eq!((pushed.logs, pushed.bytes == 0), (1, is_same));
        let there = Elsewhere::look(store, Keys::default()).unwrap();
        assert!(read(&there, 1, &log(1)).is_ok());
    }
}

#[test]
fn the_open_log_goes_in_pieces_and_they_go_once_it_is_closed() {
    let scene = Scene::new();
    let (keys, packings) = keys(scene.dir.path());
    let packing = &packings[8];
    let epoch = scene.begin(Beginning::First);
    let store = scene.store();
    let mut pusher = Pusher::new(store.clone());
    let mut partial = epoch.begin(log(1)).unwrap();
    let events = crate::testing::events_of(1, 5).events;
    let (last, first) = events.split_last().unwrap();
    for event in first {
        partial.append(event.clone()).unwrap();
        partial.sync().unwrap();
        let end = place(1, partial.end().position);
        assert_eq!(push(&mut pusher, &scene, Some((&end, packing))).unwrap().pieces, 1);
        assert_equal_elsewhere(&scene, &store, &keys);
    }
    // A hole in the pieces ends the log there.
    let names: Vec<_> = store.list().unwrap().into_iter().map(|entry| entry.path).collect();
    let second = names.iter().find(|path| path.as_str().contains(".part-256-")).unwrap();
    let kept = fs::read(scene.dir.path().join("store").join(second.as_str())).unwrap();
    store.remove(std::slice::from_ref(second)).unwrap();
    let there = Elsewhere::look(store.clone(), keys.clone()).unwrap();
    assert_eq!(there.picture().unwrap().epochs[0].end().unwrap().position, 256);
    let copy = BinlogArchive::look(scene.dir.path().join("store/binlogs")).with_keys(keys.clone());
    assert_eq!(copy.picture().unwrap(), there.picture().unwrap());
    assert_eq!(copy.brief().picture().unwrap().epochs[0].end().unwrap().position, 256);
    assert_eq!(read(&there, 1, &log(1)).unwrap().len(), 256);
    // Damage in a piece is told with its name.
    let mut damaged = kept;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    store.put(second, &damaged).unwrap();
    let there = Elsewhere::look(store.clone(), keys.clone()).unwrap();
    let told = read(&there, 1, &log(1)).unwrap_err().to_string();
    assert!(told.contains("b.000001.part-256-"), "{told}");
    // So is a piece that is shorter than its name says.
    let cut = second.as_str().replace(".zst.age", "");
    let cut = xb_pipeline::store::StorePath::parse(&cut).unwrap();
    store.remove(std::slice::from_ref(second)).unwrap();
    store.put(&cut, &[1, 2, 3]).unwrap();
    let there = Elsewhere::look(store.clone(), keys.clone()).unwrap();
    let told = read(&there, 1, &log(1)).unwrap_err().to_string();
    assert!(told.contains("ends at byte 3, and the log has"), "{told}");
    partial.append(last.clone()).unwrap();
    partial.complete().unwrap();
    push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
    assert_equal_elsewhere(&scene, &store, &keys);
    assert!(store.list().unwrap().iter().all(|entry| !entry.path.as_str().contains(".part-")));
}

#[test]
fn another_archive_and_another_log_are_not_written_over() {
    let scene = Scene::with_logs(1..=2);
    let store = scene.store();
    push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
    let other = Scene::new();
    let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    other.archive.begin_epoch(0, crate::testing::server(), Beginning::First, now).unwrap();
    let refused = push(&mut Pusher::new(store.clone()), &other, None);
    assert!(matches!(refused, Err(ArchiveError::OtherArchive { epoch: 1, .. })), "{refused:?}");
    let third = Scene::new();
    let epoch = third.begin(Beginning::First);
    close(&epoch, 1, 77);
    let entry = third.archive.picture().unwrap().epochs[0].logs[0].clone();
    convert(&third.epoch(1), &entry, &zstd(), &Keys::default(), &CancelToken::new()).unwrap();
    let refused = push(&mut Pusher::new(store), &third, None);
    assert!(matches!(refused, Err(ArchiveError::OtherLog { .. })), "{refused:?}");
}

#[test]
fn a_damaged_log_is_not_sent_and_the_others_are() {
    let scene = Scene::with_logs(1..=3);
    let store = scene.store();
    let path = scene.epoch(1).join("b.000002");
    let mut content = fs::read(&path).unwrap();
    content[300] ^= 1;
    fs::write(&path, content).unwrap();
    let pushed = push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
    assert_eq!((pushed.logs, pushed.damaged.len()), (2, 1));
    let there = Elsewhere::look(store.clone(), Keys::default()).unwrap();
    let numbers: Vec<_> =
        there.picture().unwrap().epochs[0].logs.iter().map(|log| log.name.number()).collect();
    assert_eq!(numbers, [1, 3]);
    // Damage there is told when it is read.
    let object = path_of(&*store, 1, "b.000003").unwrap();
    let mut content = fs::read(scene.epoch(1).join("b.000003")).unwrap();
    content[300] ^= 1;
    store.put(&object, &content).unwrap();
    let told = read(&there, 1, &log(3)).unwrap_err().to_string();
    assert!(told.contains("b.000003") && told.contains("digest"), "{told}");
}

#[test]
fn what_is_pruned_there_is_without_a_hole_at_every_step() {
    let need = Need { epoch: Some(1), at: BinlogCoord { file: log(4), position: 4 }, time: None };
    for operations in 0.. {
        let scene = Scene::with_logs(1..=5);
        let store = scene.store();
        push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
        let plan = {
            let picture = Elsewhere::look(store.clone(), Keys::default()).unwrap().picture().unwrap();
            plan_prune(&picture, std::slice::from_ref(&need), None)
        };
        assert_eq!(plan.logs.len(), 3);
        // The one who looked is alive; the one who removes dies.
        let dying: Arc<dyn Store> = Arc::new(Fault::after(store.clone(), operations + 1));
        let outcome = Elsewhere::look(dying, Keys::default()).unwrap().prune(&plan);
        let picture = Elsewhere::look(store.clone(), Keys::default()).unwrap().picture().unwrap();
        let numbers: Vec<_> = picture.epochs[0].logs.iter().map(|log| log.name.number()).collect();
        assert_eq!(numbers, (numbers[0]..=5).collect::<Vec<_>>());
        assert!(picture.epochs[0].faults.is_empty());
        // The next push brings back what still is here, until it is pruned here too.
        prune(&scene.archive, &plan).unwrap();
        let again = Elsewhere::look(store.clone(), Keys::default()).unwrap();
        let rest = plan_prune(&again.picture().unwrap(), std::slice::from_ref(&need), None);
        assert_eq!(again.prune(&rest).unwrap(), None);
        push(&mut Pusher::new(store.clone()), &scene, None).unwrap();
        let left = scene.archive.picture().unwrap().epochs[0].logs.len();
        assert_eq!(left, 3, "two closed and the open one");
        let there = Elsewhere::look(store.clone(), Keys::default()).unwrap().picture().unwrap();
        assert_eq!(there.epochs[0].logs, scene.archive.picture().unwrap().epochs[0].logs[..2]);
        if outcome.is_ok() {
            break;
        }
    }
}

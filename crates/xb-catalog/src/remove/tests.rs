use xb_pipeline::cancel::CancelReason;

use super::*;
use crate::sample::{add, id, store_with_sets};
use crate::{Draft, remove_partials};

fn scan(root: &Path) -> Catalog {
    Catalog::scan(root).unwrap()
}

/// Ends the work before step number `end`, as a crash would; tells the rest to go on.
fn until(end: usize) -> impl FnMut(&Path) -> Result<(), Cancelled> {
    let mut steps = 0;
    move |_| {
        steps += 1;
        if steps > end { Err(Cancelled(CancelReason::Interrupt)) } else { Ok(()) }
    }
}

#[test]
fn a_set_goes_with_its_directory_and_leaves_what_is_not_ours() {
    let dir = store_with_sets();
    let catalog = scan(dir.path());
    fs::write(dir.path().join("full/notes"), "mine").unwrap();
    remove_at(&catalog, Shelf::Current, id("10_00_00"), &CancelToken::new()).unwrap();
    let left: Vec<_> = scan(dir.path()).records().map(BackupRecord::id).collect();
    assert_eq!(left, [id("20_00_00")]);
    assert!(!dir.path().join("incr/2026_11_22-10_00_00").exists());
    assert!(dir.path().join("full/notes").exists());
    let again = remove_at(&scan(dir.path()), Shelf::Current, id("10_00_00"), &CancelToken::new());
    assert!(matches!(again, Err(RemoveError::NoSuchSet { .. })));
}

#[test]
fn a_directory_with_something_else_in_it_stays() {
    let dir = store_with_sets();
    let catalog = scan(dir.path());
    let notes = dir.path().join("incr/2026_11_22-10_00_00/notes");
    fs::write(&notes, "mine").unwrap();
    remove_set(dir.path(), &catalog.sets[0], &CancelToken::new()).unwrap();
    assert!(notes.exists());
}

#[test]
fn wherever_a_removal_ends_no_backup_is_half_there() {
    for end in 0.. {
        let dir = store_with_sets();
        let catalog = scan(dir.path());
        let done = remove_set_in_steps(dir.path(), &catalog.sets[0], &mut until(end)).is_ok();
        let catalog = scan(dir.path());
        for (_, set) in catalog.all_sets() {
            assert!(set.restorable().iter().all(|restorable| *restorable), "step {end}: {set:?}");
        }
        remove_partials(&catalog.partials).unwrap();
        for set in scan(dir.path()).sets.iter().filter(|set| set.id == id("10_00_00")) {
            remove_set(dir.path(), set, &CancelToken::new()).unwrap();
        }
        let catalog = scan(dir.path());
        assert_eq!((catalog.records().count(), catalog.partials.len()), (1, 0), "step {end}");
        assert_eq!(fs::read_dir(dir.path().join("incr")).unwrap().count(), 0, "step {end}");
        if done {
            assert_eq!(end, 7, "two for each of the three, and the directory");
            return;
        }
    }
}

#[test]
fn what_a_dead_run_left_under_the_name_is_not_in_the_way() {
    let dir = store_with_sets();
    let set = id("20_00_00");
    let draft = Draft::begin(dir.path(), crate::layout::Place::full(set)).unwrap();
    fs::write(draft.directory().join("half"), "").unwrap();
    std::mem::forget(draft);
    let catalog = scan(dir.path());
    let record = catalog.chain(set).unwrap()[0];
    remove_backup(record, &CancelToken::new()).unwrap();
    let catalog = scan(dir.path());
    assert!(catalog.partials.is_empty() && catalog.sets.len() == 1);
}

#[test]
fn a_set_on_a_shelf_goes_as_one_unless_it_holds_something_else() {
    let dir = store_with_sets();
    let cancel = CancelToken::new();
    let silent = xb_pipeline::monitor::Silent;
    crate::shelve::shelve(dir.path(), &scan(dir.path()).sets[0], Shelf::Weekly, &silent, &cancel).unwrap();
    for notes in ["notes", "full/notes", "incr/2026_11_22-10_00_00/notes"] {
        let notes = dir.path().join("weekly/2026_11_22-12_00_00").join(notes);
        fs::write(&notes, "mine").unwrap();
        let refused = remove_at(&scan(dir.path()), Shelf::Weekly, id("12_00_00"), &cancel);
        assert!(matches!(refused, Err(RemoveError::NotOurs { path }) if path == notes));
        assert_eq!(scan(dir.path()).weekly[0].set.members().count(), 3);
        fs::remove_file(notes).unwrap();
    }
    let catalog = scan(dir.path());
    let stopped = remove_shelved_in_steps(&catalog.weekly[0], &mut until(1));
    assert!(matches!(stopped, Err(RemoveError::Cancelled(_))));
    assert_eq!(scan(dir.path()).weekly.len(), 0, "not even half of it is listed");
    assert_eq!(leftovers(&scan(dir.path())).unwrap().len(), 1);
    remove_partials(&scan(dir.path()).partials).unwrap();
    assert_eq!(fs::read_dir(dir.path().join("weekly")).unwrap().count(), 0);
}

#[test]
fn what_is_left_over_has_a_size() {
    let dir = store_with_sets();
    let partial = dir.path().join("monthly/2026_11_22-19_00_00.partial/full");
    fs::create_dir_all(&partial).unwrap();
    fs::write(partial.join("ibdata1"), [1; 5000]).unwrap();
    let found = leftovers(&scan(dir.path())).unwrap();
    assert_eq!((found[0].bytes, found[0].partial.shelf), (5000, Shelf::Monthly));
    fs::remove_dir_all(partial.parent().unwrap()).unwrap();
    let catalog = Catalog { partials: vec![found[0].partial.clone()], ..Catalog::default() };
    assert_eq!(leftovers(&catalog).unwrap(), [], "it ended meanwhile");
}

#[test]
fn dependents_are_told_newest_first() {
    let dir = store_with_sets();
    add(dir.path(), "10_00_00", "13_00_00", Some("10_00_00"));
    let catalog = scan(dir.path());
    let of = |name: &str| -> Vec<BackupId> {
        catalog.sets[0].dependents(id(name)).iter().map(|record| record.id()).collect()
    };
    assert_eq!(of("10_00_00"), [id("13_00_00"), id("12_00_00"), id("11_00_00")]);
    assert_eq!(of("11_00_00"), [id("12_00_00")]);
    assert_eq!(of("12_00_00"), []);
}

#[test]
fn a_stop_signal_ends_it_between_two_backups() {
    let dir = store_with_sets();
    let cancel = CancelToken::new();
    cancel.cancel(CancelReason::Terminate);
    let stopped = remove_set(dir.path(), &scan(dir.path()).sets[0], &cancel);
    assert!(matches!(stopped, Err(RemoveError::Cancelled(_))));
    assert_eq!(scan(dir.path()).records().count(), 4);
}

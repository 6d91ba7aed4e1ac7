use std::os::unix::fs::MetadataExt;

use xb_pipeline::cancel::CancelReason;
use xb_pipeline::monitor::Silent;

use super::*;
use crate::plan::{Action, RetentionPolicy, plan_retention};
use crate::remove::{remove_at, remove_set, remove_set_in_steps};
use crate::sample::{add, id, leave_as_the_original, store, store_with_sets};
use crate::{Catalog, remove_partials};

fn scan(root: &Path) -> Catalog {
    Catalog::scan(root).unwrap()
}

/// The mover of the older set, which begins with the way given.
fn moved<'a>(root: &Path, set: &'a BackupSet, way: Way, cancel: &'a CancelToken) -> Mover<'a> {
    let mover = Mover::new(root, set, Shelf::Weekly, &Silent, cancel).unwrap();
    Mover { from_way: way, ..mover }
}

#[test]
fn a_set_is_linked_to_its_shelf_with_all_that_is_in_it() {
    let dir = store_with_sets();
    let catalog = scan(dir.path());
    let (root, cancel) = (dir.path(), CancelToken::new());
    let done = shelve(root, &catalog.sets[0], Shelf::Yearly, &Silent, &cancel).unwrap();
    assert_eq!((done.way, done.files, done.copied_bytes), (Way::Linked, 12, 0));
    assert!(done.bytes > 24);
    let file = |directory: &str| fs::metadata(root.join(directory).join("shop/t.ibd")).unwrap();
    let (old, new) = (
        "incr/2026_11_22-10_00_00/2026_11_22-11_00_00",
        "yearly/2026_11_22-12_00_00/incr/2026_11_22-10_00_00/2026_11_22-11_00_00",
    );
    assert_eq!(file(old).ino(), file(new).ino());
    assert!(root.join(new).join("empty").is_dir(), "a database without tables");
    remove_set(root, &catalog.sets[0], &cancel).unwrap();
    let catalog = scan(root);
    assert_eq!(catalog.chain(id("12_00_00")).unwrap().len(), 3);
    assert_eq!(catalog.yearly.len(), 1);
    // And on to another shelf.
    shelve(root, &catalog.yearly[0].set, Shelf::Monthly, &Silent, &cancel).unwrap();
    remove_at(&catalog, Shelf::Yearly, id("12_00_00"), &cancel).unwrap();
    let catalog = scan(root);
    assert_eq!((catalog.monthly.len(), catalog.yearly.len()), (1, 0));
    assert_eq!(catalog.chain(id("12_00_00")).unwrap().len(), 3);
}

#[test]
fn where_nothing_can_be_linked_it_is_copied_and_held_against_the_manifest() {
    let dir = store_with_sets();
    let (catalog, cancel) = (scan(dir.path()), CancelToken::new());
    let done = moved(dir.path(), &catalog.sets[0], Way::Copied, &cancel).run(&mut |_| Ok(())).unwrap();
    assert_eq!((done.way, done.files), (Way::Copied, 12));
    assert_eq!(done.copied_bytes, done.bytes);
    assert!(scan(dir.path()).weekly[0].set.restorable().iter().all(|restorable| *restorable));
    remove_at(&scan(dir.path()), Shelf::Weekly, id("12_00_00"), &cancel).unwrap();
    let rotten = dir.path().join("incr/2026_11_22-10_00_00/2026_11_22-11_00_00/shop/t.ibd");
    fs::write(rotten, "rowz").unwrap();
    let failed = moved(dir.path(), &catalog.sets[0], Way::Copied, &cancel).run(&mut |_| Ok(()));
    assert!(matches!(failed, Err(ShelveError::Copy(ExtractError::Digest { .. }))), "{failed:?}");
    assert!(scan(dir.path()).weekly.is_empty());
}

#[test]
fn where_blocks_cannot_be_shared_it_is_copied() {
    let dir = store_with_sets();
    let (catalog, cancel) = (scan(dir.path()), CancelToken::new());
    let done = moved(dir.path(), &catalog.sets[0], Way::Cloned, &cancel).run(&mut |_| Ok(())).unwrap();
    assert!(matches!(done.way, Way::Cloned | Way::Copied), "as the file system of the test can");
    let weekly = scan(dir.path());
    let file = weekly.weekly[0].set.full.as_ref().unwrap().directory.join("ibdata1");
    assert_eq!(fs::read(&file).unwrap(), b"data");
    assert_eq!(fs::metadata(file).unwrap().nlink(), 1);
}

/// A run that removes what is left over and does what the plan says; gives what it looked at afterwards.
fn next_run(root: &Path, policy: RetentionPolicy) -> Catalog {
    let cancel = CancelToken::new();
    remove_partials(&scan(root).partials).unwrap();
    let catalog = scan(root);
    for planned in plan_retention(&catalog, policy).sets {
        if let Action::Move { to } = planned.action {
            shelve(root, planned.find(&catalog).unwrap(), to, &Silent, &cancel).unwrap();
        }
        if planned.action != Action::Stay {
            remove_at(&catalog, planned.shelf, planned.name, &cancel).unwrap();
        }
    }
    let catalog = scan(root);
    assert!(plan_retention(&catalog, policy).is_idle());
    catalog
}

#[test]
fn wherever_a_move_ends_there_is_a_whole_copy_and_the_next_run_gets_to_the_end() {
    let cancel = CancelToken::new();
    let (set, last) = ("2026_11_15-10_00_00", "2026_11_15-12_00_00");
    let policy = RetentionPolicy { sets: 1, weeks: 1, ..RetentionPolicy::default() };
    for (way, end) in
        [Way::Linked, Way::Copied].into_iter().flat_map(|way| (0..15).map(move |end| (way, end)))
    {
        let dir = store();
        let root = dir.path();
        add(root, set, set, None);
        add(root, set, "2026_11_15-11_00_00", Some(set));
        add(root, set, last, Some("2026_11_15-11_00_00"));
        add(root, "20_00_00", "20_00_00", None);
        let catalog = scan(root);
        let mut steps = 0;
        let mut step = |_: &Path| {
            steps += 1;
            if steps > end { Err(Cancelled(CancelReason::Interrupt)) } else { Ok(()) }
        };
        let made = moved(root, &catalog.sets[0], way, &cancel).run(&mut step);
        let removed = made.is_ok() && remove_set_in_steps(root, &catalog.sets[0], &mut step).is_ok();
        assert_eq!((made.is_ok(), removed), (end >= 6, end >= 13), "{way:?}, step {end}");
        assert_eq!(scan(root).chain(id(last)).unwrap().len(), 3, "{way:?}, step {end}");
        let after = next_run(root, policy);
        assert_eq!((after.sets.len(), after.weekly.len(), after.partials.len()), (1, 1, 0), "step {end}");
        assert_eq!(after.chain(id(last)).unwrap().len(), 3, "{way:?}, step {end}");
    }
}

#[test]
fn a_failure_leaves_nothing() {
    let dir = store_with_sets();
    let catalog = scan(dir.path());
    let cancel = CancelToken::new();
    std::os::unix::fs::symlink("/etc", dir.path().join("full/2026_11_22-10_00_00/link")).unwrap();
    let refused = shelve(dir.path(), &catalog.sets[0], Shelf::Weekly, &Silent, &cancel);
    assert!(matches!(refused, Err(ShelveError::Unusual { .. })));
    assert_eq!(fs::read_dir(dir.path().join("weekly")).unwrap().count(), 0);
    let current = shelve(dir.path(), &catalog.sets[0], Shelf::Current, &Silent, &cancel);
    assert!(matches!(current, Err(ShelveError::ToCurrent)));
    fs::create_dir(dir.path().join("weekly/2026_11_22-12_00_00")).unwrap();
    let taken = shelve(dir.path(), &catalog.sets[0], Shelf::Weekly, &Silent, &cancel);
    assert!(matches!(taken, Err(ShelveError::Exists { .. })));
}

#[test]
fn what_arrives_with_less_than_was_sent_is_not_committed() {
    let dir = store_with_sets();
    let catalog = scan(dir.path());
    let cancel = CancelToken::new();
    // Damaged since the catalog was made.
    fs::remove_file(dir.path().join("incr/2026_11_22-10_00_00/2026_11_22-12_00_00/ibdata1")).unwrap();
    let refused = shelve(dir.path(), &catalog.sets[0], Shelf::Weekly, &Silent, &cancel);
    assert!(matches!(refused, Err(ShelveError::Differs { .. })), "{refused:?}");
    // Known to be damaged, it may go as it is.
    shelve(dir.path(), &scan(dir.path()).sets[0], Shelf::Weekly, &Silent, &cancel).unwrap();
}

#[test]
fn a_set_in_the_form_of_the_original_moves_into_ours() {
    let dir = store();
    let shelf = dir.path().join("weekly/2026_11_22-11_00_00");
    let place = |name: &str| Place { set: id("10_00_00"), id: id(name) };
    leave_as_the_original(&shelf.join("full"), place("10_00_00"), 0, 100);
    leave_as_the_original(&shelf.join("incr/2026_11_22-11_00_00"), place("11_00_00"), 100, 200);
    let (catalog, cancel) = (scan(dir.path()), CancelToken::new());
    shelve(dir.path(), &catalog.weekly[0].set, Shelf::Monthly, &Silent, &cancel).unwrap();
    remove_at(&catalog, Shelf::Weekly, id("11_00_00"), &cancel).unwrap();
    let catalog = scan(dir.path());
    assert_eq!(catalog.chain(id("11_00_00")).unwrap().len(), 2);
    assert!(dir.path().join("monthly/2026_11_22-11_00_00/full/2026_11_22-10_00_00/ibdata1").is_file());
}

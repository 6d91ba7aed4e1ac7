use super::*;
use crate::sample::{add, id, leave_as_the_original, meta, store, store_with_sets};
use crate::{BackupRecord, Shelf};

fn names(chain: &[&BackupRecord]) -> Vec<String> {
    chain.iter().map(|record| record.id().to_string()[11..].to_owned()).collect()
}

fn put(root: &Path, from: &str, to: &str) {
    fs::create_dir_all(root.join(to).parent().unwrap()).unwrap();
    xb_pipeline::fs::rename(&root.join(from), &root.join(to)).unwrap();
}

/// Moves the older set of the sample to a shelf, by hand.
fn put_on(root: &Path, shelf: &str) {
    let (set, name) = ("2026_11_22-10_00_00", "2026_11_22-12_00_00");
    put(root, &format!("full/{set}"), &format!("{shelf}/{name}/full/{set}"));
    put(root, &format!("incr/{set}"), &format!("{shelf}/{name}/incr/{set}"));
}

#[test]
fn a_set_on_a_shelf_is_a_set() {
    for shelf in Shelf::KEPT {
        let dir = store_with_sets();
        put_on(dir.path(), shelf.word());
        let catalog = Catalog::scan(dir.path()).unwrap();
        assert_eq!(catalog.sets.len(), 1);
        let shelved = &catalog.shelved(shelf)[0];
        assert_eq!(
            (shelved.name, shelved.set.id, shelved.set.incrementals.len()),
            (id("12_00_00"), id("10_00_00"), 2)
        );
        assert_eq!(names(&catalog.chain(id("12_00_00")).unwrap()), ["10_00_00", "11_00_00", "12_00_00"]);
        assert!(catalog.strays.is_empty(), "{:?}", catalog.strays);
    }
}

#[test]
fn the_newest_is_looked_for_on_all_shelves_but_a_base_is_not() {
    let dir = store_with_sets();
    put(dir.path(), "full/2026_11_22-20_00_00", "weekly/2026_11_22-20_00_00/full/2026_11_22-20_00_00");
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert_eq!(names(&catalog.newest_restorable().unwrap()), ["20_00_00"]);
    assert_eq!(catalog.newest().unwrap().id(), id("20_00_00"));
    assert_eq!(catalog.newest_name(), Some(id("20_00_00")), "the next name is greater");
    assert_eq!(names(&catalog.newest_base().unwrap()), ["10_00_00", "11_00_00", "12_00_00"]);
    let server = catalog.newest().unwrap().server.as_ref().unwrap();
    let plan = crate::plan::plan_base(&catalog, server).unwrap();
    assert_eq!((plan.set, plan.base, plan.passed_over), (id("10_00_00"), id("12_00_00"), None));
    fs::remove_file(catalog.weekly[0].set.full.as_ref().unwrap().directory.join("ibdata1")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert_eq!(names(&catalog.newest_restorable().unwrap()).last().unwrap(), "12_00_00");
    assert!(catalog.passed_over(id("12_00_00")).is_some(), "it would have been the newest");
    assert_eq!(catalog.passed_over_as_base(id("12_00_00")), None, "it is none in any case");
}

#[test]
fn of_two_copies_the_current_one_is_taken_unless_it_is_broken() {
    let dir = store_with_sets();
    put_on(dir.path(), "weekly");
    for (name, base) in [("10_00_00", None), ("11_00_00", Some("10_00_00")), ("12_00_00", Some("11_00_00"))] {
        add(dir.path(), "10_00_00", name, base);
    }
    let is_current = |chain: Vec<&BackupRecord>| {
        chain.iter().all(|record| !record.directory.starts_with(dir.path().join("weekly")))
    };
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(is_current(catalog.chain(id("12_00_00")).unwrap()));
    let newer = dir.path().join("full/2026_11_22-20_00_00");
    fs::remove_dir_all(newer).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(is_current(catalog.newest_restorable().unwrap()));
    assert!(!catalog.newest().unwrap().directory.starts_with(dir.path().join("weekly")));
    fs::remove_file(dir.path().join("full/2026_11_22-10_00_00/ibdata1")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(!is_current(catalog.chain(id("12_00_00")).unwrap()), "the other is whole");
    assert_eq!(names(&catalog.newest_restorable().unwrap()).last().unwrap(), "12_00_00");
}

#[test]
fn what_the_original_put_on_a_shelf_is_read() {
    let dir = store();
    let shelf = dir.path().join("monthly/2026_11_22-12_00_00");
    let place = |name: &str| Place { set: id("10_00_00"), id: id(name) };
    leave_as_the_original(&shelf.join("full"), place("10_00_00"), 0, 100);
    leave_as_the_original(&shelf.join("incr/2026_11_22-11_00_00"), place("11_00_00"), 100, 200);
    leave_as_the_original(&shelf.join("incr/2026_11_22-12_00_00"), place("12_00_00"), 200, 300);
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert_eq!(names(&catalog.newest_restorable().unwrap()), ["10_00_00", "11_00_00", "12_00_00"]);
    assert_eq!(catalog.monthly[0].set.full.as_ref().unwrap().directory, shelf.join("full"));
    assert!(catalog.strays.is_empty(), "{:?}", catalog.strays);
    fs::remove_dir_all(shelf.join("full")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert_eq!(catalog.monthly[0].set.id, id("10_00_00"), "an incremental tells its set");
    assert!(catalog.newest_restorable().is_none());
}

#[test]
fn a_half_written_full_backup_on_a_shelf_says_so() {
    let dir = store();
    let shelf = dir.path().join("weekly/2026_11_22-10_00_00");
    leave_as_the_original(&shelf.join("full"), Place::full(id("10_00_00")), 0, 100);
    fs::remove_file(shelf.join("full/backup.meta")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let full = catalog.weekly[0].set.full.as_ref().unwrap();
    assert!(matches!(&full.state, crate::BackupState::Broken(reason) if reason.contains("half-written")));
    assert!(meta(Place::full(id("10_00_00"))).full.is_none());
}

#[test]
fn what_is_no_set_on_a_shelf_is_left_over_or_not_ours() {
    let dir = store_with_sets();
    let root = dir.path();
    put_on(root, "weekly");
    fs::create_dir_all(root.join("weekly/2026_11_22-19_00_00.partial/full")).unwrap();
    fs::create_dir_all(root.join("yearly/2026_11_22-09_00_00")).unwrap();
    for name in ["weekly/README", "weekly/2026_11_22-12_00_00/notes", "weekly/2026_11_22-12_00_00/full/notes"]
    {
        fs::write(root.join(name), "mine").unwrap();
    }
    let catalog = Catalog::scan(root).unwrap();
    let partial = &catalog.partials[0];
    assert_eq!((partial.place.id, partial.shelf, catalog.partials.len()), (id("19_00_00"), Shelf::Weekly, 1));
    assert_eq!(catalog.yearly[0].set.members().count(), 0, "an empty directory is a set without members");
    let mut strays: Vec<_> = catalog.strays.iter().map(|path| path.strip_prefix(root).unwrap()).collect();
    strays.sort();
    let expected =
        ["weekly/2026_11_22-12_00_00/full/notes", "weekly/2026_11_22-12_00_00/notes", "weekly/README"];
    assert_eq!(strays, expected.map(Path::new));
}

#[test]
fn a_directory_with_several_sets_is_not_ours() {
    let dir = store_with_sets();
    put_on(dir.path(), "weekly");
    put(dir.path(), "full/2026_11_22-20_00_00", "weekly/2026_11_22-12_00_00/full/2026_11_22-20_00_00");
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(catalog.weekly.is_empty());
    assert_eq!(catalog.strays, [dir.path().join("weekly/2026_11_22-12_00_00")]);
}

#[test]
fn threads_read_what_one_reads() {
    let dir = store();
    for hour in 0..20 {
        let set = format!("{hour:02}_00_00");
        add(dir.path(), &set, &set, None);
        let mut base = set.clone();
        for minute in 1..3 {
            let name = format!("{hour:02}_{minute:02}_00");
            add(dir.path(), &set, &name, Some(&base));
            base = name;
        }
    }
    fs::remove_file(dir.path().join("full/2026_11_22-07_00_00/ibdata1")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let found: Vec<String> =
        catalog.records().map(|record| record.id().to_string()[11..16].to_owned()).collect();
    let expected: Vec<String> =
        (0..20).flat_map(|hour| (0..3).map(move |minute| format!("{hour:02}_{minute:02}"))).collect();
    assert_eq!(found, expected);
    assert_eq!(catalog.records().filter(|record| !record.is_complete()).count(), 1);
    let server = |record: &BackupRecord| record.server.as_ref().unwrap().identity.hostname.clone();
    assert!(catalog.records().all(|record| server(record) == "db1"));
}

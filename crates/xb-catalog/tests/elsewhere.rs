//! Stores elsewhere: whatever breaks at whatever moment, what is listed is whole, the next run succeeds, and a prune
//! leaves nothing behind.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its store has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};
use rstest::rstest;
use tempfile::TempDir;
use xb_catalog::layout::Place;
use xb_catalog::manifest::{
    Base, EngineRecord, Manifest, OptionsRecord, ServerIdentity, ServerRecord, Sizes,
};
use xb_catalog::plan::{RetentionPolicy, conflicts, plan_copies, plan_copy_of};
use xb_catalog::remove::Outcome;
use xb_catalog::{BackupRecord, Catalog, CommitError, Remote, Repository, Shelf};
use xb_core::{BackupId, BackupKind, Flavor, Lsn, LsnRange, Version};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::store::local::LocalStore;
use xb_pipeline::store::object::ObjectStorage;
use xb_pipeline::store::wrap::fault::{Fault, Harm, Operation};
use xb_pipeline::store::{About, Store};

fn id(text: &str) -> BackupId {
    format!("2026_11_22-{text}").parse().unwrap()
}

fn now() -> DateTime<FixedOffset> {
    Utc::now().fixed_offset()
}

fn manifest(place: Place, base: Option<&str>) -> Manifest {
    let at = DateTime::parse_from_rfc3339("2026-11-22T14:00:00+01:00").unwrap();
    let number = |id: BackupId| u64::try_from(id.local_time().and_utc().timestamp()).unwrap();
    let from = base.map_or(0, |base| number(id(base)));
    let lsns = LsnRange { from: Lsn(from), to: Lsn(number(place.id)), last: Lsn(number(place.id)) };
    let version = Version::new(10, 11, 19);
    Manifest {
        format: 1,
        written_by: "test".into(),
        id: place.id,
        kind: place.kind(),
        set: place.set,
        base: base.map(|base| Base { id: id(base), to_lsn: lsns.from }),
        started: at,
        ended: at,
        lsns,
        binlog: None,
        replica_of: Vec::new(),
        galera: None,
        server_settings: None,
        server: ServerRecord {
            flavor: Flavor::MariaDb,
            version_text: version.to_string(),
            version,
            identity: ServerIdentity {
                server_uuid: None,
                aria_uuid: None,
                hostname: "db1".into(),
                datadir: "/data".into(),
                data_file: None,
                server_id: 1,
            },
        },
        engine: EngineRecord {
            tool: "mariadb-backup".into(),
            version,
            version_text: String::new(),
            mismatch_allowed: None,
        },
        options: OptionsRecord { command: Vec::new(), engine_parallel: 1, settings: BTreeMap::new() },
        phases: Vec::new(),
        sizes: Sizes { datadir_bytes: None, stream_bytes: 100, stored_bytes: DATA.len() as u64 },
        archive: "backup.xbs.zst".into(),
        objects: Vec::new(),
        beside: Vec::new(),
    }
}

fn meta(place: Place) -> BackupMeta {
    BackupMeta {
        backup: place.id,
        full: (place.kind() == BackupKind::Incremental).then_some(place.set),
        start_backup: Some(place.id.local_time()),
        end_backup: Some(place.id.local_time()),
        start_prepare: None,
        end_prepare: None,
        compress: Some(true),
        compress_with: Some("zstd".into()),
        log_bin: None,
        master_log_bin: None,
        last_lsn: None,
        source_version: Some("10.11.19".into()),
        source_server: None,
        rest: Vec::new(),
    }
}

const DATA: &[u8] = b"what an engine wrote";

/// What holds a store while a test runs.
type Held = Box<dyn Debug>;

/// A directory, in which a backup is renamed when it is whole.
fn directory() -> (Held, Arc<dyn Store>) {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let store = LocalStore::open(dir.path()).unwrap();
    (Box::new(dir), Arc::new(store))
}

/// Object storage, in which a backup is made where it stands.
fn memory() -> (Held, Arc<dyn Store>) {
    (Box::new(()), Arc::new(ObjectStorage::in_memory().unwrap()))
}

/// Makes a store that is empty.
type Make = fn() -> (Held, Arc<dyn Store>);

fn at(store: &Arc<dyn Store>) -> Repository {
    owned_by(store, "db1:/work")
}

fn owned_by(store: &Arc<dyn Store>, owner: &str) -> Repository {
    Repository::Elsewhere(Remote::new(store.clone(), None, owner))
}

fn push(home: &Repository, set: &str, name: &str, base: Option<&str>) -> Result<(), CommitError> {
    let place = Place { set: id(set), id: id(name) };
    let draft = home.begin(place, now())?;
    let about = About { expected_bytes: Some(DATA.len() as u64), digest: None };
    let mut out = draft.create(Path::new("backup.xbs.zst"), about)?;
    out.write(DATA)?;
    let object = out.finish()?;
    let beside = vec![draft.write("xtrabackup_checkpoints", b"backup_type = full-backuped\n")?];
    let manifest = Manifest { objects: vec![object], beside, ..manifest(place, base) };
    draft.commit(&manifest, &meta(place)).map(|_| ())
}

fn set_of_three(home: &Repository) {
    push(home, "10_00_00", "10_00_00", None).unwrap();
    push(home, "10_00_00", "11_00_00", Some("10_00_00")).unwrap();
    push(home, "10_00_00", "12_00_00", Some("11_00_00")).unwrap();
}

fn names(catalog: &Catalog) -> Vec<String> {
    catalog.records().map(|record| record.id().to_string()[11..].to_owned()).collect()
}

/// Sweeps as a run and a prune do; then only what belongs to whole backups is there.
fn sweep(home: &Repository, store: &Arc<dyn Store>) {
    let catalog = home.scan().unwrap();
    for remnant in home.remnants(&catalog, Utc::now()).unwrap() {
        assert_eq!(home.sweep(&remnant).unwrap(), Outcome::Removed);
    }
    let catalog = home.scan().unwrap();
    assert_eq!(catalog.partials, []);
    assert!(catalog.strays.is_empty(), "{:?}", catalog.strays);
    let whole: BTreeSet<String> =
        catalog.records().map(|record| record.place.directory().display().to_string()).collect();
    for entry in store.list().unwrap() {
        let directory = entry.path.parent().unwrap().to_string();
        assert!(whole.contains(&directory), "{} was left behind", entry.path);
    }
}

fn all_whole(catalog: &Catalog) {
    for record in catalog.records() {
        assert!(record.is_complete(), "{}: {:?}", record.id(), record.state);
        assert!(catalog.chain(record.id()).is_ok(), "{}", record.id());
    }
}

#[rstest]
fn what_was_pushed_is_listed_and_read_back(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    let home = at(&store);
    assert!(names(&home.scan().unwrap()).is_empty());
    set_of_three(&home);
    let catalog = home.scan().unwrap();
    all_whole(&catalog);
    assert_eq!(names(&catalog), ["10_00_00", "11_00_00", "12_00_00"]);
    assert!(catalog.partials.is_empty() && catalog.strays.is_empty());
    let record: &BackupRecord = catalog.newest().unwrap();
    assert_eq!(record.directory, home.root().join("incr/2026_11_22-10_00_00/2026_11_22-12_00_00"));
    let mut text = Vec::new();
    home.open(record, Path::new("backup.xbs.zst")).unwrap().read_to_end(&mut text).unwrap();
    assert_eq!(text, DATA);
    assert_eq!(home.read_manifest(record).unwrap().id, record.id());
    sweep(&home, &store);
}

#[rstest]
fn dying_at_any_moment_of_a_push_leaves_nothing_that_is_listed(#[values(directory, memory)] make: Make) {
    for moment in 0.. {
        let (_held, store) = make();
        push(&at(&store), "10_00_00", "10_00_00", None).unwrap();
        let dying: Arc<dyn Store> = Arc::new(Fault::after(store.clone(), moment));
        let done = push(&at(&dying), "10_00_00", "11_00_00", Some("10_00_00"));
        let catalog = at(&store).scan().unwrap();
        all_whole(&catalog);
        // The mark of a run that is over is all that can be missing to a push that told of its success.
        assert!(done.is_err() || names(&catalog).len() == 2);
        sweep(&at(&store), &store);
        let next = push(&at(&store), "10_00_00", "12_00_00", Some("10_00_00"));
        next.unwrap();
        sweep(&at(&store), &store);
        all_whole(&at(&store).scan().unwrap());
        if moment > 3 && done.is_ok() {
            assert!(moment > 5, "a push has more steps than {moment}");
            return;
        }
    }
}

#[rstest]
fn every_answer_that_is_lost_leaves_whole_backups_only(#[values(directory, memory)] make: Make) {
    use xb_pipeline::store::StoreErrorKind::Unreachable;
    for moment in 0..12 {
        for harm in [Harm::Fail(Unreachable), Harm::Lose(Unreachable)] {
            let (_held, store) = make();
            let harmed: Arc<dyn Store> = Arc::new(Fault::new(store.clone()).any(moment, harm));
            let _ = push(&at(&harmed), "10_00_00", "10_00_00", None);
            all_whole(&at(&store).scan().unwrap());
            sweep(&at(&store), &store);
        }
    }
}

#[rstest]
fn the_run_of_another_machine_is_left_alone_until_nobody_has_heard_of_it_for_a_week(
    #[values(directory, memory)] make: Make,
) {
    let (_held, store) = make();
    let theirs = owned_by(&store, "db2:/work");
    let draft = theirs.begin(Place::full(id("10_00_00")), now()).unwrap();
    draft.write("xtrabackup_checkpoints", b"half").unwrap();
    let ours = at(&store);
    let catalog = ours.scan().unwrap();
    assert_eq!((names(&catalog).len(), catalog.partials.len()), (0, 1));
    assert!(ours.remnants(&catalog, Utc::now()).unwrap().is_empty());
    assert!(ours.begin(Place::full(id("10_00_00")), now()).unwrap_err().to_string().contains("db2:/work"));
    let later = Utc::now() + TimeDelta::days(8);
    let remnants = ours.remnants(&catalog, later).unwrap();
    assert_eq!(remnants.len(), 1);
    assert_eq!((remnants[0].bytes, remnants[0].backup()), (4, Some(id("10_00_00"))));
    std::mem::forget(draft);
    assert_eq!(theirs.remnants(&catalog, Utc::now()).unwrap().len(), 1, "its owner knows that it is dead");
    sweep(&theirs, &store);
}

#[rstest]
fn of_two_who_make_the_same_backup_one_succeeds(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    let (ours, again) = (at(&store), at(&store));
    // The lock here keeps runs of one owner apart; this is what is left if it does not.
    let place = Place::full(id("10_00_00"));
    let (one, other) = (ours.begin(place, now()).unwrap(), again.begin(place, now()).unwrap());
    let commit = |draft: xb_catalog::NewBackup| {
        let object = draft.write("backup.xbs.zst", DATA)?;
        draft.commit(&Manifest { objects: vec![object], ..manifest(place, None) }, &meta(place))
    };
    let results = [commit(one), commit(other)];
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    all_whole(&ours.scan().unwrap());
}

#[rstest]
fn a_set_goes_newest_first_and_dying_meanwhile_leaves_what_can_be_restored(
    #[values(directory, memory)] make: Make,
) {
    for moment in 0..9 {
        let (_held, store) = make();
        set_of_three(&at(&store));
        push(&at(&store), "20_00_00", "20_00_00", None).unwrap();
        let catalog = at(&store).scan().unwrap();
        let dying: Arc<dyn Store> = Arc::new(Fault::after(store.clone(), moment));
        let cancel = CancelToken::new();
        let done = at(&dying).remove_at(&catalog, Shelf::Current, id("10_00_00"), &cancel);
        let left = at(&store).scan().unwrap();
        all_whole(&left);
        assert_eq!(done.is_ok(), names(&left) == ["20_00_00"] && left.partials.is_empty(), "{moment}");
        sweep(&at(&store), &store);
        all_whole(&at(&store).scan().unwrap());
    }
}

#[rstest]
fn manifests_are_fetched_once(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    set_of_three(&at(&store));
    let work_dir = tempfile::tempdir().unwrap();
    let cache = work_dir.path().join("cache.json");
    let counted = Fault::new(store.clone());
    let home = Repository::Elsewhere(Remote::new(Arc::new(counted.clone()), Some(cache.clone()), "db1"));
    assert_eq!(names(&home.scan().unwrap()).len(), 3);
    assert_eq!(counted.operations(), [Operation::List, Operation::ReadSmall]);
    assert_eq!(names(&home.scan().unwrap()).len(), 3);
    assert_eq!(counted.operations().len(), 3, "the second look lists and fetches nothing");
    std::fs::write(&cache, "not what was written").unwrap();
    all_whole(&home.scan().unwrap());
    push(&at(&store), "20_00_00", "20_00_00", None).unwrap();
    assert_eq!(names(&home.scan().unwrap()).len(), 4);
}

#[rstest]
fn pins_are_kept_elsewhere_as_well(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    let home = at(&store);
    set_of_three(&home);
    home.pin(id("11_00_00"), now(), Some("before the migration")).unwrap();
    assert!(home.is_pinned(id("11_00_00")).unwrap() && !home.is_pinned(id("10_00_00")).unwrap());
    let pins = home.scan().unwrap().pins;
    assert_eq!((pins.len(), pins[0].note.as_deref()), (1, Some("before the migration")));
    assert!(home.unpin(id("11_00_00")).unwrap() && !home.unpin(id("11_00_00")).unwrap());
}

#[rstest]
fn a_second_store_lacks_what_it_does_not_have_and_retention_keeps(#[values(directory, memory)] make: Make) {
    let (_held, here) = make();
    let (_held_too, there) = make();
    set_of_three(&at(&here));
    push(&at(&here), "20_00_00", "20_00_00", None).unwrap();
    push(&at(&there), "10_00_00", "10_00_00", None).unwrap();
    let (here, there) = (at(&here).scan().unwrap(), at(&there).scan().unwrap());
    let keep = |sets| RetentionPolicy { sets, ..RetentionPolicy::default() };
    let ids = |steps: Vec<xb_catalog::plan::CopyStep<'_>>| -> Vec<BackupId> {
        steps.into_iter().map(|step| step.record.id()).collect()
    };
    assert_eq!(ids(plan_copies(&here, &there, keep(2))), [id("11_00_00"), id("12_00_00"), id("20_00_00")]);
    assert_eq!(ids(plan_copies(&here, &there, keep(1))), [id("20_00_00")]);
    assert_eq!(ids(plan_copy_of(&here, &there, id("11_00_00")).unwrap()), [id("11_00_00")]);
    assert!(plan_copy_of(&here, &there, id("13_00_00")).is_err());
}

#[rstest]
fn a_draft_tells_where_it_is(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    let draft = at(&store).begin(Place::full(id("10_00_00")), now()).unwrap();
    assert!(draft.directory().is_none());
    assert!(format!("{draft:?}").contains("full/2026_11_22-10_00_00"), "{draft:?}");
}

#[test]
fn an_object_that_was_never_finished_goes_unless_somebody_may_be_writing_it() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(LocalStore::open(dir.path()).unwrap());
    push(&at(&store), "10_00_00", "10_00_00", None).unwrap();
    let torn = dir.path().join(".pyxbackup.pins/.2026_11_22-10_00_00.0123456789abcdef.upload");
    std::fs::create_dir(torn.parent().unwrap()).unwrap();
    std::fs::write(&torn, "half").unwrap();
    let theirs = owned_by(&store, "db2:/work").begin(Place::full(id("11_00_00")), now()).unwrap();
    assert!(at(&store).remnants(&at(&store).scan().unwrap(), Utc::now()).unwrap().is_empty());
    drop(theirs);
    sweep(&at(&store), &store);
    assert!(!torn.exists());
}

#[rstest]
fn who_fails_leaves_the_backup_of_another_alone(#[values(directory, memory)] make: Make) {
    let (_held, store) = make();
    push(&at(&store), "10_00_00", "10_00_00", None).unwrap();
    let again = push(&owned_by(&store, "db2:/work"), "10_00_00", "10_00_00", None).unwrap_err();
    assert!(again.to_string().contains("there is a backup of this name"), "{again}");
    all_whole(&at(&store).scan().unwrap());
    assert_eq!(names(&at(&store).scan().unwrap()).len(), 1);
    sweep(&owned_by(&store, "db2:/work"), &store);
}

#[rstest]
fn a_manifest_that_cannot_be_read_keeps_nobody_from_the_others(#[values(directory, memory)] make: Make) {
    use xb_pipeline::store::StoreErrorKind::Denied;
    let (_held, store) = make();
    set_of_three(&at(&store));
    let harmed = Fault::new(store.clone()).with(Operation::ReadSmall, 0, Harm::Fail(Denied)).with(
        Operation::ReadSmall,
        1,
        Harm::Fail(Denied),
    );
    let catalog = at(&(Arc::new(harmed) as Arc<dyn Store>)).scan().unwrap();
    let unreadable = catalog.records().filter(|record| record.is_unreadable()).count();
    assert_eq!((catalog.records().count(), unreadable), (3, 1), "{catalog:?}");
    let none = Fault::new(store).with(Operation::List, 0, Harm::Fail(Denied));
    assert!(at(&(Arc::new(none) as Arc<dyn Store>)).scan().is_err());
}

#[test]
fn another_backup_of_the_same_name_is_no_copy() {
    let ((_one, here), (_two, there)) = (directory(), directory());
    push(&at(&here), "10_00_00", "10_00_00", None).unwrap();
    push(&at(&there), "10_00_00", "10_00_00", None).unwrap();
    let scan = |store: &Arc<dyn Store>| at(store).scan().unwrap();
    assert_eq!(conflicts(&scan(&here), &scan(&there)), []);
    let (_three, other) = directory();
    let place = Place::full(id("10_00_00"));
    let draft = at(&other).begin(place, now()).unwrap();
    let object = draft.write("backup.xbs.zst", b"what another engine wr").unwrap();
    draft.commit(&Manifest { objects: vec![object], ..manifest(place, None) }, &meta(place)).unwrap();
    assert_eq!(conflicts(&scan(&here), &scan(&other)), [id("10_00_00")]);
}

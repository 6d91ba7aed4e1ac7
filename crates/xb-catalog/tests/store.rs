//! Stores on disk: what is listed, what counts, what builds on what.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its store has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use tempfile::TempDir;
use xb_catalog::layout::Place;
use xb_catalog::manifest::{
    Base, EngineRecord, Manifest, OptionsRecord, ServerIdentity, ServerRecord, Sizes,
};
use xb_catalog::plan::{BaseError, RestoreError, plan_base, plan_restore};
use xb_catalog::{BackupState, Catalog, ChainError, Draft, Origin, prepare_store, remove_partials};
use xb_core::{BackupId, BackupKind, Flavor, Lsn, LsnRange, Version};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::write_object;

fn id(text: &str) -> BackupId {
    format!("2026_11_22-{text}").parse().unwrap()
}

fn store() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    prepare_store(dir.path()).unwrap();
    dir
}

fn identity(datadir: &str) -> ServerIdentity {
    ServerIdentity {
        server_uuid: None,
        aria_uuid: None,
        hostname: "db1".into(),
        datadir: datadir.into(),
        data_file: None,
        server_id: 1,
    }
}

fn server(datadir: &str, version: Version) -> ServerRecord {
    let identity = identity(datadir);
    ServerRecord { flavor: Flavor::MariaDb, version_text: format!("{version}-MariaDB"), version, identity }
}

fn manifest(place: Place, base: Option<Base>, from: u64, to: u64) -> Manifest {
    let at = DateTime::parse_from_rfc3339("2026-11-22T14:00:00+01:00").unwrap();
    let version = Version::new(10, 11, 19);
    Manifest {
        format: 1,
        written_by: "test".into(),
        id: place.id,
        kind: place.kind(),
        set: place.set,
        base,
        started: at,
        ended: at,
        lsns: LsnRange { from: Lsn(from), to: Lsn(to), last: Lsn(to) },
        binlog: None,
        replica_of: Vec::new(),
        galera: None,
        server: server("/data", version),
        server_settings: None,
        engine: EngineRecord {
            tool: "mariadb-backup".into(),
            version,
            version_text: String::new(),
            mismatch_allowed: None,
        },
        options: OptionsRecord { command: Vec::new(), engine_parallel: 1, settings: BTreeMap::new() },
        phases: Vec::new(),
        sizes: Sizes { datadir_bytes: None, stream_bytes: 100, stored_bytes: 4 },
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

/// Commits a backup that covers `from` to `to`.
fn add(store: &Path, set: &str, name: &str, from: u64, to: u64, base: Option<&str>) {
    let place = Place { set: id(set), id: id(name) };
    fs::create_dir_all(store.join(place.parent())).unwrap();
    let draft = Draft::begin(store, place).unwrap();
    let object = write_object(&draft.directory(), "backup.xbs.zst", b"data").unwrap();
    let base = base.map(|base| Base { id: id(base), to_lsn: Lsn(from) });
    let manifest = Manifest { objects: vec![object], ..manifest(place, base, from, to) };
    draft.commit(&manifest, &meta(place)).unwrap();
}

/// A set of a full backup and two incrementals.
fn store_with_a_set() -> TempDir {
    let dir = store();
    add(dir.path(), "10_00_00", "10_00_00", 0, 100, None);
    add(dir.path(), "10_00_00", "11_00_00", 100, 200, Some("10_00_00"));
    add(dir.path(), "10_00_00", "12_00_00", 200, 300, Some("11_00_00"));
    dir
}

fn names(chain: &[&xb_catalog::BackupRecord]) -> Vec<String> {
    chain.iter().map(|record| record.id().to_string()[11..].to_owned()).collect()
}

#[test]
fn what_was_committed_is_listed_and_chains_in_order() {
    let dir = store_with_a_set();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(catalog.records().all(|record| record.is_complete() && record.origin == Origin::Native));
    assert_eq!(names(&catalog.chain(id("12_00_00")).unwrap()), ["10_00_00", "11_00_00", "12_00_00"]);
    assert_eq!(names(&catalog.chain(id("11_00_00")).unwrap()), ["10_00_00", "11_00_00"]);
    assert!(catalog.strays.is_empty() && catalog.partials.is_empty());
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let dir = store();
    let place = Place { set: id("10_00_00"), id: id("11_00_00") };
    fs::create_dir_all(dir.path().join(place.parent())).unwrap();
    drop(Draft::begin(dir.path(), place).unwrap());
    assert_eq!(fs::read_dir(dir.path().join("incr")).unwrap().count(), 0, "not even the set's directory");
}

#[test]
fn a_partial_is_no_backup_whatever_is_in_it() {
    let dir = store_with_a_set();
    let whole = dir.path().join("full/2026_11_22-10_00_00");
    let partial = dir.path().join("full/2026_11_22-13_00_00.partial");
    fs::create_dir(&partial).unwrap();
    for file in ["manifest.json", "backup.meta", "backup.xbs.zst"] {
        fs::copy(whole.join(file), partial.join(file)).unwrap();
    }
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert_eq!(catalog.records().count(), 3);
    assert_eq!(catalog.partials.len(), 1);
    assert_eq!(catalog.newest_name(), Some(id("13_00_00")), "its name is not given again");
    remove_partials(&catalog.partials).unwrap();
    assert!(!partial.exists());
}

#[test]
fn a_backup_that_lost_something_is_broken_and_says_what() {
    let dir = store_with_a_set();
    let middle = dir.path().join("incr/2026_11_22-10_00_00/2026_11_22-11_00_00");
    fs::write(middle.join("backup.xbs.zst"), "dat").unwrap();
    fs::create_dir(dir.path().join("full/2026_11_22-15_00_00")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let reason = |name: &str| match &catalog.records().find(|r| r.id() == id(name)).unwrap().state {
        BackupState::Broken(reason) => reason.clone(),
        other => format!("{other:?}"),
    };
    assert_eq!(reason("11_00_00"), "backup.xbs.zst has 3 bytes, the manifest says 4");
    assert_eq!(reason("15_00_00"), "half-written: it has neither a manifest nor checkpoints");
    let error = catalog.chain(id("12_00_00")).unwrap_err();
    assert!(matches!(error, ChainError::MemberBroken { member, .. } if member == id("11_00_00")), "{error}");
    assert_eq!(
        names(&catalog.newest_restorable().unwrap()),
        ["10_00_00"],
        "the newest that has all it needs"
    );
}

#[test]
fn a_missing_member_is_named_by_where_it_should_end() {
    let dir = store_with_a_set();
    fs::remove_dir_all(dir.path().join("incr/2026_11_22-10_00_00/2026_11_22-11_00_00")).unwrap();
    let error = Catalog::scan(dir.path()).unwrap().chain(id("12_00_00")).unwrap_err();
    let expected =
        ChainError::MemberMissing { set: id("10_00_00"), member: id("12_00_00"), from_lsn: Lsn(200) };
    assert_eq!(error, expected);
    fs::remove_dir_all(dir.path().join("full/2026_11_22-10_00_00")).unwrap();
    let error = Catalog::scan(dir.path()).unwrap().chain(id("12_00_00")).unwrap_err();
    assert!(matches!(error, ChainError::FullMissing { .. }), "{error}");
}

#[test]
fn a_moved_directory_is_not_what_its_manifest_says() {
    let dir = store_with_a_set();
    let (old, new) = ("full/2026_11_22-10_00_00", "full/2026_11_22-09_00_00");
    fs::create_dir(dir.path().join(new)).unwrap();
    for file in ["manifest.json", "backup.xbs.zst"] {
        fs::copy(dir.path().join(old).join(file), dir.path().join(new).join(file)).unwrap();
    }
    let catalog = Catalog::scan(dir.path()).unwrap();
    let moved = catalog.records().find(|record| record.id() == id("09_00_00")).unwrap();
    assert!(matches!(&moved.state, BackupState::Broken(reason) if reason.contains("was moved")));
}

#[test]
fn the_next_incremental_builds_on_the_newest_of_the_newest_set() {
    let dir = store_with_a_set();
    add(dir.path(), "20_00_00", "20_00_00", 0, 900, None);
    let catalog = Catalog::scan(dir.path()).unwrap();
    let (then, later) = (Version::new(10, 11, 19), Version::new(11, 4, 2));
    let plan = plan_base(&catalog, &server("/data", then)).unwrap();
    assert_eq!(
        (plan.set, plan.base, plan.lsns.to, plan.same_server),
        (id("20_00_00"), id("20_00_00"), Lsn(900), true)
    );
    let error = plan_base(&catalog, &server("/other", then)).unwrap_err();
    assert!(matches!(error, BaseError::OtherServer { base, .. } if base == id("20_00_00")), "{error}");
    let error = plan_base(&catalog, &server("/data", later)).unwrap_err();
    assert!(matches!(error, BaseError::Upgraded { was, is, .. } if (was, is) == (then, later)), "{error}");
    assert_eq!(plan_base(&Catalog::default(), &server("/data", then)), Err(BaseError::NoFull));
}

#[test]
fn a_restore_is_planned_before_anything_is_done() {
    let dir = store_with_a_set();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let plan = plan_restore(&catalog, None, Path::new("/restore")).unwrap();
    assert_eq!(plan.target, id("12_00_00"));
    assert_eq!(plan.destination, Path::new("/restore/P_2026_11_22-12_00_00"));
    assert_eq!(
        plan.needed_bytes,
        100 + 200 + 100,
        "full, what the incrementals add, and one of them unpacked"
    );
    let error = plan_restore(&catalog, Some(id("23_00_00")), Path::new("/restore")).unwrap_err();
    assert_eq!(error, RestoreError::Chain(ChainError::NoSuchBackup { target: id("23_00_00") }));
    let error = plan_restore(&Catalog::default(), None, Path::new("/restore")).unwrap_err();
    assert_eq!(error, RestoreError::NothingToRestore);
}

#[test]
fn a_newer_backup_that_is_passed_over_is_told() {
    let dir = store_with_a_set();
    fs::write(dir.path().join("incr/2026_11_22-10_00_00/2026_11_22-12_00_00/backup.xbs.zst"), "dat").unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let plan = plan_restore(&catalog, None, Path::new("/restore")).unwrap();
    assert_eq!(plan.target, id("11_00_00"));
    assert!(
        matches!(plan.passed_over, Some(ChainError::MemberBroken { member, .. }) if member == id("12_00_00"))
    );
    let plan = plan_restore(&catalog, Some(id("11_00_00")), Path::new("/restore")).unwrap();
    assert_eq!(plan.passed_over, None, "it was asked for");
}

#[test]
fn a_manifest_cannot_name_files_elsewhere() {
    let dir = store_with_a_set();
    let path = dir.path().join("full/2026_11_22-10_00_00/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    for evil in ["../../evil", "/etc/passwd", ""] {
        fs::write(&path, text.replace("\"path\": \"backup.xbs.zst\"", &format!("\"path\": \"{evil}\"")))
            .unwrap();
        let catalog = Catalog::scan(dir.path()).unwrap();
        let state = &catalog.records().next().unwrap().state;
        assert!(
            matches!(state, BackupState::Broken(reason) if reason.contains("no path within")),
            "{evil}: {state:?}"
        );
    }
}

#[test]
fn what_is_not_ours_is_told_and_left_alone() {
    let dir = store_with_a_set();
    for name in ["notes.txt", "full/README", "incr/old"] {
        fs::write(dir.path().join(name), "mine").unwrap();
    }
    fs::write(dir.path().join(".pyxbackup.lock"), "").unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let mut strays: Vec<_> =
        catalog.strays.iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_owned()).collect();
    strays.sort();
    assert_eq!(strays, ["full/README", "incr/old", "notes.txt"].map(std::path::PathBuf::from));
}

#[test]
fn without_its_manifest_a_backup_counts_by_what_the_original_left() {
    let dir = store_with_a_set();
    let full = dir.path().join("full/2026_11_22-10_00_00");
    fs::remove_file(full.join("manifest.json")).unwrap();
    let checkpoints = "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 100\nlast_lsn = 110\n";
    fs::write(full.join("xtrabackup_checkpoints"), checkpoints).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    let record = catalog.records().next().unwrap();
    assert_eq!((record.origin, record.is_complete()), (Origin::Original, true));
    assert_eq!(record.server, None, "what was not written down is not guessed");
    assert_eq!(names(&catalog.chain(id("12_00_00")).unwrap()), ["10_00_00", "11_00_00", "12_00_00"]);
    fs::remove_file(full.join("backup.meta")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(!catalog.records().next().unwrap().is_complete(), "checkpoints alone are written early");
}

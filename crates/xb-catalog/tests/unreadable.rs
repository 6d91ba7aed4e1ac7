//! What cannot be read is not taken for broken, and is not removed.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its store has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xb_catalog::plan::{Action, RetentionPolicy, plan_retention};
use xb_catalog::{BackupState, Catalog, ChainError, prepare_store};
use xb_core::BackupId;
use xb_pipeline::fs::rename;

const MANIFEST: &str = r#"{
  "format": 1, "written_by": "test", "id": "ID", "kind": "full", "set": "ID", "base": null,
  "started": "2026-11-22T14:00:00+01:00", "ended": "2026-11-22T14:01:00+01:00",
  "lsns": { "from": 0, "to": 100, "last": 110 }, "binlog": null,
  "server": { "flavor": "mariadb", "version_text": "10.11.19-MariaDB", "version": "10.11.19", "identity": {
    "server_uuid": null, "aria_uuid": null, "hostname": "db1", "datadir": "/data", "server_id": 1 } },
  "engine": { "tool": "mariadb-backup", "version": "10.11.19", "version_text": "" },
  "options": { "command": [], "engine_parallel": 1 }, "phases": [],
  "sizes": { "datadir_bytes": null, "stream_bytes": 100, "stored_bytes": 4 },
  "archive": "backup.xbs.zst", "objects": [{ "path": "backup.xbs.zst", "size": 4, "blake3": "DIGEST" }], "beside": []
}"#;

const META: &str = "backup = ID\ntype = full\nstart_backup = ID\nend_backup = ID\n";
const CHECKPOINTS: &str = "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 100\nlast_lsn = 110\n";

fn id(day: u32) -> BackupId {
    format!("2026_11_{day:02}-10_00_00").parse().unwrap()
}

/// The directory of a full backup that is not there yet.
fn directory(store: &Path, day: u32) -> PathBuf {
    let directory = store.join("full").join(id(day).to_string());
    fs::create_dir(&directory).unwrap();
    directory
}

/// A full backup of ours.
fn add(store: &Path, day: u32) -> PathBuf {
    let directory = directory(store, day);
    let manifest = MANIFEST.replace("ID", &id(day).to_string()).replace("DIGEST", &"0".repeat(64));
    fs::write(directory.join("manifest.json"), manifest).unwrap();
    fs::write(directory.join("backup.xbs.zst"), "data").unwrap();
    directory
}

/// A full backup of the original.
fn add_original(store: &Path, day: u32) -> PathBuf {
    let directory = directory(store, day);
    fs::write(directory.join("backup.meta"), META.replace("ID", &id(day).to_string())).unwrap();
    fs::write(directory.join("xtrabackup_checkpoints"), CHECKPOINTS).unwrap();
    fs::write(directory.join("backup.xbs.zst"), "data").unwrap();
    directory
}

fn edit(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(file, text.replace(from, to)).unwrap();
}

/// Puts a directory where a file was: it is there, and reading it is an error.
fn make_unreadable(file: &Path) {
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
}

/// A link that leads to itself is there, and looking where it leads is an error.
fn make_endless(file: &Path) {
    fs::remove_file(file).unwrap();
    symlink(file, file).unwrap();
}

type Fault = (&'static str, fn(&Path) -> PathBuf, fn(&Path));

fn ours(store: &Path) -> PathBuf {
    add(store, 1)
}

fn the_originals(store: &Path) -> PathBuf {
    add_original(store, 1)
}

/// What keeps this version from telling whether a backup is whole, with a word of the reason.
const UNREADABLE: [Fault; 13] = [
    ("format 99", ours, |path| edit(&path.join("manifest.json"), "\"format\": 1", "\"format\": 99")),
    ("cannot read manifest.json", ours, |path| make_unreadable(&path.join("manifest.json"))),
    ("cannot read manifest.json", ours, |path| make_endless(&path.join("manifest.json"))),
    ("cannot read backup.xbs.zst", ours, |path| make_endless(&path.join("backup.xbs.zst"))),
    ("unknown variant", ours, |path| edit(&path.join("manifest.json"), "\"mariadb\"", "\"newdb\"")),
    ("no form of archive", ours, |path| {
        edit(&path.join("manifest.json"), "backup.xbs.zst", "backup.xbs.new");
        rename(&path.join("backup.xbs.zst"), &path.join("backup.xbs.new")).unwrap();
    }),
    ("cannot read", the_originals, |path| make_unreadable(&path.join("backup.meta"))),
    ("cannot read", the_originals, |path| make_unreadable(&path.join("xtrabackup_checkpoints"))),
    ("not one that engines write", the_originals, |path| {
        edit(&path.join("xtrabackup_checkpoints"), "full-backuped", "full-new");
    }),
    ("full-prepared", the_originals, |path| {
        edit(&path.join("xtrabackup_checkpoints"), "full-backuped", "full-prepared");
    }),
    ("does not fit its key", the_originals, |path| {
        edit(&path.join("backup.meta"), "type = full", "type = new")
    }),
    ("no form of archive", the_originals, |path| {
        rename(&path.join("backup.xbs.zst"), &path.join("backup.xbs.new")).unwrap();
    }),
    ("more than one archive", the_originals, |path| fs::write(path.join("backup.tar"), "data").unwrap()),
];

/// What proves that a backup is not whole.
const BROKEN: [Fault; 8] = [
    ("has 3 bytes", ours, |path| fs::write(path.join("backup.xbs.zst"), "dat").unwrap()),
    ("is missing", ours, |path| fs::remove_file(path.join("backup.xbs.zst")).unwrap()),
    ("cannot be read", ours, |path| fs::write(path.join("manifest.json"), "{\"format\": 1,").unwrap()),
    ("cannot be read", ours, |path| fs::write(path.join("manifest.json"), "").unwrap()),
    ("was moved", ours, |path| edit(&path.join("manifest.json"), "2026_11_01", "2026_11_02")),
    ("neither a manifest nor", ours, |path| fs::remove_file(path.join("manifest.json")).unwrap()),
    ("no backup.meta", the_originals, |path| fs::remove_file(path.join("backup.meta")).unwrap()),
    ("tells no end", the_originals, |path| {
        edit(&path.join("backup.meta"), "end_backup = 2026_11_01-10_00_00\n", "");
    }),
];

/// A store in which the oldest of three sets has a fault.
fn store_with(fault: Fault) -> (TempDir, Catalog) {
    let dir = tempfile::tempdir().unwrap();
    prepare_store(dir.path()).unwrap();
    let (_, make, spoil) = fault;
    let path = make(dir.path());
    let sound = Catalog::scan(dir.path()).unwrap();
    assert!(sound.records().all(|record| record.is_complete()), "{sound:?}");
    spoil(&path);
    add(dir.path(), 10);
    add(dir.path(), 20);
    let catalog = Catalog::scan(dir.path()).unwrap();
    (dir, catalog)
}

fn state(catalog: &Catalog) -> BackupState {
    let states: BTreeMap<BackupId, BackupState> =
        catalog.records().map(|record| (record.id(), record.state.clone())).collect();
    states[&id(1)].clone()
}

/// The days of the sets that go.
fn removed(catalog: &Catalog, broken: bool) -> Vec<BackupId> {
    let plan = plan_retention(catalog, RetentionPolicy { sets: 1, broken, ..RetentionPolicy::default() });
    let goes = plan.sets.iter().filter(|set| matches!(set.action, Action::Remove { .. }));
    goes.map(|set| set.id).collect()
}

#[test]
fn what_cannot_be_read_is_unreadable_and_never_removed() {
    for fault in UNREADABLE {
        let (_dir, catalog) = store_with(fault);
        let state = state(&catalog);
        assert!(
            matches!(&state, BackupState::Unreadable(reason) if reason.contains(fault.0)),
            "{}: {state:?}",
            fault.0
        );
        let chain = catalog.chain(id(1));
        assert!(matches!(&chain, Err(ChainError::MemberBroken { reason, .. }) if reason.contains(fault.0)));
        assert_eq!(removed(&catalog, false), [id(10)], "{}", fault.0);
        assert_eq!(removed(&catalog, true), [id(10)], "{}", fault.0);
    }
}

#[test]
fn what_is_damaged_is_broken_and_removed_on_demand_only() {
    for fault in BROKEN {
        let (_dir, catalog) = store_with(fault);
        let state = state(&catalog);
        assert!(
            matches!(&state, BackupState::Broken(reason) if reason.contains(fault.0)),
            "{}: {state:?}",
            fault.0
        );
        assert_eq!(removed(&catalog, false), [id(10)], "{}", fault.0);
        assert_eq!(removed(&catalog, true), [id(1), id(10)], "{}", fault.0);
    }
}

#[test]
fn a_full_backup_on_a_shelf_that_cannot_be_read_is_no_empty_set() {
    let dir = tempfile::tempdir().unwrap();
    prepare_store(dir.path()).unwrap();
    let original = add_original(dir.path(), 1);
    let shelved = dir.path().join("weekly").join(id(1).to_string());
    fs::create_dir_all(&shelved).unwrap();
    rename(&original, &shelved.join("full")).unwrap();
    make_endless(&shelved.join("full/backup.meta"));
    add(dir.path(), 20);
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(matches!(state(&catalog), BackupState::Unreadable(_)), "{catalog:?}");
    assert!(removed(&catalog, true).is_empty());
}

#[test]
fn the_state_is_a_word_of_its_own() {
    let state = BackupState::Unreadable("no permission".into());
    let text = serde_json::to_string(&state).unwrap();
    assert_eq!(text, r#"{"state":"unreadable","reason":"no permission"}"#);
}

#[test]
fn a_set_on_a_shelf_that_cannot_be_looked_at_keeps_nobody_from_the_others() {
    let dir = TempDir::new().unwrap();
    prepare_store(dir.path()).unwrap();
    add(dir.path(), 2);
    let shelved = dir.path().join("weekly").join(id(1).to_string());
    symlink(&shelved, &shelved).unwrap();
    symlink(".pyxbackup.pins", dir.path().join(".pyxbackup.pins")).unwrap();
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(catalog.sets[0].full.as_ref().unwrap().is_complete());
    assert!(catalog.weekly[0].set.full.as_ref().unwrap().is_unreadable());
    assert!(catalog.pins_unreadable.is_some(), "nobody knows what is pinned");
}

#[test]
fn a_link_to_a_disk_that_is_not_there_is_not_damage_and_is_not_removed() {
    let dir = TempDir::new().unwrap();
    prepare_store(dir.path()).unwrap();
    let entry = dir.path().join("full").join(id(1).to_string());
    symlink("/nowhere/backups", &entry).unwrap();
    add(dir.path(), 2);
    let catalog = Catalog::scan(dir.path()).unwrap();
    assert!(catalog.sets[0].full.as_ref().unwrap().is_unreadable());
    let set = &catalog.sets[0];
    let removed = xb_catalog::remove::remove_set(dir.path(), set, &xb_pipeline::cancel::CancelToken::new());
    assert!(removed.is_err() && entry.is_symlink());
}

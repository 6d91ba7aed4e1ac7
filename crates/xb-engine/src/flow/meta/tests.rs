use std::path::{Path, PathBuf};

use xb_core::settings::Settings;

use super::*;
use crate::surroundings::Surroundings;

/// A store of the original: two sets, three incrementals.
fn original() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../pyxbackup-cli/tests/data/original_store")
}

fn context(store: &Path) -> Context {
    let settings = Settings { stor_dir: Some(store.to_owned()), ..Settings::default() };
    Context::new(settings, Surroundings::default())
}

fn asked(store: &Path, backup: Option<&str>, names: &[&str]) -> Vec<Value> {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let backup = backup.map(|name| name.parse().unwrap());
    let report = run(&context(store), backup, &names).unwrap();
    assert_eq!(
        report.items.iter().map(|item| &item.name).collect::<Vec<_>>(),
        names.iter().collect::<Vec<_>>()
    );
    report.items.into_iter().map(|item| item.value).collect()
}

/// A native full backup in a store of its own: the manifest and the `backup.meta` that a run writes.
fn native() -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    let directory = store.path().join("full/2026_11_22-14_28_07");
    std::fs::create_dir_all(&directory).unwrap();
    let manifest = json!({
        "format": 1, "written_by": "pyxbackup 0.1.0", "id": "2026_11_22-14_28_07", "kind": "full",
        "set": "2026_11_22-14_28_07", "base": null,
        "started": "2026-11-22T14:28:07+01:00", "ended": "2026-11-22T14:28:09+01:00",
        "lsns": { "from": 0, "to": 1000, "last": 1200 }, "binlog": null,
        "server": {
            "flavor": "mariadb", "version_text": "10.11.6-MariaDB", "version": "10.11.6",
            "identity": {
                "server_uuid": null, "aria_uuid": null, "hostname": "db1", "datadir": "/data", "server_id": 7
            }
        },
        "engine": { "tool": "mariadb-backup", "version": "10.11.6", "version_text": "x" },
        "options": { "command": ["a", "b c"], "engine_parallel": 4, "settings": { "a.b": "dotted" } },
        "phases": [], "sizes": { "datadir_bytes": null, "stream_bytes": 30, "stored_bytes": 3 },
        "archive": "backup.xbs.zst",
        "objects": [{ "path": "backup.xbs.zst", "size": 3, "blake3": "0".repeat(64) }], "beside": []
    });
    std::fs::write(directory.join("manifest.json"), manifest.to_string()).unwrap();
    std::fs::write(directory.join("backup.xbs.zst"), "abc").unwrap();
    let meta = "backup = 2026_11_22-14_28_07\ntype = full\nstart_backup = 2026_11_22-14_28_07\n\
                end_backup = 2026_11_22-14_28_09\ncompress = 1\ncompress_with = zstd\nlast_lsn = 1200\n\
                to_come = x\nalso_to_come = None\n";
    std::fs::write(directory.join("backup.meta"), meta).unwrap();
    store
}

#[test]
fn the_hosts_of_the_original_get_what_they_ask_for() {
    let names = ["xb_last_backup", "xb_last_backup_is", "xb_last_full", "no_such_item"];
    let expected = [json!("2026_11_22-14_28_32"), json!("incr"), json!("2026_11_22-14_28_25"), Value::Null];
    assert_eq!(asked(&original(), None, &names), expected);
    // What is about the store does not depend on the backup that is looked at.
    assert_eq!(asked(&original(), Some("2026_11_22-14_28_07"), &names), expected);
}

#[test]
fn every_key_of_a_backup_meta_can_be_asked_for() {
    let names = [
        "backup",
        "type",
        "full",
        "start_backup",
        "end_backup",
        "start_prepare",
        "end_prepare",
        "compress",
        "compress_with",
        "log_bin",
        "master_log_bin",
        "last_lsn",
        "source_version",
        "source_server_type",
        "source_server_version",
    ];
    let of_last = asked(&original(), None, &names);
    let expected = json!([
        "2026_11_22-14_28_32",
        "incr",
        "2026_11_22-14_28_25",
        "2026_11_22-14_28_32",
        "2026_11_22-14_28_36",
        null,
        null,
        false,
        "gzip",
        "mysql-bin.000006",
        null,
        1_658_688,
        "2.2.10",
        null,
        null
    ]);
    assert_eq!(json!(of_last), expected);
    let of_first = asked(&original(), Some("2026_11_22-14_28_07"), &names[..3]);
    assert_eq!(json!(of_first), json!(["2026_11_22-14_28_07", "full", null]));
}

#[test]
fn a_backup_without_a_manifest_tells_what_the_catalog_knows() {
    let found = asked(&original(), None, &["lsns.to", "origin", "state", "sizes.stored_bytes"]);
    assert_eq!(json!(found), json!([1_658_688, "original", "complete", null]));
}

#[test]
fn fields_of_a_manifest_are_found_by_their_path() {
    let names = [
        "lsns.to",
        "server.identity.hostname",
        "sizes.stored_bytes",
        "objects.0.path",
        "objects.1.path",
        "options.command",
        "options.settings.a.b",
        "kind",
        "compress",
        "to_come",
        "also_to_come",
        "lsns.",
        ".lsns",
        "",
        "lsns.to.x",
    ];
    let expected = json!([
        1000,
        "db1",
        3,
        "backup.xbs.zst",
        null,
        ["a", "b c"],
        "dotted",
        "full",
        true,
        "x",
        null,
        null,
        null,
        null,
        null
    ]);
    assert_eq!(json!(asked(native().path(), None, &names)), expected);
}

#[test]
fn a_backup_that_is_broken_says_so_and_counts_for_nothing_else() {
    let store = native();
    std::fs::write(store.path().join("full/2026_11_22-14_28_07/manifest.json"), "{").unwrap();
    let found = asked(store.path(), Some("2026_11_22-14_28_07"), &["state", "lsns.to", "xb_last_backup"]);
    assert_eq!(json!(found), json!(["broken", null, null]));
}

#[test]
fn an_empty_store_knows_nothing_and_a_name_that_is_not_there_is_refused() {
    let store = tempfile::tempdir().unwrap();
    assert_eq!(json!(asked(store.path(), None, &["xb_last_backup", "backup"])), json!([null, null]));
    let error = run(&context(store.path()), Some("2026_11_22-14_28_07".parse().unwrap()), &[]).unwrap_err();
    assert_eq!(error.to_string(), "there is no backup 2026_11_22-14_28_07 in the store");
}

#[test]
fn the_last_lsn_is_that_of_the_backup_that_the_next_incremental_builds_on() {
    let last = last_lsn(&context(native().path())).unwrap();
    assert_eq!((last.backup.to_string().as_str(), last.to_lsn.0), ("2026_11_22-14_28_07", 1000));
    let last = last_lsn(&context(&original())).unwrap();
    assert_eq!((last.backup.to_string().as_str(), last.to_lsn.0), ("2026_11_22-14_28_32", 1_658_688));
    let empty = tempfile::tempdir().unwrap();
    let error = last_lsn(&context(empty.path())).unwrap_err();
    assert!(matches!(error, EngineError::Base(BaseError::NoFull)), "{error}");
}

#[test]
fn nothing_is_built_on_a_backup_on_a_shelf() {
    let (store, older) = (native(), "2026_11_20-14_28_07");
    let shelf = store.path().join("weekly/2026_11_22-14_28_07/full");
    std::fs::create_dir_all(&shelf).unwrap();
    xb_pipeline::fs::rename(
        &store.path().join("full/2026_11_22-14_28_07"),
        &shelf.join("2026_11_22-14_28_07"),
    )
    .unwrap();
    let error = last_lsn(&context(store.path())).unwrap_err();
    assert!(matches!(error, EngineError::Base(BaseError::NoFull)), "{error}");
    // An older one among the current sets is built on, and no newer one on a shelf.
    let current = store.path().join("full").join(older);
    std::fs::create_dir_all(&current).unwrap();
    for name in ["manifest.json", "backup.xbs.zst"] {
        let text = std::fs::read_to_string(shelf.join("2026_11_22-14_28_07").join(name)).unwrap();
        let text = text.replace("2026_11_22-14_28_07", older).replace("\"to\":1000", "\"to\":900");
        std::fs::write(current.join(name), text).unwrap();
    }
    let last = last_lsn(&context(store.path())).unwrap();
    assert_eq!((last.backup.to_string().as_str(), last.to_lsn.0), (older, 900));
}

//! The binary and those who ask it about a store: monitoring systems, scripts, other hosts, shells.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of functions that are marked as tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

/// The store of the Python tool, which nothing here changes: two sets, three incrementals.
fn original() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/original_store").display().to_string()
}

/// A call on the store of the original, with a work directory that is not there: nobody runs.
fn pyxbackup(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyxbackup"));
    command.args(["--stor-dir", &original(), "--work-dir", "/nonexistent"]).args(args);
    command
}

/// A store with the first set of the original's on the monthly shelf, and with nothing else.
fn shelves_only() -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    let (set, last) = ("2026_11_22-14_28_07", "2026_11_22-14_28_19");
    let incrementals = ["2026_11_22-14_28_13", last].map(|name| format!("incr/{set}/{name}"));
    for backup in incrementals.into_iter().chain([format!("full/{set}")]) {
        let to = store.path().join("monthly").join(last).join(&backup);
        std::fs::create_dir_all(&to).unwrap();
        for file in Path::new(&original()).join(&backup).read_dir().unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    store
}

/// The same call on a store that cannot be read.
fn unreadable(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyxbackup"));
    command.args(["--stor-dir", "/nonexistent"]).args(args);
    command
}

fn stdout(command: &mut Command, code: i32) -> String {
    let output = command.assert().code(code).stderr("").get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// The store is older than an hour and younger than this, whenever the tests run.
const NOT_OLD: [&str; 2] = ["--status-age-hours", "87600"];

#[test]
fn nagios_reads_the_verdict_and_measurements() {
    let text = stdout(&mut pyxbackup(&[&NOT_OLD[..], &["-o", "nagios", "status"]].concat()), 0);
    let begins = "OK - Last backup incr from 2026_11_22-14_28_32 | age=";
    assert!(text.starts_with(begins) && text.lines().count() == 1, "{text}");
    assert!(text.contains("s;315360000;;0 duration=4s;;;0 sets=2;;;0 free="), "{text}");
}

#[test]
fn status_as_json_tells_everything() {
    for args in [&["status", "--json"][..], &["status", "--status-format=json"]] {
        let text = stdout(&mut pyxbackup(&[&NOT_OLD[..], args].concat()), 0);
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["level"], "OK");
        let names: Vec<&str> = object["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|check| check["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["last_backup", "running", "chain", "store"], "sizes are unknown, so is the room");
        let values = &object["values"];
        assert_eq!(values["last"]["id"], "2026_11_22-14_28_32");
        assert_eq!((&values["sets"], &values["backups"]), (&json!(2), &json!(5)));
        assert_eq!(
            (&values["last"]["stored_bytes"], &values["running"]["now"]),
            (&Value::Null, &json!(false))
        );
        assert!(values["free_bytes"].is_u64());
    }
    let object: Value = serde_json::from_str(&stdout(&mut unreadable(&["-o", "json", "status"]), 2)).unwrap();
    assert_eq!((&object["level"], &object["checks"][0]["name"]), (&json!("CRITICAL"), &json!("store")));
}

#[rstest]
#[case("level", "0\n")]
#[case("last.id", "2026_11_22-14_28_32\n")]
#[case("last.duration_seconds", "4\n")]
#[case("sets", "2\n")]
#[case("checks.chain", "0\n")]
#[case("last.stored_bytes", "")]
fn zabbix_asks_for_one_value(#[case] key: &str, #[case] expected: &str) {
    let args = [&NOT_OLD[..], &["-o", "zabbix", "status", "--key", key]].concat();
    assert_eq!(stdout(&mut pyxbackup(&args), 0), expected);
}

#[test]
fn a_value_that_does_not_exist_is_a_fault_of_the_call() {
    let said = predicate::str::starts_with(
        "pyxbackup: error: status has no value \"set\"\n  hint: the nearest is sets\n",
    );
    pyxbackup(&["-o", "zabbix", "status", "--key", "set"]).assert().code(128).stdout("").stderr(said);
}

#[test]
fn zabbix_discovers_every_backup_and_nothing_where_nobody_can_tell() {
    let args = [&NOT_OLD[..], &["-o", "zabbix", "status", "--discovery"]].concat();
    let found: Value = serde_json::from_str(&stdout(&mut pyxbackup(&args), 0)).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 5);
    let expected = json!({
        "{#SET}": "2026_11_22-14_28_25", "{#BACKUP}": "2026_11_22-14_28_32", "{#KIND}": "incr",
        "{#STATE}": "restorable"
    });
    assert_eq!(found[4], expected);
    assert_eq!(stdout(&mut unreadable(&["-o", "zabbix", "status", "--discovery"]), 2), "");
}

#[test]
fn what_is_half_written_is_discovered_as_such() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("full/2026_11_22-15_00_00.partial")).unwrap();
    std::fs::create_dir_all(dir.path().join("full/2026_11_22-16_00_00")).unwrap();
    let store = dir.path().display().to_string();
    let text = stdout(&mut pyxbackup(&["-s", &store, "-o", "zabbix", "status", "--discovery"]), 2);
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&found[0]["{#STATE}"], &found[1]["{#STATE}"]), (&json!("broken"), &json!("incomplete")));
}

#[test]
fn prometheus_gets_a_file_that_its_collector_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("pyxbackup.prom");
    let file = path.display().to_string();
    let args = ["-o", "prometheus", "--status-age-hours", "1", "status"];
    assert_eq!(stdout(&mut pyxbackup(&[&args[..], &["--output", &file]].concat()), 1), "");
    let text = std::fs::read_to_string(&path).unwrap();
    let store = original();
    let line =
        format!("pyxbackup_status{{check=\"last_backup\",store=\"{store}\",section=\"pyxbackup\"}} 1\n");
    assert!(text.contains(&line), "{text}");
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    // It is replaced also by the news that there is none.
    assert_eq!(stdout(&mut unreadable(&[&args[..], &["--output", &file]].concat()), 2), "");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.ends_with("pyxbackup_status_level{section=\"pyxbackup\"} 2\n"), "{text}");
}

#[rstest]
#[case("nagios")]
#[case("zabbix")]
#[case("prometheus")]
#[case("json")]
fn no_machine_is_told_a_stray_line(#[case] form: &str) {
    // A password on a command line is worth a warning elsewhere.
    pyxbackup(&["-o", form, "-p", "geheim", "status"]).assert().stderr("");
    let output = unreadable(&["-o", form, "status"]).assert().code(2).stderr("").get_output().stdout.clone();
    assert!(!output.is_empty());
}

#[test]
fn other_hosts_ask_for_facts_by_name() {
    let items = "--meta-item=xb_last_backup,xb_last_backup_is,xb_last_full,nonsense";
    let expected = "2026_11_22-14_28_32 incr 2026_11_22-14_28_25 NULL\n";
    assert_eq!(stdout(&mut pyxbackup(&["meta", items]), 0), expected);
    assert_eq!(
        stdout(&mut pyxbackup(&["-t", "compress,last_lsn,start_prepare", "meta"]), 0),
        "0 1658688 NULL\n"
    );
    let args =
        ["meta", "-t", "type,compress,last_lsn,nonsense", "--backup", "2026_11_22-14_28_07", "--format=json"];
    let object: Value = serde_json::from_str(&stdout(&mut pyxbackup(&args), 0)).unwrap();
    assert_eq!(object["type"], "full");
    assert_eq!((&object["compress"], &object["nonsense"]), (&json!(false), &Value::Null));
    assert!(object["last_lsn"].is_u64());
}

#[test]
fn meta_needs_items_and_a_backup_that_is_there() {
    let said = predicate::str::contains("meta_item");
    pyxbackup(&["meta"]).assert().code(128).stdout("").stderr(said);
    let expected = "pyxbackup: error: there is no backup 2026_11_22-14_28_12 in the store\n  \
                    hint: nearest in time: 2026_11_22-14_28_13, 2026_11_22-14_28_07, 2026_11_22-14_28_19\n";
    pyxbackup(&["meta", "-t", "type", "--backup", "2026_11_22-14_28_12"])
        .assert()
        .code(128)
        .stdout("")
        .stderr(predicate::str::starts_with(expected));
}

#[test]
fn the_last_lsn_is_a_number_on_a_line() {
    assert_eq!(stdout(&mut pyxbackup(&["last-lsn"]), 0), "1658688\n");
    let object: Value =
        serde_json::from_str(&stdout(&mut pyxbackup(&["last-lsn", "--format", "json"]), 0)).unwrap();
    assert_eq!(object, json!({ "backup": "2026_11_22-14_28_32", "to_lsn": 1_658_688 }));
    let empty = tempfile::tempdir().unwrap();
    let expected = "pyxbackup: error: there is no complete full backup to build on\n  \
                    hint: take a full backup first: `pyxbackup full`\n";
    pyxbackup(&["last-lsn", "-s", &empty.path().display().to_string()])
        .assert()
        .code(16)
        .stdout("")
        .stderr(expected);
}

#[test]
fn backups_on_shelves_can_be_restored_but_not_built_on() {
    let store = shelves_only();
    let path = store.path().display().to_string();
    let on_it = |args: &[&str]| pyxbackup(&[&["-s", &path], &NOT_OLD[..], args].concat());
    let expected = "pyxbackup: error: there is no complete full backup to build on\n  \
                    hint: take a full backup first: `pyxbackup full`\n";
    on_it(&["last-lsn"]).assert().code(16).stdout("").stderr(expected);
    let object: Value = serde_json::from_str(&stdout(&mut on_it(&["-o", "json", "status"]), 2)).unwrap();
    assert_eq!(
        object["message"], "No current full backup: the next incremental has nothing to build on",
        "{object}"
    );
    let values = &object["values"];
    assert_eq!(values["last"]["id"], "2026_11_22-14_28_19");
    assert_eq!(
        (&values["sets"], &values["shelved_sets"], &values["backups"]),
        (&json!(0), &json!(1), &json!(3))
    );
    assert!(values["oldest_restorable_unix"].is_i64());
    assert_eq!(stdout(&mut on_it(&["-o", "zabbix", "status", "--key", "shelved_sets"]), 2), "1\n");
    let text = stdout(&mut on_it(&["-o", "prometheus", "status"]), 2);
    let line = format!("pyxbackup_shelved_sets{{store=\"{path}\",section=\"pyxbackup\"}} 1\n");
    assert!(text.contains(&line), "{text}");
}

#[test]
fn completions_and_manual_need_no_configuration_not_even_a_sound_one() {
    let broken = ["--config", "/nonexistent.cnf"];
    let script = stdout(&mut pyxbackup(&[&["completions", "bash"], &broken[..]].concat()), 0);
    assert!(script.contains("complete -F _pyxbackup"), "{script}");
    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("man/man1");
    for _ in 0..2 {
        let printed =
            stdout(&mut pyxbackup(&[&["manual", &pages.display().to_string()], &broken[..]].concat()), 0);
        assert!(
            printed.contains(&format!("{}\n", pages.join("pyxbackup-archive-list.1").display())),
            "{printed}"
        );
        assert_eq!(std::fs::read_dir(&pages).unwrap().count(), printed.lines().count());
    }
    assert_eq!(pages.join("pyxbackup.1").metadata().unwrap().permissions().mode() & 0o777, 0o644);
    let said = predicate::str::starts_with("pyxbackup: error: cannot create directory /dev/null/x: ");
    pyxbackup(&["manual", "/dev/null/x"]).assert().code(128).stdout("").stderr(said);
}

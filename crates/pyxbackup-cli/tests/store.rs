//! The binary and a store: what the Python tool left is listed as that tool did, and what is broken is shown.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of functions that are marked as tests")]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use rstest::rstest;
use serde_json::Value;

/// A copy of a store of the Python tool, with a work directory beside it.
struct Store {
    dir: tempfile::TempDir,
}

impl Store {
    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        ["stor", "work", "restore"]
            .iter()
            .for_each(|name| std::fs::create_dir(dir.path().join(name)).unwrap());
        Store { dir }
    }

    fn of_the_original() -> Self {
        let store = Store::empty();
        copy(&data("original_store"), &store.stor());
        store
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn stor(&self) -> PathBuf {
        self.path("stor")
    }

    fn run(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pyxbackup"));
        let config = self.path("c.cnf");
        let lines = ["stor", "work"].map(|name| format!("{name}_dir = {}\n", self.path(name).display()));
        std::fs::write(&config, format!("[pyxbackup]\n{}", lines.concat())).unwrap();
        command.arg("--config").arg(config).args(args);
        command
    }

    fn stdout(&self, args: &[&str]) -> String {
        let output = self.run(args).assert().success().stderr("").get_output().stdout.clone();
        String::from_utf8(output).unwrap().replace(&self.dir.path().display().to_string(), "DIR")
    }

    /// Breaks it in every way there is: a half-written full, one without its end, an incremental without its
    /// full, one whose base is gone.
    fn damage(&self) {
        let stor = self.stor();
        std::fs::create_dir(stor.join("full/2026_11_22-15_00_00.partial")).unwrap();
        std::fs::remove_file(stor.join("full/2026_11_22-14_28_25/backup.meta")).unwrap();
        std::fs::remove_dir_all(stor.join("incr/2026_11_22-14_28_07/2026_11_22-14_28_13")).unwrap();
        let orphan = stor.join("incr/2026_11_21-10_00_00/2026_11_21-11_00_00");
        copy(&stor.join("incr/2026_11_22-14_28_07/2026_11_22-14_28_19"), &orphan);
        let meta = orphan.join("backup.meta");
        let text = std::fs::read_to_string(&meta).unwrap();
        let text = text.replace("2026_11_22-14_28_19", "2026_11_21-11_00_00");
        std::fs::write(&meta, text.replace("2026_11_22-14_28_07", "2026_11_21-10_00_00")).unwrap();
    }

    fn logs(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("work")).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect()
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_store_of_the_python_tool_is_listed_as_that_tool_did() {
    let printed = std::fs::read_to_string(data("original_list.txt")).unwrap();
    let lines: Vec<&str> = printed.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(Store::of_the_original().stdout(&["list"]), lines.join("\n") + "\n");
}

#[test]
fn weekly_monthly_and_binary_logs_have_lines_of_their_own() {
    let store = Store::empty();
    for name in ["weekly/2026_11_01-10_00_00", "weekly/2026_11_08-10_00_00", "monthly/2026_10_31-10_00_00"] {
        std::fs::create_dir_all(store.stor().join(name)).unwrap();
    }
    std::fs::create_dir(store.stor().join("binlogs")).unwrap();
    for name in ["b.000009", "b.000010", "b.000011"] {
        File::create(store.stor().join("binlogs").join(name)).unwrap();
    }
    let expected = "# Weekly list: ['2026_11_08-10_00_00', '2026_11_01-10_00_00']\n\
                    # Monthly list: ['2026_10_31-10_00_00']\n\
                    # Binary logs from b.000009 to b.000011, 3 total\n";
    assert_eq!(store.stdout(&["list"]), expected);
}

#[test]
fn binary_logs_of_several_epochs_are_said_to_be_so() {
    let store = Store::empty();
    for (number, log) in [(1, "b.000003"), (2, "b.000001")] {
        let epoch = store.stor().join(format!("binlogs/epoch-{number:06}"));
        std::fs::create_dir_all(&epoch).unwrap();
        let server = serde_json::json!({
            "address": "localhost:3306", "flavor": "mariadb", "version": "10.11.19-MariaDB", "server_id": 1
        });
        let record = serde_json::json!({
            "format": 1, "number": number, "begun": "2026-11-22T14:28:07Z", "server": server,
            "beginning": { "how": "first" }
        });
        std::fs::write(epoch.join("epoch.json"), record.to_string()).unwrap();
        File::create(epoch.join(format!("{log}.partial"))).unwrap();
    }
    let printed = store.stdout(&["list"]);
    assert!(
        printed.starts_with("# Binary logs from b.000003 to b.000001, 2 total, in 2 epochs\n"),
        "{printed}"
    );
}

#[test]
fn what_is_broken_stands_on_lines_of_its_own() {
    let store = Store::of_the_original();
    store.damage();
    insta::assert_snapshot!(store.stdout(&["list"]));
}

#[test]
fn a_table_has_a_row_for_each_entry() {
    let store = Store::of_the_original();
    insta::assert_snapshot!("table", store.stdout(&["list", "--format", "table"]));
    store.damage();
    insta::assert_snapshot!("table_of_a_damaged_store", store.stdout(&["list", "--format", "table"]));
}

#[test]
fn json_tells_all_that_is_known_and_what_can_be_restored() {
    let store = Store::of_the_original();
    store.damage();
    let mut object: Value = serde_json::from_str(&store.stdout(&["list", "--format", "json"])).unwrap();
    assert_eq!(object, serde_json::from_str::<Value>(&store.stdout(&["list", "--json"])).unwrap());
    let restorable =
        |set: usize, member: &str| object["sets"][set].pointer(member).unwrap()["restorable"].clone();
    assert_eq!(restorable(0, "/incrementals/0"), false);
    assert_eq!((restorable(1, "/full"), restorable(1, "/incrementals/0")), (true.into(), false.into()));
    let set = object["sets"][1].take();
    insta::assert_json_snapshot!("json_of_a_set", set);
}

#[test]
fn a_backup_that_a_living_run_is_making_is_running() {
    let store = Store::of_the_original();
    std::fs::create_dir(store.stor().join("full/2026_11_22-15_00_00.partial")).unwrap();
    let mut lock = File::create(store.path("work/pyxbackup.lock")).unwrap();
    write!(lock, "backup = 2026_11_22-15_00_00\ntype = full\npid = 4242\n").unwrap();
    lock.lock().unwrap();
    let line = "# Running: full 2026_11_22-15_00_00: process 4242 is making it\n";
    assert!(store.stdout(&["list"]).ends_with(line), "{}", store.stdout(&["list"]));
    drop(lock);
    let line = "# Incomplete: full 2026_11_22-15_00_00: left by a run that did not finish\n";
    assert!(store.stdout(&["list"]).ends_with(line), "{}", store.stdout(&["list"]));
}

#[rstest]
#[case("lines")]
#[case("table")]
fn an_empty_store_gives_no_line_but_a_note(#[case] format: &str) {
    let store = Store::empty();
    let note = predicate::str::starts_with("pyxbackup: note: there are no backups in ");
    store.run(&["list", "--format", format]).assert().success().stdout("").stderr(note);
    store.run(&["-q", "list", "--format", format]).assert().success().stdout("").stderr("");
}

#[test]
fn a_list_that_nobody_reads_to_its_end_is_no_failure() {
    let store = Store::of_the_original();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = list_command(&store);
    assert!(command.stdout(writer).status().unwrap().success());
}

/// The same call without assert_cmd, which reads all there is.
#[expect(clippy::disallowed_methods, reason = "the pipe that nobody reads can be given to this one alone")]
fn list_command(store: &Store) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pyxbackup"));
    command.arg("--stor-dir").arg(store.stor()).arg("list");
    command
}

#[rstest]
#[case("nagios", "WARN - Last backup incr from 2026_11_22-14_28_32 is ")]
#[case("zabbix", "1\n")]
#[case("none", "")]
fn status_prints_the_forms_of_the_python_tool(#[case] format: &str, #[case] begins: &str) {
    // The store is older than this, whenever the test runs.
    let args = ["status", "--status-format", format, "--status-age-hours", "1"];
    let store = Store::of_the_original();
    let output = store.run(&args).assert().code(1).stderr("").get_output().stdout.clone();
    let output = String::from_utf8(output).unwrap();
    assert!(output.starts_with(begins) && output.lines().count() == begins.lines().count(), "{output}");
}

#[rstest]
#[case("nagios", "CRITICAL - cannot open the store ", "")]
#[case("zabbix", "2\n", "")]
#[case("none", "", "pyxbackup: error: cannot open the store ")]
fn a_store_that_cannot_be_read_is_critical(#[case] format: &str, #[case] out: &str, #[case] err: &str) {
    let store = Store::empty();
    std::fs::remove_dir(store.stor()).unwrap();
    let begins = |text: &str| predicate::str::starts_with(text.to_owned());
    let silent = predicate::str::is_empty().eval(err);
    let assert =
        store.run(&["-o", format, "status"]).assert().code(2).stdout(begins(out)).stderr(begins(err));
    assert_eq!(assert.get_output().stderr.is_empty(), silent);
}

#[test]
fn monitoring_gets_no_stray_lines_even_when_the_configuration_is_wrong() {
    let mut command = Store::empty().run(&["-o", "nagios", "--config", "/nonexistent.cnf", "status"]);
    command.assert().code(2).stderr("").stdout(predicate::str::starts_with("CRITICAL - /nonexistent.cnf: "));
    // A password that everyone can read is worth a warning, but not here.
    let store = Store::of_the_original();
    let mut command = store.run(&["-o", "zabbix", "-p", "geheim", "--status-age-hours", "1", "status"]);
    command.assert().code(1).stderr("").stdout("1\n");
}

#[test]
fn a_run_that_fails_leaves_a_private_log_that_tells_why() {
    let store = Store::empty();
    let args = ["full", "-S", "/nonexistent.sock", "-p", "geheim"];
    let stderr = store.run(&args).assert().code(65).stdout("").get_output().stderr.clone();
    let [log] = &store.logs()[..] else { panic!("{:?}", store.logs()) };
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains("  hint: see whether the server runs, and check mysql_sock"), "{stderr}");
    assert!(stderr.contains(&format!("all messages of this run are in {}\n", log.display())), "{stderr}");
    let text = std::fs::read_to_string(log).unwrap();
    assert!(text.contains("] INFO: command: full\n"), "{text}");
    assert!(text.contains("] ERROR: cannot connect to the server at /nonexistent.sock"), "{text}");
    assert!(text.ends_with("] ERROR: ended with exit code 65\n") && !text.contains("geheim"), "{text}");
    assert_eq!(log.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_log_that_cannot_be_written_is_a_warning() {
    let store = Store::of_the_original();
    let restore = store.path("restore").display().to_string();
    std::fs::create_dir(store.path("restore/P_2026_11_22-14_28_07")).unwrap();
    let args = ["restore-set", "-w", "/nonexistent", "-e", &restore, "-r", "2026_11_22-14_28_07"];
    let warning = predicate::str::contains("] WARN: no log of this run: cannot create one in /nonexistent: ");
    store.run(&args).assert().failure().stderr(warning);
}

#[test]
fn a_name_that_does_not_exist_is_answered_with_those_nearest() {
    let store = Store::of_the_original();
    let restore = store.path("restore").display().to_string();
    let args = ["-q", "restore-set", "-e", &restore, "-r", "2026_11_22-14_28_12"];
    let expected = "pyxbackup: error: there is no backup 2026_11_22-14_28_12 in the store\n  \
                    hint: nearest in time: 2026_11_22-14_28_13, 2026_11_22-14_28_07, 2026_11_22-14_28_19\n";
    store.run(&args).assert().code(128).stdout("").stderr(predicate::str::starts_with(expected));
}

#[test]
fn an_incremental_without_a_store_that_exists_names_it_once() {
    let store = Store::empty();
    std::fs::remove_dir(store.stor()).unwrap();
    let expected = format!("pyxbackup: error: cannot open the store {}: ", store.stor().display());
    store.run(&["-q", "incr"]).assert().code(128).stdout("").stderr(predicate::str::starts_with(expected));
}

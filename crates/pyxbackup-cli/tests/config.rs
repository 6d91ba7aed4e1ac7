//! The binary and its configuration: files found and read, refused and shown.
#![expect(clippy::unwrap_used, reason = "helpers of tests, outside of functions that are marked as tests")]

use std::path::{Path, PathBuf};

use assert_cmd::Command;
use predicates::prelude::*;
use rstest::rstest;

fn pyxbackup(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pyxbackup"));
    command.args(args);
    command
}

fn data(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name).display().to_string()
}

/// A directory with one configuration file of these lines under `[pyxbackup]`.
fn config(name: &str, lines: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, format!("[pyxbackup]\n{lines}")).unwrap();
    (dir, path.display().to_string())
}

fn stdout(command: &mut Command) -> String {
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

const DIRS: &str = "stor_dir = /backups/stor\nwork_dir = /backups/work\n";

#[rstest]
#[case("plain.cnf")]
#[case("gzip.cnf")]
#[case("qpress-encrypted.cnf")]
fn files_of_the_original_are_read_unchanged_and_shown(#[case] name: &str) {
    // From within its directory, so that the columns are as wide on every machine.
    let mut command = pyxbackup(&["config", "show", "--config", name]);
    let shown = stdout(command.current_dir(data("")));
    assert!(!shown.contains("S3cret"), "{shown}");
    insta::assert_snapshot!(name.trim_end_matches(".cnf").to_owned(), shown);
}

#[test]
fn config_show_as_json_names_file_and_line() {
    let path = data("plain.cnf");
    let text = stdout(&mut pyxbackup(&["-f", &path, "-u", "me", "config", "show", "--format", "json"]));
    let object: serde_json::Value = serde_json::from_str(&text).unwrap();
    let of = |name: &str| {
        let settings = object["settings"].as_array().unwrap();
        settings.iter().find(|setting| setting["key"] == name).unwrap().clone()
    };
    assert_eq!(object["config_file"], path.as_str());
    let pass = serde_json::json!({ "kind": "file", "path": path, "line": 5 });
    assert_eq!((&of("mysql_pass")["value"], &of("mysql_pass")["origin"]), (&"***".into(), &pass));
    assert_eq!(of("mysql_user")["origin"]["option"], "--mysql-user");
    assert_eq!(of("mysql_host")["origin"]["kind"], "default");
}

#[test]
fn config_show_as_a_table_has_the_same_rows() {
    let text = stdout(&mut pyxbackup(&["-f", &data("plain.cnf"), "config", "show", "--format", "table"]));
    assert!(text.contains("stor_dir") && text.contains("***") && text.contains("───"), "{text}");
}

#[test]
fn archives_need_no_store_and_no_server() {
    let (_dir, path) = config("a.cnf", "encrypt_key_file = /nonexistent\n");
    pyxbackup(&["-f", &path, "archive", "list", "/nonexistent.xbs"])
        .assert()
        .code(128)
        .stderr(predicate::str::starts_with("pyxbackup: error: cannot open /nonexistent.xbs: "));
}

#[test]
fn an_unknown_key_suggests_the_nearest() {
    let (_dir, path) = config("a.cnf", "store_dir = /x\n");
    pyxbackup(&["-f", &path, "list"])
        .assert()
        .code(128)
        .stderr(format!("pyxbackup: error: {path}:2: unknown key \"store_dir\"\n  hint: write stor_dir if that is what is meant, else remove the line\n"));
}

#[test]
fn an_unknown_command_suggests_the_nearest_and_is_a_usage_error() {
    pyxbackup(&["ful"])
        .assert()
        .code(128)
        .stderr(predicate::str::starts_with("pyxbackup: error: unrecognized subcommand 'ful'\n  hint: "))
        .stderr(predicate::str::contains("'full'"));
}

#[test]
fn an_error_is_json_where_json_was_asked_for() {
    for args in [&["--json", "ful"][..], &["list", "--format", "json"], &["prune", "--json"]] {
        let output = pyxbackup(args)
            .arg("--config=/nonexistent.cnf")
            .assert()
            .code(128)
            .stderr("")
            .get_output()
            .clone();
        let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(object["error"]["exit_code"], 128, "{args:?}");
    }
}

#[test]
fn both_forms_of_a_file_give_the_same_settings() {
    let lines = "mysql_user = u\nmysql_pass = p\ncompress = 1\ncompress_with = zstd\nretention_sets = 9\n\
                 extra_ibx_options = '--slave-info --galera-info'\n";
    let typed = "stor_dir = \"/backups/stor\"\nwork_dir = \"/backups/work\"\nmysql_user = \"u\"\n\
                 mysql_pass = \"p\"\ncompress = true\ncompress_with = \"zstd\"\nretention_sets = 9\n\
                 extra_ibx_options = [\"--slave-info\", \"--galera-info\"]\n";
    let (_cnf_dir, cnf) = config("a.cnf", &format!("{DIRS}{lines}"));
    let (_toml_dir, toml) = config("a.toml", typed);
    let shown = |path: &str| stdout(&mut pyxbackup(&["-f", path, "config", "show"])).replace(path, "FILE");
    let values = |path: &str| -> Vec<String> {
        let two = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
        shown(path).lines().map(two).collect()
    };
    assert_eq!(values(&cnf), values(&toml));
    assert!(shown(&toml).contains("FILE:9"), "{}", shown(&toml));
}

#[test]
fn a_password_on_the_command_line_is_warned_about_and_not_shown() {
    let (_dir, path) = config("a.cnf", DIRS);
    let mut command = pyxbackup(&["-f", &path, "-p", "geheim", "config", "show"]);
    command
        .assert()
        .success()
        .stdout(predicate::str::contains("geheim").not())
        .stderr(predicate::str::starts_with("pyxbackup: warning: --mysql-pass: every user of this machine"));
    let mut quiet = pyxbackup(&["-q", "-f", &path, "-p", "geheim", "config", "show"]);
    quiet.assert().success().stderr("");
}

#[test]
fn a_file_that_everyone_can_read_is_warned_about_when_it_holds_a_password() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, path) = config("a.cnf", "mysql_pass = geheim\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let warning = format!(
        "pyxbackup: warning: {path}: every user can read the password in it; run `chmod 600 {path}`\n"
    );
    pyxbackup(&["-f", &path, "config", "show"]).assert().success().stderr(warning);
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    pyxbackup(&["-f", "/nonexistent.cnf", "config", "show"])
        .assert()
        .code(128)
        .stderr(predicate::str::starts_with("pyxbackup: error: /nonexistent.cnf: "));
}

#[test]
fn the_file_beside_the_program_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let program: PathBuf = dir.path().join("pyxbackup");
    std::fs::copy(env!("CARGO_BIN_EXE_pyxbackup"), &program).unwrap();
    std::fs::write(dir.path().join("pyxbackup.toml"), "[pyxbackup]\nmysql_user = \"beside\"\n").unwrap();
    // A file of the machine itself would go before it.
    if ["cnf", "toml"].iter().any(|form| Path::new("/etc/pyxbackup").with_extension(form).exists()) {
        panic!("this machine has a pyxbackup configuration in /etc; run the tests elsewhere");
    }
    let mut command = Command::new(&program);
    assert!(stdout(command.args(["config", "show"])).contains("beside"));
    std::fs::write(dir.path().join("pyxbackup.cnf"), "[pyxbackup]\n").unwrap();
    Command::new(&program).args(["config", "show"]).assert().code(128).stderr(
        predicate::str::contains("there are both").and(predicate::str::contains("or name one with --config")),
    );
}

#[test]
fn debug_and_quiet_exclude_each_other_on_either_side_of_the_command() {
    for args in [["-d", "-q", "list"], ["-d", "list", "-q"]] {
        pyxbackup(&args).assert().code(128).stderr(predicate::str::contains("exclude each other"));
    }
}

#[test]
fn another_section_can_be_read() {
    let (_dir, path) = config("a.cnf", "mysql_user = one\n[other]\nmysql_user = two\n");
    let text = stdout(&mut pyxbackup(&["-f", &path, "--config-section", "other", "config", "show"]));
    assert!(text.contains(" two ") && !text.contains(" one  "), "{text}");
}

#[test]
fn the_version_is_printed() {
    pyxbackup(&["--version"]).assert().success().stdout(format!("pyxbackup {}\n", env!("CARGO_PKG_VERSION")));
}

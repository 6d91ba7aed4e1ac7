//! A private server: start, stop, crash, SQL, and that nothing of it outlives its owner.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use xb_core::Secret;
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_pipeline::process::Invocation;
use xb_sandbox::{Sandbox, SandboxError, Server, quote_text};

/// Tells the test below which directory to hold a server in.
const HOLD: &str = "XB_SANDBOX_HOLD";

fn server(directory: &Path) -> Server {
    Sandbox::new(directory).option("log-bin", "mysql-bin").initialise().unwrap()
}

fn is_there(pid: i32) -> bool {
    // A process that was killed but not yet waited for has no command line.
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_server_stops_and_starts_again_with_its_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(dir.path());
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1), (2);").unwrap();
    let pid = server.pid().unwrap();
    server.stop().unwrap();
    assert!(!is_there(pid));
    assert!(matches!(server.sql("SELECT 1;"), Err(SandboxError::NotRunning { .. })));
    assert!(matches!(server.stop(), Err(SandboxError::NotRunning { .. })));
    server.start().unwrap();
    server.start().unwrap();
    assert_eq!(server.sql("SELECT SUM(a) FROM d.t;").unwrap(), [["3"]]);
    assert!(dir.path().join("error.log.old").exists());
    let pid = server.pid().unwrap();
    drop(server);
    assert!(!is_there(pid), "dropping it stops it");
}

#[test]
fn a_start_ends_when_somebody_asks_to_stop() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = server(dir.path());
    first.stop().unwrap();
    let cancel = CancelToken::new();
    cancel.cancel(CancelReason::Terminate);
    let started = Sandbox::new(dir.path()).stop_on(&cancel).start_on(first.datadir());
    assert!(matches!(started, Err(SandboxError::Cancelled(_))), "{:?}", started.err());
    // Nothing holds its data any more.
    first.start().unwrap();
}

#[test]
fn what_was_committed_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(dir.path());
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY) ENGINE=InnoDB;").unwrap();
    server.sql("INSERT INTO d.t SELECT seq FROM d.seq_1_to_5000;").unwrap();
    server.kill().unwrap();
    assert!(!server.is_running());
    server.start().unwrap();
    assert_eq!(server.sql("SELECT COUNT(*) FROM d.t;").unwrap(), [["5000"]]);
    assert!(server.error_log_tail().contains("recovery"), "{}", server.error_log_tail());
}

#[test]
fn a_server_that_cannot_start_says_why_from_its_log() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let sandbox = Sandbox::new(dir.path()).flag("no-such-option");
    let error = sandbox.start_on(dir.path().join("data")).err().unwrap();
    assert!(error.to_string().contains("unknown option '--no-such-option'"), "{error}");
    assert!(error.to_string().contains("ended with exit code"), "{error}");
}

#[test]
fn values_come_back_as_they_were_written() {
    let dir = tempfile::tempdir().unwrap();
    let long_path = dir.path().join("it's a \"long\" way ".repeat(6)).join("żółw");
    let server = server(&long_path);
    assert!(server.socket().as_os_str().len() <= 107 && !server.socket().starts_with(&long_path));
    for value in
        ["tab\there", "line\nfeed\r", "back\\slash \\n", "it's", "żółw 日本 🐢", "", "NULL", "; DELIMITER"]
    {
        let got = server.sql(&format!("SELECT {}, 'x'", quote_text(value))).unwrap();
        assert_eq!(got, [[value, "x"]]);
    }
    assert_eq!(server.sql("SELECT 1; SELECT 2, NULL;").unwrap(), [vec!["1"], vec!["2", "NULL"]]);
    let large = "x".repeat(5_000_000);
    assert_eq!(server.sql(&format!("SELECT LENGTH('{large}');")).unwrap(), [["5000000"]]);

    let error = server.sql("CREATE DATABASE one;\nSELECT nothing_such;\nCREATE DATABASE two;").unwrap_err();
    assert!(error.to_string().contains("ERROR 1054"), "{error}");
    let schemas = server.sql("SHOW DATABASES LIKE '___';").unwrap();
    assert_eq!(schemas, [["one"], ["sys"]], "nothing is done behind an error");
}

#[test]
fn checksums_cover_every_table_whatever_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path());
    assert!(server.checksums().unwrap().is_empty(), "a new server has only tables of its own");
    server
        .sql(
            "CREATE DATABASE `a.b-ż ``q`; CREATE DATABASE d;\n\
             CREATE TABLE `a.b-ż ``q`.`日 'x'` (a INT) ENGINE=MyISAM; CREATE TABLE d.t (a INT);\n\
             CREATE VIEW d.v AS SELECT 1; INSERT INTO d.t VALUES (1), (2);",
        )
        .unwrap();
    let first = server.checksums().unwrap();
    let names: Vec<&str> = first.keys().map(String::as_str).collect();
    assert_eq!(names, ["`a.b-ż ``q`.`日 'x'`", "`d`.`t`"]);
    assert!(first["`d`.`t`"].is_some_and(|checksum| checksum > 0));
    server.sql("TRUNCATE TABLE d.t; INSERT INTO d.t VALUES (2), (1);").unwrap();
    assert_eq!(server.checksums().unwrap(), first, "the order of rows is no difference");
    server.sql("UPDATE d.t SET a = 3 WHERE a = 2;").unwrap();
    assert_ne!(server.checksums().unwrap(), first);
}

#[test]
fn a_checksum_covers_generated_columns_and_is_the_same_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = server(dir.path());
    let create = |name: &str, virtual_one: &str| {
        format!(
            "CREATE TABLE d.{name} (id INT PRIMARY KEY, v VARCHAR(64), s INT AS (id * 2) STORED, \
             g INT AS ({virtual_one}) VIRTUAL); INSERT INTO d.{name} (id, v) SELECT seq, 'x' FROM d.seq_1_to_100;"
        )
    };
    server.sql("CREATE DATABASE d;").unwrap();
    server.sql(&(create("one", "id + 1") + &create("two", "id + 1") + &create("three", "id + 2"))).unwrap();
    let before = server.checksums().unwrap();
    assert_eq!(before["`d`.`one`"], before["`d`.`two`"]);
    assert_ne!(before["`d`.`one`"], before["`d`.`three`"]);
    let coordinate = server.binlog_coordinate().unwrap();
    server.checksums().unwrap();
    assert_eq!(server.binlog_coordinate().unwrap(), coordinate, "looking writes nothing");
    server.stop().unwrap();
    server.start().unwrap();
    assert_eq!(server.checksums().unwrap(), before);
}

#[test]
fn a_server_without_binary_log_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Sandbox::new(dir.path()).initialise().unwrap();
    for error in [server.binlog_coordinate().unwrap_err(), server.binary_logs().unwrap_err()] {
        assert!(matches!(error, SandboxError::NoBinlog { .. }), "{error}");
    }
}

#[test]
fn a_backup_account_takes_a_backup_over_the_network_and_a_second_server_starts_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = Sandbox::new(dir.path().join("source"))
        .option("log-bin", "mysql-bin")
        .on_network()
        .initialise()
        .unwrap();
    source.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1), (2);").unwrap();
    let password = Secret::new("it's \\ S3cret");
    source.account("back'up", &password).unwrap();
    let again = source.account("back'up", &password).unwrap_err().to_string();
    assert!(again.contains("ERROR 1396") && !again.contains("S3cret"), "{again}");

    let login = dir.path().join("login.cnf");
    let text =
        "[client]\nuser=back'up\npassword=\"it's \\\\ S3cret\"\nhost=127.0.0.1\nprotocol=tcp\nport=PORT\n";
    std::fs::write(&login, text.replace("PORT", &source.port().unwrap().to_string())).unwrap();
    let target = dir.path().join("restored");
    let backup = |args: [&str; 2]| {
        let output = Invocation::new(&source.binaries().backup)
            .arg(format!("--defaults-file={}", login.display()))
            .args(args)
            .arg(format!("--target-dir={}", target.display()))
            .output(Duration::from_secs(60))
            .unwrap();
        assert!(output.status.success(), "{}", output.stderr);
    };
    backup(["--backup", "--slave-info"]);
    backup(["--prepare", "--use-memory=64M"]);
    let restored = Sandbox::new(dir.path().join("second")).start_on(&target).unwrap();
    assert_eq!(restored.checksums().unwrap(), source.checksums().unwrap());
}

#[test]
fn a_server_does_not_depend_on_the_thread_that_asked_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let server = std::thread::spawn(move || server(&path)).join().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.sql("SELECT 1;").unwrap(), [["1"]]);
}

/// Not a test: run by the next one as a process of its own, it holds a server until it is killed.
#[test]
#[ignore = "a helper process of a_server_dies_with_its_owner"]
#[expect(clippy::disallowed_methods, reason = "a test binary takes no arguments of its own")]
fn hold_a_server() {
    if let Some(directory) = std::env::var_os(HOLD).map(PathBuf::from) {
        let server = server(&directory);
        std::fs::write(directory.join("held.tmp"), server.pid().unwrap().to_string()).unwrap();
        xb_pipeline::fs::rename(&directory.join("held.tmp"), &directory.join("held")).unwrap();
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn a_server_dies_with_its_owner_even_when_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let owner = Invocation::new(std::env::current_exe().unwrap())
        .args(["hold_a_server", "--exact", "--ignored"])
        .env(HOLD, dir.path())
        .daemon(&dir.path().join("owner.log"))
        .unwrap();
    let held = dir.path().join("held");
    wait_until("the helper holds a server", || held.exists());
    let pid: i32 = std::fs::read_to_string(&held).unwrap().parse().unwrap();
    assert!(is_there(pid));
    // Kills the owner's process group, which the server is not in.
    owner.kill();
    wait_until("the server is gone", || !is_there(pid));
}

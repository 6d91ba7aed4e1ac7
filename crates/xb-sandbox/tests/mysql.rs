//! Private servers of MySQL, the oldest and the newest.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

use std::path::Path;
use std::time::Instant;

use rstest::rstest;
use xb_core::{Flavor, Secret};
use xb_sandbox::{Binaries, Sandbox, SandboxError, Server, oracle, quote_text};

/// The programs of a server that `make mysql56 mysql9` fetches.
fn programs(number: &str) -> Binaries {
    let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/servers");
    let server = format!("{servers}/mysql-{number}/bin/mysqld");
    assert!(
        Path::new(&server).exists(),
        "this test needs MySQL {number}: run `scripts/install-mysql {number}`"
    );
    Binaries::of_server(server).unwrap()
}

fn sandbox(number: &str, directory: &Path) -> Sandbox {
    Sandbox::new(directory).binaries(programs(number)).option("log-bin", "mysql-bin")
}

#[rstest]
#[case("5.6", (5, 6))]
#[case("9", (9, 7))]
fn a_server_is_known_by_its_version(#[case] number: &str, #[case] least: (u32, u32)) {
    let binaries = programs(number);
    assert_eq!(binaries.flavor, Flavor::MySql);
    assert!(binaries.version.series() >= least && binaries.version.major == least.0, "{}", binaries.version);
}

#[rstest]
fn a_server_stops_crashes_and_starts_again_with_its_data(#[values("5.6", "9")] number: &str) {
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let mut server = sandbox(number, dir.path()).initialise().unwrap();
    println!("initialised in {:?}", started.elapsed());
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (a INT); INSERT INTO d.t VALUES (1), (2);").unwrap();
    server.stop().unwrap();
    assert!(matches!(server.sql("SELECT 1;"), Err(SandboxError::NotRunning { .. })));
    server.start().unwrap();
    server.sql("INSERT INTO d.t VALUES (3);").unwrap();
    server.kill().unwrap();
    server.start().unwrap();
    assert_eq!(server.sql("SELECT SUM(a) FROM d.t;").unwrap(), [["6"]]);
    let accounts = server.sql("SELECT host FROM mysql.user WHERE user IN ('root', '');").unwrap();
    assert!(accounts.iter().all(|row| ["localhost", "127.0.0.1"].contains(&row[0].as_str())), "{accounts:?}");
    let logs: Vec<_> = server.binary_logs().unwrap();
    assert_eq!(logs.len(), 3);
    assert_eq!(logs[2], server.datadir().join("mysql-bin.000003"));
    let end = server.binlog_coordinate().unwrap();
    assert_eq!(end.file.to_string(), "mysql-bin.000003");
    assert_eq!(end.position, logs[2].metadata().unwrap().len());
    drop(server);
    // A second one on the same data, with nothing but what it needs.
    let again = Sandbox::new(dir.path().join("again")).binaries(programs(number));
    let again = again.start_on(dir.path().join("data")).unwrap();
    assert_eq!((again.port(), again.sql("SELECT @@skip_networking;").unwrap()[0][0].as_str()), (None, "1"));
    assert_eq!(again.sql("SELECT COUNT(*) FROM d.t;").unwrap(), [["3"]]);
    assert!(matches!(again.binary_logs(), Err(SandboxError::NoBinlog { .. })));
    assert!(matches!(again.binlog_coordinate(), Err(SandboxError::NoBinlog { .. })));
}

#[rstest]
fn a_server_that_cannot_start_says_why_from_its_log(#[values("5.6", "9")] number: &str) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    let error = sandbox(number, dir.path()).start_on(dir.path().join("data")).err().unwrap().to_string();
    assert!(error.contains("ended with exit code") && error.contains("ERROR"), "{error}");
}

#[rstest]
fn values_come_back_as_they_were_written(#[values("5.6", "9")] number: &str) {
    let dir = tempfile::tempdir().unwrap();
    let long_path = dir.path().join("it's a \"long\" way ".repeat(6)).join("żółw");
    let server = sandbox(number, &long_path).initialise().unwrap();
    for value in
        ["tab\there", "line\nfeed\r", "back\\slash \\n", "it's", "żółw 日本 🐢", "", "NULL", "; DELIMITER"]
    {
        let got = server.sql(&format!("SELECT {}, 'x'", quote_text(value))).unwrap();
        assert_eq!(got, [[value, "x"]]);
    }
    assert_eq!(server.sql("DELIMITER //\nSELECT 1; SELECT 2, NULL//").unwrap().len(), 2);
    let error = server.sql("CREATE DATABASE one;\nSELECT nothing_such;\nCREATE DATABASE two;").unwrap_err();
    assert!(error.to_string().contains("ERROR 1054"), "{error}");
    assert_eq!(server.sql("SHOW DATABASES LIKE 'one';").unwrap(), [["one"]]);
    assert!(server.sql("SHOW DATABASES LIKE 'two';").unwrap().is_empty(), "nothing is done behind an error");
}

fn columns(number: &str) -> &'static str {
    match number {
        "5.6" => "id INT PRIMARY KEY, v VARCHAR(64)",
        _ => {
            "id INT PRIMARY KEY, v VARCHAR(64), s INT AS (id * 2) STORED, g INT AS (id + 1) VIRTUAL, \
             e VARCHAR(40) DEFAULT (CONCAT('an', ' expression'))"
        }
    }
}

fn filled(number: &str, directory: &Path) -> Server {
    let server = sandbox(number, directory).on_network().initialise().unwrap();
    assert!(server.checksums().unwrap().is_empty(), "a new server has only tables of its own");
    let columns = columns(number);
    server
        .sql(&format!(
            "CREATE DATABASE `a.b-ż ``q`; CREATE DATABASE d; CREATE TABLE d.t ({columns});
             CREATE TABLE `a.b-ż ``q`.`日 'x'` (a INT) ENGINE=MyISAM; CREATE VIEW d.v AS SELECT 1;
             INSERT INTO d.t (id, v) VALUES (1, 'x'), (2, 'y');"
        ))
        .unwrap();
    server
}

#[rstest]
fn checksums_cover_every_table_and_the_oracle_comes_to_the_same(#[values("5.6", "9")] number: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut server = filled(number, &dir.path().join("source"));
    let first = server.checksums().unwrap();
    assert_eq!(first.keys().collect::<Vec<_>>(), ["`a.b-ż ``q`.`日 'x'`", "`d`.`t`"]);
    assert!(first["`d`.`t`"].is_some_and(|checksum| checksum > 0));
    let end = server.binlog_coordinate().unwrap();
    server.stop().unwrap();
    server.start().unwrap();
    assert_eq!(server.checksums().unwrap(), first);
    if number != "5.6" {
        let logs = server.binary_logs().unwrap();
        let replayed = oracle::at(server.binaries(), &logs, &end, dir.path().join("oracle")).unwrap();
        assert_eq!(replayed.checksums().unwrap(), first);
    }
    server.sql("UPDATE d.t SET v = 'z' WHERE id = 2;").unwrap();
    assert_ne!(server.checksums().unwrap(), first);
}

#[rstest]
fn an_account_may_do_what_a_backup_needs_and_no_more(#[values("5.6", "9")] number: &str) {
    let dir = tempfile::tempdir().unwrap();
    let server = filled(number, dir.path());
    assert!(server.port().is_some());
    let password = Secret::new("it's \\ S3cret");
    server.account("back'up", &password).unwrap();
    let again = server.account("back'up", &password).unwrap_err().to_string();
    assert!(again.contains("ERROR 1396") && !again.contains("S3cret"), "{again}");
    let grants = server.sql("SHOW GRANTS FOR 'back''up'@'127.0.0.1';").unwrap().concat().join(" ");
    assert!(grants.contains("REPLICATION SLAVE") && !grants.contains("SUPER"), "{grants}");
    assert_eq!(grants.contains("BACKUP_ADMIN"), number != "5.6", "{grants}");
}

//! What only MySQL writes into its logs, and how it keeps them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use xb_binlog::stream::{StreamOptions, StreamStart};
use xb_core::BinlogCoord;
use xb_pipeline::process::Invocation;
use xb_sandbox::Sandbox;
use xb_tests::server::Make;

use crate::support::{LIMIT, Load, Scene, archived};

fn with_gtids(sandbox: Sandbox) -> Sandbox {
    sandbox.option("gtid-mode", "ON").option("enforce-gtid-consistency", "ON").flag("log-slave-updates")
}

fn scene(make: Make, has_gtids: bool) -> Scene {
    // The newest have them by themselves.
    let without = |sandbox: Sandbox| sandbox.option("gtid-mode", "OFF");
    Scene::on_with(make, |sandbox, _| if has_gtids { with_gtids(sandbox) } else { without(sandbox) })
}

/// What `mysqlbinlog` gets of a server, file by file.
fn fetched_by_the_vendor(scene: &Scene) -> Vec<PathBuf> {
    let names = scene.server.sql("SHOW BINARY LOGS;").unwrap();
    let directory = scene.directory().join("fetched");
    std::fs::create_dir_all(&directory).unwrap();
    let output = Invocation::new(&scene.server.binaries().binlog)
        .args(["--no-defaults", "--raw", "--read-from-remote-server", "--to-last-log", "--user=root"])
        .arg(format!("--socket={}", scene.server.socket().display()))
        .arg(format!("--result-file={}/", directory.display()))
        .arg(&names[0][0])
        .output(Duration::from_secs(60))
        .unwrap();
    assert!(output.status.success(), "{}", output.stderr);
    names.iter().map(|row| directory.join(&row[0])).collect()
}

#[rstest]
fn files_are_copied_with_and_without_checksums_and_gtids(
    #[values(Make::MySql56, Make::MySql9)] make: Make,
    #[values(false, true)] has_gtids: bool,
) {
    let mut scene = scene(make, has_gtids);
    let streaming = scene.start(scene.options());
    for checksum in ["NONE", "CRC32", "NONE"] {
        scene.sql(&format!("SET GLOBAL binlog_checksum = {checksum};"));
        let load = Load::start(&scene.server);
        let rotated = scene.server.binary_logs().unwrap().len() as u64 + 1;
        xb_tests::wait_until("a file is full", LIMIT, || {
            streaming.assert_runs();
            streaming.progress().completed >= rotated
        });
        load.end();
        scene.sql(&format!("INSERT INTO d.t (v) VALUES (REPEAT('x', {}));", 3 << 20));
        streaming.wait_for(&scene.settled());
    }
    // A file without an end.
    scene.server.kill().unwrap();
    scene.server.start().unwrap();
    scene.sql("INSERT INTO d.t (v) VALUES ('behind');");
    streaming.wait_for(&scene.settled());
    streaming.stop();
    scene.assert_equal();
    assert_eq!(scene.kinds().contains(&33), has_gtids);
}

#[rstest]
fn every_kind_of_event_is_copied_as_it_is(#[values(Make::MySql56, Make::MySql9)] make: Make) {
    let mut scene = scene(make, true);
    let file = scene.directory().join("server/tmp/rows.txt");
    std::fs::write(&file, "one\ntwo\n").unwrap();
    let by_statement = format!(
        "SET binlog_format = STATEMENT; SET @word = 'user variable';
         INSERT INTO d.t (v) VALUES (@word); INSERT INTO d.t (v) VALUES (RAND());
         LOAD DATA INFILE '{}' INTO TABLE d.t (v);",
        file.display()
    );
    scene.sql(&by_statement);
    scene.sql(
        "SET binlog_rows_query_log_events = ON; INSERT INTO d.t (v) VALUES ('with its statement');
         SET binlog_row_image = MINIMAL; UPDATE d.t SET v = 'minimal'; DELETE FROM d.t WHERE id = 1;
         CREATE TABLE d.m (a INT) ENGINE=MyISAM; INSERT INTO d.m VALUES (1);
         XA START 'x'; INSERT INTO d.t (v) VALUES ('xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';",
    );
    let mut expected = vec![2, 4, 5, 13, 14, 15, 16, 17, 18, 19, 29, 30, 31, 32, 33, 35, 3];
    if make == Make::MySql9 {
        scene.sql(
            "SET binlog_transaction_compression = ON; INSERT INTO d.t (v) VALUES (REPEAT('compressed', 900));
             UPDATE d.t SET v = CONCAT(v, '!'); SET binlog_transaction_compression = OFF;
             SET gtid_next = 'AUTOMATIC:label'; INSERT INTO d.t (v) VALUES ('tagged'); SET gtid_next = 'AUTOMATIC';
             CREATE TABLE d.j (id INT PRIMARY KEY, j JSON); SET binlog_row_value_options = PARTIAL_JSON;
             INSERT INTO d.j VALUES (1, JSON_OBJECT('a', REPEAT('x', 200), 'b', 1));
             UPDATE d.j SET j = JSON_SET(j, '$.b', 2);",
        );
        expected.extend([38, 39, 40, 42]);
    }
    scene.server.stop().unwrap();
    scene.server.start().unwrap();
    scene.sql("FLUSH BINARY LOGS;");
    let snapshot = scene.once().unwrap();
    assert_eq!(snapshot.completed as usize, scene.server.binary_logs().unwrap().len() - 1);
    scene.assert_equal();
    let kinds = scene.kinds();
    for kind in expected {
        assert!(kinds.contains(&kind), "no event of type {kind} among {kinds:?}");
    }
    // Again, with nothing new and with something new.
    assert_eq!(scene.once().unwrap().received_bytes, 0);
    scene.sql("INSERT INTO d.t (v) VALUES ('more');");
    assert!(scene.once().unwrap().received_bytes > 0);
    scene.assert_equal();
}

#[rstest]
fn a_gtid_of_mysql_leads_to_the_file_it_is_behind(#[values(Make::MySql56, Make::MySql9)] make: Make) {
    let scene = scene(make, true);
    scene.sql("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('before');");
    let executed = scene.server.sql("SELECT @@GLOBAL.gtid_executed;").unwrap()[0][0].clone();
    scene.sql(
        "INSERT INTO d.t (v) VALUES ('behind'); FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('later');",
    );
    let start = StreamStart::Gtid(executed.parse().unwrap());
    scene.once_with(StreamOptions { start, ..scene.options() }).unwrap();
    scene.assert_equal_from(1);
}

#[test]
fn whole_logs_of_compressed_transactions_are_copied_and_equal_what_the_vendor_fetches() {
    let scene = Scene::on_with(Make::MySql9, |sandbox, _| {
        with_gtids(sandbox).option("binlog-transaction-compression", "ON")
    });
    let streaming = scene.start(scene.options());
    let load = Load::start(&scene.server);
    let third = BinlogCoord { file: "mysql-bin.000003".parse().unwrap(), position: 1000 };
    streaming.wait_for(&third);
    load.end();
    streaming.wait_for(&scene.settled());
    streaming.stop();
    scene.assert_equal();
    scene.assert_equal_to(&fetched_by_the_vendor(&scene));
    assert!(scene.kinds().contains(&40));
}

#[rstest]
fn logs_that_the_server_encrypts_arrive_in_clear(
    #[values(Make::MySql9, Make::MariaDb)] make: Make,
    #[values("CRC32", "NONE")] checksum: &str,
) {
    let mut scene = Scene::on_with(make, |sandbox, directory| {
        encrypting(make, sandbox, directory).option("binlog-checksum", checksum)
    });
    let streaming = scene.start(scene.options());
    let load = Load::start(&scene.server);
    let third = BinlogCoord { file: "mysql-bin.000003".parse().unwrap(), position: 1000 };
    streaming.wait_for(&third);
    load.end();
    scene.sql(&format!("INSERT INTO d.t (v) VALUES (REPEAT('x', {}));", 3 << 20));
    streaming.wait_for(&scene.settled());
    scene.server.kill().unwrap();
    scene.server.start().unwrap();
    scene.sql("INSERT INTO d.t (v) VALUES ('behind');");
    streaming.wait_for(&scene.settled());
    streaming.stop();
    // Again, with nothing new and with something new.
    assert_eq!(scene.once().unwrap().received_bytes, 0);
    scene.sql("INSERT INTO d.t (v) VALUES ('a readable word');");
    assert!(scene.once().unwrap().received_bytes > 0);
    scene.assert_equal_to(&fetched_by_the_vendor(&scene));
    let newest = scene.server.binary_logs().unwrap().pop().unwrap();
    let has_word = |log: &[u8]| log.windows(15).any(|part| part == b"a readable word");
    assert!(!has_word(&std::fs::read(&newest).unwrap()), "the server does not encrypt");
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(has_word(&archived(&scene.archive, name)));
}

/// Has a server encrypt its logs, with keys in the directory.
fn encrypting(make: Make, sandbox: Sandbox, directory: &Path) -> Sandbox {
    if make == Make::MariaDb {
        let keys = directory.join("keys");
        std::fs::write(&keys, "1;a7addd9adea9978fda19f21e6be987880e68ac92632ca052e5bb42b1a506939a\n")
            .unwrap();
        return sandbox
            .option("plugin-load-add", "file_key_management")
            .option("file-key-management-filename", keys.display())
            .option("encrypt-binlog", "ON");
    }
    let datadir = directory.join("server/data");
    let manifest = "{ \"components\": \"file://component_keyring_file\" }";
    std::fs::write(datadir.join("mysqld.my"), manifest).unwrap();
    let keys = format!("{{ \"path\": \"{}\", \"read_only\": false }}", directory.join("keys").display());
    std::fs::write(datadir.join("component_keyring_file.cnf"), keys).unwrap();
    sandbox.option("binlog-encryption", "ON")
}

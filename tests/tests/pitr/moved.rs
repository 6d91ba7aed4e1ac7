//! Another server takes over, logs are lost here, logs begin anew.

use std::path::{Path, PathBuf};

use xb_sandbox::{Sandbox, Server};
use xb_tests::files::copy_tree;
use xb_tests::{cli, wait_until};

use crate::support::{LIMIT, Scene};

/// A copy of a stopped server, with logs of its own, whose names begin like this, that knows what the first one had committed.
fn successor(scene: &mut Scene, directory: &Path, logs: &str) -> Server {
    let state = scene.server.sql("SELECT @@GLOBAL.gtid_binlog_state;").unwrap()[0][0].clone();
    scene.server.stop().unwrap();
    copy_tree(scene.server.datadir(), &directory.join("data"));
    for entry in std::fs::read_dir(directory.join("data")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("mysql-bin.") {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }
    let sandbox = Sandbox::new(directory).option("log-bin", logs).option("server-id", 2);
    let server = sandbox.start_on(directory.join("data")).unwrap();
    server.sql(&format!("RESET MASTER; SET GLOBAL gtid_binlog_state = '{state}';")).unwrap();
    server
}

#[test]
fn streaming_goes_on_from_another_server_and_recovery_goes_through() {
    let mut scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('first server');");
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('before it moved');");
    scene.good(&["binlog-stream", "--once"]);
    let directory = scene.directory.path().join("successor");
    let server = successor(&mut scene, &directory, "other-bin");
    scene.home.settings.mysql_sock = Some(server.socket().to_owned());
    server.sql("INSERT INTO d.t (v) VALUES ('second server'); FLUSH BINARY LOGS;").unwrap();
    server.sql("UPDATE d.t SET v = 'changed there' WHERE id = 1;").unwrap();
    let state = server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once"]);
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("joined to epoch 1") && !list.contains("GAP"), "{list}");
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn a_position_in_logs_of_two_servers_with_the_same_names_is_told_by_its_epoch() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('first server');");
    let (before, at_first) =
        (scene.server.checksums().unwrap(), scene.server.binlog_coordinate().unwrap().to_string());
    scene.sql("INSERT INTO d.t (v) VALUES ('before it moved');");
    scene.good(&["binlog-stream", "--once"]);
    let directory = scene.directory.path().join("successor");
    let server = successor(&mut scene, &directory, "mysql-bin");
    scene.home.settings.mysql_sock = Some(server.socket().to_owned());
    server.sql("INSERT INTO d.t (v) VALUES ('second server');").unwrap();
    let (behind, at_second) = (server.checksums().unwrap(), server.binlog_coordinate().unwrap().to_string());
    server.sql("INSERT INTO d.t (v) VALUES ('and later');").unwrap();
    scene.good(&["binlog-stream", "--once"]);
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("joined to epoch 1") && !list.contains("GAP"), "{list}");
    let log = |place: &str| place.split(':').next().unwrap().to_owned();
    assert_eq!(log(&at_first), log(&at_second));
    let refused = scene.recover(&["--to-position", &at_second]).ended_with(66);
    assert!(refused.text().contains("[1, 2]") && refused.text().contains("--epoch"), "{}", refused.text());
    scene.assert_recovers(&["--to-position", &at_second, "--epoch", "2"], &behind);
    scene.assert_recovers(&["--to-position", &at_first, "--epoch", "1", "--base-epoch", "1"], &before);
    let refused = scene.recover(&["--to-position", &at_second, "--epoch=2", "--base-epoch=2"]).ended_with(66);
    assert!(refused.text().contains("the backup stands at"), "{}", refused.text());
}

#[test]
fn a_server_that_takes_over_is_given_time_to_have_all() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    let directory = scene.directory.path().join("successor");
    let server = successor(&mut scene, &directory, "other-bin");
    scene.server.start().unwrap();
    scene.sql("INSERT INTO d.t (v) VALUES ('on its way');");
    let on_its_way = scene.server.sql("SELECT @@GLOBAL.gtid_binlog_pos;").unwrap()[0][0].clone();
    scene.good(&["binlog-stream", "--once"]);
    scene.home.settings.mysql_sock = Some(server.socket().to_owned());
    let mut streamer = cli::start(&scene.home, &["binlog-stream", "--once"]);
    let waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE id <> CONNECTION_ID() \
        AND command = 'Sleep' AND time_ms > 300;";
    wait_until("the streamer waits", LIMIT, || {
        assert!(!streamer.has_ended(), "it did not wait:\n{}", streamer.said());
        server.sql(waits).unwrap()[0][0] != "0"
    });
    let parts: Vec<&str> = on_its_way.split('-').collect();
    let [domain, origin, number] = parts[..] else { panic!("{on_its_way}") };
    let applied = format!("SET gtid_domain_id = {domain}, server_id = {origin}, gtid_seq_no = {number};");
    server.sql(&format!("{applied} INSERT INTO d.t (v) VALUES ('on its way');")).unwrap();
    let state = server.checksums().unwrap();
    streamer.wait().good();
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("joined to epoch 1") && !list.contains("GAP"), "{list}");
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn a_server_that_lacks_something_begins_an_epoch_that_is_not_joined() {
    let scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('both have it');");
    let both = scene.server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once"]);
    let place = scene.server.binlog_coordinate().unwrap().to_string();
    // The same server, whose logs are begun anew: nobody knows what was committed in between.
    scene.sql("RESET MASTER; INSERT INTO d.t (v) VALUES ('behind');");
    let said = scene.good(&["binlog-stream", "--once"]);
    assert!(said.contains("gap") && said.contains("full backup"), "{said}");
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("not joined to epoch 1") && list.contains("GAP"), "{list}");
    assert!(list.contains("  never closed\n") && list.contains("  open\n"), "{list}");
    assert!(scene.good(&["list"]).contains("# Gap: "));
    let status = cli::run(&scene.home, &["--status-format=nagios", "status"]).ended_with(2);
    assert!(status.text().contains("missing since the newest backup"), "{}", status.text());
    // Both have a log of this name, and their numbers begin alike.
    let several = cli::run(&scene.home, &["binlog", "show", "mysql-bin.000001"]);
    assert!(several.code != Some(0) && several.stderr.contains("epoch"), "{}", several.text());
    for epoch in ["1", "2"] {
        let place = scene.good(&["binlog", "find", "--gtid", "0-1-1", "--epoch", epoch]);
        assert!(place.contains(&format!(" of epoch {epoch}")), "{place}");
        let shown = scene.good(&["binlog", "show", "mysql-bin.000001", "--epoch", epoch]);
        assert_eq!(shown.contains("CREATE DATABASE"), epoch == "1", "{shown}");
    }
    let window = scene.good(&["recovery-window"]);
    assert!(window.contains("GAP behind it: "), "{window}");
    let restored = scene.home.restored().display().to_string();
    let to_time = ["--restore-dir", &restored, "restore-set", "--to-latest"];
    let refused = cli::run(&scene.home, &to_time).ended_with(66);
    assert!(refused.text().contains("--across-gaps"), "{}", refused.text());
    scene.assert_recovers(&["--to-position", &place, "--epoch", "1"], &both);
    // A backup behind it begins a window of its own.
    scene.good(&["full"]);
    let refused = scene.recover(&["--to-position", &place]).ended_with(66);
    assert!(refused.text().contains("[1, 2]"), "{}", refused.text());
    scene.assert_recovers(&["--to-position", &place, "--epoch", "1"], &both);
    let behind = scene.server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once"]);
    scene.assert_recovers(&["--to-latest"], &behind);
    let window = scene.good(&["recovery-window"]);
    assert_eq!((window.matches(" .. ").count(), window.matches("GAP").count()), (2, 1), "{window}");
    // The gap is before the newest backup, which is only worth a warning.
    let status = cli::run(&scene.home, &["--status-format=nagios", "status"]).ended_with(1);
    assert!(status.text().contains("1 gaps before the newest backup"), "{}", status.text());
}

#[test]
fn logs_that_are_lost_here_come_from_their_copy() {
    let mut scene = Scene::new();
    let copies = scene.directory.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    scene.home.settings.copy_to = vec![copies.display().to_string()];
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES (REPEAT('packed ', 10000)); FLUSH BINARY LOGS;");
    scene.sql("INSERT INTO d.t (v) VALUES ('open');");
    let state = scene.server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once", "--binlog-compress", "--binlog-push-interval=1"]);
    let packed = scene.home.store().join("binlogs/epoch-000001/mysql-bin.000001.zst");
    assert!(packed.exists(), "{:?}", xb_tests::files::everything_below(&scene.home.store().join("binlogs")));
    scene.assert_recovers(&["--to-latest"], &state);
    std::fs::remove_dir_all(scene.home.store().join("binlogs")).unwrap();
    let said = scene.good(&["recovery-window"]);
    assert!(said.contains(" .. "), "{said}");
    scene.assert_recovers(&["--to-latest"], &state);
}

/// A backup, three logs behind it that are also in a copy, and the place where the last of them ends.
fn with_copy() -> (Scene, PathBuf, String) {
    let mut scene = Scene::new();
    let copies = scene.directory.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    scene.home.settings.copy_to = vec![copies.display().to_string()];
    scene.good(&["full"]);
    let mut place = String::new();
    for v in ["one", "two", "three"] {
        scene.sql(&format!("INSERT INTO d.t (v) VALUES ('{v}');"));
        place = scene.server.binlog_coordinate().unwrap().to_string();
        scene.sql("FLUSH BINARY LOGS;");
    }
    scene.good(&["binlog-stream", "--once"]);
    (scene, copies, place)
}

#[test]
fn a_log_that_is_damaged_here_comes_from_its_copy() {
    let (scene, copies, _) = with_copy();
    let state = scene.server.checksums().unwrap();
    let epoch = scene.home.store().join("binlogs/epoch-000001");
    let second = std::fs::OpenOptions::new().write(true).open(epoch.join("mysql-bin.000002")).unwrap();
    second.set_len(second.metadata().unwrap().len() - 1).unwrap();
    std::fs::remove_file(epoch.join("mysql-bin.000003")).unwrap();
    scene.assert_recovers(&["--to-latest"], &state);
    let plan = scene.recover(&["--to-latest", "--best-effort", "--dry-run"]).ended_with(0);
    assert!(plan.text().contains("are used for them"), "{}", plan.text());
    assert!(!plan.text().contains("end before the target"), "{}", plan.text());
    std::fs::remove_dir_all(copies.join("binlogs")).unwrap();
    scene.recover(&["--to-latest", "--dry-run"]).ended_with(66);
}

#[test]
fn an_archive_that_was_lost_begins_behind_its_copy_or_goes_on_from_it() {
    let (scene, copies, place) = with_copy();
    let before = scene.server.checksums().unwrap();
    let archive = scene.home.store().join("binlogs");
    std::fs::remove_dir_all(&archive).unwrap();
    scene.sql("INSERT INTO d.t (v) VALUES ('behind'); FLUSH BINARY LOGS;");
    wait_until("the logs are purged", LIMIT, || {
        scene.sql("PURGE BINARY LOGS TO 'mysql-bin.000005';");
        scene.server.binary_logs().unwrap().len() == 1
    });
    let said = scene.good(&["binlog-stream", "--once", "--binlog-resume"]);
    assert!(said.contains("streaming begins epoch 2"), "{said}");
    assert!(copies.join("binlogs/epoch-000002/epoch.json").exists());
    scene.assert_recovers(&["--to-position", &place], &before);
    let refused = scene.recover(&["--to-latest"]).ended_with(66);
    assert!(refused.text().contains("mysql-bin"), "{}", refused.text());

    std::fs::remove_dir_all(&archive).unwrap();
    copy_tree(&copies.join("binlogs/epoch-000002"), &archive.join("epoch-000002"));
    scene.sql("INSERT INTO d.t (v) VALUES ('and more');");
    scene.good(&["full"]);
    scene.sql("UPDATE d.t SET v = 'the newest' WHERE id = 1;");
    let state = scene.server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once"]);
    assert!(!archive.join("epoch-000003").exists());
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn logs_go_when_no_backup_needs_them() {
    let scene = Scene::new();
    scene.good(&["full"]);
    for _ in 0..3 {
        scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    }
    scene.good(&["binlog-stream", "--once"]);
    scene.good(&["full", "--retention-sets=9"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('y'); FLUSH BINARY LOGS;");
    let state = scene.server.checksums().unwrap();
    scene.good(&["binlog-stream", "--once"]);
    let first = scene.home.store().join("binlogs/epoch-000001/mysql-bin.000001");
    assert!(first.exists());
    let plan = scene.good(&["prune", "--dry-run", "--retention-sets=1"]);
    assert!(plan.contains("remove mysql-bin.000001, ") && first.exists(), "{plan}");
    assert!(!plan.contains("(-"), "{plan}");
    scene.good(&["prune", "--retention-sets=1"]);
    assert!(!first.exists());
    scene.assert_recovers(&["--to-latest"], &state);
}

//! What was there and is lost is made up for, or told, and never passed over in silence.

use std::path::{Path, PathBuf};

use xb_tests::cli;
use xb_tests::files::copy_tree;

use crate::support::{Moment, Scene};

/// A backup with a closed log and an open one behind it, all of which is in a copy, too.
struct Copied {
    scene: Scene,
    copies: PathBuf,
    /// In the open log, before something else is there.
    within: Moment,
    at_end: Moment,
}

impl Copied {
    fn new() -> Self {
        let mut scene = Scene::new();
        let copies = scene.directory.path().join("copies");
        std::fs::create_dir(&copies).unwrap();
        scene.home.settings.copy_to = vec![copies.display().to_string()];
        scene.good(&["full"]);
        scene.sql("INSERT INTO d.t (v) VALUES ('closed'); FLUSH BINARY LOGS;");
        scene.sql("INSERT INTO d.t (v) VALUES ('open');");
        let within = scene.moment();
        scene.sql("INSERT INTO d.t (v) VALUES ('last');");
        let at_end = scene.moment();
        scene.good(&["binlog-stream", "--once", "--binlog-push-interval=1"]);
        Copied { scene, copies, within, at_end }
    }

    fn open_log(&self) -> PathBuf {
        self.scene.home.store().join("binlogs/epoch-000001/mysql-bin.000002.partial")
    }

    /// Cuts the open log at the place within.
    fn cut(&self) {
        assert_eq!(self.within.place.file.to_string(), "mysql-bin.000002");
        let file = std::fs::OpenOptions::new().write(true).open(self.open_log()).unwrap();
        file.set_len(self.within.place.position).unwrap();
    }
}

#[test]
fn the_open_log_comes_from_its_copy_when_it_is_gone_or_shorter_here() {
    let copied = Copied::new();
    let (scene, at_end) = (&copied.scene, &copied.at_end);
    copied.cut();
    let plan = scene.recover(&["--to-latest", "--dry-run"]).good();
    assert!(plan.text().contains("are used for them"), "{}", plan.text());
    scene.assert_recovers(&["--to-latest"], &at_end.state);
    std::fs::remove_file(copied.open_log()).unwrap();
    scene.assert_recovers(&["--to-latest"], &at_end.state);
    scene.assert_recovers(&["--to-gtid", &at_end.gtid], &at_end.state);
    let window = scene.good(&["recovery-window"]);
    assert!(window.contains("are used for them") && !window.contains("GAP"), "{window}");
    let found = scene.good(&["binlog", "find", "--gtid", &at_end.gtid]);
    assert!(found.contains("mysql-bin.000002"), "{found}");
}

#[test]
fn what_the_archive_has_lost_is_told_and_not_taken_for_nothing() {
    let copied = Copied::new();
    let (scene, within) = (&copied.scene, &copied.within);
    let whole = scene.good(&["recovery-window"]);
    assert!(!whole.contains("GAP"), "{whole}");
    std::fs::remove_dir_all(copied.copies.join("binlogs")).unwrap();
    copied.cut();
    let refused = scene.recover(&["--to-latest"]).ended_with(66);
    let told = format!("the logs here end at {}", within.place);
    assert!(refused.text().contains(&told) && refused.text().contains("--best-effort"), "{}", refused.text());
    // A streamer that does not get to the server knows no better.
    let away = ["--mysql-socket=/nowhere/socket", "binlog-stream", "--once", "--binlog-retries=1"];
    let failed = cli::run(&scene.home, &away).ended_with(66);
    assert!(failed.text().contains("/nowhere/socket"), "{}", failed.text());
    let refused = scene.recover(&["--to-latest"]).ended_with(66);
    assert!(refused.text().contains(&told), "{}", refused.text());
    // All of this is before the moment until which the streamer had seen everything.
    let refused = scene.recover(&["--to-time", &copied.at_end.at()]).ended_with(66);
    assert!(refused.text().contains("ends at"), "{}", refused.text());
    let window = scene.good(&["recovery-window"]);
    assert!(window.contains(&told), "{window}");
    let status = cli::run(&scene.home, &["--status-format=nagios", "status"]).ended_with(2);
    assert!(status.text().contains("Binary logs are lost here"), "{}", status.text());
    scene.assert_recovers(&["--to-latest", "--best-effort"], &within.state);
    scene.assert_recovers(&["--to-position", &within.place.to_string()], &within.state);
    // The server still has it.
    scene.stream();
    scene.assert_recovers(&["--to-latest"], &copied.at_end.state);
}

#[test]
fn an_archive_that_was_thrown_away_is_missed_by_nobody() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('thrown away'); FLUSH BINARY LOGS; FLUSH BINARY LOGS;");
    scene.stream();
    std::fs::remove_dir_all(scene.home.store().join("binlogs/epoch-000001")).unwrap();
    scene.sql("RESET MASTER;");
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('begun anew');");
    let state = scene.server.checksums().unwrap();
    scene.stream();
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("epoch 1 ") && !list.contains("lost"), "{list}");
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn a_copy_is_a_store_of_its_own_with_the_settings_of_the_one_that_is_lost() {
    let copied = Copied::new();
    let scene = &copied.scene;
    let store = format!("--store={}", copied.copies.display());
    scene.assert_recovers(&[&store, "--to-latest"], &copied.at_end.state);
    scene.assert_recovers(&[&store, "--to-position", &copied.within.place.to_string()], &copied.within.state);
    let last = scene.good(&[&store, "binlog", "find", "--gtid", &copied.at_end.gtid]);
    assert!(last.contains("mysql-bin.000002"), "{last}");
    // What keeps it from being recovered is told, not that copy_to names it, too.
    std::fs::remove_file(copied.copies.join("binlogs/epoch-000001/mysql-bin.000001")).unwrap();
    let refused = scene.recover(&[&store, "--to-latest"]).ended_with(66);
    assert!(refused.text().contains("mysql-bin.000001"), "{}", refused.text());
}

#[test]
fn an_epoch_that_was_brought_back_has_its_pieces_and_is_gone_on_with() {
    let copied = Copied::new();
    let scene = &copied.scene;
    let archive = scene.home.store().join("binlogs");
    std::fs::remove_dir_all(&archive).unwrap();
    copy_tree(&copied.copies.join("binlogs/epoch-000001"), &archive.join("epoch-000001"));
    std::fs::remove_dir_all(copied.copies.join("binlogs")).unwrap();
    scene.assert_recovers(&["--to-latest"], &copied.at_end.state);
    scene.sql("INSERT INTO d.t (v) VALUES ('gone on'); FLUSH BINARY LOGS;");
    let state = scene.server.checksums().unwrap();
    scene.stream();
    assert!(!archive.join("epoch-000002").exists());
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn the_last_log_of_an_epoch_that_ended_is_in_the_copy() {
    let copied = Copied::new();
    let scene = &copied.scene;
    scene.sql("INSERT INTO d.t (v) VALUES ('the very last');");
    let end = scene.moment();
    scene.stream();
    scene.sql("RESET MASTER;");
    scene.stream();
    std::fs::remove_dir_all(scene.home.store().join("binlogs")).unwrap();
    scene.assert_recovers(&["--to-position", &end.place.to_string(), "--epoch=1"], &end.state);
}

#[test]
fn the_latest_state_is_not_older_than_the_newest_backup() {
    let scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('streamed');");
    let streamed = scene.server.checksums().unwrap();
    scene.stream();
    scene.moment();
    scene.sql("INSERT INTO d.t (v) VALUES ('backed up only');");
    scene.moment();
    scene.good(&["full", "--retention-sets=9"]);
    let refused = scene.recover(&["--to-latest"]).ended_with(66);
    assert!(refused.text().contains("gives an older state"), "{}", refused.text());
    assert!(refused.text().contains("--best-effort"), "{}", refused.text());
    scene.assert_recovers(&["--to-latest", "--best-effort"], &streamed);
    let state = scene.server.checksums().unwrap();
    scene.stream();
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn an_accident_is_undone_also_from_before_the_backups_that_were_taken_since() {
    let scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("CREATE TABLE d.gone (id INT PRIMARY KEY); INSERT INTO d.gone VALUES (1), (2);");
    let before = scene.moment();
    scene.sql("DROP TABLE d.gone;");
    let accident = scene.moment().gtid;
    for v in ["since then", "and later"] {
        scene.sql(&format!("INSERT INTO d.t (v) VALUES ('{v}');"));
        scene.good(&["full", "--retention-sets=9"]);
    }
    let mut wanted = scene.server.checksums().unwrap();
    scene.stream();
    wanted.extend(
        before.state.iter().filter(|(table, _)| table.contains("gone")).map(|(t, s)| (t.clone(), *s)),
    );
    assert_ne!(wanted, scene.server.checksums().unwrap());
    scene.assert_recovers(&["--to-latest", "--exclude-gtid", &accident], &wanted);
    let refused = scene.recover(&["--to-latest", "--exclude-gtid", "0-1-999999"]).ended_with(66);
    assert!(refused.text().contains("0-1-999999 is to be left out"), "{}", refused.text());
    // Behind RESET MASTER and a new backup, what was before it is found from the backups before it.
    scene.sql("RESET MASTER;");
    // Both epochs have a log of this name, and the backup stands in the one that is there in this second.
    scene.moment();
    scene.good(&["full", "--retention-sets=9"]);
    scene.stream();
    scene.assert_recovers(&["--to-gtid", &before.gtid], &before.state);
    let refused = scene.recover(&["--to-gtid", "0-1-999999"]).ended_with(66);
    assert!(refused.text().contains("0-1-999999 is not in the archive"), "{}", refused.text());
    // What every backup has cannot be left out of one.
    let refused = scene.recover(&["--to-latest", "--across-gaps", "--exclude-gtid", "0-1-1"]).ended_with(66);
    assert!(refused.text().contains("0-1-1 is to be left out"), "{}", refused.text());
    let newest = newest_backup(&scene.home.store());
    let refused = scene.recover(&["--restore-backup", &newest, "--to-time", &before.at()]).ended_with(66);
    assert!(refused.text().contains(&format!("{newest} was not taken before")), "{}", refused.text());
}

fn newest_backup(store: &Path) -> String {
    let names = std::fs::read_dir(store.join("full")).unwrap().flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).max().unwrap()
}

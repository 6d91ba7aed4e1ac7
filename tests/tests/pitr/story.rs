//! The whole story: backups, logs streamed beside them, and any moment in between back.

use xb_tests::cli;

use crate::support::Scene;

#[test]
fn any_moment_since_the_first_backup_comes_back() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('before all');");
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('one'); CREATE TABLE d.u (a INT) ENGINE=InnoDB;");
    let first = scene.moment();
    scene.sql("INSERT INTO d.u VALUES (1), (2); FLUSH BINARY LOGS; UPDATE d.t SET v = 'two' WHERE id = 1;");
    scene.good(&["binlog-stream", "--once"]);
    let second = scene.moment();
    scene.good(&["incr"]);
    scene.sql("DROP TABLE d.u; INSERT INTO d.t (v) VALUES ('three');");
    let third = scene.moment();
    scene.sql("INSERT INTO d.t (v) VALUES ('four');");
    let last = scene.moment();
    scene.good(&["binlog-stream", "--once"]);

    let at = |moment: &crate::support::Moment| {
        chrono::DateTime::from_timestamp(moment.time, 0).unwrap().format("%Y-%m-%d %H:%M:%SZ").to_string()
    };
    scene.assert_recovers(&["--to-time", &at(&first)], &first.state);
    scene.assert_recovers(&["--to-gtid", &first.gtid], &first.state);
    scene.assert_recovers(&["--to-position", &second.place.to_string()], &second.state);
    scene.assert_recovers(&["--to-time", &at(&third)], &third.state);
    scene.assert_recovers(&["--to-latest"], &last.state);
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("mysql-bin.000001") && list.contains("the first"), "{list}");
    let window = scene.good(&["recovery-window"]);
    assert_eq!(window.trim().lines().count(), 2, "{window}");
    let plan = scene.good(&["--restore-dir", "/", "restore-set", "--to-latest", "--dry-run"]);
    assert!(plan.contains(&format!("up to       {}", last.place)), "{plan}");
    let early =
        cli::run(&scene.home, &["--restore-dir", "/", "restore-set", "--to-time", "2001-01-01 00:00:00"]);
    early.ended_with(66);
}

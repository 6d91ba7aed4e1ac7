//! Logs of two servers, or of one before and behind a reset, never end up in one archive.

use std::fs;

use rstest::rstest;
use xb_binlog::stream::StreamError;
use xb_tests::server::Make;

use crate::support::{LIMIT, Scene};

#[rstest]
fn logs_that_were_reset_are_not_mixed_with_those_from_before(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql("INSERT INTO d.t (v) VALUES ('before');");
    scene.once().unwrap();
    let before = fs::read(scene.archive.join("mysql-bin.000001.partial")).unwrap();
    // Shorter than before, then longer.
    for more in ["SELECT 1;", &"INSERT INTO d.t (v) VALUES ('behind');".repeat(20)] {
        scene.sql(&format!("{} {more}", scene.reset()));
        let outcome = scene.once();
        assert!(matches!(outcome, Err(StreamError::Diverged { .. })), "{outcome:?}");
        assert_eq!(fs::read(scene.archive.join("mysql-bin.000001.partial")).unwrap(), before);
    }
}

#[rstest]
fn a_log_with_an_event_border_at_the_same_place_is_told_apart(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql(&format!("{} INSERT INTO d.t (v) VALUES ('one way');", scene.reset()));
    scene.once().unwrap();
    let before = fs::read(scene.archive.join("mysql-bin.000001.partial")).unwrap();
    scene.sql(&format!(
        "{} INSERT INTO d.t (v) VALUES ('another'); INSERT INTO d.t (v) VALUES ('more');",
        scene.reset()
    ));
    let outcome = scene.once();
    assert!(matches!(outcome, Err(StreamError::Diverged { .. })), "{outcome:?}");
    assert_eq!(fs::read(scene.archive.join("mysql-bin.000001.partial")).unwrap(), before);
}

#[rstest]
fn a_reset_under_a_streamer_ends_it(#[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make) {
    let scene = Scene::on(make);
    let streaming = scene.start(scene.options());
    scene.sql("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('x');");
    streaming.wait_for(&scene.settled());
    scene.sql(&format!("{} INSERT INTO d.t (v) VALUES ('y');", scene.reset()));
    let outcome = streaming.ends();
    assert!(matches!(outcome, Err(StreamError::Diverged { .. } | StreamError::Source(_))), "{outcome:?}");
}

#[rstest]
fn a_log_that_was_purged_before_it_was_taken_is_a_gap(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.once().unwrap();
    scene.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS;");
    xb_tests::wait_until("the files are purged", LIMIT, || {
        scene.sql("PURGE BINARY LOGS TO 'mysql-bin.000003';");
        scene.server.binary_logs().unwrap().len() == 1
    });
    let outcome = scene.once();
    let Err(StreamError::LogGone { file, oldest }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (file.to_string(), oldest.to_string()),
        ("mysql-bin.000001".into(), "mysql-bin.000003".into())
    );
}

#[rstest]
fn a_complete_log_may_be_purged_behind_a_streamer(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    scene.once().unwrap();
    let partial = scene.archive.join("mysql-bin.000002.partial");
    fs::remove_file(partial).unwrap();
    // The server keeps a file as long as somebody reads it, or it may need it after a crash.
    xb_tests::wait_until("the file is purged", LIMIT, || {
        scene.sql("PURGE BINARY LOGS TO 'mysql-bin.000002';");
        scene.server.binary_logs().unwrap().len() == 1
    });
    scene.sql("INSERT INTO d.t (v) VALUES ('y');");
    scene.once().unwrap();
    fs::remove_file(scene.archive.join("mysql-bin.000001")).unwrap();
    scene.assert_equal();
}

#[rstest]
fn a_log_that_ends_at_the_same_place_is_told_apart_also_when_nothing_is_new(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql(&format!("{} INSERT INTO d.t (v) VALUES ('one way');", scene.reset()));
    scene.once().unwrap();
    scene.sql(&format!("{} INSERT INTO d.t (v) VALUES ('another');", scene.reset()));
    let outcome = scene.once();
    assert!(matches!(outcome, Err(StreamError::Diverged { .. })), "{outcome:?}");
}

#[test]
fn a_next_log_without_the_transactions_of_the_archive_is_told_apart() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('archived'); FLUSH BINARY LOGS;");
    scene.once().unwrap();
    fs::remove_file(scene.archive.join("mysql-bin.000002.partial")).unwrap();
    // Its first log is gone like the one of the archive, and its second is there; but nothing was in the first.
    scene.sql("RESET MASTER; FLUSH BINARY LOGS;");
    xb_tests::wait_until("the file is purged", LIMIT, || {
        scene.sql("PURGE BINARY LOGS TO 'mysql-bin.000002';");
        scene.server.binary_logs().unwrap().len() == 1
    });
    scene.sql("INSERT INTO d.t (v) VALUES ('another history');");
    let outcome = scene.once();
    assert!(matches!(outcome, Err(StreamError::Diverged { .. })), "{outcome:?}");
}

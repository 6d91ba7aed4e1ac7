//! What is in the archive is what the server has, byte for byte.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rstest::rstest;
use xb_binlog::source::native::{NativeError, NativeSource, Next, Start};
use xb_binlog::stream::{StreamError, StreamOptions, StreamStart};
use xb_formats::binlog::EventKind;
use xb_tests::server::Make;
use xb_tests::wait_until;

use crate::support::{LIMIT, Load, Scene, archived};

#[rstest]
fn logs_under_load_are_copied_while_they_are_written(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    let streaming = scene.start(scene.options());
    let load = Load::start(&scene.server);
    let third = "mysql-bin.000003:4".split_once(':').map(|(file, _)| file.parse().unwrap()).unwrap();
    streaming.wait_for(&xb_core::BinlogCoord { file: third, position: 1000 });
    load.end();
    let end = scene.settled();
    streaming.wait_for(&end);
    xb_tests::wait_until("it knows that nothing is behind", Duration::from_secs(30), || {
        streaming.progress().bytes_behind == Some(0)
    });
    assert!(streaming.progress().completed >= 2);
    streaming.stop();
    scene.assert_equal();
}

#[test]
fn every_kind_of_file_is_copied_as_it_is() {
    let scene = Scene::new();
    scene.sql(
        "SET GLOBAL log_bin_compress = 1; SET GLOBAL log_bin_compress_min_len = 10;
         INSERT INTO d.t (v) VALUES (REPEAT('compressed', 900));
         SET STATEMENT binlog_format = STATEMENT FOR INSERT INTO d.t (v) VALUES ('compressed statement');
         SET GLOBAL log_bin_compress = 0;
         SET GLOBAL binlog_checksum = NONE;
         INSERT INTO d.t (v) VALUES ('without checksum');
         SET STATEMENT binlog_format = STATEMENT FOR INSERT INTO d.t (v) VALUES ('statement');
         FLUSH BINARY LOGS;
         SET binlog_annotate_row_events = 1; INSERT INTO d.t (v) VALUES ('annotated');
         SET gtid_domain_id = 9; INSERT INTO d.t (v) VALUES ('other domain');
         SET GLOBAL binlog_checksum = CRC32;
         XA START 'x'; INSERT INTO d.t (v) VALUES ('xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x';",
    );
    let snapshot = scene.once().unwrap();
    assert_eq!(snapshot.completed as usize, scene.server.binary_logs().unwrap().len() - 1);
    scene.assert_equal();
    let kinds = scene.kinds();
    for kind in [160, 161, 162, 163, 165, 166, 38] {
        assert!(kinds.contains(&kind), "no event of type {kind} is among them");
    }
    // Again, with nothing new and with something new.
    assert_eq!(scene.once().unwrap().received_bytes, 0);
    scene.sql("INSERT INTO d.t (v) VALUES ('more');");
    assert!(scene.once().unwrap().received_bytes > 0);
    scene.assert_equal();
}

#[rstest]
fn checksums_may_be_turned_on_and_off_under_a_streamer(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on_with(make, |sandbox, _| sandbox.option("binlog-checksum", "NONE"));
    let streaming = scene.start(scene.options());
    streaming.wait_for(&scene.settled());
    for checksum in ["CRC32", "NONE", "CRC32"] {
        scene.sql(&format!(
            "SET GLOBAL binlog_checksum = {checksum}; INSERT INTO d.t (v) VALUES ('{checksum}');"
        ));
        streaming.wait_for(&scene.settled());
    }
    assert_eq!(streaming.progress().failures, 0, "{:?}", streaming.progress().last_error);
    streaming.stop();
    scene.assert_equal();
}

#[rstest]
fn events_of_more_than_a_packet_are_put_together(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on_with(make, |sandbox, _| sandbox.option("max-binlog-size", 64 << 20));
    // Not in InnoDB, whose redo log a row may be too large for.
    scene.sql("CREATE TABLE d.large (v LONGTEXT) ENGINE=MyISAM;");
    // A packet holds 16 MiB − 1: one below, at, and above that, and one of three packets.
    for length in [(16 << 20) - 300, (16 << 20) - 1, 16 << 20, 40 << 20] {
        scene.sql(&format!("INSERT INTO d.large VALUES (REPEAT('x', {length}));"));
    }
    scene.once().unwrap();
    scene.assert_equal();
}

#[test]
fn a_gtid_leads_to_the_file_it_is_behind_and_all_of_that_is_copied() {
    let scene = Scene::new();
    scene.sql("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('before');");
    let position = scene.server.sql("SELECT @@gtid_binlog_pos;").unwrap()[0][0].clone();
    scene.sql(
        "INSERT INTO d.t (v) VALUES ('behind'); FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('later');",
    );
    let start = StreamStart::Gtid(position.parse().unwrap());
    scene.once_with(StreamOptions { start, ..scene.options() }).unwrap();
    scene.assert_equal_from(1);
}

#[rstest]
fn a_stream_begins_at_the_newest_file_or_at_a_named_one(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql("FLUSH BINARY LOGS; FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('x');");
    scene.once_with(StreamOptions { start: StreamStart::Newest, ..scene.options() }).unwrap();
    scene.assert_equal_from(2);
    let mut named = scene;
    named.archive.set_extension("2");
    let start = StreamStart::File("mysql-bin.000002".parse().unwrap());
    named.once_with(StreamOptions { start, ..named.options() }).unwrap();
    named.assert_equal_from(1);
}

#[rstest]
fn the_server_has_nothing_to_complain_of(#[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make) {
    let scene = Scene::on(make);
    let status = |name: &str| -> u64 {
        let rows = scene.server.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}';")).unwrap();
        rows[0][1].parse().unwrap()
    };
    let before = status("Aborted_clients");
    scene.once().unwrap();
    // The connections of the streamer, for questions and for the log, are gone; the one that asks is left.
    wait_until("the server has noticed that all is over", LIMIT, || status("Threads_connected") == 1);
    assert_eq!(status("Aborted_clients"), before);
}

#[test]
fn what_is_kept_is_private() {
    let scene = Scene::new();
    scene.once().unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&scene.archive), 0o700);
    assert_eq!(mode(&scene.archive.join("mysql-bin.000001.partial")), 0o600);
    assert!(archived(&scene.archive, "mysql-bin.000001").starts_with(b"\xfebin"));
}

#[rstest]
fn a_server_that_is_asked_not_to_wait_ends_its_log(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    let source = NativeSource::connect(scene.options().source).unwrap();
    let file = "mysql-bin.000001".parse().unwrap();
    let mut events = source.dump(&Start::File { file, position: 4 }, false).unwrap();
    let mut kinds = Vec::new();
    loop {
        match events.next(Duration::from_secs(10)).unwrap() {
            Next::Event(event) => kinds.push((event.header.kind, event.is_artificial, event.position)),
            Next::End => break,
            Next::Idle => panic!("it waits"),
        }
    }
    assert_eq!(kinds[..2], [(EventKind::ROTATE, true, 4), (EventKind::FORMAT_DESCRIPTION, false, 4)]);
    assert!(kinds[2..].iter().all(|(_, is_artificial, _)| !is_artificial), "{kinds:?}");
}

#[rstest]
fn a_socket_is_a_way_to_a_server_too(#[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make) {
    let scene = Scene::on(make);
    let mut options = scene.options();
    options.source.connect.socket = Some(scene.server.socket().to_owned());
    options.source.connect.port = None;
    scene.once_with(options).unwrap();
    scene.assert_equal();
}

#[rstest]
fn a_wrong_password_is_told_and_not_tried_again(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    let mut options = scene.options();
    options.source.connect.password = Some(xb_core::Secret::new("another word"));
    let error = scene.once_with(options).unwrap_err();
    assert!(matches!(error, StreamError::Source(NativeError::Denied { code: 1045, .. })), "{error}");
    let error = error.to_string();
    assert!(!error.contains("another word"));
}

//! Logs fetched by the vendor's own mysqlbinlog.

use std::path::PathBuf;

use xb_binlog::source::mysqlbinlog::VendorOptions;
use xb_binlog::stream::{StreamError, StreamOptions};

use crate::support::{Load, Scene};

fn with_vendor(scene: &Scene) -> StreamOptions {
    let program = scene.server.binaries().binlog.clone();
    let scratch = scene.archive.parent().unwrap().to_owned();
    StreamOptions { vendor: Some(VendorOptions { program, scratch }), ..scene.options() }
}

#[test]
fn what_the_vendors_program_fetches_is_equal_too() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES (REPEAT('x', 3000000)); FLUSH BINARY LOGS;");
    let streaming = scene.start(with_vendor(&scene));
    let load = Load::start(&scene.server);
    let mid = scene.server.binlog_coordinate().unwrap();
    streaming.wait_for(&mid);
    load.end();
    streaming.wait_for(&scene.settled());
    streaming.stop();
    scene.assert_equal();
    // It goes on where it was, and in the way of the other source, too.
    scene.sql("INSERT INTO d.t (v) VALUES ('more'); FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('last');");
    scene.once_with(with_vendor(&scene)).unwrap();
    scene.assert_equal();
    scene.sql("INSERT INTO d.t (v) VALUES ('other'); FLUSH BINARY LOGS;");
    scene.once().unwrap();
    scene.assert_equal();
}

#[test]
fn a_server_that_dies_leaves_a_log_without_an_end_behind() {
    let mut scene = Scene::new();
    let streaming = scene.start(with_vendor(&scene));
    scene.sql("INSERT INTO d.t (v) VALUES ('x');");
    streaming.wait_for(&scene.server.binlog_coordinate().unwrap());
    scene.server.kill().unwrap();
    scene.server.start().unwrap();
    scene.sql("INSERT INTO d.t (v) VALUES ('y');");
    streaming.wait_for(&scene.settled());
    streaming.stop();
    scene.assert_equal();
}

#[test]
fn a_program_that_fails_is_told_with_its_words() {
    let scene = Scene::new();
    let mut options = with_vendor(&scene);
    options.vendor.as_mut().unwrap().program = PathBuf::from("/bin/false");
    let outcome = scene.once_with(StreamOptions { retries: Some(1), ..options });
    let Err(StreamError::GivenUp { last, .. }) = outcome else { panic!("{outcome:?}") };
    assert!(last.to_string().contains("/bin/false ended (exit code 1)"), "{last}");
}

//! A server that waits for the archive.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rstest::rstest;
use xb_binlog::stream::StreamOptions;
use xb_formats::binlog::FileReader;
use xb_tests::server::Make;
use xb_tests::wait_until;

use crate::support::{LIMIT, Scene};

/// What the side that waits is called in names of options and of numbers in the status.
fn side(make: Make) -> &'static str {
    if make == Make::MySql9 { "source" } else { "master" }
}

/// Waits for an acknowledgement for an hour, and does not go on without a replica.
fn waiting(make: Make) -> Scene {
    let side = side(make);
    let scene = Scene::on_with(make, |sandbox, _| {
        let sandbox = match make {
            Make::MySql9 => sandbox.option("plugin-load-add", "semisync_source.so"),
            _ => sandbox,
        };
        sandbox
            .option(&format!("rpl-semi-sync-{side}-timeout"), 3_600_000)
            .option(&format!("rpl-semi-sync-{side}-wait-point"), "AFTER_SYNC")
    });
    scene.sql(&format!("SET GLOBAL rpl_semi_sync_{side}_enabled = ON;"));
    scene
}

fn options(scene: &Scene) -> StreamOptions {
    let mut options = scene.options();
    options.source.semi_sync = true;
    options
}

fn status(scene: &Scene, name: &str) -> String {
    let name = format!("Rpl_semi_sync_{}_{name}", side(scene.make));
    scene.server.sql(&format!("SHOW GLOBAL STATUS LIKE '{name}';")).unwrap()[0][1].clone()
}

#[rstest]
fn what_a_server_committed_is_in_the_archive_when_it_dies(#[values(Make::MariaDb, Make::MySql9)] make: Make) {
    let mut scene = waiting(make);
    let streaming = scene.start(options(&scene));
    wait_until("the server has its replica", LIMIT, || status(&scene, "clients") == "1");
    let (client, committed) = (scene.server.client(), Arc::new(AtomicU32::new(0)));
    let counted = committed.clone();
    let writer = std::thread::spawn(move || {
        for number in 1.. {
            let statement = format!("INSERT INTO d.t (v) VALUES ('<transaction {number}>');");
            if client.sql(&statement).is_err() {
                return;
            }
            counted.store(number, Ordering::SeqCst);
        }
    });
    wait_until("some are committed", LIMIT, || committed.load(Ordering::SeqCst) >= 20);
    assert_eq!(status(&scene, "no_tx"), "0", "the server went on without the archive");
    scene.server.kill().unwrap();
    writer.join().unwrap();
    drop(streaming);
    let log = fs::read(scene.archive.join("mysql-bin.000001.partial")).unwrap();
    let text = String::from_utf8_lossy(&log);
    for number in 1..=committed.load(Ordering::SeqCst) {
        assert!(text.contains(&format!("<transaction {number}>")), "transaction {number} is lost");
    }
    assert!(FileReader::new(log.as_slice()).all(|event| event.is_ok()));
}

#[rstest]
fn a_server_waits_while_the_streamer_is_away_and_goes_on_when_it_is_back(
    #[values(Make::MariaDb, Make::MySql9)] make: Make,
) {
    let scene = waiting(make);
    let streaming = scene.start(options(&scene));
    wait_until("the server has its replica", LIMIT, || status(&scene, "clients") == "1");
    streaming.stop();
    let client = scene.server.client();
    let writer = std::thread::spawn(move || client.sql("INSERT INTO d.t (v) VALUES ('waits');"));
    wait_until("the server waits", LIMIT, || status(&scene, "wait_sessions") == "1");
    assert!(!writer.is_finished());
    let streaming = scene.start(options(&scene));
    wait_until("the transaction is committed", LIMIT, || writer.is_finished());
    writer.join().unwrap().unwrap();
    streaming.wait_for(&scene.settled());
    streaming.stop();
    scene.assert_equal();
}

#[test]
fn a_server_that_ceases_to_wait_is_noticed() {
    let scene = waiting(Make::MariaDb);
    let streaming = scene.start(options(&scene));
    wait_until("the server waits", LIMIT, || streaming.progress().is_semi_sync);
    scene.sql("SET GLOBAL rpl_semi_sync_master_enabled = OFF;");
    wait_until("that is noticed", LIMIT, || !streaming.progress().is_semi_sync);
    scene.sql("SET GLOBAL rpl_semi_sync_master_enabled = ON; INSERT INTO d.t (v) VALUES ('x');");
    wait_until("the server waits again", LIMIT, || streaming.progress().is_semi_sync);
    streaming.stop();
}

#[rstest]
fn what_is_acknowledged_is_on_the_disk(#[values(Make::MariaDb, Make::MySql9)] make: Make) {
    let scene = waiting(make);
    // By itself it does not sync while this lasts.
    let seldom = StreamOptions { sync_every: Duration::from_secs(3600), ..options(&scene) };
    let streaming = scene.start(seldom);
    wait_until("the server has its replica", LIMIT, || status(&scene, "clients") == "1");
    for _ in 0..3 {
        scene.sql("INSERT INTO d.t (v) VALUES ('x');");
        let committed = scene.server.binlog_coordinate().unwrap();
        // It is noted before it is acknowledged, and the server does not answer before that.
        let synced = streaming.progress().synced;
        assert!(synced.as_ref().is_some_and(|synced| *synced >= committed), "{synced:?} of {committed}");
    }
    assert_eq!(status(&scene, "no_tx"), "0", "the server went on without the archive");
    streaming.stop();
}

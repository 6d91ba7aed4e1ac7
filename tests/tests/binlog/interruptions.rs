//! Whatever breaks, the stream goes on at the byte.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::sync::atomic::Ordering;

use rstest::rstest;
use xb_binlog::archive::{ArchiveError, EpochDirectory};
use xb_binlog::stream::StreamOptions;
use xb_tests::server::Make;
use xb_tests::wait_until;

use crate::relay::Relay;
use crate::support::{LIMIT, Load, Scene};

#[rstest]
fn a_broken_connection_resumes_at_the_byte(#[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make) {
    let seeds = if make == Make::MariaDb { &[7, 1234][..] } else { &[7] };
    for &seed in seeds {
        let scene = Scene::on(make);
        let relay = Relay::start(scene.server.port().unwrap(), seed, 40_000);
        let streaming = scene.start(scene.options_at(relay.port));
        let load = Load::start(&scene.server);
        wait_until("it was cut often", LIMIT, || {
            streaming.assert_runs();
            relay.cuts.load(Ordering::SeqCst) > 60 && streaming.progress().completed >= 1
        });
        load.end();
        relay.breaks.store(false, Ordering::SeqCst);
        streaming.wait_for(&scene.settled());
        assert!(streaming.progress().failures > 10);
        streaming.stop();
        scene.assert_equal();
    }
}

#[rstest]
fn a_server_that_restarts_or_dies_is_waited_for(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let mut scene = Scene::on(make);
    let streaming = scene.start(scene.options());
    streaming.wait_for(&scene.settled());
    for dies in [false, true] {
        scene.sql("INSERT INTO d.t (v) VALUES ('before');");
        if dies {
            scene.server.kill().unwrap();
        } else {
            scene.server.stop().unwrap();
        }
        scene.server.start().unwrap();
        scene.sql("INSERT INTO d.t (v) VALUES ('after');");
        streaming.wait_for(&scene.settled());
    }
    assert!(streaming.progress().failures >= 2);
    streaming.stop();
    scene.assert_equal();
}

#[test]
fn attempts_end_when_they_are_limited() {
    let mut scene = Scene::new();
    scene.server.stop().unwrap();
    let error =
        scene.once_with(StreamOptions { retries: Some(2), ..scene.options() }).unwrap_err().to_string();
    assert!(error.starts_with("given up after 3 attempts: cannot connect to the server at"), "{error}");
}

#[rstest]
fn a_file_that_a_crash_left_torn_is_cut_and_gone_on_with(
    #[values(Make::MariaDb, Make::MySql56, Make::MySql9)] make: Make,
) {
    let scene = Scene::on(make);
    scene.sql("INSERT INTO d.t (v) VALUES ('one');");
    scene.once().unwrap();
    let partial = scene.archive.join("mysql-bin.000001.partial");
    let whole = fs::read(&partial).unwrap();
    let last = whole.len();
    // Inside the magic, the first event, the last event; and with something else behind the end.
    for length in [0, 3, 4, 100, last - 40, last - 1, last] {
        fs::write(&partial, &whole[..length]).unwrap();
        let tail = if length == last { &[0; 5000][..] } else { &[] };
        OpenOptions::new().append(true).open(&partial).unwrap().write_all(tail).unwrap();
        scene.once().unwrap();
        scene.assert_equal();
    }
    let torn: Vec<_> = fs::read_dir(&scene.archive)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains(".torn-"))
        .collect();
    assert!(torn.contains(&format!("mysql-bin.000001.torn-{last}")), "{torn:?}");
    let kept = fs::read(scene.archive.join(format!("mysql-bin.000001.torn-{last}"))).unwrap();
    assert_eq!(kept, [0; 5000]);
}

#[test]
fn damage_in_the_newest_file_is_fetched_again() {
    let scene = Scene::new();
    scene.sql("INSERT INTO d.t (v) VALUES ('one'); INSERT INTO d.t (v) VALUES ('two');");
    scene.once().unwrap();
    let partial = scene.archive.join("mysql-bin.000001.partial");
    let mut log = fs::read(&partial).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 4;
    fs::write(&partial, log).unwrap();
    scene.once().unwrap();
    scene.assert_equal();
}

#[test]
fn an_archive_has_one_streamer() {
    let scene = Scene::new();
    let held = EpochDirectory::open(&scene.archive).unwrap();
    let refused = EpochDirectory::open(&scene.archive);
    assert!(matches!(refused, Err(ArchiveError::InUse { .. })), "{refused:?}");
    drop(held);
    EpochDirectory::open(&scene.archive).unwrap();
}

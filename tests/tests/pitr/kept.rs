//! Logs and what becomes of them: their form, other stores, how long they stay, and who is told.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use xb_core::settings::EncryptWith;
use xb_tests::home::Form;
use xb_tests::{cli, files, wait_until};

use crate::support::{LIMIT, Scene};

/// Logs of a name below a directory, in whatever form.
fn logs(below: &Path, name: &str) -> Vec<String> {
    let found = files::everything_below(below).into_iter();
    found.filter(|path| path.contains(name) && !path.ends_with(".json")).collect()
}

/// Two directories for copies, of which the first is none.
fn broken_and_whole(scene: &Scene) -> [PathBuf; 2] {
    let [broken, whole] = ["broken", "whole"].map(|name| scene.directory.path().join(name));
    fs::write(&broken, "a file").unwrap();
    fs::create_dir(&whole).unwrap();
    [broken, whole]
}

fn words(paths: &[PathBuf]) -> Vec<String> {
    paths.iter().map(|path| path.display().to_string()).collect()
}

#[test]
fn a_store_that_takes_no_logs_is_told_and_the_others_get_theirs() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    let [broken, whole] = broken_and_whole(&scene);
    scene.home.settings.copy_to = words(&[broken.clone(), whole.clone()]);
    let ended = cli::run(&scene.home, &["binlog-stream", "--once"]).ended_with(2);
    assert!(ended.stderr.contains(&broken.display().to_string()), "{}", ended.stderr);
    assert!(!logs(&whole, "mysql-bin.000001").is_empty());
    let status = cli::run(&scene.home, &["--status-format=json", "status"]);
    assert!(status.text().contains("Binary logs do not get to"), "{}", status.text());
}

#[test]
fn a_damaged_log_is_told_and_does_not_get_elsewhere() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    scene.stream();
    let log = scene.home.store().join("binlogs/epoch-000001/mysql-bin.000001");
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&log, bytes).unwrap();
    let form = cli::run(&scene.home, &["binlog-stream", "--once", "--binlog-compress"]).ended_with(2);
    assert!(form.stderr.contains("a closed log stays as it is"), "{}", form.stderr);
    let [_, whole] = broken_and_whole(&scene);
    scene.home.settings.copy_to = words(std::slice::from_ref(&whole));
    let said = scene.good(&["binlog-stream", "--once"]);
    assert!(said.contains("mysql-bin.000001 of epoch 1 is damaged here"), "{said}");
    let status = cli::run(&scene.home, &["--status-format=json", "status"]);
    assert!(status.text().contains("damaged here do not get elsewhere"), "{}", status.text());
}

#[test]
fn whoever_asks_is_told_whether_somebody_streams() {
    let scene = Scene::new();
    scene.good(&["full"]);
    // The server does not wait for its replicas.
    let mut streamer = cli::start(&scene.home, &["binlog-stream", "--binlog-semisync"]);
    wait_until("it is told that somebody streams", LIMIT, || {
        assert!(!streamer.has_ended(), "{}", streamer.said());
        scene.good(&["binlog", "list"]).contains("\nstreaming: ")
    });
    wait_until("it is told that nobody waits", LIMIT, || {
        streamer.said().contains("does not wait for its replicas")
    });
    streamer.signal(Signal::TERM);
    streamer.wait().good();
    let list = scene.good(&["binlog", "list"]);
    assert!(list.contains("\nnot streaming; last: "), "{list}");
}

#[test]
fn what_was_seen_stays_seen_when_the_server_is_away() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('x');");
    let last = scene.moment();
    scene.stream();
    scene.server.stop().unwrap();
    let ended = cli::run(&scene.home, &["binlog-stream", "--once", "--binlog-retries=1"]);
    assert!(ended.code != Some(0) && ended.stderr.contains("given up"), "{}", ended.stderr);
    scene.assert_recovers(&["--to-time", &last.at()], &last.state);
    // And no more than that.
    scene.recover(&["--to-time", "2099-01-01 00:00:00"]).ended_with(66);
}

#[test]
fn the_open_log_is_pushed_at_the_end_however_long_the_interval() {
    let mut scene = Scene::new();
    let [_, whole] = broken_and_whole(&scene);
    scene.home.settings.copy_to = words(&[whole]);
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('open');");
    scene.good(&["binlog-stream", "--once", "--binlog-push-interval=3600"]);
    let state = scene.server.checksums().unwrap();
    fs::remove_dir_all(scene.home.store().join("binlogs")).unwrap();
    scene.assert_recovers(&["--to-latest"], &state);
}

#[test]
fn closed_logs_are_packed_and_encrypted_and_come_back() {
    let mut scene = Scene::new();
    scene.home.set_form(Form::Directory);
    let key = scene.directory.path().join("key");
    fs::write(&key, "k".repeat(32)).unwrap();
    scene.home.settings.encrypt = Some(EncryptWith::Aes256);
    scene.home.settings.encrypt_key_file = Some(key);
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('nobody may read this'); FLUSH BINARY LOGS;");
    let state = scene.server.checksums().unwrap();
    let said = scene.good(&["binlog-stream", "--once"]);
    assert!(said.contains("backups are encrypted and binary logs are not"), "{said}");
    // This compressor packs files one by one, and no log.
    scene.home.set_form(Form::Qpress);
    scene.good(&["binlog-stream", "--once", "--binlog-compress", "--binlog-encrypt"]);
    let archive = scene.home.store().join("binlogs");
    let kept = logs(&archive, "mysql-bin.000001");
    let [log] = kept.as_slice() else { panic!("{kept:?}") };
    assert!(log.ends_with("mysql-bin.000001.zst.xbcrypt"), "{log}");
    let text = b"nobody may read this";
    let bytes = fs::read(archive.join(log)).unwrap();
    assert!(!bytes.windows(text.len()).any(|part| part == text));
    scene.assert_recovers(&["--to-latest"], &state);
}

/// Two full backups with logs between them and behind them; the directories of the two.
fn two_backups(scene: &Scene) -> [PathBuf; 2] {
    for _ in 0..2 {
        scene.good(&["full"]);
        scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
        scene.sql("INSERT INTO d.t (v) VALUES ('y'); FLUSH BINARY LOGS;");
        scene.stream();
    }
    let entries = fs::read_dir(scene.home.store().join("full")).unwrap();
    let mut backups: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    backups.sort();
    backups.try_into().unwrap()
}

#[test]
fn logs_stay_when_one_of_the_backups_cannot_be_read() {
    let scene = Scene::new();
    let [first, _] = two_backups(&scene);
    let manifest = first.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("\"format\": 1,"), "{text}");
    fs::write(&manifest, text.replacen("\"format\": 1,", "\"format\": 999,", 1)).unwrap();
    let archive = scene.home.store().join("binlogs");
    let _ = cli::run(&scene.home, &["prune", "--retention-sets=9"]);
    assert!(!logs(&archive, "mysql-bin.000001").is_empty());
    // Without it they are needed by nobody.
    fs::remove_dir_all(first).unwrap();
    scene.good(&["prune", "--retention-sets=9"]);
    assert!(logs(&archive, "mysql-bin.000001").is_empty());
}

#[test]
fn a_store_keeps_the_logs_that_backups_here_or_there_need() {
    let mut scene = Scene::new();
    let [_, copies] = broken_and_whole(&scene);
    scene.home.settings.copy_to = words(std::slice::from_ref(&copies));
    let [first, _] = two_backups(&scene);
    let (archive, kept) = (scene.home.store().join("binlogs"), scene.directory.path().join("kept"));
    let copy = copies.join(first.strip_prefix(scene.home.store()).unwrap());
    let prune = || {
        scene.good(&["prune", "--retention-sets=9"]);
        [&archive, &copies].map(|place| !logs(place, "mysql-bin.000001").is_empty())
    };
    assert_eq!(prune(), [true, true]);
    // Only the backup here needs them.
    xb_tests::files::copy_tree(&copy, &kept);
    fs::remove_dir_all(&copy).unwrap();
    assert_eq!(prune(), [true, true]);
    // Only its copy does.
    xb_tests::files::copy_tree(&kept, &copy);
    fs::remove_dir_all(&first).unwrap();
    assert_eq!(prune(), [false, true]);
    fs::remove_dir_all(&copy).unwrap();
    assert_eq!(prune(), [false, false]);
}

#[test]
fn logs_of_the_days_to_keep_stay_without_a_backup() {
    let scene = Scene::new();
    let [first, _] = two_backups(&scene);
    fs::remove_dir_all(first).unwrap();
    let archive = scene.home.store().join("binlogs");
    scene.good(&["prune", "--retention-sets=9", "--retention-binlogs=1"]);
    assert!(!logs(&archive, "mysql-bin.000001").is_empty());
    scene.good(&["prune", "--retention-sets=9"]);
    assert!(logs(&archive, "mysql-bin.000001").is_empty());
}

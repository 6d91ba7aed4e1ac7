//! Logs and what becomes of them: their form, other stores, how long they stay, and who is told.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};
use xb_core::settings::EncryptWith;
use xb_tests::cli::Running;
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

/// The level of the check of binary logs, and what it says.
fn told(scene: &Scene) -> (String, String) {
    let status: Value = serde_json::from_str(&cli::run(&scene.home, &["--json", "status"]).stdout).unwrap();
    let checks = status["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "binlogs").unwrap();
    let text = |key: &str| check[key].as_str().unwrap().to_owned();
    (text("level"), text("message"))
}

/// What `binlog list` says of the streamer, and whether one runs.
fn listed(scene: &Scene) -> (String, bool) {
    let list = scene.good(&["binlog", "list"]);
    let line = list.lines().find(|line| line.contains("streaming")).unwrap_or_default().to_owned();
    let json = cli::run(&scene.home, &["binlog", "list", "--format=json"]).good().stdout;
    let report: Value = serde_json::from_str(&json).unwrap();
    let [is_streaming, is_connected] = [&report["is_streaming"], &report["streamer"]["is_connected"]];
    // One that has just begun has not written anything yet.
    assert!(is_streaming == &json!(true) || is_connected != &json!(true), "{report}");
    (line, is_streaming.as_bool().unwrap())
}

/// A streamer that has taken what the server had.
fn streaming(scene: &Scene, args: &[&str]) -> Running {
    let mut streamer = cli::start(&scene.home, &[&["binlog-stream"], args].concat());
    wait_until("all is seen", LIMIT, || {
        assert!(!streamer.has_ended(), "{}", streamer.said());
        listed(scene).0.contains("up to date") && told(scene).0 == "OK"
    });
    streamer
}

/// What the state file says of a key.
fn noted(scene: &Scene, key: &str) -> Value {
    let text = fs::read(scene.home.store().join("binlogs/streamer.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()[key].clone()
}

#[test]
fn whoever_asks_is_told_whether_somebody_streams() {
    let scene = Scene::new();
    scene.good(&["full"]);
    let streamer = streaming(&scene, &[]);
    let (line, is_streaming) = listed(&scene);
    assert!(line.starts_with("streaming: ") && is_streaming, "{line}");
    streamer.kill();
    let (line, is_streaming) = listed(&scene);
    assert!(line.starts_with("not streaming; last: ") && line.ends_with("(killed?)"), "{line}");
    assert!(!line.contains("up to date") && !line.contains("connect") && !is_streaming, "{line}");
    let (level, message) = told(&scene);
    let killed = "Binary logs are streamed no more: the streamer is gone (killed?)";
    assert_eq!((level.as_str(), message.as_str()), ("WARN", killed));
    // Somebody wants it to end.
    let streamer = streaming(&scene, &[]);
    streamer.signal(Signal::TERM);
    streamer.wait().good();
    assert_eq!(told(&scene).0, "OK");
    let (line, is_streaming) = listed(&scene);
    assert!(line.starts_with("not streaming; last: ") && line.ends_with(" on disk"), "{line}");
    assert!(!is_streaming);
}

#[test]
fn whoever_wants_to_be_waited_for_is_told_that_nobody_waits() {
    let scene = Scene::new();
    scene.good(&["full"]);
    let mut streamer = cli::start(&scene.home, &["binlog-stream", "--binlog-semisync"]);
    wait_until("it is told that nobody waits", LIMIT, || {
        assert!(!streamer.has_ended(), "{}", streamer.said());
        streamer.said().contains("does not wait for its replicas")
    });
    streamer.signal(Signal::TERM);
    streamer.wait().good();
}

#[test]
fn a_streamer_that_ends_with_an_error_is_told_until_one_is_well() {
    let scene = Scene::new();
    scene.good(&["full"]);
    scene.stream();
    assert_eq!(told(&scene).0, "OK");
    // What comes next is gone before it was taken.
    scene.sql("FLUSH BINARY LOGS; INSERT INTO d.t (v) VALUES ('lost'); FLUSH BINARY LOGS;");
    // The server keeps a log until it is sure that it needs it no more.
    wait_until("it is purged", LIMIT, || {
        scene.sql("PURGE BINARY LOGS TO 'mysql-bin.000003';");
        scene.server.sql("SHOW BINARY LOGS;").unwrap()[0][0] == "mysql-bin.000003"
    });
    cli::run(&scene.home, &["binlog-stream"]).ended_with(66);
    let is_told = || {
        let (level, message) = told(&scene);
        let text = "Binary logs are streamed no more: the server has no binary log";
        assert!(level == "WARN" && message.starts_with(text), "{level}: {message}");
    };
    is_told();
    let (line, _) = listed(&scene);
    assert!(line.contains("the server has no binary log"), "{line}");
    // As bad.
    cli::run(&scene.home, &["binlog-stream", "--once"]).ended_with(66);
    is_told();
    scene.good(&["binlog-stream", "--once", "--binlog-resume"]);
    assert_eq!(noted(&scene, "ended_with"), Value::Null);
    let (_, message) = told(&scene);
    assert!(!message.contains("streamed no more"), "{message}");
}

#[test]
fn a_streamer_that_cannot_begin_again_is_told() {
    let scene = Scene::new();
    scene.good(&["full"]);
    scene.stream();
    // With what, is not set.
    let ended = cli::run(&scene.home, &["binlog-stream", "--binlog-encrypt"]);
    assert!(ended.code != Some(0), "{}", ended.text());
    let (level, message) = told(&scene);
    assert!(level == "WARN" && message.starts_with("Binary logs are streamed no more: "), "{message}");
}

#[test]
fn an_outage_is_told_once_and_so_is_its_end() {
    let mut scene = Scene::new();
    scene.good(&["full"]);
    let mut streamer = streaming(&scene, &[]);
    scene.server.stop().unwrap();
    wait_until("several attempts were made", LIMIT, || {
        assert!(!streamer.has_ended(), "{}", streamer.said());
        noted(&scene, "failures").as_u64().unwrap() >= 3
    });
    let (line, is_streaming) = listed(&scene);
    assert!(is_streaming && line.contains("not connected") && !line.contains("up to date"), "{line}");
    scene.server.start().unwrap();
    wait_until("it is connected again", LIMIT, || {
        assert!(!streamer.has_ended(), "{}", streamer.said());
        streamer.said().contains("again, after")
    });
    streamer.signal(Signal::TERM);
    let said = streamer.wait().good().stderr;
    let away = said.lines().filter(|line| line.contains("trying again")).collect::<Vec<_>>();
    assert!(away.len() == 1 && away[0].contains("WARN") && away[0].contains(" is away: "), "{said}");
    assert_eq!(said.matches("again, after").count(), 1, "{said}");
    let logs = files::everything_below(&scene.home.work());
    let log = logs.iter().rfind(|path| path.ends_with("-pyxbackup.log")).unwrap();
    let log = fs::read_to_string(scene.home.work().join(log)).unwrap();
    assert!(log.contains(" is away: ") && log.contains("again, after"), "{log}");
}

#[test]
fn a_push_that_was_broken_off_by_a_signal_is_no_push_error() {
    let mut scene = Scene::new();
    let [_, whole] = broken_and_whole(&scene);
    scene.home.settings.copy_to = words(&[whole]);
    scene.good(&["full"]);
    scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    let streamer = streaming(&scene, &["--binlog-push-interval=3600"]);
    wait_until("the closed log is pushed", LIMIT, || noted(&scene, "unpushed") == 0);
    streamer.signal(Signal::TERM);
    streamer.wait().good();
    assert_eq!([noted(&scene, "push_error"), noted(&scene, "unpushed")], [Value::Null, Value::Null]);
    assert_eq!(told(&scene).0, "OK");
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

#[test]
fn the_servers_own_file_takes_the_place_of_a_damaged_log() {
    let mut scene = Scene::new();
    scene.full();
    scene.sql("INSERT INTO d.t (v) VALUES ('x'); FLUSH BINARY LOGS;");
    let state = scene.server.checksums().unwrap();
    let name = "mysql-bin.000001";
    let own = scene.server.datadir().join(name);
    let epoch = scene.home.store().join("binlogs/epoch-000001");
    for (form, suffix) in [(None, ""), (Some("--binlog-compress"), ".zst")] {
        scene.good(&[&["binlog-stream", "--once"], form.as_slice()].concat());
        let kept = epoch.join(format!("{name}{suffix}"));
        let mut bytes = fs::read(&kept).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(&kept, bytes).unwrap();
        let shown = cli::run(&scene.home, &["binlog", "show", name]).ended_with(66);
        assert!(shown.stderr.contains("the server's own under the same name"), "{}", shown.stderr);
        fs::remove_file(&kept).unwrap();
        fs::copy(&own, epoch.join(name)).unwrap();
        scene.good(&["binlog", "show", name]);
        scene.assert_recovers(&["--to-latest"], &state);
    }
}

#[test]
fn logs_without_the_key_they_are_encrypted_with_are_not_called_damaged() {
    let mut scene = Scene::new();
    let [_, copies] = broken_and_whole(&scene);
    let (key, other) = (scene.directory.path().join("key"), scene.directory.path().join("other"));
    fs::write(&key, "k".repeat(32)).unwrap();
    fs::write(&other, "o".repeat(32)).unwrap();
    // Backups in clear: only the logs need the key.
    scene.good(&["full"]);
    scene.home.settings.encrypt = Some(EncryptWith::Aes256);
    scene.home.settings.encrypt_key_file = Some(key);
    scene.home.settings.copy_to = words(std::slice::from_ref(&copies));
    scene.sql("INSERT INTO d.t (v) VALUES ('nobody may read this'); FLUSH BINARY LOGS;");
    scene.good(&["binlog-stream", "--once", "--binlog-encrypt"]);
    scene.good(&["recovery-window"]);
    for (key, hint) in [(Some(other), "look for the key"), (None, "with encrypt_key_file")] {
        scene.home.settings.encrypt = None;
        scene.home.settings.encrypt_key_file = key;
        let recovery = scene.recovery(&["--to-latest", "--dry-run"]);
        let recovery: Vec<&str> = recovery.iter().map(String::as_str).collect();
        for args in [
            &["binlog", "show", "mysql-bin.000001"][..],
            &["binlog", "find", "--time", "2020-01-01 00:00:00"],
            &["recovery-window"],
            &recovery,
        ] {
            let ended = cli::run(&scene.home, args).ended_with(32);
            assert!(ended.stderr.contains(hint), "{args:?}: {}", ended.stderr);
            assert!(!ended.stderr.contains("damaged in"), "{args:?}: {}", ended.stderr);
        }
    }
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

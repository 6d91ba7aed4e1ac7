//! Notices through a program.

use super::*;

#[test]
fn a_program_reads_the_result_as_json() {
    let mut stage = Stage::new();
    let to = stage.home.path().join("told.json").display().to_string();
    stage.home.settings.notify_command = stage.words("tell", &format!("cat > {to}"));
    stage.run("full").good();
    let told: serde_json::Value = serde_json::from_str(&stage.file("told.json")).unwrap();
    let id = stage.home.backups()[0].to_string();
    assert_eq!(
        (&told["format"], &told["result"], &told["command"]),
        (&1.into(), &"success".into(), &"full".into())
    );
    assert_eq!(
        (&told["backup"], &told["set"], &told["kind"]),
        (&id.clone().into(), &id.into(), &"full".into())
    );
    assert_eq!(told["store"], stage.home.store().display().to_string());
    assert!(told["duration_seconds"].as_f64().unwrap() > 0.0 && told["stored_bytes"].as_u64().unwrap() > 0);
    let gtid = serde_json::json!({"flavor": "mariadb", "set": "0-1-1"});
    let binlog = serde_json::json!({"file": "mysql-bin.000001", "position": 328, "gtid": gtid});
    assert_eq!(told["binlog"], binlog);
    let phases: Vec<&str> =
        told["phases"].as_array().unwrap().iter().map(|record| record["phase"].as_str().unwrap()).collect();
    assert_eq!(phases, ["probe", "backup", "commit", "prune"]);
    assert_eq!(
        (&told["error"], &told["failing_phase"]),
        (&serde_json::Value::Null, &serde_json::Value::Null)
    );
}

#[test]
fn a_failure_comes_with_all_there_is_to_say_and_no_password() {
    let mut stage = Stage::new();
    let to = stage.home.path().join("told.json").display().to_string();
    stage.set_password();
    stage.home.settings.notify_command = stage.words("tell", &format!("cat > {to}"));
    stage.home.settings.hook_before =
        stage.words("hook", &format!("echo the word is {MYSQL_PASSWORD}; exit 1"));
    stage.run("full").ended_with(128);
    let text = stage.file("told.json");
    assert!(!text.contains(MYSQL_PASSWORD), "{text}");
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["result"], "failure");
    assert!(told["error"].as_str().unwrap().contains("it said last: the word is ***"), "{text}");
    let tail = told["log_tail"].as_array().unwrap();
    assert!(
        tail.iter().any(|line| line.as_str().unwrap().ends_with("hook_before: the word is ***")),
        "{text}"
    );
    assert!(!told["advice"].as_array().unwrap().is_empty(), "{text}");
}

#[test]
fn a_program_that_fails_is_told_with_its_last_words() {
    let mut stage = Stage::new();
    stage.home.settings.notify_command = stage.words("tell", "echo one; echo two >&2; exit 7");
    let ended = stage.run("full").good();
    let warning = ended.stderr.lines().find(|line| line.contains("notify_command: exit code 7; it said: "));
    let warning = warning.unwrap_or_else(|| panic!("no warning in:\n{}", ended.stderr));
    assert!(warning.contains("one") && warning.contains("two"), "{warning}");
}

#[test]
fn a_password_at_the_end_of_a_long_line_is_masked_before_the_line_is_cut() {
    let mut stage = Stage::new();
    stage.set_password();
    let line = format!("printf 'x%.0s' $(seq 290); echo {MYSQL_PASSWORD}; exit 3");
    stage.home.settings.notify_command = stage.words("tell", &line);
    // The account needs no password here, so the run itself fails.
    let ended = stage.run("full").ended_with(65);
    assert!(ended.stderr.contains("xxx***"), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&MYSQL_PASSWORD[..6]), "{}", ended.stderr);
}

#[test]
fn a_program_that_hangs_is_killed_with_all_it_started() {
    let mut stage = Stage::new();
    let mark = stage.home.path().join("sleeper").display().to_string();
    stage.home.settings.notify_command =
        stage.words("tell", &format!("trap '' TERM; sh -c 'sleep 300; : {mark}' & sleep 300; sleep 300"));
    let (ended, took) = stage.timed();
    let ended = ended.good();
    assert_not_held_up(took, "a program that hangs");
    assert!(ended.stderr.contains("notify_command: not done within 2 s"), "{}", ended.stderr);
    let left = xb_tests::processes::mentioning(&stage.home.path().join("sleeper"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let mut stage = Stage::new();
    stage.home.settings.notify_command = vec!["/nowhere/tell".into(), "--all".into()];
    let ended = stage.run("full").good();
    assert!(ended.stderr.contains("notify_command: cannot start /nowhere/tell"), "{}", ended.stderr);
}

#[test]
fn all_ways_are_gone_at_the_same_time() {
    use xb_tests::http::{Answer, HttpServer};
    use xb_tests::smtp::{Manners, Moment, SmtpServer};
    let mail = SmtpServer::start(Manners { stalls: Some(Moment::Greeting), ..Manners::default() });
    let web = HttpServer::start(&[Answer::Stall], None);
    let mut stage = Stage::new();
    stage.home.settings.smtp_port = mail.port;
    stage.home.settings.notify_on_success = vec!["archive@example.org".into()];
    stage.home.settings.notify_url = Some(Secret::new(format!("http://127.0.0.1:{}/", web.port)));
    stage.home.settings.notify_command = stage.words("tell", "sleep 300");
    let (ended, took) = stage.timed();
    ended.good();
    assert_not_held_up(took, "four that hang");
}

#[test]
fn notices_are_sent_when_the_next_run_may_begin() {
    let mut stage = Stage::new();
    let at = stage.home.path().display().to_string();
    let script = format!("touch {at}/telling; while [ ! -e {at}/go ]; do sleep 0.05; done");
    stage.home.settings.notify_command = stage.words("tell", &script);
    stage.home.settings.notify_timeout_seconds = 60;
    let first = cli::start(&stage.home, &["full"]);
    let telling = stage.home.path().join("telling");
    xb_tests::wait_until("the first run tells", Duration::from_secs(30), || telling.exists());
    stage.home.settings.notify_command = Vec::new();
    stage.run("full").good();
    fs::write(stage.home.path().join("go"), "").unwrap();
    first.wait().good();
    assert_eq!(stage.home.backups().len(), 2);
}

#[test]
fn a_password_that_only_an_option_file_holds_is_not_told_either() {
    let mut stage = Stage::new();
    let to = stage.home.path().join("told.json").display().to_string();
    fs::write(stage.home.path().join("my.cnf"), "[client]\npassword=from-the-file\n").unwrap();
    stage.home.settings.notify_command = stage.words("tell", &format!("cat > {to}"));
    stage.home.settings.hook_before = stage.words("hook", "echo the word is from-the-file; exit 1");
    let ended = stage.run("full").ended_with(128);
    let (told, printed) = (stage.file("told.json"), ended.text());
    assert!(told.contains("the word is ***") && !told.contains("from-the-file"), "{told}");
    assert!(!printed.contains("from-the-file"), "{printed}");
}

#[test]
fn a_signal_while_others_are_told_ends_the_waiting() {
    use rustix::process::Signal;
    use xb_tests::smtp::{Manners, Moment, SmtpServer};
    let mail = SmtpServer::start(Manners { stalls: Some(Moment::Hello), ..Manners::default() });
    let mut stage = Stage::new();
    let at = stage.home.path().display().to_string();
    stage.home.settings.smtp_port = mail.port;
    stage.home.settings.notify_by_email = vec!["dba@example.org".into()];
    stage.home.settings.notify_command = stage.words("tell", &format!("touch {at}/telling; sleep 300"));
    stage.home.settings.notify_timeout_seconds = 60;
    let running = cli::start(&stage.home, &["full"]);
    let telling = stage.home.path().join("telling");
    xb_tests::wait_until("it tells", Duration::from_secs(30), || telling.exists());
    let signalled = Instant::now();
    running.signal(Signal::TERM);
    let ended = running.wait().good();
    assert!(signalled.elapsed() < Duration::from_secs(5), "{:?}", signalled.elapsed());
    assert!(ended.stderr.contains("given up, because the run is told to stop"), "{}", ended.stderr);
    assert_eq!(stage.home.backups().len(), 1);
}

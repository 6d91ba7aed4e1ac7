//! Mails: what stands in them, who gets them, and servers that do not take them.

use std::fs;

use xb_sandbox::free_port;
use xb_tests::fake;
use xb_tests::smtp::{Manners, Moment, SmtpServer};

use super::*;

const FAILURES: &str = "dba@example.org";
const SUCCESSES: &str = "archive@example.org";

impl Stage {
    /// Mails go to `server`.
    fn mails_to(&mut self, server: &SmtpServer) {
        self.home.settings.smtp_port = server.port;
        self.home.settings.notify_by_email = vec![FAILURES.into()];
    }

    /// The same, and no test mail is due.
    fn mailing(server: &SmtpServer) -> Self {
        let mut stage = Stage::new();
        stage.mails_to(server);
        stage.mark("by hand\n");
        stage
    }

    fn mark(&self, text: &str) {
        fs::write(self.home.store().join("pyxbackup_mail_ok"), text).unwrap();
    }

    fn has_mark(&self) -> bool {
        self.home.store().join("pyxbackup_mail_ok").exists()
    }
}

#[test]
fn a_backup_is_told_to_those_who_want_to_know_of_successes() {
    let server = SmtpServer::start(Manners::default());
    let mut stage = Stage::mailing(&server);
    stage.home.settings.notify_on_success = vec![SUCCESSES.into(), "Ops <ops@example.org>".into()];
    stage.home.settings.smtp_from = Some("backup@db1.example.org".into());
    stage.run("full").good();
    let mail = server.only_mail();
    let id = stage.home.backups()[0].to_string();
    assert_eq!(mail.to, [SUCCESSES, "ops@example.org"]);
    assert_eq!(mail.from, "backup@db1.example.org");
    assert!(mail.header("Subject").ends_with(&format!(": full {id} done")), "{}", mail.header("Subject"));
    let text = mail.text();
    let directory = stage.home.store().join("full").join(&id).display().to_string();
    for part in [&id, &directory, "0 to 5000", "mysql-bin.000001:328", "probe ", "commit "] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn a_failure_is_told_with_its_phase_its_remedy_and_the_end_of_the_log() {
    let server = SmtpServer::start(Manners::default());
    let stage = Stage::mailing(&server);
    stage.break_engine();
    stage.run("full").ended_with(65);
    let mail = server.only_mail();
    assert_eq!(mail.to, [FAILURES]);
    let subject = mail.header("Subject");
    assert!(subject.starts_with("[pyxbackup] ") && subject.ends_with(" failed (backup)"), "{subject}");
    let text = mail.text();
    for part in [
        "Error in phase backup: the backup failed: ",
        "To do: all messages of this run are in ",
        "mariadb-backup: [00] 2026-11-22 16:00:00 Connecting",
        " backup: 20",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
}

#[test]
fn a_mail_holds_no_password() {
    let server = SmtpServer::start(Manners { login: Some(("robot", "mail-secret-9")), ..Manners::default() });
    let mut stage = Stage::mailing(&server);
    stage.set_password();
    stage.home.settings.smtp_user = Some("robot".into());
    stage.home.settings.smtp_pass = Some(Secret::new("mail-secret-9"));
    stage.home.settings.notify_url =
        Some(Secret::new(format!("http://127.0.0.1:{}/hook/token-12345", free_port().unwrap())));
    let echo = format!("echo {MYSQL_PASSWORD} mail-secret-9 /hook/token-12345; exit 1");
    stage.home.settings.hook_before = stage.words("leak", &echo);
    let ended = stage.run("full").ended_with(128);
    let mail = server.only_mail();
    assert!(mail.text().contains("it said last: *** *** ***"), "{}", mail.text());
    for secret in [MYSQL_PASSWORD, "mail-secret-9", "token-12345"] {
        assert!(!mail.all().contains(secret), "{secret} in:\n{}", mail.all());
        assert!(!ended.text().contains(secret), "{secret} in:\n{}", ended.text());
    }
}

#[test]
fn who_wants_failures_hears_of_no_success_and_the_other_way_round() {
    let server = SmtpServer::start(Manners::default());
    let mut stage = Stage::mailing(&server);
    stage.run("full").good();
    assert_eq!(server.mails().len(), 0);
    stage.home.settings.notify_by_email = Vec::new();
    stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
    stage.break_engine();
    stage.run("full").ended_with(65);
    assert_eq!(server.mails().len(), 0);
}

#[test]
fn what_is_not_ascii_arrives_as_it_was() {
    let server = SmtpServer::start(Manners::default());
    let mut stage = Stage::mailing(&server);
    stage.home.settings.hook_before = stage.words("hook", "echo 'kein Platz für Ümläute: 鍵'; exit 1");
    stage.run("full").ended_with(128);
    let mail = server.only_mail();
    assert!(mail.raw.is_ascii(), "{}", mail.raw);
    assert!(mail.text().contains("kein Platz für Ümläute: 鍵"), "{}", mail.text());
}

#[test]
fn a_run_that_was_stopped_is_told_as_such() {
    use rustix::process::Signal;
    let server = SmtpServer::start(Manners::default());
    let stage = Stage::mailing(&server);
    stage.engine.perform(&fake::stream(fake::full(FULL_TO)), |script| {
        script.hangs_before_last = Some(10);
    });
    let running = cli::start(&stage.home, &["full"]);
    xb_tests::wait_until("the engine runs", Duration::from_secs(20), || !stage.engine.starts().is_empty());
    running.signal(Signal::TERM);
    running.wait().ended_with(143);
    let subject = server.only_mail().header("Subject");
    assert!(subject.ends_with(" stopped (backup)"), "{subject}");
}

#[test]
fn a_run_that_finds_another_one_running_is_a_failure_too() {
    let server = SmtpServer::start(Manners::default());
    let stage = Stage::mailing(&server);
    stage.engine.perform(&fake::stream(fake::full(FULL_TO)), |script| {
        script.hangs_before_last = Some(10);
    });
    let _running = cli::start(&stage.home, &["full"]);
    xb_tests::wait_until("the engine runs", Duration::from_secs(20), || !stage.engine.starts().is_empty());
    stage.run("full").ended_with(75);
    assert!(server.only_mail().header("Subject").ends_with(": full failed"));
}

#[test]
fn the_test_mail_is_sent_once_to_all_and_leaves_its_mark() {
    let server = SmtpServer::start(Manners::default());
    let mut stage = Stage::new();
    stage.mails_to(&server);
    stage.home.settings.notify_on_success = vec![SUCCESSES.into(), FAILURES.into()];
    stage.run("full").good();
    let test: Vec<_> =
        server.mails().into_iter().filter(|m| m.header("Subject").ends_with("test mail")).collect();
    assert_eq!(test.len(), 1);
    assert_eq!(test[0].to, [FAILURES, SUCCESSES]);
    assert!(stage.has_mark());
    // Also not when others are to be told.
    stage.home.settings.notify_by_email.push("new@example.org".into());
    stage.home.settings.notify_on_success = Vec::new();
    stage.run("full").good();
    assert_eq!(server.mails().len(), 2, "the test mail and that of the first backup");
}

#[test]
fn a_test_mail_that_is_not_accepted_is_sent_by_the_next_run() {
    let refusing = SmtpServer::start(Manners { answers_text: Some("554 no"), ..Manners::default() });
    let mut stage = Stage::new();
    stage.mails_to(&refusing);
    let ended = stage.run("full").good();
    assert!(ended.stderr.contains("the test mail: the mail server 127.0.0.1:"), "{}", ended.stderr);
    assert!(!stage.has_mark());
    let server = SmtpServer::start(Manners::default());
    stage.mails_to(&server);
    stage.run("full").good();
    assert!(server.only_mail().header("Subject").ends_with("test mail") && stage.has_mark());
}

#[test]
fn one_address_that_is_refused_keeps_nobody_else_from_hearing() {
    let refuses = vec![("gone@example.org", "550 5.1.1 nobody of that name")];
    let server = SmtpServer::start(Manners { refuses, ..Manners::default() });
    let mut stage = Stage::mailing(&server);
    stage.home.settings.notify_by_email =
        vec!["gone@example.org".into(), "not an address".into(), FAILURES.into()];
    stage.break_engine();
    let ended = stage.run("full").ended_with(65);
    assert_eq!(server.only_mail().to, [FAILURES]);
    assert!(ended.stderr.contains("not to gone@example.org"), "{}", ended.stderr);
    assert!(ended.stderr.contains("nobody of that name"), "{}", ended.stderr);
    assert!(ended.stderr.contains("\"not an address\" is no address"), "{}", ended.stderr);
}

#[test]
fn a_server_that_refuses_everybody_changes_neither_result_nor_exit_code() {
    let refuses = vec![(FAILURES, "550 no"), (SUCCESSES, "450 later")];
    let server = SmtpServer::start(Manners { refuses, ..Manners::default() });
    let mut stage = Stage::mailing(&server);
    stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
    let ended = stage.run("full").good();
    assert!(ended.stderr.contains("the mail: none of its addresses can be used"), "{}", ended.stderr);
    assert_eq!(stage.home.backups().len(), 1);
    stage.break_engine();
    let ended = stage.run("full").ended_with(65);
    assert!(ended.stderr.contains("the mail: none of its addresses can be used"), "{}", ended.stderr);
}

#[test]
fn nobody_listening_changes_nothing() {
    let mut stage = Stage::new();
    stage.mark("by hand\n");
    stage.home.settings.smtp_port = free_port().unwrap();
    stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
    let ended = stage.run("full").good();
    assert!(ended.stderr.contains("the mail: the mail server 127.0.0.1:"), "{}", ended.stderr);
    assert_eq!(stage.home.backups().len(), 1);
}

#[test]
fn a_server_that_falls_silent_at_any_moment_holds_nothing_up() {
    for moment in Moment::BEFORE_ACCEPTED {
        let server = SmtpServer::start(Manners { stalls: Some(moment), ..Manners::default() });
        let mut stage = Stage::mailing(&server);
        stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
        let (ended, took) = stage.timed();
        let ended = ended.good();
        assert_not_held_up(took, &format!("{moment:?}"));
        assert!(took > Duration::from_secs(LIMIT), "{moment:?}: it was not waited for: {took:?}");
        assert!(ended.stderr.contains("the mail: "), "{moment:?}: {}", ended.stderr);
        assert_eq!((stage.home.backups().len(), server.mails().len()), (1, 0), "{moment:?}");
    }
}

#[test]
fn a_server_that_goes_on_for_ever_holds_nothing_up() {
    let server = SmtpServer::start(Manners { drips: true, ..Manners::default() });
    let mut stage = Stage::mailing(&server);
    stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
    let (ended, took) = stage.timed();
    let ended = ended.good();
    assert_not_held_up(took, "an endless greeting");
    assert!(ended.stderr.contains("the mail: not done within 2 s (notify_timeout)"), "{}", ended.stderr);
}

#[test]
fn a_server_that_hangs_up_at_any_moment_changes_nothing() {
    for moment in Moment::BEFORE_ACCEPTED {
        let server = SmtpServer::start(Manners { cuts: Some(moment), ..Manners::default() });
        let mut stage = Stage::mailing(&server);
        stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
        let ended = stage.run("full").good();
        assert!(ended.stderr.contains("the mail: the mail server 127.0.0.1"), "{moment:?}: {}", ended.stderr);
        assert_eq!((stage.home.backups().len(), server.mails().len()), (1, 0), "{moment:?}");
    }
}

#[test]
fn a_server_that_is_slow_to_part_has_the_mail() {
    let server = SmtpServer::start(Manners { stalls: Some(Moment::Quit), ..Manners::default() });
    let mut stage = Stage::mailing(&server);
    stage.home.settings.notify_on_success = vec![SUCCESSES.into()];
    let ended = stage.run("full").good();
    assert_eq!(server.mails().len(), 1);
    assert!(ended.stderr.contains("the mail: sent"), "{}", ended.stderr);
}

//! Mails over TLS, and what is not said without it.

use xb_core::settings::SmtpSecurity;
use xb_tests::smtp::{Manners, SmtpServer};
use xb_tests::tls::Identity;

use super::*;

const LOGIN: (&str, &str) = ("robot", "mail-secret-9");

/// A stage that tells a success to a server of these manners.
fn mailing(server: &SmtpServer, security: SmtpSecurity) -> Stage {
    let mut stage = Stage::new();
    fs::write(stage.home.store().join("pyxbackup_mail_ok"), "by hand\n").unwrap();
    let settings = &mut stage.home.settings;
    settings.smtp_port = server.port;
    settings.smtp_security = security;
    settings.notify_on_success = vec!["archive@example.org".into()];
    settings.smtp_user = Some(LOGIN.0.into());
    settings.smtp_pass = Some(Secret::new(LOGIN.1));
    stage
}

#[test]
fn over_tls_a_login_and_a_mail_arrive() {
    for (security, tls_from_the_start) in [(SmtpSecurity::StartTls, false), (SmtpSecurity::Tls, true)] {
        let identity = Identity::new();
        let manners = Manners {
            identity: Some(identity.clone()),
            tls_from_the_start,
            login: Some(LOGIN),
            ..Manners::default()
        };
        let server = SmtpServer::start(manners);
        let mut stage = mailing(&server, security);
        stage.home.settings.smtp_ca_file = Some(identity.certificate(stage.home.path()));
        let ended = stage.run("full").good();
        assert_eq!(server.mails().len(), 1, "{}", ended.stderr);
        assert!(server.only_mail().is_protected);
    }
}

#[test]
fn a_server_nobody_vouches_for_gets_nothing() {
    for (security, tls_from_the_start) in [(SmtpSecurity::StartTls, false), (SmtpSecurity::Tls, true)] {
        let manners = Manners {
            identity: Some(Identity::new()),
            tls_from_the_start,
            login: Some(LOGIN),
            ..Manners::default()
        };
        let server = SmtpServer::start(manners);
        let mut stage = mailing(&server, security);
        // Another certificate than that of the server.
        stage.home.settings.smtp_ca_file = Some(Identity::new().certificate(stage.home.path()));
        let ended = stage.run("full").good();
        assert!(ended.stderr.contains("the mail: the mail server 127.0.0.1"), "{}", ended.stderr);
        let said = server.lines();
        assert!(said.iter().all(|line| line.starts_with("EHLO") || line == "STARTTLS"), "{said:?}");
        assert_eq!(server.mails().len(), 0);
    }
}

#[test]
fn a_server_without_starttls_gets_neither_login_nor_mail() {
    let server = SmtpServer::start(Manners { login: Some(LOGIN), ..Manners::default() });
    let ended = mailing(&server, SmtpSecurity::StartTls).run("full").good();
    assert!(ended.stderr.contains("offers no STARTTLS"), "{}", ended.stderr);
    let said = server.lines();
    assert!(said.iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{said:?}");
}

#[test]
fn a_password_does_not_leave_the_machine_in_the_open() {
    let server = SmtpServer::start(Manners { login: Some(LOGIN), ..Manners::default() });
    let mut stage = mailing(&server, SmtpSecurity::None);
    // An address of this machine that is none of its loopback's.
    stage.home.settings.smtp_host = "0.0.0.0".into();
    let ended = stage.run("full").good();
    assert!(ended.stderr.contains("would go to 0.0.0.0:"), "{}", ended.stderr);
    assert!(ended.stderr.contains("set smtp_security to starttls or tls"), "{}", ended.stderr);
    assert_eq!(server.lines(), Vec::<String>::new());
    // To the machine itself it may go.
    stage.home.settings.smtp_host = "127.0.0.1".into();
    stage.run("full").good();
    assert_eq!(server.mails().len(), 1);
}

#[test]
fn a_wrong_password_is_told_without_the_password() {
    let server = SmtpServer::start(Manners { login: Some(("robot", "another")), ..Manners::default() });
    let ended = mailing(&server, SmtpSecurity::None).run("full").good();
    assert!(ended.stderr.contains("(login): the server answered 535"), "{}", ended.stderr);
    assert!(!ended.text().contains(LOGIN.1), "{}", ended.text());
    assert_eq!(server.mails().len(), 0);
}

#[test]
fn a_file_without_certificates_is_named() {
    let server = SmtpServer::start(Manners::default());
    let mut stage = mailing(&server, SmtpSecurity::Tls);
    let path = stage.home.path().join("empty.pem");
    stage.home.settings.smtp_ca_file = Some(path.clone());
    for content in ["", "nothing of the kind\n"] {
        fs::write(&path, content).unwrap();
        let ended = stage.run("full").good();
        let expected = format!("the mail: {}", path.display());
        assert!(ended.stderr.contains(&expected), "{content:?}: {}", ended.stderr);
    }
}

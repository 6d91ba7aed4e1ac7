//! Notices by HTTP.

use xb_sandbox::free_port;
use xb_tests::http::{Answer, HttpServer};
use xb_tests::tls::Identity;

use super::*;

const TOKEN: &str = "/hooks/T0/token-12345?key=67890";

fn posting(server: &HttpServer) -> Stage {
    let mut stage = Stage::new();
    stage.home.settings.notify_url = Some(Secret::new(format!("http://127.0.0.1:{}{TOKEN}", server.port)));
    stage
}

/// The warning of a run that went well all the same, and showed nothing of the token.
#[track_caller]
fn warning(stage: &Stage, ended: Ended) -> String {
    let ended = ended.good();
    assert_eq!(stage.home.backups().len(), 1);
    assert!(!ended.text().contains("token-12345") && !ended.text().contains("67890"), "{}", ended.text());
    let warning = ended.stderr.lines().find(|line| line.contains("notify_url: "));
    assert!(warning.is_some(), "no warning in:\n{}", ended.stderr);
    warning.unwrap().to_owned()
}

#[test]
fn a_result_is_posted_as_json() {
    let server = HttpServer::start(&[Answer::Status(204)], None);
    let stage = posting(&server);
    stage.run("full").good();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, format!("POST {TOKEN} HTTP/1.1"));
    let headers = requests[0].headers.join("\n").to_lowercase();
    assert!(headers.contains("content-type: application/json"), "{headers}");
    let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
    assert_eq!(body["result"], "success");
    assert_eq!(body["backup"], stage.home.backups()[0].to_string());
    assert_eq!(body["lsns"]["to"], FULL_TO);
}

#[test]
fn what_may_pass_is_tried_again() {
    for first in [Answer::Status(503), Answer::Status(429), Answer::Cut] {
        let server = HttpServer::start(&[first.clone(), Answer::Status(200)], None);
        let ended = posting(&server).run("full").good();
        assert_eq!(server.requests().len(), 2, "{first:?}");
        assert!(ended.stderr.contains("notify_url: sent"), "{first:?}: {}", ended.stderr);
    }
}

#[test]
fn after_three_attempts_it_is_given_up() {
    let server = HttpServer::start(&[Answer::Status(500)], None);
    let mut stage = posting(&server);
    stage.home.settings.notify_timeout_seconds = 10;
    let ended = stage.run("full");
    let warning = warning(&stage, ended);
    assert!(warning.contains("it answered with status 500"), "{warning}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    for status in [400, 401, 404] {
        let server = HttpServer::start(&[Answer::Status(status)], None);
        let stage = posting(&server);
        let ended = stage.run("full");
        let warning = warning(&stage, ended);
        let expected = format!("http://127.0.0.1:{}: it answered with status {status}", server.port);
        assert!(warning.contains(&expected), "{warning}");
        assert_eq!(server.requests().len(), 1);
    }
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = HttpServer::start(&[Answer::Status(200)], None);
    let to = format!("http://127.0.0.1:{}/", elsewhere.port);
    let server = HttpServer::start(&[Answer::Redirect(to)], None);
    let stage = posting(&server);
    let ended = stage.run("full");
    let warning = warning(&stage, ended);
    assert!(warning.contains("status 307: redirects are not followed"), "{warning}");
    assert_eq!(elsewhere.requests().len(), 0);
}

#[test]
fn a_server_that_falls_silent_or_never_ends_holds_nothing_up() {
    for answer in [Answer::Stall, Answer::StallMidLine, Answer::Drip, Answer::Endless] {
        let server = HttpServer::start(std::slice::from_ref(&answer), None);
        let stage = posting(&server);
        let (ended, took) = stage.timed();
        warning(&stage, ended);
        assert_not_held_up(took, &format!("{answer:?}"));
    }
}

#[test]
fn nobody_listening_changes_nothing() {
    let mut stage = Stage::new();
    stage.home.settings.notify_url =
        Some(Secret::new(format!("http://127.0.0.1:{}{TOKEN}", free_port().unwrap())));
    let (ended, took) = stage.timed();
    warning(&stage, ended);
    assert_not_held_up(took, "a closed port");
}

#[test]
fn a_server_nobody_vouches_for_gets_nothing() {
    let server = HttpServer::start(&[Answer::Status(200)], Some(Identity::new()));
    let mut stage = Stage::new();
    stage.home.settings.notify_url = Some(Secret::new(format!("https://127.0.0.1:{}{TOKEN}", server.port)));
    let ended = stage.run("full");
    let warning = warning(&stage, ended);
    assert!(warning.contains("invalid peer certificate"), "{warning}");
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn an_address_that_is_none_is_told_without_it() {
    let mut stage = Stage::new();
    stage.home.settings.notify_url = Some(Secret::new("hooks.example.org/token-12345"));
    let ended = stage.run("full");
    let warning = warning(&stage, ended);
    assert!(warning.contains("notify_url: it is no address; it must begin with"), "{warning}");
}

#[test]
fn over_tls_it_arrives_at_a_server_that_the_system_vouches_for() {
    let identity = Identity::new();
    let server = HttpServer::start(&[Answer::Status(200)], Some(identity.clone()));
    let mut stage = Stage::new();
    stage.home.settings.notify_url = Some(Secret::new(format!("https://127.0.0.1:{}{TOKEN}", server.port)));
    let roots = format!("SSL_CERT_FILE={}", identity.certificate(stage.home.path()).display());
    let mut words = vec![roots, cli::program().display().to_string()];
    words.extend(cli::with_config(&stage.home, &["full"]));
    cli::run_program(&stage.home, std::path::Path::new("/usr/bin/env"), &words).good();
    assert_eq!(server.requests().len(), 1);
}

//! Stores elsewhere that do not do well: tried again, or told with the exit code of what failed; and no backup that is
//! none is listed.

use std::path::PathBuf;

use rstest::rstest;
use xb_core::Secret;
use xb_tests::cli::{self, Ended};
use xb_tests::fake::{self, FakeEngine};
use xb_tests::home::{Form, Home};
use xb_tests::http_faults::{Asked, Fault, FaultProxy};
use xb_tests::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use xb_tests::server::{self, Source};
use xb_tests::sshd::{Host, Sshd};

/// A home whose store is in object storage behind a proxy, with a fake engine.
struct Stage {
    home: Home,
    proxy: FaultProxy,
    engine: FakeEngine,
    _storage: S3Server,
    _server: std::sync::Arc<Source>,
}

impl Stage {
    fn new() -> Self {
        let (storage, server) = (S3Server::start(), server::shared());
        let proxy = FaultProxy::start(storage.port);
        let mut home = Home::new(&server, Form::Zstd);
        home.settings.store = Some(format!("s3://{BUCKET}/db1"));
        home.settings.s3_endpoint = Some(format!("http://127.0.0.1:{}", proxy.port));
        home.settings.s3_access_key = Some(ACCESS_KEY.into());
        home.settings.s3_secret_key = Some(Secret::new(SECRET_KEY));
        let program = env!("CARGO_BIN_EXE_fake-engine");
        let engine = FakeEngine::install(&home, &server, program, &fake::stream_of(fake::full(5000), 90));
        Stage { home, proxy, engine, _storage: storage, _server: server }
    }

    fn full(&self) -> Ended {
        cli::run(&self.home, &["full"])
    }
}

fn is_part(asked: &Asked) -> bool {
    asked.is("PUT", "partNumber=")
}

#[test]
fn what_passes_is_tried_again() {
    let stage = Stage::new();
    let faults = [Fault::Refuse(500, "InternalError"), Fault::Refuse(503, "SlowDown"), Fault::Reset];
    for (count, fault) in (1..).zip(faults) {
        stage.proxy.fault(0, 1, fault.clone(), is_part);
        stage.proxy.fault(0, 1, fault.clone(), |asked| asked.is("PUT", "manifest.json"));
        stage.proxy.fault(0, 1, fault.clone(), |asked| asked.is("GET", "list-type=2"));
        let ended = stage.full().good();
        assert_eq!(stage.home.backups().len(), 2.min(count), "{fault:?}: {}", ended.text());
    }
}

#[rstest]
#[case::of_the_data(|asked: &Asked| asked.is("PUT", "partNumber="))]
#[case::of_the_manifest(|asked: &Asked| asked.is("PUT", "manifest.json"))]
fn a_push_that_is_refused_ends_with_2_and_lists_nothing(#[case] what: fn(&Asked) -> bool) {
    let stage = Stage::new();
    stage.proxy.fault(0, usize::MAX, Fault::Refuse(403, "AccessDenied"), what);
    let ended = stage.full().ended_with(2);
    assert!(ended.stderr.contains("AccessDenied") || ended.stderr.contains("denied"), "{}", ended.text());
    assert!(ended.stderr.contains("hint: check credentials and rights"), "{}", ended.text());
    assert_eq!(cli::run(&stage.home, &["list", "--quiet"]).good().stdout, "");
    stage.proxy.heal();
    stage.full().good();
    assert_eq!(stage.home.backups().len(), 1);
}

#[test]
fn wrong_credentials_and_a_wrong_clock_end_with_96_before_anything_is_done() {
    let mut stage = Stage::new();
    stage.proxy.fault(0, usize::MAX, Fault::Refuse(403, "RequestTimeTooSkewed"), |_| true);
    let ended = stage.full().ended_with(96);
    assert!(ended.stderr.contains("clock"), "{}", ended.text());
    stage.proxy.heal();
    stage.home.settings.s3_secret_key = Some(Secret::new("quite another one"));
    let ended = stage.full().ended_with(96);
    assert!(!ended.stderr.contains("quite another one"), "{}", ended.text());
    for command in ["list", "prune", "last-lsn"] {
        cli::run(&stage.home, &[command]).ended_with(96);
    }
    assert_eq!(cli::run(&stage.home, &["status"]).code, Some(2));
    assert!(stage.engine.starts().is_empty(), "the engine was not even started");
}

#[test]
fn an_engine_that_fails_leaves_nothing_in_the_bucket() {
    let stage = Stage::new();
    stage.engine.perform(&fake::stream_of(fake::full(5000), 90), |script| script.code = 1);
    stage.full().ended_with(65);
    assert_eq!(cli::run(&stage.home, &["list", "--quiet"]).good().stdout, "");
    let left = stage.home.catalog();
    assert!(left.partials.is_empty() && left.strays.is_empty());
    stage.engine.play(&fake::stream_of(fake::full(5000), 90));
    stage.full().good();
}

#[test]
fn who_may_not_delete_backs_up_all_the_same_and_somebody_else_prunes() {
    let mut stage = Stage::new();
    stage.home.settings.retention_sets = 1;
    let is_delete = |asked: &Asked| asked.is("DELETE", "") || asked.is("POST", "delete");
    stage.proxy.fault(0, usize::MAX, Fault::Refuse(403, "AccessDenied"), is_delete);
    for _ in 0..3 {
        stage.full().good();
    }
    assert_eq!(stage.home.backups().len(), 3);
    let pruned = cli::run(&stage.home, &["prune", "--format", "json"]).good();
    let report: serde_json::Value = serde_json::from_str(&pruned.stdout).unwrap();
    assert!(!report["deferred"].as_array().unwrap().is_empty(), "{}", pruned.text());
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{}", pruned.text());
    stage.proxy.heal();
    cli::run(&stage.home, &["prune"]).good();
    assert_eq!(stage.home.backups().len(), 1);
}

#[test]
fn a_prefix_is_listed_once_by_every_command() {
    let stage = Stage::new();
    stage.full().good();
    for command in [&["list"][..], &["status"], &["meta", "--meta-item=last_lsn"], &["last-lsn"]] {
        let is_list = |asked: &Asked| asked.is("GET", "list-type=2");
        let before = stage.proxy.count(is_list);
        cli::run(&stage.home, command).good();
        let listings = stage.proxy.asked().into_iter().filter(is_list).skip(before).collect::<Vec<_>>();
        assert_eq!(listings.len(), 1, "{command:?}: {listings:?}");
        assert!(listings[0].line.contains("prefix=db1%2F"), "{command:?}: {listings:?}");
    }
}

#[test]
fn a_full_disk_at_the_host_ends_with_2() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not run: mounting a small disk needs root");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let disk: PathBuf = directory.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let host = Sshd::start_as(&Host { disk: Some((disk.clone(), 4096)), ..Host::default() });
    let server = server::shared();
    let mut home = Home::new(&server, Form::Zstd);
    home.settings.remote_push_only = true;
    home.settings.remote_host = Some("127.0.0.1".into());
    home.settings.remote_stor_dir = Some(disk.display().to_string());
    home.settings.ssh_user = xb_tests::processes::account();
    home.settings.ssh_opts = host.options();
    home.settings.ssh_opts.extend(["-p".to_owned(), host.port.to_string()]);
    let program = env!("CARGO_BIN_EXE_fake-engine");
    let engine = FakeEngine::install(&home, &server, program, &fake::stream_of(fake::full(5000), 90));
    let ended = cli::run(&home, &["full"]).ended_with(2);
    assert!(ended.stderr.contains("No space left"), "{}", ended.text());
    assert!(ended.stderr.contains("hint: free space in the store"), "{}", ended.text());
    assert_eq!(cli::run(&home, &["list", "--quiet"]).good().stdout, "");
    engine.play(&fake::stream_of(fake::full(5000), 4));
    cli::run(&home, &["full"]).good();
    assert_eq!(home.backups().len(), 1);
}

#[test]
fn a_host_that_is_not_there_or_not_the_known_one_ends_with_96() {
    let host = Sshd::start();
    let server = server::shared();
    let mut home = Home::new(&server, Form::Zstd);
    let root = home.path().join("far");
    std::fs::create_dir(&root).unwrap();
    home.settings.store =
        Some(format!("ssh://{}@127.0.0.1:{}{}", xb_tests::processes::account(), host.port, root.display()));
    home.settings.ssh_opts = host.options();
    host.know_host_by("stranger.pub");
    let ended = cli::run(&home, &["full"]).ended_with(96);
    assert!(ended.stderr.contains("host key"), "{}", ended.text());
    host.know_host_by("host.pub");
    std::fs::remove_dir(&root).unwrap();
    let ended = cli::run(&home, &["full"]).ended_with(96);
    assert!(ended.stderr.contains("mounted"), "{}", ended.text());
    drop(host);
    let ended = cli::run(&home, &["list"]).ended_with(96);
    assert!(ended.stderr.contains("refused"), "{}", ended.text());
}

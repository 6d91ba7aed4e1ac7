//! Who is told how a run ended, the hooks around it, and what follows an incremental: the program against
//! mail servers, web servers and programs that do well, and such that do not. Whatever they do, the result of
//! the run stays what it is, and the run waits no longer than it is told.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod bitmaps;
mod hooks;
mod mail;
mod programs;
mod protection;
mod web;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use xb_core::Secret;
use xb_tests::cli::{self, Ended};
use xb_tests::fake::{self, FakeEngine};
use xb_tests::home::{Form, Home};
use xb_tests::server::{self, Source};

/// Where the fake full backup of these tests ends.
const FULL_TO: u64 = 5000;
/// Seconds a notice may take here.
const LIMIT: u64 = 2;
/// What stands in the configuration and nowhere else.
const MYSQL_PASSWORD: &str = "kept-from-everyone";

/// A home with a fake engine, and the server it claims to copy.
struct Stage {
    home: Home,
    engine: FakeEngine,
    _server: Arc<Source>,
}

impl Stage {
    /// An empty store, an engine that does well, and nobody to be told.
    fn new() -> Self {
        let server = server::shared();
        let mut home = Home::new(&server, Form::Gzip);
        home.settings.notify_timeout_seconds = LIMIT;
        let program = env!("CARGO_BIN_EXE_fake-engine");
        let engine = FakeEngine::install(&home, &server, program, &fake::stream(fake::full(FULL_TO)));
        Stage { home, engine, _server: server }
    }

    fn run(&self, command: &str) -> Ended {
        cli::run(&self.home, &["--debug", command])
    }

    /// From now on the engine fails, and says something secret before.
    fn break_engine(&self) {
        self.engine.perform(&fake::stream(fake::full(FULL_TO)), |script| {
            script.succeeds = false;
            script.code = 1;
        });
    }

    /// A run of `full`, and how long it took.
    fn timed(&self) -> (Ended, Duration) {
        let started = Instant::now();
        let ended = self.run("full");
        (ended, started.elapsed())
    }

    /// Puts a program of the test's own into the home.
    fn program(&self, name: &str, script: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        path
    }

    /// Runs that program as the words of a setting.
    fn words(&self, name: &str, script: &str) -> Vec<String> {
        vec![self.program(name, script).display().to_string()]
    }

    /// A file of the home; empty when it is not there.
    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap_or_default()
    }

    fn set_password(&mut self) {
        self.home.settings.mysql_pass = Some(Secret::new(MYSQL_PASSWORD));
    }
}

/// What a run took is within its limit for notices and what the machine needs.
#[track_caller]
fn assert_not_held_up(took: Duration, what: &str) {
    assert!(took < Duration::from_secs(LIMIT + 3), "{what}: the run took {took:?}");
}

//! Engines that go wrong in every way, and what must not come of it: no backup that is none, nothing in the
//! way of the next run.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod bases;
mod disk;
mod endings;
mod locks;
mod signals;
mod streams;

use std::sync::Arc;

use xb_tests::cli::{self, Ended};
use xb_tests::fake::{self, FakeEngine};
use xb_tests::home::{Form, Home};
use xb_tests::server::{self, Source};

/// Where the fake full backup of these tests ends.
const FULL_TO: u64 = 5000;

/// A home with a fake engine, and the server it claims to copy.
struct Stage {
    home: Home,
    engine: FakeEngine,
    _server: Arc<Source>,
}

impl Stage {
    /// An empty store, and an engine that does well.
    fn new(form: Form) -> Self {
        let server = server::shared();
        let home = Home::new(&server, form);
        let program = env!("CARGO_BIN_EXE_fake-engine");
        let engine = FakeEngine::install(&home, &server, program, &fake::stream(fake::full(FULL_TO)));
        Stage { home, engine, _server: server }
    }

    /// A store with one full backup.
    fn with_full(form: Form) -> Self {
        let stage = Stage::new(form);
        stage.run("full").good();
        stage
    }

    fn run(&self, command: &str) -> Ended {
        cli::run(&self.home, &[command])
    }

    /// A run that must fail does: with an exit code of its own, nothing listed, nothing left; and the next run,
    /// with a good engine, does well.
    #[track_caller]
    fn fails_and_recovers(&self, what: &str) -> Ended {
        let ended = self.fails(what);
        self.engine.play(&fake::stream(fake::full(FULL_TO)));
        self.run("full").good();
        assert_eq!(self.home.backups().len(), 1, "after {what}");
        ended
    }

    /// A full backup that must fail does, and leaves nothing.
    #[track_caller]
    fn fails(&self, what: &str) -> Ended {
        let ended = self.run("full");
        assert!(ended.code.is_some_and(|code| code != 0), "{what}: {:?}\n{}", ended.code, ended.text());
        assert!(ended.stderr.contains("error"), "{what}: it does not say why:\n{}", ended.text());
        let listed = cli::run(&self.home, &["list", "--quiet"]).good();
        assert_eq!(listed.stdout.trim(), "", "{what}: it is listed");
        let left = self.home.contents();
        assert!(left.is_empty(), "{what}: left behind: {left:?}");
        ended
    }
}

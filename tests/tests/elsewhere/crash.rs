//! A push that is broken at twenty points in four ways: our process killed, the process that carries it, the server,
//! the connection. Nothing that is not whole is listed, the next run succeeds, nothing is left after a prune.

use std::time::Duration;

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use xb_core::BackupId;
use xb_tests::cli::Running;
use xb_tests::fake::{self, FakeEngine};
use xb_tests::home::{Form, Home};
use xb_tests::relay::Way;
use xb_tests::{cli, processes, server, wait_until};

use crate::place::{Kind, Place};

const POINTS: u64 = 20;
const SOON: Duration = Duration::from_secs(60);
/// More than one part of an object.
const PARTS: u32 = 90;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    OurProcess,
    TheCarrier,
    TheServer,
    TheConnection,
}

struct Stage {
    place: Place,
    home: Home,
    before: Vec<BackupId>,
    /// Bytes that a whole push sends.
    whole: u64,
    _server: std::sync::Arc<server::Source>,
}

impl Stage {
    fn new(kind: Kind) -> Self {
        let (place, server) = (Place::start(kind), server::shared());
        let mut home = Home::new(&server, Form::Zstd);
        place.settle(&mut home);
        home.settings.retention_sets = 100;
        let stream = fake::stream_of(fake::full(5000), PARTS);
        let program = env!("CARGO_BIN_EXE_fake-engine");
        let _engine = FakeEngine::install(&home, &server, program, &stream);
        let sent = place.relay.carried(Way::There);
        cli::run(&home, &["full"]).good();
        let whole = place.relay.carried(Way::There) - sent;
        let before = home.backups();
        Stage { place, home, before, whole, _server: server }
    }

    /// A run, broken when it has sent that many bytes.
    fn break_at(&mut self, harm: Harm, bytes: u64) {
        let sent = self.place.relay.carried(Way::There);
        if harm == Harm::TheConnection {
            self.place.relay.cut_after(Way::There, bytes);
        }
        let mut run = cli::start(&self.home, &["full"]);
        if harm != Harm::TheConnection {
            wait_until("so much is sent", SOON, || {
                self.place.relay.carried(Way::There) - sent >= bytes || run.has_ended()
            });
        }
        match harm {
            _ if run.has_ended() => drop(run.wait()),
            Harm::OurProcess => run.kill(),
            Harm::TheCarrier => kill_ssh(run),
            Harm::TheServer => {
                self.place.kill_and_restart();
                drop(run.wait());
            }
            Harm::TheConnection => drop(run.wait()),
        }
        let work = self.home.work();
        wait_until("all of it has ended", SOON, || processes::mentioning(&work).is_empty());
    }

    /// What is listed is whole; a run that could be mended on its way has added a backup.
    fn look(&mut self, what: &str) {
        let listed = self.home.backups();
        let old = listed.iter().filter(|id| self.before.contains(id)).count();
        assert_eq!(old, self.before.len(), "{what}: a backup is gone");
        self.before = listed;
    }

    /// Nothing but what belongs to backups is there.
    fn nothing_is_left(&self) {
        cli::run(&self.home, &["full"]).good();
        cli::run(&self.home, &["prune"]).good();
        let backups = self.home.backups();
        for object in self.place.objects() {
            let is_known = backups.iter().any(|id| object.starts_with(&format!("full/{id}/")));
            assert!(is_known, "{object} was left behind");
        }
    }
}

/// Kills every ssh that belongs to a run, and waits for the run.
fn kill_ssh(run: Running) {
    for pid in processes::tree(run.pid()) {
        let is_ssh = processes::command_line(pid)
            .split(['\0', ' '])
            .next()
            .is_some_and(|program| program.ends_with("ssh"));
        if let Some(pid) = Pid::from_raw(pid).filter(|_| is_ssh) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    drop(run.wait());
}

#[rstest]
#[case(Kind::Ssh, Harm::OurProcess)]
#[case(Kind::Ssh, Harm::TheCarrier)]
#[case(Kind::Ssh, Harm::TheServer)]
#[case(Kind::Ssh, Harm::TheConnection)]
#[case(Kind::S3, Harm::OurProcess)]
#[case(Kind::S3, Harm::TheServer)]
#[case(Kind::S3, Harm::TheConnection)]
fn a_push_broken_at_twenty_points_leaves_whole_backups_only(#[case] kind: Kind, #[case] harm: Harm) {
    let mut stage = Stage::new(kind);
    for point in 0..POINTS {
        let bytes = stage.whole * point / POINTS;
        stage.break_at(harm, bytes);
        stage.look(&format!("{harm:?} after {bytes} bytes"));
        if point % 5 == 4 {
            stage.nothing_is_left();
            stage.before = stage.home.backups();
        }
    }
}

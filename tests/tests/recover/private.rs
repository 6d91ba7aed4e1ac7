//! Private servers on copies of the base.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use xb_binlog::recover::ReplayPlan;
use xb_binlog::replay::{
    ReplayAccount, ReplayError, ReplayOptions, ReplayReport, ReplayTarget, replay, server_options,
};
use xb_core::{Flavor, Version};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::monitor::Silent;
use xb_pipeline::process::Invocation;
use xb_sandbox::{Sandbox, Server};

use crate::archive::Archive;
use xb_binlog::archive::Place;

/// A server on a copy of a data directory, with what a replay needs.
pub(crate) struct Private {
    pub(crate) server: Server,
    pub(crate) target: ReplayTarget,
    pub(crate) scratch: PathBuf,
    account: ReplayAccount,
    directory: TempDir,
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let copied =
        Invocation::new("/bin/cp").arg("-a").arg(from).arg(to).output(Duration::from_secs(60)).unwrap();
    assert!(copied.status.success(), "{}", copied.stderr);
}

impl Private {
    pub(crate) fn on(base: &Path, plan: &ReplayPlan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let datadir = directory.path().join("data");
        copy(base, &datadir);
        let scratch = directory.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let version = Version::new(10, 11, 0);
        let account = ReplayAccount::create(&scratch, Flavor::MariaDb, version).unwrap();
        let server = start(&directory, plan, &scratch, &account);
        let binaries = server.binaries();
        let target = ReplayTarget {
            flavor: Flavor::MariaDb,
            socket: server.socket().to_owned(),
            defaults_file: account.defaults_file.clone(),
            client: binaries.client.clone(),
            binlog: binaries.binlog.clone(),
        };
        Private { server, target, scratch, account, directory }
    }

    /// Kills the server and starts it again, as after a crash.
    pub(crate) fn crash(&mut self, plan: &ReplayPlan) {
        self.server.kill().unwrap();
        self.account =
            ReplayAccount::create(&self.scratch, Flavor::MariaDb, Version::new(10, 11, 0)).unwrap();
        self.server = start(&self.directory, plan, &self.scratch, &self.account);
        self.target.socket = self.server.socket().to_owned();
    }

    pub(crate) fn replay(
        &self,
        plan: &ReplayPlan,
        from: &Place,
        archive: &Archive,
        cancel: &CancelToken,
    ) -> Result<ReplayReport, ReplayError> {
        let options = ReplayOptions { scratch: self.scratch.clone() };
        replay(plan, from, archive, &self.target, &options, &Silent, cancel)
    }
}

fn start(directory: &TempDir, plan: &ReplayPlan, scratch: &Path, account: &ReplayAccount) -> Server {
    let options = server_options(Flavor::MariaDb, Version::new(10, 11, 0), plan, scratch, account);
    let sandbox = Sandbox::new(directory.path().join("server"));
    let sandbox = options.iter().fold(sandbox, |sandbox, (name, value)| sandbox.option(name, value));
    sandbox.start_on(directory.path().join("data")).unwrap()
}

//! A server that is backed up and streamed from, and the moments that are to come back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use xb_core::BinlogCoord;
use xb_sandbox::{Sandbox, Server};
use xb_tests::cli::Ended;
use xb_tests::fake::{self, FakeEngine, Standing};
use xb_tests::home::{Form, Home};
use xb_tests::server::Make;
use xb_tests::{cli, wait_until};

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// The checksum of every table.
pub(crate) type State = BTreeMap<String, Option<u64>>;

/// A moment at which nothing was written.
pub(crate) struct Moment {
    pub(crate) place: BinlogCoord,
    /// Empty where the server gives none.
    pub(crate) gtid: String,
    /// Seconds since 1970: everything before was committed before, everything behind it later.
    pub(crate) time: i64,
    pub(crate) state: State,
}

impl Moment {
    /// Its time as a user writes it.
    pub(crate) fn at(&self) -> String {
        chrono::DateTime::from_timestamp(self.time, 0).unwrap().format("%Y-%m-%d %H:%M:%SZ").to_string()
    }
}

/// A server with a log, and the home of its backups.
pub(crate) struct Scene {
    pub(crate) make: Make,
    pub(crate) server: Server,
    pub(crate) home: Home,
    pub(crate) directory: TempDir,
    /// For MySQL, whose own engine is not to be had: copies of data directories, given out by a fake one.
    engine: Option<FakeEngine>,
}

impl Scene {
    pub(crate) fn new() -> Self {
        Scene::with(|sandbox| sandbox)
    }

    pub(crate) fn with(change: impl FnOnce(Sandbox) -> Sandbox) -> Self {
        Scene::on_with(Make::MariaDb, change)
    }

    /// With GTIDs.
    pub(crate) fn on(make: Make) -> Self {
        Scene::on_with(make, |sandbox| match make {
            Make::MariaDb => sandbox,
            _ => with_gtids(sandbox),
        })
    }

    pub(crate) fn on_with(make: Make, change: impl FnOnce(Sandbox) -> Sandbox) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let login = directory.path().join("login.cnf");
        std::fs::write(&login, "[client]\nuser=root\n").unwrap();
        let server = make.start(&directory.path().join("server"), |sandbox| {
            change(sandbox.option("log-bin", "mysql-bin").login(&login).on_network())
        });
        server
            .sql("CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v LONGTEXT);")
            .unwrap();
        let home = Home::new(&server, Form::Zstd);
        let engine = (make != Make::MariaDb).then(|| {
            let version = &server.sql("SELECT @@version;").unwrap()[0][0];
            let number = version.split('-').next().unwrap();
            let banner =
                format!("xtrabackup version {number}-1 based on MySQL server {number} Linux (x86_64)");
            let program = env!("CARGO_BIN_EXE_fake-engine");
            FakeEngine::install_as("xtrabackup", banner, &home, program, &[])
        });
        Scene { make, server, home, directory, engine }
    }

    pub(crate) fn sql(&self, text: &str) {
        self.server.sql(text).unwrap_or_else(|error| panic!("{error} in {text:.300}"));
    }

    fn ask(&self, text: &str) -> String {
        self.server.sql(text).unwrap()[0][0].replace('\n', "")
    }

    fn gtids(&self) -> String {
        match self.make {
            Make::MariaDb => self.ask("SELECT @@GLOBAL.gtid_binlog_pos;"),
            _ => self.ask("SELECT @@GLOBAL.gtid_executed;"),
        }
    }

    /// From now on `root` has a password, which the program is told.
    pub(crate) fn protect(&mut self, password: &str) {
        self.sql(&format!("ALTER USER root@localhost IDENTIFIED BY '{password}';"));
        std::fs::write(self.login(), format!("[client]\nuser=root\npassword={password}\n")).unwrap();
        self.home.settings.mysql_pass = Some(xb_core::Secret::new(password));
    }

    pub(crate) fn login(&self) -> PathBuf {
        self.directory.path().join("login.cnf")
    }

    /// Takes a full backup. A server of MySQL is down for the time of the copy.
    pub(crate) fn full(&mut self) {
        if let Some(engine) = &self.engine {
            let BinlogCoord { file, position } = self.server.binlog_coordinate().unwrap();
            let standing = Standing { log: file.to_string(), position, gtids: self.gtids() };
            self.server.stop().unwrap();
            let stream = fake::stream_of_server(self.server.datadir(), &standing, 1000 + position);
            self.server.start().unwrap();
            engine.play(&stream);
        }
        self.good(&["full"]);
    }

    /// What is there now, when the second has turned.
    pub(crate) fn moment(&self) -> Moment {
        let now = || self.ask("SELECT UNIX_TIMESTAMP();").parse::<i64>().unwrap();
        let before = now();
        let state = self.server.checksums().unwrap();
        let place = self.server.binlog_coordinate().unwrap();
        let gtid = self.gtids();
        wait_until("the second turns", LIMIT, || now() > before);
        Moment { place, gtid, time: now(), state }
    }

    /// Takes into the archive what the server has now.
    pub(crate) fn stream(&self) {
        self.good(&["binlog-stream", "--once"]);
    }

    /// Runs the program, which has to end well.
    #[track_caller]
    pub(crate) fn good(&self, args: &[&str]) -> String {
        cli::run(&self.home, args).good().text()
    }

    /// The arguments of a recovery.
    pub(crate) fn recovery(&self, to: &[&str]) -> Vec<String> {
        let restored = self.home.restored().display().to_string();
        let mut args = vec!["--restore-dir".to_owned(), restored, "restore-set".to_owned()];
        if self.make != Make::MariaDb {
            args.push(format!("--recovery-server={}", self.make.binaries().server.display()));
        }
        args.extend(to.iter().map(ToString::to_string));
        args
    }

    /// Recovers, well or not.
    #[track_caller]
    pub(crate) fn recover(&self, to: &[&str]) -> Ended {
        let args = self.recovery(to);
        cli::run(&self.home, &args.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Recovers and compares. The result is removed.
    #[track_caller]
    pub(crate) fn assert_recovers(&self, to: &[&str], wanted: &State) {
        let ended = self.recover(&[&["--quiet"], to].concat()).good();
        self.assert_restored(Path::new(ended.stdout.trim()), to, wanted);
    }

    /// What was recovered is what was wanted. It is removed.
    #[track_caller]
    pub(crate) fn assert_restored(&self, directory: &Path, to: &[&str], wanted: &State) {
        let found = self.on_restored(directory, |server| server.checksums().unwrap());
        assert_eq!(&found, wanted, "{to:?}");
        std::fs::remove_dir_all(directory).unwrap();
    }

    /// Starts a server on what was recovered.
    #[track_caller]
    pub(crate) fn on_restored<T>(&self, directory: &Path, look: impl FnOnce(&Server) -> T) -> T {
        let home = self.directory.path().join("check");
        let started = self.make.sandbox(&home).login(self.login()).start_on(directory);
        let mut server = started.unwrap_or_else(|error| panic!("no server starts on the copy: {error}"));
        let found = look(&server);
        server.kill().unwrap();
        std::fs::remove_dir_all(home).unwrap();
        found
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Nobody looks at its data any more, and a clean end takes its time.
        let _ = self.server.kill();
    }
}

/// MySQL with numbered transactions.
fn with_gtids(sandbox: Sandbox) -> Sandbox {
    sandbox.option("gtid-mode", "ON").option("enforce-gtid-consistency", "ON")
}

/// MySQL without; the newest number by themselves.
pub(crate) fn without_gtids(sandbox: Sandbox) -> Sandbox {
    sandbox.option("gtid-mode", "OFF").option("enforce-gtid-consistency", "OFF")
}

/// Begins to number, on the running server.
pub(crate) const GTIDS_ON: &str = "SET GLOBAL enforce_gtid_consistency = ON; \
    SET GLOBAL gtid_mode = OFF_PERMISSIVE; SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = ON;";
/// Ends that, as far as the server then still gives out what it has numbered.
pub(crate) const GTIDS_OFF: &str =
    "SET GLOBAL gtid_mode = ON_PERMISSIVE; SET GLOBAL gtid_mode = OFF_PERMISSIVE;";

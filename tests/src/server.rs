//! Servers to back up.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;
use walkdir::WalkDir;
use xb_sandbox::{Binaries, Dataset, Sandbox, Server};

use crate::cli;

/// The servers the tests know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    MariaDb,
    MySql56,
    MySql9,
}

impl Make {
    /// Its programs.
    ///
    /// # Panics
    /// When they are not there; the message says how to get them.
    #[must_use]
    pub fn binaries(self) -> Binaries {
        let number = match self {
            Make::MariaDb => return Binaries::find(&[]).unwrap(),
            Make::MySql56 => "5.6",
            Make::MySql9 => "9",
        };
        let servers = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/servers");
        let program = format!("{servers}/mysql-{number}/bin/mysqld");
        let is_there = Path::new(&program).exists();
        assert!(is_there, "these tests need MySQL {number}: run `scripts/install-mysql {number}`");
        Binaries::of_server(program).unwrap()
    }

    /// A server to be, with its programs.
    ///
    /// # Panics
    /// As [`Make::binaries`].
    #[must_use]
    pub fn sandbox(self, directory: &Path) -> Sandbox {
        Sandbox::new(directory).binaries(self.binaries())
    }

    /// Starts a server on a new data directory, as [`Sandbox::initialise`] does. That takes some servers
    /// seconds, so it is done once and copied ever after.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(self, directory: &Path, change: impl FnOnce(Sandbox) -> Sandbox) -> Server {
        let datadir = directory.join("data");
        copy(&self.template(), &datadir);
        let started = change(self.sandbox(directory)).start_on(&datadir);
        started.unwrap_or_else(|error| panic!("no server of {self:?} starts: {error}"))
    }

    /// A data directory as it is made, kept for all tests to come: making one takes seconds.
    fn template(self) -> PathBuf {
        static MAKING: Mutex<()> = Mutex::new(());
        let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let all = cli::built("test-servers");
        let path = all.join(format!("{self:?}-{}", self.binaries().version));
        if path.exists() {
            return path;
        }
        std::fs::create_dir_all(&all).unwrap();
        let directory = tempfile::tempdir_in(&all).unwrap();
        let started = self.sandbox(directory.path()).initialise();
        let mut server = started.unwrap_or_else(|error| panic!("no server of {self:?} starts: {error}"));
        server.stop().unwrap();
        // A server's own UUID: each copy gets another.
        let _ = std::fs::remove_file(server.datadir().join("auto.cnf"));
        // Somebody else may have made one meanwhile.
        let _ = xb_pipeline::fs::rename(server.datadir(), &path);
        path
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// A server that goes with its directory.
pub struct Source {
    // First, so that the server has ended when its directory is removed.
    server: Server,
    _directory: TempDir,
}

impl std::ops::Deref for Source {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Source {
    /// The server itself, to stop and start it.
    pub fn server_mut(&mut self) -> &mut Server {
        &mut self.server
    }
}

/// A server with a binary log and a data set of about so many megabytes.
///
/// # Panics
/// When there is none to be had; the message says what is missing.
#[must_use]
pub fn source(megabytes: u32) -> Source {
    let source = empty();
    Dataset::create(&source, megabytes).unwrap();
    source
}

/// A server with a binary log and nothing in it.
///
/// # Panics
/// As [`source`].
#[must_use]
pub fn empty() -> Source {
    let directory = tempfile::tempdir().unwrap();
    let started = Sandbox::new(directory.path().join("source")).option("log-bin", "mysql-bin").initialise();
    let server = started.unwrap_or_else(|error| panic!("these tests need a MariaDB server: {error}"));
    Source { server, _directory: directory }
}

/// One empty server for all who only want a server to be there. It lives as long as somebody has it.
///
/// # Panics
/// As [`source`].
#[must_use]
pub fn shared() -> Arc<Source> {
    static SHARED: Mutex<Weak<Source>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let source = Arc::new(empty());
        *shared = Arc::downgrade(&source);
        source
    })
}

/// A second server, on a restored data directory.
///
/// # Panics
/// When it does not start: the copy is no good.
#[must_use]
pub fn on(datadir: &Path, home: &Path) -> Server {
    let started = Sandbox::new(home).start_on(datadir);
    started.unwrap_or_else(|error| panic!("no server starts on the restored copy: {error}"))
}

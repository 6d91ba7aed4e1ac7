//! Servers to back up.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;
use xb_sandbox::{Dataset, Sandbox, Server};

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

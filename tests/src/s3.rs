//! A server that speaks S3, as a process of its own, with its objects in a directory of its own.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use xb_core::Secret;
use xb_pipeline::process::{Daemon, Invocation, find_program};
use xb_pipeline::store::object::{ObjectOptions, Patience};

use crate::wait_until;

/// The bucket every server has.
pub const BUCKET: &str = "backups";
/// The keys every server knows.
pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET_KEY: &str = "secret/of+the=server";

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(30);

/// A running server; stopped, and its objects gone, when dropped.
pub struct S3Server {
    pub port: u16,
    daemon: Option<Daemon>,
    root: TempDir,
}

impl S3Server {
    /// Starts one that has an empty bucket.
    ///
    /// # Panics
    /// When it does not start; `scripts/install-deps` builds it.
    #[must_use]
    pub fn start() -> Self {
        let root = tempfile::Builder::new().prefix("xb-s3-").tempdir().unwrap();
        fs::create_dir_all(root.path().join("data").join(BUCKET)).unwrap();
        let port = xb_sandbox::free_port().unwrap();
        let mut server = S3Server { port, daemon: None, root };
        server.restart();
        server
    }

    /// Starts it again where it was, with what it has.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&mut self) {
        self.kill();
        let command = Invocation::new(program())
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
            .arg(self.data());
        let daemon = command.daemon(&self.root.path().join("log")).unwrap();
        wait_until("the S3 server listens", START, || {
            let log = || fs::read_to_string(self.root.path().join("log")).unwrap_or_default();
            assert!(daemon.try_wait().unwrap().is_none(), "the S3 server ended: {}", log());
            TcpStream::connect(("127.0.0.1", self.port)).is_ok()
        });
        self.daemon = Some(daemon);
    }

    /// Ends it as kill -9 does.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// The directory with its buckets.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// Files of uploads that were begun and neither finished nor aborted.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let names = fs::read_dir(self.data()).unwrap().map(|entry| entry.unwrap().file_name());
        names.map(|name| name.to_string_lossy().into_owned()).filter(|name| name.contains("upload")).collect()
    }

    /// How it is reached, directly or through what listens at `port`. Trouble is found out soon.
    #[must_use]
    pub fn options(&self, port: u16) -> ObjectOptions {
        ObjectOptions {
            endpoint: Some(format!("http://127.0.0.1:{port}")),
            access_key: Some(ACCESS_KEY.into()),
            secret_key: Some(Secret::new(SECRET_KEY)),
            patience: Patience {
                tries: 4,
                first_pause: Duration::from_millis(20),
                silence: Duration::from_secs(20),
            },
            ..ObjectOptions::default()
        }
    }
}

/// Where the server's program is: in the search path, or where `scripts/install-deps` puts it.
#[expect(clippy::disallowed_methods, reason = "which programs tests find is up to whoever runs them")]
fn program() -> PathBuf {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<_> = std::env::split_paths(&path).chain([tools]).collect();
    let found = find_program("s3s-fs", &directories);
    found.unwrap_or_else(|| panic!("s3s-fs is not there: run scripts/install-deps"))
}

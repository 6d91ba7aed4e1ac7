//! What a private server is to be like, before it runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::{FsError, create_dir_private};
use xb_pipeline::process::Invocation;

use crate::binaries::Binaries;
use crate::dialect;
use crate::error::SandboxError;
use crate::initialise::initialise;
use crate::port::free_port;
use crate::server::{START_LIMIT, Server};

/// The longest path a socket can have: 108 bytes with the zero behind it.
const SOCKET_PATH_BYTES: usize = 107;

/// A private server to be. Everything it owns is below one directory: the data directory `data`, `error.log`,
/// the socket (or, where the path is too long for one, a short temporary directory for it) and `tmp`.
#[derive(Clone, Debug)]
pub struct Sandbox {
    directory: PathBuf,
    binaries: Option<Binaries>,
    options: Vec<String>,
    env: Vec<(String, String)>,
    on_network: bool,
    login: Option<PathBuf>,
    start_limit: Duration,
    cancel: CancelToken,
}

impl Sandbox {
    /// A sandbox in a directory of its own, which is created when it is not there.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Sandbox {
            directory: directory.into(),
            binaries: None,
            options: Vec::new(),
            env: Vec::new(),
            on_network: false,
            login: None,
            start_limit: START_LIMIT,
            cancel: CancelToken::new(),
        }
    }

    /// Uses these programs, of whatever server, instead of MariaDB's from the usual places.
    #[must_use]
    pub fn binaries(mut self, binaries: Binaries) -> Self {
        self.binaries = Some(binaries);
        self
    }

    /// Sets a server option: `option("log-bin", "mysql-bin")`.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.options.push(format!("--{name}={value}"));
        self
    }

    /// Sets a server option that has no value: `flag("skip-grant-tables")`.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Self {
        self.options.push(format!("--{name}"));
        self
    }

    /// Sets a server option as it stands on a command line: `raw("--skip-networking")`.
    #[must_use]
    pub fn raw(mut self, word: impl Into<String>) -> Self {
        self.options.push(word.into());
        self
    }

    /// Sets a variable of the server's environment, such as `TZ`.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// Lets the server listen on a free TCP port of 127.0.0.1 ([`Server::port`]), beside its socket.
    #[must_use]
    pub fn on_network(mut self) -> Self {
        self.on_network = true;
        self
    }

    /// Comes to the server as an option file for clients says (`[client]` with `user` and `password`), where its
    /// `root` has a password.
    #[must_use]
    pub fn login(mut self, option_file: impl Into<PathBuf>) -> Self {
        self.login = Some(option_file.into());
        self
    }

    /// Waits so long until the server answers. By default three minutes.
    #[must_use]
    pub fn start_limit(mut self, limit: Duration) -> Self {
        self.start_limit = limit;
        self
    }

    /// Gives up waiting for the server to answer when somebody asks to stop.
    #[must_use]
    pub fn stop_on(mut self, cancel: &CancelToken) -> Self {
        self.cancel = cancel.clone();
        self
    }

    /// Fills a new data directory and starts the server on it. Its `root` has no password.
    ///
    /// # Errors
    /// [`SandboxError::NotEmpty`] when there is data already, else what kept the server from running.
    pub fn initialise(self) -> Result<Server, SandboxError> {
        let datadir = self.directory.join("data");
        create_dir_private(&datadir)?;
        let mut entries = fs::read_dir(&datadir).map_err(FsError::on("read directory", &datadir))?;
        if entries.next().is_some() {
            return Err(SandboxError::NotEmpty { directory: datadir });
        }
        let binaries = self.programs()?;
        initialise(&binaries, &absolute(&datadir)?, &self.options)?;
        self.start_on(datadir)
    }

    /// Starts the server on an existing data directory, such as a restored backup. The files in it have to
    /// belong to the user we run as.
    ///
    /// # Errors
    /// What kept the server from running, with the end of its error log.
    pub fn start_on(self, datadir: impl Into<PathBuf>) -> Result<Server, SandboxError> {
        let binaries = self.programs()?;
        binaries.need(&binaries.client)?;
        let directory = prepare(&self.directory)?;
        let datadir = absolute(&datadir.into())?;
        let (socket, socket_home) = socket_path(&directory)?;
        let system = |source| SandboxError::System { what: "free TCP port", source };
        let port = self.on_network.then(free_port).transpose().map_err(system)?;
        let mut invocation = Invocation::new(&binaries.server)
            .arg("--no-defaults")
            .arg(format!("--datadir={}", datadir.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--pid-file={}", directory.join("server.pid").display()))
            .arg(format!("--tmpdir={}", directory.join("tmp").display()))
            // Where vendors' packages have set it, it names a directory of theirs.
            .arg(format!("--secure-file-priv={}", directory.join("tmp").display()))
            .args(dialect::defaults(&binaries))
            .args(user())
            .args(&self.options);
        for (name, value) in &self.env {
            invocation = invocation.env(name, value);
        }
        invocation = match port {
            Some(port) => invocation.arg("--bind-address=127.0.0.1").arg(format!("--port={port}")),
            None => invocation.arg("--skip-networking"),
        };
        let log = directory.join("error.log");
        let how = (self.login, self.start_limit, self.cancel);
        let mut server = Server::new(invocation, binaries, datadir, log, (socket, socket_home), port, how);
        server.start()?;
        Ok(server)
    }

    fn programs(&self) -> Result<Binaries, SandboxError> {
        self.binaries.clone().map_or_else(|| Binaries::find(&[]), Ok)
    }
}

/// Creates what the server expects to be there, and gives the directory's absolute path: the server changes
/// into its data directory.
fn prepare(directory: &Path) -> Result<PathBuf, SandboxError> {
    create_dir_private(&directory.join("tmp"))?;
    absolute(directory)
}

fn absolute(path: &Path) -> Result<PathBuf, SandboxError> {
    Ok(fs::canonicalize(path).map_err(FsError::on("open", path))?)
}

/// The server refuses to run as root unless told to.
pub(crate) fn user() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// Where the socket goes, and the temporary directory that has to live as long as it, if any.
fn socket_path(directory: &Path) -> Result<(PathBuf, Option<TempDir>), SandboxError> {
    const NAME: &str = "server.sock";
    let fits = |path: &Path| path.as_os_str().len() <= SOCKET_PATH_BYTES;
    let own = directory.join(NAME);
    if fits(&own) {
        return Ok((own, None));
    }
    let mut home = temporary_directory(&std::env::temp_dir())?;
    if !fits(&home.path().join(NAME)) {
        home = temporary_directory(Path::new("/tmp"))?;
    }
    Ok((home.path().join(NAME), Some(home)))
}

pub(crate) fn temporary_directory(parent: &Path) -> Result<TempDir, SandboxError> {
    let system = |source| SandboxError::System { what: "temporary directory", source };
    tempfile::Builder::new().prefix("xb-").tempdir_in(parent).map_err(system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_too_long_for_a_socket_is_replaced_by_a_short_one() {
        let (short, home) = socket_path(Path::new("/tmp/x")).unwrap();
        assert_eq!((short, home.is_none()), (PathBuf::from("/tmp/x/server.sock"), true));
        let at_limit = format!("/{}", "x".repeat(SOCKET_PATH_BYTES - "//server.sock".len()));
        assert!(socket_path(Path::new(&at_limit)).unwrap().1.is_none());
        let (path, home) = socket_path(Path::new(&(at_limit + "x"))).unwrap();
        assert!(path.as_os_str().len() <= SOCKET_PATH_BYTES && home.is_some(), "{path:?}");
    }

    #[test]
    fn data_that_is_there_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        create_dir_private(&dir.path().join("data/mysql")).unwrap();
        let error = Sandbox::new(dir.path()).initialise().err().unwrap();
        assert!(matches!(error, SandboxError::NotEmpty { .. }), "{error}");
    }
}

//! A private server that runs, or can be started again.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use xb_core::{BinlogCoord, Masker, Secret};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::rename;
use xb_pipeline::process::{Invocation, describe};

use crate::binaries::Binaries;
use crate::checksum::checksums;
use crate::client::{Client, quote_text};
use crate::dialect;
use crate::error::{SandboxError, tail};
use crate::keeper::Keeper;

/// How long a server may take to answer. A restored one may have much of its redo log to apply.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(180);
const ASK_EVERY: Duration = Duration::from_millis(25);

/// A private server. Dropping it stops the server.
pub struct Server {
    // First, so that the server has ended when the directory of its socket is removed.
    keeper: Option<Keeper>,
    invocation: Invocation,
    binaries: Binaries,
    datadir: PathBuf,
    log: PathBuf,
    socket: PathBuf,
    port: Option<u16>,
    client: Client,
    start_limit: Duration,
    cancel: CancelToken,
    _socket_home: Option<TempDir>,
}

impl Server {
    pub(crate) fn new(
        invocation: Invocation,
        binaries: Binaries,
        datadir: PathBuf,
        log: PathBuf,
        (socket, socket_home): (PathBuf, Option<TempDir>),
        port: Option<u16>,
        (login, start_limit, cancel): (Option<PathBuf>, Duration, CancelToken),
    ) -> Server {
        let client = Client::new(&binaries.client, &socket, login);
        Server {
            keeper: None,
            invocation,
            binaries,
            datadir,
            log,
            socket,
            port,
            client,
            start_limit,
            cancel,
            _socket_home: socket_home,
        }
    }

    /// Starts the server again after [`Server::stop`], [`Server::kill`] or its own end, with the same
    /// options, and waits until it answers. Does nothing while it runs. The log of the run before is kept as
    /// `error.log.old`.
    ///
    /// # Errors
    /// [`SandboxError::Start`] with the end of the error log.
    pub fn start(&mut self) -> Result<(), SandboxError> {
        if self.is_running() {
            return Ok(());
        }
        if self.log.exists() {
            rename(&self.log, &self.log.with_extension("log.old"))?;
        }
        let setpriv = self.binaries.setpriv.as_deref();
        let keeper = Keeper::start(self.invocation.clone(), setpriv, self.log.clone())?;
        // A server that does not come up is stopped by the keeper's end.
        self.wait_for_answer(&keeper)?;
        self.keeper = Some(keeper);
        Ok(())
    }

    fn wait_for_answer(&self, keeper: &Keeper) -> Result<(), SandboxError> {
        let started = Instant::now();
        let ping = self.client.within(Duration::from_secs(10));
        loop {
            self.cancel.check()?;
            if let Some(status) = keeper.ended()? {
                return Err(self.start_error(format!("ended with {}", describe(status))));
            }
            // The socket first: it costs no process to try.
            let answer = UnixStream::connect(&self.socket).is_ok().then(|| ping.sql("SELECT 1;"));
            if matches!(answer, Some(Ok(_))) {
                return Ok(());
            }
            if started.elapsed() > self.start_limit {
                let last = answer.and_then(Result::err).map(|error| format!(" ({error})"));
                let how = format!("did not answer within {} s", self.start_limit.as_secs());
                return Err(self.start_error(how + &last.unwrap_or_default()));
            }
            std::thread::sleep(ASK_EVERY);
        }
    }

    fn start_error(&self, how: String) -> SandboxError {
        SandboxError::Start {
            datadir: self.datadir.clone(),
            how,
            log: self.log.clone(),
            tail: self.error_log_tail(),
        }
    }

    /// Shuts the server down cleanly and waits for its end.
    ///
    /// # Errors
    /// [`SandboxError::NotRunning`]; [`SandboxError::Program`] when it ended badly, or took so long that it
    /// was killed.
    pub fn stop(&mut self) -> Result<(), SandboxError> {
        let status = self.keeper.take().ok_or_else(|| self.not_running())?.stop()?;
        if status.success() {
            return Ok(());
        }
        Err(SandboxError::Program {
            program: self.invocation.name(),
            about: self.datadir.clone(),
            how: describe(status),
            tail: self.error_log_tail(),
        })
    }

    /// Kills the server as a crash would. [`Server::start`] then recovers.
    ///
    /// # Errors
    /// [`SandboxError::NotRunning`].
    pub fn kill(&mut self) -> Result<(), SandboxError> {
        self.keeper.take().ok_or_else(|| self.not_running())?.kill();
        Ok(())
    }

    /// Whether the process is there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.keeper.as_ref().is_some_and(|keeper| matches!(keeper.ended(), Ok(None)))
    }

    /// The process id while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.keeper.as_ref().and_then(Keeper::pid)
    }

    /// The data directory.
    #[must_use]
    pub fn datadir(&self) -> &Path {
        &self.datadir
    }

    /// The socket it listens on.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The port on 127.0.0.1, when it was asked for one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The programs it was made with.
    #[must_use]
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The last lines of the error log.
    #[must_use]
    pub fn error_log_tail(&self) -> String {
        std::fs::read(&self.log).map_or_else(
            |error| format!("(cannot read {}: {error})", self.log.display()),
            |bytes| tail(&String::from_utf8_lossy(&bytes)),
        )
    }

    /// A client for use in other threads.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs SQL as `root`; see [`Client::sql`].
    ///
    /// # Errors
    /// As [`Client::sql`], and [`SandboxError::NotRunning`].
    pub fn sql(&self, text: &str) -> Result<Vec<Vec<String>>, SandboxError> {
        if !self.is_running() {
            return Err(self.not_running());
        }
        self.client.sql(text)
    }

    /// `CHECKSUM TABLE … EXTENDED` of every table that is not the server's own, by its quoted name
    /// (`` `schema`.`table` ``). `None` where the server gives no checksum: the table is broken.
    ///
    /// Views and sequences are no tables here. The checksum does not depend on the order of rows, so equal
    /// tables have equal ones whatever happened to them. A table with generated columns is copied into a
    /// temporary one first, because the server would leave those out or take anything for them.
    ///
    /// # Errors
    /// As [`Server::sql`].
    pub fn checksums(&self) -> Result<BTreeMap<String, Option<u64>>, SandboxError> {
        if !self.is_running() {
            return Err(self.not_running());
        }
        checksums(&self.client, self.binaries.flavor)
    }

    /// The end of the binary log: where the next event will be written.
    ///
    /// # Errors
    /// [`SandboxError::NoBinlog`], else as [`Server::sql`].
    pub fn binlog_coordinate(&self) -> Result<BinlogCoord, SandboxError> {
        let question = dialect::log_status(&self.binaries);
        let answer = self.sql(question)?;
        let row = answer.first().ok_or_else(|| self.no_binlog())?;
        let file = row.first().and_then(|file| file.parse().ok());
        let position = row.get(1).and_then(|position| position.parse().ok());
        let coordinate = file.zip(position).map(|(file, position)| BinlogCoord { file, position });
        coordinate.ok_or_else(|| wrong(question, &answer))
    }

    /// The binary logs the server knows, oldest first.
    ///
    /// # Errors
    /// [`SandboxError::NoBinlog`], else as [`Server::sql`].
    pub fn binary_logs(&self) -> Result<Vec<PathBuf>, SandboxError> {
        let base = self.sql("SELECT @@log_bin_basename;")?;
        let base = base.first().and_then(|row| row.first()).filter(|base| base.as_str() != "NULL");
        let directory = Path::new(base.ok_or_else(|| self.no_binlog())?).parent().unwrap_or(&self.datadir);
        let logs = self.sql("SHOW BINARY LOGS;")?;
        Ok(logs.iter().filter_map(|row| row.first()).map(|name| directory.join(name)).collect())
    }

    /// Creates an account that may take backups and read the binary log, and nothing else.
    ///
    /// # Errors
    /// As [`Server::sql`]; the password is in no message.
    pub fn account(&self, name: &str, password: &Secret) -> Result<(), SandboxError> {
        let hosts = ["localhost", "127.0.0.1"];
        let create = |host: &&str| {
            let user = format!("{}@{}", quote_text(name), quote_text(host));
            format!(
                "CREATE USER {user} IDENTIFIED BY {};\n{}",
                quote_text(password.expose()),
                dialect::backup_grants(&self.binaries, &user)
            )
        };
        let masker = Masker::new([password.clone(), Secret::new(quote_text(password.expose()))]);
        let answer = self.sql(&hosts.iter().map(create).collect::<String>());
        answer.map(drop).map_err(|error| match error {
            SandboxError::Sql { socket, message } => {
                SandboxError::Sql { socket, message: masker.mask(&message) }
            }
            other => other,
        })
    }

    fn not_running(&self) -> SandboxError {
        SandboxError::NotRunning { datadir: self.datadir.clone() }
    }

    fn no_binlog(&self) -> SandboxError {
        SandboxError::NoBinlog { datadir: self.datadir.clone() }
    }
}

pub(crate) fn wrong(question: &str, answer: &[Vec<String>]) -> SandboxError {
    SandboxError::Answer { question: question.to_owned(), answer: tail(&format!("{answer:?}")) }
}

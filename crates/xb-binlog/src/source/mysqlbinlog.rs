//! Logs fetched by the vendor's own program: `mysqlbinlog --raw --read-from-remote-server`.
//!
//! It writes whole logs into a scratch directory, each from its head on, and is followed while it does. What
//! comes out is the same as from [the protocol](super::native): events, with the place of each.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use xb_core::{BinlogName, ErrorClass, Flavor};
use xb_formats::binlog::{BinlogError, EventHeader, EventKind, FIRST_EVENT, Limits, Splitter};
use xb_pipeline::fs::{FsError, create_new_dir_private, create_private, remove_tree};
use xb_pipeline::process::{Child, Invocation, ProcessError, Stopper, describe};

use super::native::{Event, NativeOptions, Next, Tls};

/// How often it is looked whether the program has written more.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Bytes read at a time.
const BLOCK: usize = 256 * 1024;
/// Lines of its messages that are kept for an error.
const LINES_KEPT: usize = 5;

/// The program, and where it may write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorOptions {
    /// `mysqlbinlog` or `mariadb-binlog`.
    pub program: PathBuf,
    /// Where it makes its scratch directory, with room for two logs. The directory must exist.
    pub scratch: PathBuf,
}

/// What can go wrong with the vendor's program.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    /// It could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Its scratch directory could not be worked on.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It ended.
    #[error("{} ended ({how}){said}", program.display())]
    Ended {
        /// The program.
        program: PathBuf,
        /// How.
        how: String,
        /// What it said in the end, behind a colon.
        said: String,
    },
    /// What it wrote is no log.
    #[error("{} wrote a damaged {log}: {source}", program.display())]
    Damaged {
        /// The program.
        program: PathBuf,
        /// The log.
        log: BinlogName,
        /// What is wrong with it.
        source: BinlogError,
    },
}

impl VendorError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            // Why it ended only people can read: a server that went away, or an account that may not.
            VendorError::Ended { .. } | VendorError::Damaged { .. } => ErrorClass::Transient,
            VendorError::Process(_) | VendorError::Fs(_) => ErrorClass::Permanent,
        }
    }
}

/// Events as the program writes them. Ends it when dropped.
pub struct VendorStream {
    program: PathBuf,
    directory: Scratch,
    child: Option<Child>,
    stopper: Stopper,
    said: Arc<Mutex<VecDeque<String>>>,
    log: BinlogName,
    file: Option<File>,
    splitter: Splitter,
    ready: VecDeque<xb_formats::binlog::Event>,
    limits: Limits,
    is_once: bool,
}

/// A directory that is gone when this is.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next one empties it.
        let _ = remove_tree(&self.0);
    }
}

impl VendorStream {
    /// Starts the program at the head of a log. With `once` it ends at the end of the server's last one.
    ///
    /// # Errors
    /// [`VendorError`].
    pub fn start(
        vendor: &VendorOptions,
        source: &NativeOptions,
        flavor: Flavor,
        log: &BinlogName,
        once: bool,
    ) -> Result<Self, VendorError> {
        let path = vendor.scratch.join(".mysqlbinlog");
        remove_tree(&path)?;
        create_new_dir_private(&path)?;
        let directory = Scratch(path);
        let invocation = invocation(vendor, source, flavor, &directory.0, once)?.arg(log.to_string());
        let said: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let heard = said.clone();
        let child = invocation.spawn(move |line| {
            let mut lines = heard.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push_back(line.to_owned());
            if lines.len() > LINES_KEPT {
                lines.pop_front();
            }
        })?;
        Ok(VendorStream {
            program: vendor.program.clone(),
            directory,
            stopper: child.stopper(),
            child: Some(child),
            said,
            log: log.clone(),
            file: None,
            splitter: Splitter::new(source.limits),
            ready: VecDeque::new(),
            limits: source.limits,
            is_once: once,
        })
    }

    /// Ends the program from another thread.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The next event. Waits for `limit` at most.
    ///
    /// # Errors
    /// [`VendorError`]; the stream is over then.
    pub fn next(&mut self, limit: Duration) -> Result<Next, VendorError> {
        let begun = Instant::now();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Next::Event(self.event(event)));
            }
            // Asked before it is read: what it wrote before it ended is read all the same.
            let has_ended = self.stopper.has_ended();
            let next = self.next_log();
            if self.read()? {
                continue;
            }
            if let Some(next) = next {
                return Ok(Next::Event(self.go_on_with(next)));
            } else if has_ended {
                return self.end();
            } else if begun.elapsed() >= limit {
                return Ok(Next::Idle);
            } else {
                std::thread::sleep(LOOK_AGAIN.min(limit));
            }
        }
    }

    fn event(&self, event: xb_formats::binlog::Event) -> Event {
        Event {
            file: self.log.clone(),
            position: event.offset,
            header: event.header,
            bytes: event.bytes,
            needs_ack: false,
            is_artificial: false,
        }
    }

    /// Reads what has come into the log; whether there was anything.
    fn read(&mut self) -> Result<bool, VendorError> {
        let path = self.directory.0.join(self.log.to_string());
        if self.file.is_none() {
            match File::open(&path) {
                Ok(file) => self.file = Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
                Err(error) => return Err(FsError::on("open", &path)(error).into()),
            }
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let mut block = vec![0; BLOCK];
        let length = file.read(&mut block).map_err(FsError::on("read", &path))?;
        let ready = &mut self.ready;
        let fed = self.splitter.feed::<BinlogError>(block.get(..length).unwrap_or_default(), &mut |event| {
            ready.push_back(event);
            Ok(())
        });
        fed.map_err(|source| VendorError::Damaged {
            program: self.program.clone(),
            log: self.log.clone(),
            source,
        })?;
        Ok(length > 0)
    }

    /// The log behind this one, once the program has begun it: then this one is as long as it will be.
    fn next_log(&self) -> Option<BinlogName> {
        let entries = fs::read_dir(&self.directory.0).ok()?;
        let names =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<BinlogName>().ok());
        names.filter(|name| self.log < *name).min_by_key(BinlogName::number)
    }

    /// Says so in the way a server does.
    fn go_on_with(&mut self, next: BinlogName) -> Event {
        // Read to its end; nobody needs it here any more.
        let _ = fs::remove_file(self.directory.0.join(self.log.to_string()));
        self.log = next;
        self.file = None;
        self.splitter = Splitter::new(self.limits);
        let header = EventHeader {
            timestamp: 0,
            kind: EventKind::ROTATE,
            server_id: 0,
            length: 0,
            next_position: 0,
            flags: EventHeader::ARTIFICIAL,
        };
        let (file, position) = (self.log.clone(), FIRST_EVENT);
        Event { file, position, bytes: Vec::new(), header, needs_ack: false, is_artificial: true }
    }

    fn end(&mut self) -> Result<Next, VendorError> {
        let status = match self.child.take() {
            Some(child) => child.wait()?,
            None => return Ok(Next::End),
        };
        if status.success() && self.is_once {
            return Ok(Next::End);
        }
        let lines = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = lines.iter().map(|line| format!("\n{line}")).collect::<String>();
        let said = if said.is_empty() { said } else { format!(":{said}") };
        Err(VendorError::Ended { program: self.program.clone(), how: describe(status), said })
    }
}

/// The command line, with the password in a private file.
fn invocation(
    vendor: &VendorOptions,
    source: &NativeOptions,
    flavor: Flavor,
    directory: &Path,
    once: bool,
) -> Result<Invocation, VendorError> {
    let options = directory.join("client.cnf");
    let mut text = String::from("[client]\n");
    if let Some(password) = &source.connect.password {
        let quoted = password.expose().replace('\\', "\\\\").replace('"', "\\\"");
        text.push_str(&format!("password=\"{quoted}\"\n"));
    }
    create_private(&options)?.write_all(text.as_bytes()).map_err(FsError::on("write", &options))?;
    let is_maria = is_mariadb(&vendor.program, flavor);
    let id = if is_maria { "stop-never-slave-server-id" } else { "connection-server-id" };
    let connect = &source.connect;
    let mut call = Invocation::new(&vendor.program)
        .arg(format!("--defaults-file={}", options.display()))
        .args(["--read-from-remote-server", "--raw"])
        .arg(format!("--result-file={}/", directory.display()));
    if let Some(user) = &connect.user {
        call = call.arg(format!("--user={user}"));
    }
    call = match &connect.socket {
        Some(socket) => call.at_socket(socket),
        None => call
            .without_login()
            .args(["--protocol=TCP".to_owned(), format!("--host={}", connect.host())])
            .arg(format!("--port={}", connect.port())),
    };
    call = call.args(tls(&source.tls, is_maria));
    // Without an end of its own it would take the one log that is named.
    Ok(if once {
        call.arg("--to-last-log")
    } else {
        call.arg("--stop-never").arg(format!("--{id}={}", source.server_id))
    })
}

/// MariaDB's program is told by its name, since either can read from the other's servers.
fn is_mariadb(program: &Path, flavor: Flavor) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match fs::canonicalize(program).ok().as_deref().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some(real) if real.contains("mariadb") => true,
        _ => name.contains("mariadb") || (name != "mysqlbinlog" && flavor == Flavor::MariaDb),
    }
}

fn tls(tls: &Tls, is_maria: bool) -> Vec<String> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut options = match (tls, is_maria) {
        (Tls::Off, true) => words(&["--skip-ssl"]),
        (Tls::Off, false) => words(&["--ssl-mode=DISABLED"]),
        (Tls::Unverified, true) => words(&["--ssl", "--skip-ssl-verify-server-cert"]),
        (Tls::Unverified, false) => words(&["--ssl-mode=REQUIRED"]),
        (Tls::Verified { .. }, true) => words(&["--ssl", "--ssl-verify-server-cert"]),
        (Tls::Verified { .. }, false) => words(&["--ssl-mode=VERIFY_IDENTITY"]),
    };
    if let Tls::Verified { ca: Some(ca) } = tls {
        options.push(format!("--ssl-ca={}", ca.display()));
    }
    options
}

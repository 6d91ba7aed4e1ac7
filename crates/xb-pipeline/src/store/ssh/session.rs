//! The connections to the host: one that all calls share, and another only when that one has no room.

use std::cell::Cell;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::call::Call;
use super::fault::judge;
use super::{SshTarget, scripts, words};
use crate::cancel::CancelToken;
use crate::process::{Child, Inlet, Invocation, Outlet, Starter, Stopper};
use crate::store::{StoreError, StoreErrorKind};

/// Sessions of one connection: a host allows ten unless told otherwise, and one holds the connection.
const SESSIONS: usize = 8;
/// How long it may take until a connection stands.
const CONNECT: Duration = Duration::from_secs(60);
/// Room for the name ssh gives the socket at first, of the 107 bytes that the path of a socket may have.
const SOCKET_PATH: usize = 107 - 17;
/// What login scripts may write before the answer begins, in bytes.
const NOISE: u64 = 256 * 1024;
/// Pauses before what failed for want of a connection is tried again.
pub(super) const PAUSES: [Duration; 6] = {
    let ms = Duration::from_millis;
    [ms(250), ms(500), ms(1000), ms(2000), ms(4000), ms(8000)]
};

/// On what something is done, for messages.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) action: &'static str,
    pub(super) path: Option<String>,
}

impl Task {
    pub(super) fn on(action: &'static str, path: &str) -> Self {
        Task { action, path: Some(path.to_owned()) }
    }

    pub(super) fn all(action: &'static str) -> Self {
        Task { action, path: None }
    }
}

/// The last lines that came over a standard error.
#[derive(Clone, Default)]
pub(super) struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    const LINES: usize = 40;

    pub(super) fn ear(&self) -> impl FnMut(&str) + Send + 'static {
        let lines = self.0.clone();
        move |line: &str| {
            let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() == Self::LINES {
                lines.remove(Self::LINES / 2);
            }
            lines.push(line.chars().take(500).collect());
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A connection that is held open. Dropped, it ends with all that goes through it.
pub(super) struct Link {
    socket: PathBuf,
    pub(super) said: Said,
    stopper: Stopper,
    sessions: AtomicUsize,
    // The end of its input is the end of what holds the connection at the other side; and it ends when we are killed.
    _inlet: Inlet,
    child: Mutex<Option<Child>>,
    // A child may go with the thread that started it.
    _starter: Arc<Starter>,
}

impl Link {
    fn is_alive(&self) -> bool {
        !self.stopper.has_ended()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        drop(self.child.lock().unwrap_or_else(PoisonError::into_inner).take());
        // ssh has removed it, unless it was killed.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A place in a connection.
pub(super) struct Lease(pub(super) Arc<Link>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// All connections to the host, and how to make one.
pub(super) struct Session {
    pub(super) address: String,
    pub(super) target: SshTarget,
    pub(super) cancel: CancelToken,
    starter: Arc<Starter>,
    links: Mutex<Vec<Arc<Link>>>,
    made: AtomicU64,
    directory: PathBuf,
    _own: Option<TempDir>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.address).finish()
    }
}

impl Session {
    /// Connects.
    pub(super) fn open(target: &SshTarget, private: &Path, cancel: &CancelToken) -> Result<Self, StoreError> {
        let address = target.address();
        let refused = |reason: String| StoreError {
            kind: StoreErrorKind::Unsupported,
            store: address.clone(),
            action: "connect",
            path: None,
            reason,
        };
        target.check().map_err(&refused)?;
        let (directory, own) = socket_directory(private)
            .map_err(|error| refused(format!("no place for the socket of the connection: {error}")))?;
        let session = Session {
            address,
            target: target.clone(),
            cancel: cancel.clone(),
            starter: Arc::new(Starter::new()),
            links: Mutex::default(),
            made: AtomicU64::new(0),
            directory,
            _own: own,
        };
        drop(session.lease(&Task::all("connect"))?);
        Ok(session)
    }

    pub(super) fn error(&self, kind: StoreErrorKind, task: &Task, reason: impl Into<String>) -> StoreError {
        let store = self.address.clone();
        StoreError { kind, store, action: task.action, path: task.path.clone(), reason: reason.into() }
    }

    /// What a child that did not do its work is to be told as; what was asked to stop is told as that.
    pub(super) fn failed(&self, task: &Task, child: Child, said: &[&Said]) -> StoreError {
        let ended = child.wait();
        if let Err(cancelled) = self.cancel.check() {
            return self.error(StoreErrorKind::Cancelled, task, cancelled.to_string());
        }
        match ended {
            Ok(status) => {
                let lines: Vec<String> = said.iter().flat_map(|said| said.lines()).collect();
                let (kind, reason) = judge(status, &lines);
                self.error(kind, task, reason)
            }
            Err(error) => self.error(StoreErrorKind::Other, task, error.to_string()),
        }
    }

    pub(super) fn check_cancel(&self, task: &Task) -> Result<(), StoreError> {
        self.cancel
            .check()
            .map_err(|cancelled| self.error(StoreErrorKind::Cancelled, task, cancelled.to_string()))
    }

    /// Waits, unless the run is asked to stop.
    pub(super) fn pause(&self, task: &Task, pause: Duration) -> Result<(), StoreError> {
        let (stop, stopped) = channel::<()>();
        let _hook = self.cancel.on_cancel(move || {
            // Nobody waits any more if it fails.
            let _ = stop.send(());
        });
        let _ = stopped.recv_timeout(pause);
        self.check_cancel(task)
    }

    /// Does what may be done twice, and does it again when the connection broke.
    pub(super) fn again<T>(
        &self,
        task: &Task,
        mut what: impl FnMut() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        // What is tried again as a whole is not tried again in its parts.
        let _outer = match Again::enter() {
            Some(outer) => outer,
            None => return what(),
        };
        for pause in PAUSES {
            match what() {
                Err(error) if error.kind == StoreErrorKind::Unreachable => self.pause(task, pause)?,
                other => return other,
            }
        }
        what()
    }

    /// Starts a script in the root, up to the moment where it asks for its words. What breaks before that did
    /// nothing, and is tried again.
    pub(super) fn call(self: &Arc<Self>, task: &Task, script: &str) -> Result<Call, StoreError> {
        self.again(task, || {
            self.check_cancel(task)?;
            Call::start(self, task, script)
        })
    }

    /// A place in a connection; makes one where there is none.
    pub(super) fn lease(&self, task: &Task) -> Result<Lease, StoreError> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.retain(|link| link.is_alive());
        let free = links.iter().find(|link| link.sessions.load(Ordering::SeqCst) < SESSIONS);
        let link = match free {
            Some(link) => link.clone(),
            None => {
                let link = Arc::new(self.link(task)?);
                links.push(link.clone());
                link
            }
        };
        // Nobody else adds: the list is locked.
        link.sessions.fetch_add(1, Ordering::SeqCst);
        Ok(Lease(link))
    }

    fn link(&self, task: &Task) -> Result<Link, StoreError> {
        self.check_cancel(task)?;
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let mut random = [0; 4];
        let _ = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
        let socket = self.directory.join(format!("ssh{number}-{:08x}", u32::from_ne_bytes(random)));
        let said = Said::default();
        let started = self.starter.spawn_fed(&self.target.holder(&socket), said.ear());
        let (mut child, inlet) =
            started.map_err(|error| self.error(StoreErrorKind::Unsupported, task, error.to_string()))?;
        let stopper = child.stopper();
        let begun = {
            let on_cancel = stopper.clone();
            let _hook = self.cancel.on_cancel(move || on_cancel.stop());
            let _watch = Watch::begin(stopper.clone(), CONNECT);
            child.take_stdout().is_some_and(|stdout| has_begun(&mut BufReader::new(stdout)))
        };
        if !begun {
            drop(inlet);
            let mut error = self.failed(task, child, &[&said]);
            if error.reason.starts_with("ssh was killed by signal 15") {
                error.reason = format!("no connection stood after {} s", CONNECT.as_secs());
            }
            return Err(error);
        }
        let (sessions, child) = (AtomicUsize::new(0), Mutex::new(Some(child)));
        Ok(Link { socket, said, stopper, sessions, _inlet: inlet, child, _starter: self.starter.clone() })
    }

    pub(super) fn spawn(
        &self,
        lease: &Lease,
        script: &str,
        said: &Said,
    ) -> Result<(Child, Inlet), crate::process::ProcessError> {
        let invocation = self.target.guest(&lease.0.socket).arg(scripts::command(script));
        self.starter.spawn_fed(&invocation, said.ear())
    }

    /// The root as the first word of every script.
    pub(super) fn root(&self) -> String {
        words::encode(self.target.remote_root().as_bytes())
    }
}

thread_local! {
    static AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// That something is being tried again on this thread, until dropped.
struct Again;

impl Again {
    fn enter() -> Option<Self> {
        (!AGAIN.replace(true)).then_some(Again)
    }
}

impl Drop for Again {
    fn drop(&mut self) {
        AGAIN.set(false);
    }
}

/// Reads up to where a script's own answer begins; false if that does not come.
pub(super) fn has_begun(stdout: &mut BufReader<Outlet>) -> bool {
    let mut left = NOISE;
    let mut line = Vec::new();
    while left > 0 {
        line.clear();
        match stdout.by_ref().take(left).read_until(b'\n', &mut line) {
            Ok(1..) if line == format!("{}\n", scripts::BEGIN).as_bytes() => return true,
            Ok(0) | Err(_) => return false,
            Ok(got) => left = left.saturating_sub(got as u64),
        }
    }
    false
}

/// Ends a child whose time is up, unless dropped before.
pub(super) struct Watch {
    _over: Sender<()>,
}

impl Watch {
    pub(super) fn begin(stopper: Stopper, limit: Duration) -> Self {
        let (over, ended) = channel::<()>();
        std::thread::spawn(move || {
            if ended.recv_timeout(limit) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                stopper.stop();
            }
        });
        Watch { _over: over }
    }
}

/// Where the sockets go: the directory given, or one of our own if its path is too long for a socket or has in it
/// what ssh would take for something else.
fn socket_directory(private: &Path) -> std::io::Result<(PathBuf, Option<TempDir>)> {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::PermissionsExt;
    let bytes = private.as_os_str().as_bytes();
    let is_plain = bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"/._-+@,".contains(b));
    if is_plain && private.is_absolute() && bytes.len() + "/ssh000-00000000".len() <= SOCKET_PATH {
        return Ok((private.to_owned(), None));
    }
    let own = tempfile::Builder::new()
        .prefix("xb-ssh-")
        .permissions(std::fs::Permissions::from_mode(0o700))
        .tempdir_in("/tmp")?;
    Ok((own.path().to_owned(), Some(own)))
}

impl SshTarget {
    fn ssh(&self, socket: &Path) -> Invocation {
        Invocation::new(&self.program).arg("-S").arg(socket).args(["-T", "-o", "BatchMode=yes"])
    }

    /// Options that say which host it is and who we are there; the user's own come first, as the first one counts.
    pub(super) fn where_to(&self, invocation: Invocation) -> Invocation {
        let invocation = invocation.args(&self.options);
        let invocation = match &self.user {
            Some(user) => invocation.arg("-l").arg(user),
            None => invocation,
        };
        match self.port {
            Some(port) => invocation.arg("-p").arg(port.to_string()),
            None => invocation,
        }
    }

    /// The ssh that holds a connection.
    fn holder(&self, socket: &Path) -> Invocation {
        let fixed = [
            "ControlMaster=yes",
            "ControlPersist=no",
            "IgnoreUnknown=ForkAfterAuthentication,SessionType,StdinNull",
            "SessionType=default",
            "StdinNull=no",
            "LogLevel=ERROR",
            "RemoteCommand=none",
            "RequestTTY=no",
            "PermitLocalCommand=no",
            "ClearAllForwardings=yes",
            "ForwardAgent=no",
            "ForwardX11=no",
        ];
        let usual = ["ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=3"];
        let with = |invocation: Invocation, options: &[&str]| {
            options.iter().fold(invocation, |invocation, option| invocation.args(["-o", option]))
        };
        let invocation = self.where_to(with(self.ssh(socket), &fixed));
        with(invocation, &usual).arg("--").arg(&self.host).arg(scripts::hold())
    }

    /// An ssh that goes through a connection that is held, and never makes one of its own.
    fn guest(&self, socket: &Path) -> Invocation {
        let alone = ["-F", "/dev/null", "-o", "ControlMaster=no", "-o", "ProxyCommand=false"];
        self.ssh(socket).args(alone).arg("--").arg(&self.host)
    }
}

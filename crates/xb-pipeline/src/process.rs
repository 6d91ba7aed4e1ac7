//! Child processes. The only place that starts any: no shell, each child in a process group of its own,
//! and none forgotten: every child is waited for, and its whole group ends with it.

mod daemon;
mod inlet;
mod outlet;
mod starter;
mod vendor;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

pub use daemon::Daemon;
pub use inlet::Inlet;
pub use outlet::Outlet;
pub use starter::Starter;

/// How long a group that was asked to end may take before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// A line of a child's messages is cut into pieces of this many bytes, whatever the child writes.
const LINE_LIMIT: u64 = 16 * 1024;
/// Wanted capacity of the pipe from a child: fewer changes between the two than the usual 64 KiB.
const PIPE_BYTES: usize = 1024 * 1024;

/// A program and its arguments. Nothing in it is ever seen by a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// What to run: a path, or a name to be found in the search path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Environment variables set for the child, beside those it inherits.
    pub env: Vec<(OsString, OsString)>,
    /// Environment variables it does not inherit.
    pub without_env: Vec<OsString>,
    /// What it reads from its standard input; without it, nothing. A child need not read it.
    pub input: Option<Vec<u8>>,
}

impl Invocation {
    /// A program without arguments.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        let program = program.into();
        Invocation { program, args: Vec::new(), env: Vec::new(), without_env: Vec::new(), input: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|a| a.as_ref().to_owned()));
        self
    }

    /// Sets a variable of the child's environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Leaves a variable of our environment out of the child's.
    #[must_use]
    pub fn without_env(mut self, name: impl AsRef<OsStr>) -> Self {
        self.without_env.push(name.as_ref().to_owned());
        self
    }

    /// Gives the child something to read from its standard input.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    /// The program's name without its directory.
    #[must_use]
    pub fn name(&self) -> String {
        self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy().into_owned()
    }

    /// The command, started by `through` if that is given.
    fn expression(&self, through: &[OsString], stdin: Option<PipeReader>) -> duct::Expression {
        let own = std::iter::once(self.program.as_os_str()).chain(self.args.iter().map(OsString::as_os_str));
        let mut words = through.iter().map(OsString::as_os_str).chain(own);
        // Not as a path: of one without a slash `duct` would make one in the current directory.
        let program = words.next().unwrap_or_default().to_owned();
        let base = duct::cmd(program, words);
        let base = match (stdin, &self.input) {
            (Some(pipe), _) => base.stdin_file(pipe),
            (None, Some(bytes)) => base.stdin_bytes(bytes.clone()),
            (None, None) => base.stdin_null(),
        };
        let base = base.unchecked();
        let base = self.without_env.iter().fold(base, |expression, name| expression.env_remove(name));
        let base = self.env.iter().fold(base, |expression, (name, value)| expression.env(name, value));
        base.before_spawn(|command| {
            command.process_group(0);
            Ok(())
        })
    }

    /// Runs the program to its end and keeps what it writes: for short answers such as `--version`.
    ///
    /// # Errors
    /// [`ProcessError`] when it cannot be started, or has not ended after `limit`.
    pub fn output(&self, limit: Duration) -> Result<Output, ProcessError> {
        let expression = self.expression(&[], None).stdout_capture().stderr_capture();
        let handle = expression.start().map_err(|source| self.start_error(source))?;
        let group = Group::of(&handle);
        let ended = handle.wait_timeout(limit).map_err(|source| self.wait_error(source))?.is_some();
        group.signal(Signal::KILL);
        if !ended {
            return Err(ProcessError::TimedOut { program: self.program.clone(), seconds: limit.as_secs() });
        }
        let output = handle.into_output().map_err(|source| self.wait_error(source))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { status: output.status, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Starts the program; its messages (stderr) go line by line to `on_line`, its standard output is left
    /// to the caller to read.
    ///
    /// # Errors
    /// [`ProcessError::Start`], which names the program.
    pub fn spawn(&self, on_line: impl FnMut(&str) + Send + 'static) -> Result<Child, ProcessError> {
        self.spawn_on(None, on_line)
    }

    /// The same for a child that is written to while it runs; [`Invocation::input`] plays no part.
    ///
    /// # Errors
    /// [`ProcessError::Start`], which names the program.
    pub fn spawn_fed(
        &self,
        on_line: impl FnMut(&str) + Send + 'static,
    ) -> Result<(Child, Inlet), ProcessError> {
        let start = |source| self.start_error(source);
        let (stdin, stdin_writer) = io::pipe().map_err(start)?;
        let _ = rustix::pipe::fcntl_setpipe_size(&stdin_writer, PIPE_BYTES);
        let child = self.spawn_on(Some(stdin), on_line)?;
        let inlet = Inlet::new(stdin_writer, child.group.reaped.clone()).map_err(start)?;
        Ok((child, inlet))
    }

    fn spawn_on(
        &self,
        stdin: Option<PipeReader>,
        on_line: impl FnMut(&str) + Send + 'static,
    ) -> Result<Child, ProcessError> {
        let start = |source| self.start_error(source);
        let (stdout, stdout_writer) = io::pipe().map_err(start)?;
        let (stderr, stderr_writer) = io::pipe().map_err(start)?;
        // A smaller pipe only costs time: some systems refuse the size to ordinary users.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, PIPE_BYTES);
        let expression = self.expression(self.tether(), stdin);
        let expression = expression.stdout_file(stdout_writer).stderr_file(stderr_writer);
        let handle = expression.start().map_err(start)?;
        // The expression holds the child's ends; while it lives, the pipes would never end.
        drop(expression);
        let group = Group::of(&handle);
        let (stdout, stderr) =
            (Outlet::new(stdout, group.reaped.clone()), Outlet::new(stderr, group.reaped.clone()));
        let messages = std::thread::spawn(move || read_lines(stderr, on_line));
        let watched = group.clone();
        let supervisor = std::thread::spawn(move || supervise(&handle, &watched));
        Ok(Child {
            program: self.program.clone(),
            stdout: Some(stdout),
            group,
            messages: Some(messages),
            supervisor: Some(supervisor),
        })
    }

    /// What starts a child so that the system kills it when this thread, which waits for it, is gone: after a
    /// kill -9 of ours nobody else would. Nothing where the system's tools cannot.
    fn tether(&self) -> &'static [OsString] {
        static TETHER: OnceLock<Vec<OsString>> = OnceLock::new();
        let words = || ["/usr/bin/setpriv", "--pdeathsig", "KILL", "--"].map(OsString::from).to_vec();
        let works = || {
            let trial = Invocation::new("/usr/bin/setpriv").args(["--pdeathsig", "KILL", "--", "/bin/true"]);
            trial.output(GRACE).is_ok_and(|output| output.status.success())
        };
        // A program that is not there must be told as such, not by the one in between.
        let is_there = self.program.is_absolute() && self.program.exists();
        if is_there { TETHER.get_or_init(|| if works() { words() } else { Vec::new() }) } else { &[] }
    }

    fn start_error(&self, source: io::Error) -> ProcessError {
        ProcessError::Start { program: self.program.clone(), source }
    }

    fn wait_error(&self, source: io::Error) -> ProcessError {
        ProcessError::Wait { program: self.program.clone(), source }
    }
}

impl std::fmt::Display for Invocation {
    /// The command as a person would type it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&quote(&self.program.to_string_lossy()))?;
        self.args.iter().try_for_each(|arg| write!(f, " {}", quote(&arg.to_string_lossy())))
    }
}

/// A word as a shell must be given it.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_=/.,:@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// What a short run wrote and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

/// The processes a child started, itself first. Signals reach them all, until the child was reaped.
#[derive(Clone)]
struct Group {
    pid: Option<Pid>,
    stopping_since: Arc<Mutex<Option<Instant>>>,
    reaped: Arc<OnceLock<Instant>>,
}

impl Group {
    fn of(handle: &duct::Handle) -> Self {
        let pid = handle.pids().first().and_then(|pid| Pid::from_raw(i32::try_from(*pid).ok()?));
        Group { pid, stopping_since: Arc::default(), reaped: Arc::default() }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid {
            // The only failure is that nobody is left.
            let _ = kill_process_group(pid, signal);
        }
    }

    fn stop(&self) {
        let mut since = self.stopping_since.lock().unwrap_or_else(PoisonError::into_inner);
        if since.is_none() && self.reaped.get().is_none() {
            *since = Some(Instant::now());
            self.signal(Signal::TERM);
        }
    }

    fn is_overdue(&self) -> bool {
        let since = self.stopping_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() > GRACE)
    }
}

/// Waits for the child, kills a group that does not end when asked to, and whatever of the group outlives
/// the child: nothing may hold our pipes open or write into the store after the child is gone.
fn supervise(handle: &duct::Handle, group: &Group) -> io::Result<ExitStatus> {
    loop {
        if let Some(output) = handle.wait_timeout(Duration::from_millis(500))? {
            let _ = group.reaped.set(Instant::now());
            group.signal(Signal::KILL);
            return Ok(output.status);
        }
        if group.is_overdue() {
            group.signal(Signal::KILL);
        }
    }
}

pub(crate) fn read_lines(stderr: Outlet, mut on_line: impl FnMut(&str)) -> io::Result<()> {
    let mut reader = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        on_line(text.trim_end_matches(['\n', '\r']));
    }
}

/// A running child whose output is read here. Dropping it ends its whole group and waits for that.
pub struct Child {
    program: PathBuf,
    stdout: Option<Outlet>,
    group: Group,
    messages: Option<JoinHandle<io::Result<()>>>,
    supervisor: Option<JoinHandle<io::Result<ExitStatus>>>,
}

impl Child {
    /// The reading end of the child's standard output. Given out once.
    pub fn take_stdout(&mut self) -> Option<Outlet> {
        self.stdout.take()
    }

    /// A handle that ends the child's group from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.group.clone())
    }

    /// Waits for the end of the child and of its messages. A child that still writes to an output nobody
    /// took sees a broken pipe.
    ///
    /// # Errors
    /// [`ProcessError::Wait`] when the system does not say how it ended.
    pub fn wait(mut self) -> Result<ExitStatus, ProcessError> {
        self.reap().map_err(|source| ProcessError::Wait { program: self.program.clone(), source })
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.stdout = None;
        let gone = || io::Error::other("its watching thread is gone");
        let status = self.supervisor.take().ok_or_else(gone)?.join().map_err(|_| gone())?;
        let messages = self.messages.take().ok_or_else(gone)?.join().map_err(|_| gone())?;
        messages.and(status)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.supervisor.is_some() {
            self.group.stop();
            // Nobody is left who could be told.
            let _ = self.reap();
        }
    }
}

/// Ends a child's process group: SIGTERM at once, SIGKILL after ten seconds.
#[derive(Clone)]
pub struct Stopper(Group);

impl Stopper {
    /// Asks the group to end. Does not wait.
    pub fn stop(&self) {
        self.0.stop();
    }

    /// Whether the child itself has ended; what it left behind may go on.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.reaped.get().is_some()
    }

    /// Kills the group. Does not wait.
    pub fn kill(&self) {
        if self.0.reaped.get().is_none() {
            self.0.signal(Signal::KILL);
        }
    }
}

/// How a child ended, in words: `exit code 1`, `killed by signal 9`.
#[must_use]
pub fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => "ended in an unknown way".to_owned(),
    }
}

/// Finds a program in the directories given, in their order. A name with a slash is taken as it is.
#[must_use]
pub fn find_program(name: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        let mode = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|m| {
            use std::os::unix::fs::PermissionsExt;
            m.permissions().mode()
        });
        mode.is_some_and(|mode| mode & 0o111 != 0)
    };
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|path| is_program(path));
    }
    directories.iter().map(|directory| directory.join(name)).find(|path| is_program(path))
}

/// What can go wrong with a child as a process. How it ended is a result, not an error.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It did not start.
    #[error("cannot start {}: {source}", program.display())]
    Start {
        /// What was to run.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system does not tell how it ended.
    #[error("cannot wait for {}: {source}", program.display())]
    Wait {
        /// What ran.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It did not end in time and was killed.
    #[error("{} had not ended after {seconds} s and was killed", program.display())]
    TimedOut {
        /// What ran.
        program: PathBuf,
        /// The time it was given, in seconds.
        seconds: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").args(["-c", script])
    }

    #[test]
    fn a_child_gives_output_messages_and_status() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = lines.clone();
        let mut child = shell("echo data; echo one >&2; echo two >&2; exit 3")
            .spawn(move |line| seen.lock().unwrap().push(line.to_owned()))
            .unwrap();
        let mut text = String::new();
        child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(3));
        assert_eq!((text.as_str(), lines.lock().unwrap().join(",")), ("data\n", "one,two".to_owned()));
    }

    #[test]
    fn stopping_reaches_grandchildren_and_ends_their_hold_on_the_pipe() {
        let mut child = shell("sleep 300 & sleep 300; wait").spawn(|_| ()).unwrap();
        let stopper = child.stopper();
        let started = Instant::now();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(100));
            stopper.stop();
        });
        child.take_stdout().unwrap().read_to_end(&mut Vec::new()).unwrap();
        assert_eq!(describe(child.wait().unwrap()), "killed by signal 15");
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn a_grandchild_left_behind_does_not_keep_us_waiting() {
        let mut child = shell("sleep 300 & exit 0").spawn(|_| ()).unwrap();
        child.take_stdout().unwrap().read_to_end(&mut Vec::new()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_process_that_left_the_group_does_not_keep_us_waiting_either() {
        let started = Instant::now();
        let mut child = shell("setsid sleep 30 & echo data; exit 0").spawn(|_| ()).unwrap();
        let mut text = String::new();
        child.take_stdout().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(text, "data\n");
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_child_goes_when_the_thread_that_waits_for_it_is_gone() {
        let waiting = std::thread::spawn(|| {
            let mut child = shell("echo ready; exec sleep 60").spawn(|_| ()).unwrap();
            let mut ready = [0; 6];
            child.take_stdout().unwrap().read_exact(&mut ready).unwrap();
            child
        });
        assert_eq!(describe(waiting.join().unwrap().wait().unwrap()), "killed by signal 9");
    }

    #[test]
    fn an_endless_line_comes_in_pieces() {
        let longest = Arc::new(Mutex::new(0));
        let seen = longest.clone();
        let child = shell("head -c 1000000 /dev/zero >&2")
            .spawn(move |line| {
                let mut longest = seen.lock().unwrap();
                *longest = line.len().max(*longest);
            })
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert_eq!(*longest.lock().unwrap(), usize::try_from(LINE_LIMIT).unwrap());
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Invocation::new("/nowhere/engine").output(GRACE).unwrap_err();
        assert!(error.to_string().starts_with("cannot start /nowhere/engine:"), "{error}");
    }

    #[test]
    fn a_command_prints_as_it_would_be_typed() {
        let command = Invocation::new("xtrabackup").arg("--backup").arg("it's here");
        assert_eq!(command.to_string(), "xtrabackup --backup 'it'\\''s here'");
    }

    #[test]
    fn a_probe_that_hangs_is_killed() {
        let error = shell("sleep 300").output(Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    }
}

//! The program, run as its users run it.

use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::home::Home;

/// A run that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Where the program was built: beside the tests.
///
/// # Panics
/// When it was not: it belongs to another package, which a test of this one alone does not build.
#[must_use]
pub fn program() -> PathBuf {
    let built = built("pyxbackup");
    assert!(built.exists(), "{} is missing: run `cargo build --workspace` first", built.display());
    built
}

/// A path below the directory that programs are built in.
///
/// # Panics
/// When the system does not tell where this program is.
#[must_use]
pub fn built(path: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let directory = own.parent().unwrap();
    let directory = if directory.ends_with("deps") { directory.parent().unwrap() } else { directory };
    directory.join(path)
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// The run, if it went well.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn good(self) -> Self {
        self.ended_with(0)
    }

    /// The run, if it ended with this exit code.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// All it printed.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// A run that goes on. Dropped, it is killed.
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// Runs the program with the configuration of `home` to its end.
///
/// # Panics
/// When it does not end.
#[track_caller]
pub fn run(home: &Home, args: &[&str]) -> Ended {
    start(home, args).wait()
}

/// Starts the program with the configuration of `home`.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn start(home: &Home, args: &[&str]) -> Running {
    start_program(home, &program(), &with_config(home, args))
}

/// The arguments behind the one that names the configuration file.
#[must_use]
pub fn with_config(home: &Home, args: &[&str]) -> Vec<String> {
    let config = home.config().display().to_string();
    ["--config", &config].iter().chain(args).map(ToString::to_string).collect()
}

/// Runs another program in the same way.
///
/// # Panics
/// When it cannot be started, and when it does not end.
#[track_caller]
pub fn run_program(home: &Home, program: &Path, args: &[String]) -> Ended {
    start_program(home, program, args).wait()
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is tested starts processes its own way; these tests theirs"
)]
fn start_program(home: &Home, program: &Path, args: &[String]) -> Running {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let [stdout, stderr] = ["out", "err"].map(|name| home.path().join(format!("{name}-{number}")));
    let child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).unwrap())
        .stderr(File::create(&stderr).unwrap())
        .spawn()
        .unwrap();
    Running { child, stdout, stderr }
}

impl Running {
    /// The process.
    ///
    /// # Panics
    /// Never on Linux.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.pid()).unwrap(), signal).unwrap();
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Kills it, as the lack of memory would.
    ///
    /// # Panics
    /// When it had ended by itself: then it was too late.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "it had ended before it was killed");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not come.
    #[track_caller]
    pub fn wait(mut self) -> Ended {
        let ended = self.ended_within(LIMIT);
        ended.unwrap_or_else(|| panic!("it does not end; so far it wrote:\n{}", self.said()))
    }

    fn ended_within(&mut self, limit: Duration) -> Option<Ended> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(self.ended(status));
            }
            if started.elapsed() > limit {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has printed so far.
    #[must_use]
    pub fn said(&self) -> String {
        let read = |path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        format!("{}\n{}", read(&self.stdout), read(&self.stderr))
    }

    fn ended(&self, status: ExitStatus) -> Ended {
        let read = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
        Ended { code: status.code(), stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

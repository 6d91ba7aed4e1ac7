//! A real ssh server on this machine: its own port, keys and configuration, as this account.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use xb_pipeline::process::{Daemon, Invocation, find_program};
use xb_pipeline::store::ssh::SshTarget;
use xb_sandbox::free_port;

use crate::{processes, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

/// Mounts what it is told before the server begins, in a mount namespace of its own, which goes with it.
const MOUNTED: &str = r#"
while [ "$1" != -- ]; do
    case $1 in
        size=*) mount -t tmpfs -o "$1,mode=0700" tmpfs "$2" ;;
        *) mount --bind "$1" "$2" ;;
    esac || exit 99
    shift 2
done
shift
exec "$@"
"#;

/// What is different at the host, beside its port.
#[derive(Clone, Default)]
pub struct Host {
    /// More lines for the server's configuration.
    pub lines: String,
    /// Commands that stand before those of the same name there: name and script.
    pub commands: Vec<(String, String)>,
    /// The login shell of this account there. Needs root.
    pub login_shell: Option<String>,
    /// What is `/bin/sh` there. Needs root.
    pub sh: Option<String>,
    /// A directory that is a disk of so many KiB there. Needs root.
    pub disk: Option<(PathBuf, u32)>,
}

/// A running ssh server. Ended with all its connections when dropped.
pub struct Sshd {
    directory: TempDir,
    daemon: Option<Daemon>,
    pub port: u16,
    mounts: Vec<String>,
}

impl Sshd {
    /// Starts one.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start() -> Self {
        Sshd::start_as(&Host::default())
    }

    /// Starts one at such a host.
    ///
    /// # Panics
    /// When it does not come up.
    #[must_use]
    pub fn start_as(host: &Host) -> Self {
        let directory = tempfile::Builder::new().prefix("xb-sshd-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let mut server = Sshd { directory, daemon: None, port: free_port().unwrap(), mounts: Vec::new() };
        for name in ["host", "user", "stranger"] {
            server.make_key(name);
        }
        fs::copy(server.at("user.pub"), server.at("authorized_keys")).unwrap();
        server.know_host_by("host.pub");
        // What this account has its shell do at the beginning plays no part.
        fs::create_dir(server.at("home")).unwrap();
        fs::create_dir(server.at("bin")).unwrap();
        for (name, script) in &host.commands {
            let path = server.at("bin").join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        server.configure(&host.lines);
        server.mounts = server.mounts_for(host);
        server.run();
        server
    }

    /// A file of the server's.
    #[must_use]
    pub fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn make_key(&self, name: &str) {
        let made = Invocation::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(self.at(name))
            .output(LIMIT)
            .unwrap();
        assert!(made.status.success(), "{}", made.stderr);
    }

    /// Lets clients know the host by this public key.
    ///
    /// # Panics
    /// When there is no such key.
    pub fn know_host_by(&self, key: &str) {
        let key = fs::read_to_string(self.at(key)).unwrap();
        let words: Vec<&str> = key.split_whitespace().take(2).collect();
        fs::write(self.at("known_hosts"), format!("* {}\n", words.join(" "))).unwrap();
    }

    fn configure(&self, lines: &str) {
        let at = |name: &str| self.at(name).display().to_string();
        let mut text = String::from(lines);
        writeln!(text).unwrap();
        writeln!(text, "ListenAddress 127.0.0.1:{}\nHostKey {}\nPidFile none", self.port, at("host"))
            .unwrap();
        writeln!(text, "AuthorizedKeysFile {}\nStrictModes no\nUsePAM no", at("authorized_keys")).unwrap();
        writeln!(
            text,
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPubkeyAuthentication yes"
        )
        .unwrap();
        writeln!(text, "PermitRootLogin yes\nMaxStartups 100\nLogLevel VERBOSE\nUseDNS no").unwrap();
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", at("bin"));
        writeln!(text, "SetEnv HOME={} PATH={path}", at("home")).unwrap();
        fs::write(self.at("sshd_config"), text).unwrap();
    }

    fn mounts_for(&self, host: &Host) -> Vec<String> {
        let mut mounts = Vec::new();
        if let Some(shell) = &host.login_shell {
            let own = format!(":{}:", geteuid().as_raw());
            let line = |line: &str| match line.rsplit_once(':') {
                Some((rest, _)) if line.contains(&own) => format!("{rest}:{shell}\n"),
                _ => format!("{line}\n"),
            };
            let accounts: String = fs::read_to_string("/etc/passwd").unwrap().lines().map(line).collect();
            fs::write(self.at("passwd"), accounts).unwrap();
            fs::set_permissions(self.at("passwd"), fs::Permissions::from_mode(0o644)).unwrap();
            mounts.extend([self.at("passwd").display().to_string(), "/etc/passwd".to_owned()]);
        }
        if let Some(sh) = &host.sh {
            let real = fs::canonicalize("/bin/sh").unwrap();
            // Over the file that it is now: the link to it stays.
            mounts.extend([sh.clone(), real.display().to_string()]);
        }
        if let Some((directory, kib)) = &host.disk {
            mounts.extend([format!("size={kib}k"), directory.display().to_string()]);
        }
        mounts
    }

    fn run(&mut self) {
        // Where it changes its root to; the package makes it when the machine starts.
        if geteuid().is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let places = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"].map(PathBuf::from);
        let program =
            find_program("sshd", &places).unwrap_or_else(|| panic!("no sshd: scripts/install-deps"));
        let wrapped = match self.mounts.is_empty() {
            true => Invocation::new(program),
            false => Invocation::new("unshare")
                .args(["-m", "bash", "-c", MOUNTED, "mounted"])
                .args(&self.mounts)
                .arg("--")
                .arg(program),
        };
        let server = wrapped.args(["-D", "-e", "-f"]).arg(self.at("sshd_config"));
        let daemon = server.daemon(&self.at("sshd.log")).unwrap();
        self.daemon = Some(daemon);
        let port = self.port;
        wait_until("sshd answers", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// What a client must be told: the key, the known host, no configuration of anybody's.
    #[must_use]
    pub fn options(&self) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.at("known_hosts").display());
        let key = self.at("user").display().to_string();
        let words = ["-F", "none", "-i", &key, "-o", &known, "-o", "GlobalKnownHostsFile=none"];
        let words = words.into_iter().chain(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"]);
        words.map(str::to_owned).collect()
    }

    /// A directory there.
    #[must_use]
    pub fn target(&self, root: &Path) -> SshTarget {
        let port = Some(self.port);
        SshTarget { port, options: self.options(), ..SshTarget::new("127.0.0.1", root.to_str().unwrap()) }
    }

    /// The processes of the server: itself and those of its connections.
    #[must_use]
    pub fn processes(&self) -> Vec<i32> {
        let root = self.daemon.as_ref().and_then(Daemon::pid);
        root.map(|root| processes::tree(root).into_iter().collect()).unwrap_or_default()
    }

    /// Ends every connection at once, as the fall of the host would; the server goes on.
    pub fn kill_connections(&self) {
        let root = self.daemon.as_ref().and_then(Daemon::pid);
        for pid in self.processes().into_iter().filter(|pid| Some(*pid) != root) {
            if processes::command_line(pid).contains("sshd") {
                kill(pid);
            }
        }
    }

    /// Kills the server and all its connections.
    pub fn kill(&mut self) {
        self.kill_connections();
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Starts it again at the same port.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        self.kill();
        self.run();
    }

    /// All it has told.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.at("sshd.log")).unwrap_or_default()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.kill();
    }
}

fn kill(pid: i32) {
    if let Some(pid) = Pid::from_raw(pid) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

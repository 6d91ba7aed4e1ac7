//! The commands on archives, run as their users run them: on every form, on what the original tool wrote, and on
//! everything that must be refused. No server is needed.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod forms;
mod originals;
mod refusals;
mod streams;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use xb_tests::{cli, files};

/// How a run ended.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn good(self) -> Self {
        self.ended_with(0)
    }

    #[track_caller]
    fn ended_with(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.text(), self.stderr);
        self
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap()
    }

    /// Refused with this exit code, with all these words; nothing was printed as a result.
    #[track_caller]
    fn refused(self, code: i32, words: &[&str]) -> Self {
        let ended = self.ended_with(code);
        assert!(ended.stdout.is_empty(), "{}", ended.text());
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is not in:\n{}", ended.stderr);
        }
        assert!(ended.stderr.contains("hint: "), "nothing says what to do:\n{}", ended.stderr);
        ended
    }
}

/// A place to work in, with files, keys and identities. Gone when dropped.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place { directory: tempfile::Builder::new().prefix("xb-archive-").tempdir().unwrap() };
        // One that is there and says nothing: the machine's own must play no part.
        place.write_private("empty.cnf", b"[pyxbackup]\n");
        place.write_private("key", b"percona_xtrabackup_is_awesome___");
        place.write_private("other-key", b"another key of thirty-two bytes!");
        place
    }

    /// A place with a directory `files` to make archives of.
    fn with_files() -> Self {
        let place = Place::new();
        let mut noise = 1_u64;
        let mut random = |length: usize| -> Vec<u8> {
            let next = |state: &mut u64| {
                // xorshift64: no compressor finds anything in it.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state as u8
            };
            (0..length).map(|_| next(&mut noise)).collect()
        };
        let text = b"all work and no play makes jack a dull boy\n".repeat(20_000);
        let checkpoints = "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 5000\nlast_lsn = 5000\n";
        let holes = [vec![0; 300_000], random(10_000), vec![0; 3_000_000]].concat();
        for (name, content) in [
            ("ibdata1", [random(1_300_000), text.clone()].concat()),
            ("empty", Vec::new()),
            ("xtrabackup_checkpoints", checkpoints.as_bytes().to_vec()),
            ("shop/customers.ibd", text),
            ("shop/orders.ibd", holes),
            ("shop/a b[1].frm", random(70_000)),
            ("shop_old/orders.ibd", b"x".to_vec()),
        ] {
            let path = place.path("files").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_private(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    /// Runs `archive` with these arguments, in this place.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        self.run_on(Stdio::null(), args)
    }

    /// The same with the key.
    #[track_caller]
    fn run_with_key(&self, args: &[&str]) -> Ended {
        let with_key: Vec<&str> = args.iter().copied().chain(["--encrypt-key-file", "key"]).collect();
        self.run(&with_key)
    }

    #[track_caller]
    fn run_on(&self, stdin: Stdio, args: &[&str]) -> Ended {
        let output = self.command(args).stdin(stdin).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Ended { code: output.status.code(), stdout: output.stdout, stderr }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested starts processes its own way; these tests theirs"
    )]
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(cli::program());
        command.args(["--config", "empty.cnf", "archive"]).args(args).current_dir(self.directory.path());
        command
    }

    /// Runs a line of a shell in this place and tells whether it went well.
    #[expect(
        clippy::disallowed_methods,
        reason = "what is tested starts processes its own way; these tests theirs"
    )]
    fn shell(&self, line: &str) -> bool {
        let mut command = Command::new("/bin/sh");
        let command = command.args(["-ec", line]).current_dir(self.directory.path());
        command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::null()).status().unwrap().success()
    }

    /// Fails where a program is missing: what cannot be compared is not proven.
    #[track_caller]
    fn needs(&self, program: &str) {
        let is_there = self.shell(&format!("command -v {program}"));
        assert!(is_there, "{program} is missing: scripts/install-deps installs it");
    }

    /// Makes `identity`, and gives the recipient that goes with it.
    fn identity(&self) -> String {
        self.needs("age-keygen");
        assert!(self.shell("age-keygen -o identity"));
        let text = fs::read_to_string(self.path("identity")).unwrap();
        text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
    }

    /// The files of an archive of this place are these, unpacked into `into`.
    #[track_caller]
    fn assert_extracts(&self, args: &[&str], into: &str, wanted: &BTreeMap<String, String>) {
        let all: Vec<&str> = ["extract", "--to", into].into_iter().chain(args.iter().copied()).collect();
        self.run(&all).good();
        assert_eq!(&files::digests(&self.path(into)), wanted, "{args:?}");
        assert_eq!(files::not_private(&self.path(into)), Vec::<String>::new());
    }

    /// What lies here beside what was put here.
    fn left(&self) -> Vec<String> {
        let ours = ["empty.cnf", "key", "other-key", "identity", "files"];
        let entries = fs::read_dir(self.directory.path()).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !ours.contains(&name.as_str())).collect()
    }
}

/// Test data of the crate with the formats.
fn vectors(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/xb-formats/tests/data").join(path)
}

//! An engine that does as it is told: what no real one can be made to do.
//!
//! The program is `fake-engine`, under an engine's name in a home's engine directory. Beside it lie its script
//! and what it writes to its standard output.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;
use xb_formats::xbstream::{MAGIC, StreamPath, Writer};
use xb_sandbox::Server;

use crate::home::Home;

/// The script's name, beside the program.
pub const SCRIPT: &str = "script.toml";
/// What it writes to its standard output, beside the program.
pub const STREAM: &str = "stream.xbs";
/// A line for each start but those that ask for the version: the arguments.
pub const STARTS: &str = "starts.txt";
/// The argument of a process that only waits.
pub const HOLD: &str = "--hold";

/// What the engine does, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// What it says when it is asked for its version.
    pub banner: String,
    /// Does not end when it is asked to.
    pub stubborn: bool,
    /// Writes so many megabytes to its standard error.
    pub flood_mb: u64,
    /// Starts a process in its group that holds its standard output open.
    pub grandchild: bool,
    /// Says nothing more, for ever, before the last so many bytes of its output.
    pub hangs_before_last: Option<u64>,
    /// Ends by this signal, before the last so many bytes of its output are written.
    pub dies: Option<Death>,
    /// Writes its success line.
    pub succeeds: bool,
    /// Its exit code.
    pub code: u8,
}

/// An end by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    pub signal: i32,
    pub before_last: u64,
}

/// A fake engine in a home.
pub struct FakeEngine {
    directory: PathBuf,
    pub script: Script,
}

impl FakeEngine {
    /// Puts one into `home`, with a script that makes it write `stream` and do well.
    ///
    /// # Panics
    /// When it cannot be put there.
    #[must_use]
    pub fn install(home: &Home, server: &Server, program: &str, stream: &[u8]) -> Self {
        let version = server.sql("SELECT @@version;").unwrap()[0][0].clone();
        let banner = format!("mariadb-backup based on MariaDB server {version} Linux (x86_64)");
        FakeEngine::install_as("mariadb-backup", banner, home, program, stream)
    }

    /// The same under the name and with the banner of another engine.
    ///
    /// # Panics
    /// When it cannot be put there.
    #[must_use]
    pub fn install_as(name: &str, banner: String, home: &Home, program: &str, stream: &[u8]) -> Self {
        let directory = home.engines();
        std::os::unix::fs::symlink(program, directory.join(name)).unwrap();
        let script = Script {
            banner,
            stubborn: false,
            flood_mb: 0,
            grandchild: false,
            hangs_before_last: None,
            dies: None,
            succeeds: true,
            code: 0,
        };
        let engine = FakeEngine { directory, script };
        engine.play(stream);
        engine
    }

    /// From now on the engine writes `stream` and does as its script says.
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn play(&self, stream: &[u8]) {
        fs::write(self.directory.join(STREAM), stream).unwrap();
        fs::write(self.directory.join(SCRIPT), toml::to_string(&self.script).unwrap()).unwrap();
    }

    /// The same with a changed script.
    ///
    /// # Panics
    /// As [`FakeEngine::play`].
    pub fn perform(&self, stream: &[u8], change: impl FnOnce(&mut Script)) {
        let mut script = self.script.clone();
        change(&mut script);
        FakeEngine { directory: self.directory.clone(), script }.play(stream);
    }

    /// The arguments of each start, the version's left out.
    #[must_use]
    pub fn starts(&self) -> Vec<String> {
        let text = fs::read_to_string(self.directory.join(STARTS)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What a backup in a stream claims to be.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    pub kind: &'static str,
    pub from: u64,
    pub to: u64,
    /// Where its copy of the log ends, if that is beyond `to`.
    pub last: Option<u64>,
}

/// A full backup that ends at `to`.
#[must_use]
pub fn full(to: u64) -> Claim {
    Claim { kind: "full-backuped", from: 0, to, last: None }
}

/// An incremental.
#[must_use]
pub fn incremental(from: u64, to: u64) -> Claim {
    Claim { kind: "incremental", from, to, last: None }
}

/// A stream as engines write them: files that interleave, those that describe the backup at the end.
///
/// # Panics
/// When the stream cannot be made.
#[must_use]
pub fn stream(claim: Claim) -> Vec<u8> {
    stream_of(claim, 4)
}

/// The same with tables of so many times 130,000 bytes that do not compress.
///
/// # Panics
/// When the stream cannot be made.
#[must_use]
pub fn stream_of(claim: Claim, parts: u32) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let path = |name: &str| StreamPath::new(name.as_bytes()).unwrap();
    let mut system = writer.begin_file(path("ibdata1")).unwrap();
    let mut table = writer.begin_file(path("shop/orders.ibd")).unwrap();
    for part in 0..parts {
        writer.append(&mut system, &noise(80_000, part)).unwrap();
        writer.append(&mut table, &noise(50_000, 10_000 + part)).unwrap();
    }
    writer.end_file(table).unwrap();
    writer.end_file(system).unwrap();
    let Claim { kind, from, to, last } = claim;
    let last = last.unwrap_or(to);
    let checkpoints = format!(
        "backup_type = {kind}\nfrom_lsn = {from}\nto_lsn = {to}\nlast_lsn = {last}\nrecover_binlog_info = 0\n"
    );
    for (name, text) in [
        ("shop/orders.frm", "a table"),
        ("xtrabackup_binlog_info", "mysql-bin.000001\t328\t0-1-1\n"),
        ("xtrabackup_checkpoints", &checkpoints),
        ("xtrabackup_info", "uuid = 1\ntool_name = mariadb-backup\nincremental = N\n"),
    ] {
        let mut file = writer.begin_file(path(name)).unwrap();
        writer.append(&mut file, text.as_bytes()).unwrap();
        writer.end_file(file).unwrap();
    }
    writer.finish().unwrap()
}

/// Where a copy of a server's data stands in its log.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The log's name and the position in it.
    pub log: String,
    pub position: u64,
    /// All that was executed; empty where the server gives no GTIDs.
    pub gtids: String,
}

/// A full backup of a server of MySQL that was shut down: its data directory as a stream, without what engines
/// leave out.
///
/// # Panics
/// When a file cannot be read.
#[must_use]
pub fn stream_of_server(datadir: &Path, standing: &Standing, to: u64) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    let files = WalkDir::new(datadir).sort_by_file_name().into_iter().map(Result::unwrap);
    for entry in files.filter(|entry| entry.file_type().is_file()) {
        let name = entry.path().strip_prefix(datadir).unwrap().to_str().unwrap().to_owned();
        if is_left_out(&name) {
            continue;
        }
        let mut file = writer.begin_file(StreamPath::new(name.as_bytes()).unwrap()).unwrap();
        for block in fs::read(entry.path()).unwrap().chunks(1 << 20) {
            writer.append(&mut file, block).unwrap();
        }
        writer.end_file(file).unwrap();
    }
    for (name, text) in description(standing, to) {
        let mut file = writer.begin_file(StreamPath::new(name.as_bytes()).unwrap()).unwrap();
        writer.append(&mut file, text.as_bytes()).unwrap();
        writer.end_file(file).unwrap();
    }
    writer.finish().unwrap()
}

/// Its own identity and logs, and what it makes anew.
fn is_left_out(name: &str) -> bool {
    let is_spare = name.starts_with("#innodb_redo/") && name.ends_with("_tmp");
    let begins = ["#innodb_temp/", "mysql-bin.", "ibtmp", "auto.cnf", "mysqld-auto.cnf", "binlog."];
    is_spare || begins.iter().any(|begin| name.starts_with(begin)) || name.ends_with(".pem")
}

/// What engines write about a backup.
fn description(standing: &Standing, to: u64) -> [(&'static str, String); 4] {
    let Standing { log, position, gtids } = standing;
    let (place, shown) = if gtids.is_empty() {
        (format!("{log}\t{position}\n"), String::new())
    } else {
        (format!("{log}\t{position}\t{gtids}\n"), format!(", GTID of the last change '{gtids}'"))
    };
    [
        (
            "backup-my.cnf",
            "# made by an engine\n[mysqld]\ninnodb_checksum_algorithm=crc32\nserver_id=1\n\
             innodb_data_file_path=ibdata1:12M:autoextend\ninnodb_page_size=16384\n\
             innodb_undo_tablespaces=2\nredo_log_version=1\nmaster_key_id=0\n"
                .to_owned(),
        ),
        ("xtrabackup_binlog_info", place),
        (
            "xtrabackup_checkpoints",
            format!("backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = {to}\nlast_lsn = {to}\n"),
        ),
        (
            "xtrabackup_info",
            format!(
                "uuid = 1\ntool_name = xtrabackup\nbinlog_pos = filename '{log}', position '{position}'{shown}\n\
                 incremental = N\n"
            ),
        ),
    ]
}

/// A good stream with one file more, under a path that no engine writes.
///
/// # Panics
/// Never.
#[must_use]
pub fn hostile_stream(claim: Claim, path: &str) -> Vec<u8> {
    let payload = b"owned";
    let head = |kind: u8| {
        let mut chunk = MAGIC.to_vec();
        chunk.extend([0, kind]);
        chunk.extend(u32::try_from(path.len()).unwrap().to_le_bytes());
        chunk.extend(path.as_bytes());
        chunk
    };
    let mut bytes = head(b'P');
    bytes.extend((payload.len() as u64).to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(crc32(payload).to_le_bytes());
    bytes.extend(payload);
    bytes.extend(head(b'E'));
    bytes.extend(stream(claim));
    bytes
}

/// Where the chunks of a stream begin.
#[must_use]
pub fn chunks(stream: &[u8]) -> Vec<usize> {
    let windows = stream.windows(MAGIC.len()).enumerate();
    windows.filter(|(_, window)| *window == MAGIC).map(|(at, _)| at).collect()
}

/// Bytes that do not compress, the same each time.
#[must_use]
pub fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..length).map(|_| next()).collect()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1)))
    };
    !bytes.iter().fold(!0, step)
}

/// The script beside the program `own`.
///
/// # Errors
/// When there is none that can be read.
pub fn script_beside(own: &Path) -> Result<Script, Box<dyn std::error::Error>> {
    Ok(toml::from_str(&fs::read_to_string(own.with_file_name(SCRIPT))?)?)
}

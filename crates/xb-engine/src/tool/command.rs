//! Command lines, made from a row of the table. Pure; no secret ever is part of one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xb_core::Lsn;
use xb_pipeline::process::Invocation;

use super::Tool;
use super::dialect::Mode;

/// Which server, as far as it may be seen by everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The option file the engine reads, which also holds the password.
    pub defaults_file: Option<PathBuf>,
    /// The account.
    pub user: Option<String>,
    /// The socket.
    pub socket: Option<PathBuf>,
    /// The host, without a socket.
    pub host: Option<String>,
    /// The port, without a socket.
    pub port: Option<u16>,
}

impl Target {
    /// `--defaults-file` is accepted as the first option only.
    fn options(&self) -> Vec<OsString> {
        let mut options = Vec::new();
        options.extend(self.defaults_file.as_ref().map(|path| pair("--defaults-file", path)));
        options.extend(self.user.as_ref().map(|user| pair("--user", user.as_ref())));
        match &self.socket {
            // Said in full, so that no host or port of an option file leads the engine to another server.
            Some(socket) => options.extend([OsString::from("--host=localhost"), pair("--socket", socket)]),
            None => {
                options.extend(self.host.as_ref().map(|host| pair("--host", host.as_ref())));
                options.extend(self.port.map(|port| OsString::from(format!("--port={port}"))));
            }
        }
        options
    }
}

fn pair(name: &str, value: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push("=");
    option.push(value);
    option
}

/// What an engine is told to take a backup, as an xbstream on its standard output.
#[derive(Clone, Debug)]
pub struct BackupCommand<'a> {
    /// The server.
    pub target: &'a Target,
    /// Threads it copies with.
    pub parallel: usize,
    /// Where an incremental begins; none for a full backup.
    pub incremental_lsn: Option<Lsn>,
    /// An empty directory for its own use.
    pub scratch: &'a Path,
    /// The user's own options.
    pub extra: &'a [String],
}

impl BackupCommand<'_> {
    /// The command line for `tool`.
    #[must_use]
    pub fn invocation(&self, tool: &Tool) -> Invocation {
        let command = Invocation::new(&tool.program).args(self.target.options());
        let command = match tool.dialect.mode {
            Mode::TargetDir => command.arg("--backup").arg(pair("--target-dir", self.scratch)),
            Mode::Positional => command.arg("--no-timestamp"),
        };
        let command = command.arg("--stream=xbstream").arg(format!("--parallel={}", self.parallel));
        let command = command.args(tool.dialect.always);
        let command = match self.incremental_lsn {
            Some(lsn) if tool.dialect.mode == Mode::Positional => {
                command.arg("--incremental").arg(format!("--incremental-lsn={lsn}"))
            }
            Some(lsn) => command.arg(format!("--incremental-lsn={lsn}")),
            None => command,
        };
        let command = command.args(self.extra);
        match tool.dialect.mode {
            Mode::TargetDir => command,
            Mode::Positional => command.arg(self.scratch),
        }
    }
}

/// Whether incrementals can still be applied afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareMode {
    /// The redo log is applied, transactions stay open: more incrementals may follow.
    RedoOnly,
    /// Open transactions are rolled back as well: a server can start on it.
    Final,
}

/// What an engine is told to prepare a backup.
#[derive(Clone, Debug)]
pub struct Prepare<'a> {
    /// The full backup's files, which are changed.
    pub directory: &'a Path,
    /// An incremental to apply to it, which is changed too.
    pub incremental: Option<&'a Path>,
    /// Whether more may follow.
    pub mode: PrepareMode,
    /// Memory for it, in MiB.
    pub memory_mib: u64,
    /// The user's own options.
    pub extra: &'a [String],
}

impl Prepare<'_> {
    /// The command line for `tool`.
    #[must_use]
    pub fn invocation(&self, tool: &Tool) -> Invocation {
        let dialect = tool.dialect;
        let command = Invocation::new(&tool.program);
        let command = match dialect.mode {
            Mode::TargetDir => command.arg("--prepare").arg(pair("--target-dir", self.directory)),
            Mode::Positional => command.arg("--apply-log"),
        };
        let redo_only = dialect.redo_only.filter(|_| self.mode == PrepareMode::RedoOnly);
        let command = command.args(redo_only).arg(format!("--use-memory={}M", self.memory_mib));
        let command = command.args(self.incremental.map(|path| pair("--incremental-dir", path)));
        let command = command.args(self.extra);
        match dialect.mode {
            Mode::TargetDir => command,
            Mode::Positional => command.arg(self.directory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DIALECTS, Dialect};
    use super::*;

    fn tool(dialect: &'static Dialect) -> Tool {
        Tool {
            kind: dialect.kind,
            program: PathBuf::from("/usr/bin").join(dialect.kind.word()),
            version: dialect.from,
            version_text: String::new(),
            dialect,
        }
    }

    /// Every command line a row gives, one a line.
    fn lines(dialect: &'static Dialect) -> String {
        let tool = tool(dialect);
        let target = Target {
            defaults_file: Some("/var/pyx/run/engine.cnf".into()),
            user: Some("backup".into()),
            socket: Some("/run/mysqld/mysqld.sock".into()),
            ..Target::default()
        };
        let by_port = Target { host: Some("127.0.0.1".into()), port: Some(3307), ..Target::default() };
        let scratch = Path::new("/var/pyx/run/scratch");
        let extra = ["--slave-info".to_owned()];
        let full = BackupCommand { target: &target, parallel: 4, incremental_lsn: None, scratch, extra: &[] };
        let incr = BackupCommand {
            target: &by_port,
            parallel: 2,
            incremental_lsn: Some(Lsn(1654338)),
            scratch,
            extra: &extra,
        };
        let (directory, memory_mib) = (Path::new("/restore/data"), 128);
        let redo =
            Prepare { directory, incremental: None, mode: PrepareMode::RedoOnly, memory_mib, extra: &[] };
        let apply = Prepare { incremental: Some(Path::new("/restore/incr")), ..redo.clone() };
        let last = Prepare { mode: PrepareMode::Final, ..redo.clone() };
        let commands = [full.invocation(&tool), incr.invocation(&tool)];
        let prepares = [&redo, &apply, &last].map(|prepare| prepare.invocation(&tool));
        commands.iter().chain(&prepares).map(|command| format!("{command}\n")).collect()
    }

    #[test]
    fn every_row_of_the_table_gives_its_command_lines() {
        for dialect in DIALECTS {
            insta::assert_snapshot!(dialect.name.replace([' ', '.'], "_"), lines(dialect));
        }
    }

    #[test]
    fn the_defaults_file_is_the_first_option_of_every_engine() {
        for dialect in DIALECTS {
            let first = lines(dialect).lines().next().unwrap_or_default().to_owned();
            let expected = format!("/usr/bin/{} --defaults-file=/var/pyx/run/engine.cnf ", dialect.kind);
            assert!(first.starts_with(&expected), "{first}");
        }
    }
}

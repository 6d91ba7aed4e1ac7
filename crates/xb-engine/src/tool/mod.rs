//! The engines: which one fits a server, what each accepts, and what it is told.

mod command;
mod compat;
mod dialect;
mod probe;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use xb_core::Version;

pub use command::{BackupCommand, Prepare, PrepareMode, Target};
pub use compat::{Mismatch, check_prepare, check_server};
pub use dialect::{DIALECTS, Dialect};
pub use probe::{ProbeError, probe};

/// The family an engine belongs to, which is also the program's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToolKind {
    /// MariaDB's engine.
    MariadbBackup,
    /// Percona's engine, from 2.3 on a single program.
    Xtrabackup,
    /// The Perl program in front of XtraBackup 2.0 to 2.2, without which tables that are not InnoDB, and all
    /// table definitions, are left out.
    Innobackupex,
}

impl ToolKind {
    /// The name used in messages and manifests.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            ToolKind::MariadbBackup => "mariadb-backup",
            ToolKind::Xtrabackup => "xtrabackup",
            ToolKind::Innobackupex => "innobackupex",
        }
    }

    /// The names a program of this kind goes by, the preferred one first.
    #[must_use]
    pub fn programs(self) -> &'static [&'static str] {
        match self {
            ToolKind::MariadbBackup => &["mariadb-backup", "mariabackup"],
            ToolKind::Xtrabackup => &["xtrabackup"],
            ToolKind::Innobackupex => &["innobackupex"],
        }
    }
}

impl fmt::Display for ToolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// An engine that was found and asked who it is.
#[derive(Clone, Debug)]
pub struct Tool {
    /// Its family.
    pub kind: ToolKind,
    /// Where it is.
    pub program: PathBuf,
    /// Its version; for MariaDB that of the server it belongs to.
    pub version: Version,
    /// The line it said so in.
    pub version_text: String,
    /// What it accepts.
    pub dialect: &'static Dialect,
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.version)
    }
}

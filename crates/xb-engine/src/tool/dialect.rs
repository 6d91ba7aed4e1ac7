//! What each engine accepts. One table; everything that is ever put on a command line comes from a row.

use xb_core::Version;

use super::ToolKind;

/// How an engine is told what to do and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `--backup`, `--prepare`, with `--target-dir=DIR`.
    TargetDir,
    /// `--no-timestamp DIR` to back up, `--apply-log DIR` to prepare.
    Positional,
}

/// A range of versions of one engine that accept the same.
#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    /// A short name for messages and tests.
    pub name: &'static str,
    /// The family.
    pub kind: ToolKind,
    /// First version of the row.
    pub from: Version,
    /// First version beyond it.
    pub below: Version,
    /// How it is told what to do.
    pub mode: Mode,
    /// The option that leaves a prepared backup open for more incrementals. MariaDB from 10.2 on has none:
    /// every prepare of it does.
    pub redo_only: Option<&'static str>,
    /// Options every backup needs with this engine, and why they stand in the table.
    pub always: &'static [&'static str],
    /// Whether its backups hold an `xtrabackup_info`.
    pub has_info: bool,
}

const fn v(major: u32, minor: u32) -> Version {
    Version::new(major, minor, 0)
}

/// The table. A version in no row is not known, and not used.
pub const DIALECTS: &[Dialect] = &[
    Dialect {
        name: "innobackupex 2.0-2.1",
        kind: ToolKind::Innobackupex,
        from: v(2, 0),
        below: v(2, 2),
        mode: Mode::Positional,
        redo_only: Some("--redo-only"),
        always: &[],
        has_info: false,
    },
    Dialect {
        name: "innobackupex 2.2",
        kind: ToolKind::Innobackupex,
        from: v(2, 2),
        below: v(2, 3),
        mode: Mode::Positional,
        redo_only: Some("--redo-only"),
        always: &[],
        has_info: true,
    },
    Dialect {
        name: "xtrabackup 2.3-2.4",
        kind: ToolKind::Xtrabackup,
        from: v(2, 3),
        below: v(3, 0),
        mode: Mode::TargetDir,
        redo_only: Some("--apply-log-only"),
        always: &[],
        has_info: true,
    },
    Dialect {
        name: "xtrabackup 8.0 before 8.0.23",
        kind: ToolKind::Xtrabackup,
        from: v(8, 0),
        below: Version::new(8, 0, 23),
        mode: Mode::TargetDir,
        redo_only: Some("--apply-log-only"),
        // Not yet the default here; without it a table that is altered meanwhile spoils the backup.
        always: &["--lock-ddl"],
        has_info: true,
    },
    Dialect {
        name: "xtrabackup 8.0",
        kind: ToolKind::Xtrabackup,
        from: Version::new(8, 0, 23),
        below: v(8, 1),
        mode: Mode::TargetDir,
        redo_only: Some("--apply-log-only"),
        always: &[],
        has_info: true,
    },
    Dialect {
        name: "xtrabackup 8.1-9.x",
        kind: ToolKind::Xtrabackup,
        from: v(8, 1),
        below: v(10, 0),
        mode: Mode::TargetDir,
        redo_only: Some("--apply-log-only"),
        always: &[],
        has_info: true,
    },
    Dialect {
        name: "mariadb-backup 10.1",
        kind: ToolKind::MariadbBackup,
        from: v(10, 1),
        below: v(10, 2),
        mode: Mode::TargetDir,
        redo_only: Some("--apply-log-only"),
        always: &[],
        has_info: true,
    },
    Dialect {
        name: "mariadb-backup 10.2-12",
        kind: ToolKind::MariadbBackup,
        from: v(10, 2),
        below: v(13, 0),
        mode: Mode::TargetDir,
        redo_only: None,
        always: &[],
        has_info: true,
    },
];

impl Dialect {
    /// The row for an engine.
    #[must_use]
    pub fn of(kind: ToolKind, version: Version) -> Option<&'static Dialect> {
        DIALECTS.iter().find(|row| row.kind == kind && row.from <= version && version < row.below)
    }
}

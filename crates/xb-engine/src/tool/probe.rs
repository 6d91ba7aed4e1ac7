//! Finding an engine and asking it who it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use xb_core::{EngineChoice, Flavor, Version};
use xb_pipeline::process::{Invocation, ProcessError, find_program};

use super::{Dialect, Tool, ToolKind};

/// An engine that has not said its version by then hangs.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// No engine can be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// None is there.
    #[error("no {wanted} found; searched {}", searched(.directories))]
    NotFound {
        /// The programs looked for.
        wanted: String,
        /// Where.
        directories: Vec<PathBuf>,
    },
    /// It does not tell its version.
    #[error("{} does not tell its version in a way that is known; it wrote {said:?}", program.display())]
    NoVersion {
        /// The program.
        program: PathBuf,
        /// What it wrote.
        said: String,
    },
    /// No row of the table is for it.
    #[error("{} is {kind} {version}, which this version of pyxbackup does not know", program.display())]
    UnknownVersion {
        /// The program.
        program: PathBuf,
        /// Its family.
        kind: ToolKind,
        /// Its version.
        version: Version,
    },
    /// XtraBackup before 2.3 without its other half.
    #[error("xtrabackup {version} leaves out table definitions without innobackupex, which was not found; searched {}", searched(.directories))]
    InnobackupexMissing {
        /// The version of xtrabackup.
        version: Version,
        /// Where it was looked for.
        directories: Vec<PathBuf>,
    },
    /// It could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

fn searched(directories: &[PathBuf]) -> String {
    directories.iter().map(|directory| directory.display().to_string()).collect::<Vec<_>>().join(":")
}

/// Finds the engine for a server of this flavour in `directories`.
///
/// # Errors
/// [`ProbeError`].
pub fn probe(choice: EngineChoice, flavor: Flavor, directories: &[PathBuf]) -> Result<Tool, ProbeError> {
    let kinds: &[ToolKind] = match (choice, flavor) {
        (EngineChoice::MariadbBackup, _) => &[ToolKind::MariadbBackup],
        (EngineChoice::Xtrabackup, _) => &[ToolKind::Xtrabackup],
        (EngineChoice::Innobackupex, _) => &[ToolKind::Innobackupex],
        (EngineChoice::Auto, Flavor::MariaDb) => &[ToolKind::MariadbBackup, ToolKind::Xtrabackup],
        (EngineChoice::Auto, _) => &[ToolKind::Xtrabackup, ToolKind::Innobackupex],
    };
    let programs = kinds.iter().flat_map(|kind| kind.programs().iter().map(move |name| (*kind, *name)));
    let found = programs.clone().find_map(|(kind, name)| Some((kind, find_program(name, directories)?)));
    let Some((kind, program)) = found else {
        let wanted = programs.map(|(_, name)| name).collect::<Vec<_>>().join(" or ");
        return Err(ProbeError::NotFound { wanted, directories: directories.to_vec() });
    };
    match kind {
        ToolKind::MariadbBackup => identify(kind, &program),
        ToolKind::Xtrabackup => xtrabackup(&program, directories),
        ToolKind::Innobackupex => innobackupex(&program, directories),
    }
}

/// From 2.3 on the program itself; before, innobackupex of the same version must run it.
fn xtrabackup(program: &Path, directories: &[PathBuf]) -> Result<Tool, ProbeError> {
    let (version, version_text) = ask(program)?;
    if version >= Version::new(2, 3, 0) {
        return known(ToolKind::Xtrabackup, program, version, version_text);
    }
    let wrapper = find_program("innobackupex", directories);
    let wrapper = wrapper
        .ok_or_else(|| ProbeError::InnobackupexMissing { version, directories: directories.to_vec() })?;
    known(ToolKind::Innobackupex, &wrapper, version, version_text)
}

/// Up to 2.2 it does not tell its own version, but xtrabackup beside it does.
fn innobackupex(program: &Path, directories: &[PathBuf]) -> Result<Tool, ProbeError> {
    match find_program("xtrabackup", directories).map(|beside| ask(&beside)) {
        Some(Ok((version, text))) if version < Version::new(2, 3, 0) => {
            known(ToolKind::Innobackupex, program, version, text)
        }
        _ => identify(ToolKind::Innobackupex, program),
    }
}

fn identify(kind: ToolKind, program: &Path) -> Result<Tool, ProbeError> {
    let (version, version_text) = ask(program)?;
    known(kind, program, version, version_text)
}

fn known(kind: ToolKind, program: &Path, version: Version, version_text: String) -> Result<Tool, ProbeError> {
    let program = program.to_owned();
    match Dialect::of(kind, version) {
        Some(dialect) => Ok(Tool { kind, program, version, version_text, dialect }),
        None => Err(ProbeError::UnknownVersion { program, kind, version }),
    }
}

/// Most engines answer on standard error, some on standard output, and other lines may come first.
fn ask(program: &Path) -> Result<(Version, String), ProbeError> {
    let output = Invocation::new(program).arg("--version").output(ANSWER_LIMIT)?;
    let said = format!("{}\n{}", output.stderr, output.stdout);
    parse_banner(&said).ok_or_else(|| {
        let said = said.trim().chars().take(200).collect();
        ProbeError::NoVersion { program: program.to_owned(), said }
    })
}

/// The version in what an engine says of itself, and the line it stands in.
fn parse_banner(said: &str) -> Option<(Version, String)> {
    let number = r"(\d+\.\d+[\w.\-]*)";
    let own = Regex::new(&format!(r"(?:xtrabackup|innobackupex)\S* version {number}")).ok()?;
    let maria = Regex::new(&format!(r"based on MariaDB server {number}")).ok()?;
    said.lines().find_map(|line| {
        let found = maria.captures(line).or_else(|| own.captures(line))?;
        Some((found.get(1)?.as_str().parse().ok()?, line.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "xtrabackup version 8.0.35-31 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 55ec21d7)",
        "8.0.35-31"
    )]
    #[case(
        "recognized server arguments: --datadir=/x\nxtrabackup version 8.4.0-6 based on MySQL server 8.4.0 Linux (x86_64)",
        "8.4.0-6"
    )]
    #[case(
        "xtrabackup version 8.0.14 based on MySQL server 8.0.21 Linux (x86_64) (revision id: 113b4)",
        "8.0.14"
    )]
    #[case("xtrabackup version 9.7.1-rc1 based on MySQL server 9.7.1 Linux", "9.7.1")]
    #[case("xtrabackup version 2.2.10 based on MySQL server 5.6.22 Linux (x86_64) (revision id: )", "2.2.10")]
    #[case(
        "xtrabackup_55 version 2.0.5 for Percona Server 5.5.16 Linux (x86_64) (revision id: undefined)",
        "2.0.5"
    )]
    #[case("innobackupex version 2.4.8 Linux (x86_64) (revision id: 97330f7)", "2.4.8")]
    #[case("mariabackup based on MariaDB server 10.2.15-MariaDB Linux (x86_64)", "10.2.15")]
    #[case("/bin/mariabackup based on MariaDB server 10.5.8-MariaDB", "10.5.8")]
    #[case("mariadb-backup based on MariaDB server 11.4.5-MariaDB debian-linux-gnu (x86_64)", "11.4.5")]
    fn every_known_banner_is_understood(#[case] said: &str, #[case] version: &str) {
        assert_eq!(parse_banner(said).map(|(found, _)| found), version.parse().ok());
    }

    #[rstest]
    #[case("InnoDB Backup Utility v1.5.1-xtrabackup; Copyright 2003, 2009 Innobase Oy")]
    #[case("")]
    #[case("xtrabackup: unknown option --version")]
    fn what_is_no_banner_is_not_taken_for_one(#[case] said: &str) {
        assert_eq!(parse_banner(said), None);
    }

    #[test]
    fn a_missing_engine_is_an_error_that_says_where_it_was_sought() {
        let error = probe(EngineChoice::Auto, Flavor::MariaDb, &["/nowhere".into()]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no mariadb-backup or mariabackup or xtrabackup found; searched /nowhere"
        );
    }
}

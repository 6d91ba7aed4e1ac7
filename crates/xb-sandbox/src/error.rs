//! What can go wrong with a private server.

use std::io;
use std::path::PathBuf;

use xb_core::{BinlogCoord, ErrorClass};
use xb_pipeline::cancel::Cancelled;
use xb_pipeline::fs::FsError;
use xb_pipeline::process::ProcessError;

/// A program that is not there, and the package that brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    /// The program's name.
    pub program: &'static str,
    /// The Debian or Ubuntu package it is in.
    pub package: &'static str,
}

/// A private server could not be had, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Programs are not installed.
    #[error("not found in {}: {}; install with: apt-get install {}",
        joined(searched.iter().map(|d| d.display()), ":"),
        joined(missing.iter().map(|m| m.program), ", "), packages(missing))]
    Missing {
        /// What is missing.
        missing: Vec<MissingProgram>,
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A program that should be a server does not say which.
    #[error("{} is no server of MySQL or MariaDB: asked for its version it says {said:?}", program.display())]
    Unknown {
        /// The program.
        program: PathBuf,
        /// What it said.
        said: String,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// A program did not start or did not end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A file could not be worked on.
    #[error(transparent)]
    File(#[from] FsError),
    /// The system gives no thread, port or temporary directory.
    #[error("cannot get a {what} for the server: {source}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The data directory to initialise has files in it.
    #[error("{} is not empty: choose another directory or remove it", directory.display())]
    NotEmpty {
        /// The data directory.
        directory: PathBuf,
    },
    /// A program ended badly.
    #[error("{program} for {} ended with {how}: {tail}", about.display())]
    Program {
        /// Its name.
        program: String,
        /// What it worked on.
        about: PathBuf,
        /// How it ended.
        how: String,
        /// The last of what it said.
        tail: String,
    },
    /// The server ended before it answered, or has not answered in time.
    #[error("the server on {} {how}; the end of {}:\n{tail}", datadir.display(), log.display())]
    Start {
        /// Its data directory.
        datadir: PathBuf,
        /// `ended with …` or `did not answer …`.
        how: String,
        /// Its error log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The server was stopped or killed before.
    #[error("the server on {} is not running: start it first", datadir.display())]
    NotRunning {
        /// Its data directory.
        datadir: PathBuf,
    },
    /// The server refused a statement; statements before it were done, none after it.
    #[error("the server on {} refused a statement: {message}", socket.display())]
    Sql {
        /// Where it was asked.
        socket: PathBuf,
        /// What it said, with its error number.
        message: String,
    },
    /// An answer is not of the shape it should have.
    #[error("the server's answer to {question} makes no sense: {answer:?}")]
    Answer {
        /// What it was asked.
        question: String,
        /// What it said.
        answer: String,
    },
    /// The server writes no binary log.
    #[error("the server on {} has no binary log: set the option log-bin before its first start", datadir.display())]
    NoBinlog {
        /// Its data directory.
        datadir: PathBuf,
    },
    /// The binary logs do not reach from the server's first event to the coordinate.
    #[error("the binary logs cannot tell the state at {coordinate}: {reason}")]
    BinlogGap {
        /// The state wanted.
        coordinate: BinlogCoord,
        /// What is missing.
        reason: String,
    },
    /// A thread of ours panicked.
    #[error("the {0} thread is gone")]
    Thread(&'static str),
}

impl SandboxError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            SandboxError::System { .. } => ErrorClass::Transient,
            SandboxError::Sql { .. } if self.is_lock_conflict() => ErrorClass::Transient,
            SandboxError::Thread(_) | SandboxError::Answer { .. } => ErrorClass::Bug,
            _ => ErrorClass::Permanent,
        }
    }

    /// Whether a statement lost against another transaction: a deadlock, or a lock not had in time. The
    /// server asks for such a transaction to be tried again.
    #[must_use]
    pub fn is_lock_conflict(&self) -> bool {
        let SandboxError::Sql { message, .. } = self else { return false };
        ["ERROR 1205 ", "ERROR 1213 "].iter().any(|number| message.contains(number))
    }
}

fn joined(parts: impl Iterator<Item = impl std::fmt::Display>, separator: &str) -> String {
    parts.map(|part| part.to_string()).collect::<Vec<_>>().join(separator)
}

fn packages(missing: &[MissingProgram]) -> String {
    let mut packages: Vec<_> = missing.iter().map(|m| m.package).collect();
    packages.sort_unstable();
    packages.dedup();
    packages.join(" ")
}

/// The last lines of what a program wrote, at most about `LIMIT` bytes: the end is where the reason is.
pub(crate) fn tail(text: &str) -> String {
    const LIMIT: usize = 3000;
    let text = text.trim_end();
    let mut from = text.len().saturating_sub(LIMIT);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    match text[from..].split_once('\n') {
        Some((_, whole_lines)) if from > 0 => whole_lines.to_owned(),
        _ => text[from..].to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_named_with_its_package() {
        let missing = [("mariadbd", "mariadb-server"), ("mariadb-install-db", "mariadb-server")];
        let missing = missing.map(|(program, package)| MissingProgram { program, package }).to_vec();
        let error = SandboxError::Missing { missing, searched: vec!["/usr/bin".into(), "/opt".into()] };
        assert_eq!(
            error.to_string(),
            "not found in /usr/bin:/opt: mariadbd, mariadb-install-db; install with: apt-get install mariadb-server"
        );
    }

    #[test]
    fn a_tail_keeps_whole_lines_from_the_end() {
        assert_eq!(tail("one\ntwo\n"), "one\ntwo");
        let long = "żółw line\n".repeat(1000) + "the reason\n";
        let kept = tail(&long);
        assert!(kept.len() <= 3000 && kept.starts_with("żółw") && kept.ends_with("the reason"), "{kept}");
    }
}

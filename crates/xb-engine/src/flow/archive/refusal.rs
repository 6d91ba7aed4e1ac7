//! What of an archive cannot be done, and why. Found before anything is written, but for what only the end of
//! an archive shows.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

/// Why a command on an archive was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveRefusal {
    /// A directory where an archive is needed.
    #[error("{} is a directory, not an archive", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The archives directly in it.
        archives: Vec<PathBuf>,
    },
    /// A pattern makes no sense.
    #[error("the pattern {pattern:?}: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing in the archive is meant by a pattern.
    #[error("{}", no_match(archive, patterns))]
    NoMatch {
        /// The archive.
        archive: PathBuf,
        /// The patterns.
        patterns: Vec<String>,
        /// Paths in the archive that look like them.
        nearest: Vec<String>,
        /// Where what the other patterns mean was written to.
        left_in: Option<PathBuf>,
    },
    /// The archive has no file of this path.
    #[error("{} has no {member}", archive.display())]
    NoMember {
        /// The archive.
        archive: PathBuf,
        /// The path, escaped.
        member: String,
        /// Paths in the archive that look like it; empty also where the archive could be read only once.
        nearest: Vec<String>,
    },
    /// No file can have this path.
    #[error("{member:?} is no path of a file in an archive: {reason}")]
    MemberPath {
        /// What was given.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What is to be made is there already.
    #[error("{} exists already", path.display())]
    Exists {
        /// It.
        path: PathBuf,
    },
    /// A name that says no form, and does not look like that of a directory either.
    #[error("the name {} ends like no form of archive", path.display())]
    UnknownForm {
        /// The name.
        path: PathBuf,
    },
    /// An archive inside the directory it is made from.
    #[error("{} lies in {}, which it is to be made from", to.display(), from.display())]
    Inside {
        /// The directory.
        from: PathBuf,
        /// The archive.
        to: PathBuf,
    },
    /// A directory from a directory.
    #[error("{} and {} are both directories", from.display(), to.display())]
    BothDirectories {
        /// The one that is there.
        from: PathBuf,
        /// The one that was asked for.
        to: PathBuf,
    },
    /// The name asks for encryption, and nothing says for whom.
    #[error("{} is to be encrypted, but {key} is not set", to.display())]
    KeyNotSet {
        /// What is to be made.
        to: PathBuf,
        /// The setting.
        key: &'static str,
    },
    /// Files can be encrypted one by one in one form only.
    #[error("files can be encrypted one by one in a .xbs.qp.xbcrypt only, not in {}", to.display())]
    MemberEncryption {
        /// What is to be made.
        to: PathBuf,
    },
    /// A level that the compressor does not have.
    #[error("{compressor} has no level {level}")]
    Level {
        /// The compressor.
        compressor: &'static str,
        /// What was asked for.
        level: i32,
        /// What there is.
        range: RangeInclusive<i32>,
    },
}

fn no_match(archive: &Path, patterns: &[String]) -> String {
    let mut text = format!("{} has nothing that ", archive.display());
    for (index, pattern) in patterns.iter().enumerate() {
        let separator = if index == 0 { "" } else { " or " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}{pattern:?}");
    }
    text + " means"
}

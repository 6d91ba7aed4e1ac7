//! Where a setting was made.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// Where the value of a setting comes from. Every message about a setting begins with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a configuration file.
    File {
        /// The file, as it was named or found.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// An option of the command line.
    CommandLine {
        /// Its long form, with the dashes.
        option: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Origin::Default => "default".to_owned(),
            Origin::File { path, line } => format!("{}:{line}", path.display()),
            Origin::CommandLine { option } => format!("command line, {option}"),
        };
        f.pad(&text)
    }
}

//! What can be wrong with settings. Problems are collected, so that one run tells them all.
//!
//! No message holds a secret's value, nor a line that could be one.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use super::{Key, Origin, Task};
use crate::ErrorClass;

/// Settings cannot be used. Holds every reason found, at least one.
#[derive(Clone, Debug)]
pub struct SettingsError {
    /// The reasons, in the order in which the settings were given.
    pub problems: Vec<Problem>,
}

impl SettingsError {
    /// Settings are mended by someone, never by time.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        ErrorClass::Permanent
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}; {}", problem.remedy())?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

impl From<Problem> for SettingsError {
    fn from(problem: Problem) -> Self {
        SettingsError { problems: vec![problem] }
    }
}

/// One thing that is wrong with the settings. `Display` says where and what, [`Problem::remedy`] what to do.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Problem {
    /// The text of a file cannot be read.
    #[error("{origin}: {what}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What stands there.
        what: String,
        /// What should.
        remedy: &'static str,
    },
    /// A file has no such section.
    #[error("{}: there is no section [{section}]{}", path.display(), listed(present))]
    NoSection {
        /// The file.
        path: PathBuf,
        /// The section asked for.
        section: String,
        /// The sections there are.
        present: Vec<String>,
    },
    /// Nothing is known under this name.
    #[error("{origin}: unknown key {key:?}")]
    UnknownKey {
        /// Where.
        origin: Origin,
        /// The name.
        key: String,
        /// What may be meant.
        nearest: Option<&'static str>,
    },
    /// A file sets what belongs to a single run.
    #[error("{origin}: {} cannot be set in a configuration file", key.name)]
    CommandLineOnly {
        /// Where.
        origin: Origin,
        /// Which.
        key: &'static Key,
    },
    /// The value is not one that the key takes.
    #[error("{origin}: {} = {shown}: {what}", key.name)]
    Value {
        /// Where.
        origin: Origin,
        /// Which.
        key: &'static Key,
        /// The value, masked or shortened where it must be.
        shown: String,
        /// What is wrong with it.
        what: String,
        /// What to write instead.
        remedy: String,
    },
    /// A command cannot do without this setting.
    #[error("{} is not set, and {task} needs it", key.name)]
    Missing {
        /// Which.
        key: &'static Key,
        /// The command.
        task: Task,
    },
}

impl Problem {
    /// What to do about it, as an order.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Problem::Syntax { remedy, .. } => (*remedy).to_owned(),
            Problem::NoSection { section, .. } => {
                format!("add a line [{section}], or name another section with --config-section")
            }
            Problem::UnknownKey { nearest: Some(nearest), .. } => {
                format!("write {nearest} if that is what is meant, else remove the line")
            }
            Problem::UnknownKey { nearest: None, .. } => {
                "remove the line; `pyxbackup config show` prints every key there is".to_owned()
            }
            Problem::CommandLineOnly { key, .. } => {
                format!("remove the line and give --{} on the command line", key.long)
            }
            Problem::Value { remedy, .. } => remedy.clone(),
            Problem::Missing { key, .. } => match key.place {
                super::Place::Anywhere => {
                    format!("give --{}, or set {} in the configuration file", key.long, key.name)
                }
                super::Place::CommandLine => format!("give --{}", key.long),
            },
        }
    }

    /// Where the problem lies.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        match self {
            Problem::Syntax { origin, .. }
            | Problem::UnknownKey { origin, .. }
            | Problem::CommandLineOnly { origin, .. }
            | Problem::Value { origin, .. } => Some(origin),
            Problem::NoSection { .. } | Problem::Missing { .. } => None,
        }
    }
}

fn listed(sections: &[String]) -> String {
    match sections {
        [] => String::new(),
        _ => format!("; there is [{}]", sections.join("], [")),
    }
}

/// Something that does not stop the run and should be known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Where.
    pub origin: Origin,
    /// What, and what to do about it.
    pub text: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.text)
    }
}

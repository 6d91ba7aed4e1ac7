//! Layers: what one place says about settings, before it is checked and merged.

use super::error::{Problem, Warning};
use super::{Key, Origin, Place, nearest};

/// A value as it was given. Has no `Debug`: it may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// One text; also flags (`0`, `1`) and numbers.
    Text(String),
    /// An array of texts.
    Items(Vec<String>),
}

/// One setting as it was given. Has no `Debug`: the value may be a secret.
#[derive(Clone)]
pub struct GivenEntry {
    /// Which.
    pub key: &'static Key,
    /// What it was set to.
    pub given: Given,
    /// Where.
    pub origin: Origin,
}

/// What one configuration file or one command line sets. A later entry goes before an earlier one.
#[derive(Clone, Default)]
pub struct Layer {
    /// The settings, in the order in which they were given.
    pub entries: Vec<GivenEntry>,
    /// What deserves a word although it can be read.
    pub warnings: Vec<Warning>,
}

impl Layer {
    /// Adds a setting.
    pub fn set(&mut self, key: &'static Key, given: Given, origin: Origin) {
        self.entries.push(GivenEntry { key, given, origin });
    }

    /// Whether a value is set that must not be shown.
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        self.entries.iter().any(|entry| entry.key.is_secret() && !entry.given.is_empty())
    }
}

impl Given {
    /// Whether it says as much as not setting it at all.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Given::Text(text) => text.is_empty(),
            Given::Items(items) => items.is_empty(),
        }
    }
}

/// The row for a name found in a configuration file.
pub(super) fn file_key(name: &str, origin: &Origin) -> Result<&'static Key, Problem> {
    let Some(key) = Key::named(name) else {
        let nearest = nearest::key(name).map(|key| key.name);
        return Err(Problem::UnknownKey { origin: origin.clone(), key: name.to_owned(), nearest });
    };
    match key.place {
        Place::Anywhere => Ok(key),
        Place::CommandLine => Err(Problem::CommandLineOnly { origin: origin.clone(), key }),
    }
}

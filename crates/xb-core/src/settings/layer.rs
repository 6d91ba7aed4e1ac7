//! Layers: what one place says about settings, before it is checked and merged.

use super::error::{Problem, SettingsError, Warning};
use super::{Key, Kind, Origin, Place, nearest};

/// What stands in a path for the name of the section.
const SECTION: &str = "{section}";

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

    /// Puts the name of the section in the place of `{section}` in every path, so that the servers of one
    /// machine can share a configuration and the root of their stores.
    ///
    /// # Errors
    /// [`SettingsError`] where the name cannot be part of a path.
    pub fn in_section(mut self, section: &str) -> Result<Self, SettingsError> {
        let is_name = !section.is_empty() && !section.starts_with('.') && !section.contains(['/', '\0']);
        let mut problems = Vec::new();
        for entry in &mut self.entries {
            let is_path = matches!(entry.key.kind, Kind::File | Kind::Directory | Kind::Directories);
            if !is_path || !entry.given.texts().iter().any(|text| text.contains(SECTION)) {
                continue;
            }
            if is_name {
                entry.given.texts_mut().iter_mut().for_each(|text| *text = text.replace(SECTION, section));
            } else {
                problems.push(Problem::Value {
                    origin: entry.origin.clone(),
                    key: entry.key,
                    shown: super::value::for_message(entry.key, &entry.given),
                    what: format!("the section {section:?} cannot be a name in a path"),
                    remedy: "name the section without slashes and without a dot in front".to_owned(),
                });
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(SettingsError { problems }) }
    }

    /// Whether a value is set that must not be shown.
    #[must_use]
    pub fn holds_secret(&self) -> bool {
        self.entries.iter().any(|entry| entry.key.is_secret() && !entry.given.is_empty())
    }
}

impl Given {
    fn texts(&self) -> &[String] {
        match self {
            Given::Text(text) => std::slice::from_ref(text),
            Given::Items(items) => items,
        }
    }

    fn texts_mut(&mut self) -> &mut [String] {
        match self {
            Given::Text(text) => std::slice::from_mut(text),
            Given::Items(items) => items,
        }
    }

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

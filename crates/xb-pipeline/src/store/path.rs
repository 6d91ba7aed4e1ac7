//! Where an object stands within a store.

use std::fmt;
use std::path::Path;

/// What S3 allows for a whole key; the root of a store takes its part of it.
const MOST_BYTES: usize = 1024;

/// A path below the root of a store: names joined by `/`. It never leads out of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StorePath(String);

/// A text that is no path within a store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is no path within a store: {reason}")]
pub struct StorePathError {
    /// The text.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl StorePath {
    /// A path of one or more names.
    ///
    /// # Errors
    /// [`StorePathError`]: an empty name, `.`, `..`, a NUL byte, or too long.
    pub fn parse(text: &str) -> Result<Self, StorePathError> {
        let fault = match text {
            "" => Some("it is empty"),
            _ if text.len() > MOST_BYTES => Some("it is longer than 1024 bytes"),
            _ if text.contains('\0') => Some("it has a NUL byte"),
            _ if text.split('/').any(|name| matches!(name, "" | "." | "..")) => {
                Some("a part of it is empty, \".\" or \"..\"")
            }
            _ => None,
        };
        match fault {
            Some(reason) => Err(StorePathError { path: text.to_owned(), reason }),
            None => Ok(StorePath(text.to_owned())),
        }
    }

    /// A path below this one; `below` may have several names.
    ///
    /// # Errors
    /// As [`StorePath::parse`].
    pub fn join(&self, below: &str) -> Result<Self, StorePathError> {
        StorePath::parse(&format!("{}/{below}", self.0))
    }

    /// The same path with `suffix` behind its last name.
    ///
    /// # Errors
    /// As [`StorePath::parse`].
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, StorePathError> {
        StorePath::parse(&format!("{}{suffix}", self.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path above; none for a single name.
    #[must_use]
    pub fn parent(&self) -> Option<StorePath> {
        self.0.rsplit_once('/').map(|(parent, _)| StorePath(parent.to_owned()))
    }

    /// The rest of a path that stands below `directory`.
    #[must_use]
    pub fn below(&self, directory: &StorePath) -> Option<&str> {
        self.0.strip_prefix(&directory.0)?.strip_prefix('/')
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<&Path> for StorePath {
    type Error = StorePathError;

    fn try_from(path: &Path) -> Result<Self, Self::Error> {
        match path.to_str() {
            Some(text) => StorePath::parse(text),
            None => {
                Err(StorePathError { path: path.to_string_lossy().into_owned(), reason: "it is not UTF-8" })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leads_out_of_the_store() {
        for wrong in ["", "/a", "a/", "a//b", ".", "a/../b", "a/./b", "a\0b", &"a".repeat(1025)] {
            assert!(StorePath::parse(wrong).is_err(), "{wrong:?}");
        }
        for right in ["a", "-rf", "a b/$(x)/'\"\n", "full/2026_11_22-14_28_07/backup.xbs.zst"] {
            assert_eq!(StorePath::parse(right).unwrap().as_str(), right);
        }
    }

    #[test]
    fn paths_know_what_is_above_and_below() {
        let path = StorePath::parse("full/a/b").unwrap();
        assert_eq!(path.name(), "b");
        assert_eq!(path.parent().unwrap().as_str(), "full/a");
        let full = StorePath::parse("full").unwrap();
        assert_eq!(path.below(&full), Some("a/b"));
        assert_eq!(StorePath::parse("fuller/a").unwrap().below(&full), None);
        assert_eq!(full.parent(), None);
        assert!(full.join("../x").is_err());
    }
}

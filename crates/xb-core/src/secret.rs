//! Secrets: values that may be used but never shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// What stands in place of a secret wherever one would be shown.
pub const MASK: &str = "***";

/// A password or a key. Debug, Display and serialisation give [`MASK`]; memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a value into custody.
    #[must_use]
    pub fn new(value: impl Into<String>) -> Self {
        Secret(SecretString::from(value.into()))
    }

    /// The value itself. For the one place that hands it to whom it is meant for.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(MASK)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

/// Replaces known secrets in text that others wrote, such as an engine's messages.
#[derive(Clone, Default, Debug)]
pub struct Masker(Vec<Secret>);

impl Masker {
    /// A masker for these secrets. Empty ones are left out: they occur everywhere.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets.into_iter().filter(|s| !s.expose().is_empty()).collect();
        // The longest first, so that a secret that contains another leaves no rest behind.
        secrets.sort_by_key(|s| std::cmp::Reverse(s.expose().len()));
        Masker(secrets)
    }

    /// The text with every known secret replaced by [`MASK`].
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MASK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_nowhere() {
        let secret = Secret::new("S3cret!pass");
        let shown = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert_eq!(shown, "*** *** \"***\"");
        assert_eq!(secret.expose(), "S3cret!pass");
    }

    #[test]
    fn a_masker_takes_the_longest_first() {
        let masker = Masker::new([Secret::new("abc"), Secret::new("abcdef"), Secret::new("")]);
        assert_eq!(masker.mask("x abcdef y abc"), "x *** y ***");
    }
}

//! Binary log coordinates: a file and a position in it, as an ordered value.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of a binary log: a prefix, a dot and a number (`mysql-bin.000042`).
///
/// Names of one prefix are ordered by number, whatever the count of digits (`.999999` is before
/// `.1000000`). Names of different prefixes have no order.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BinlogName {
    prefix: String,
    number: u64,
    digits: usize,
}

impl BinlogName {
    /// The part before the last dot.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The number behind the last dot.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl PartialOrd for BinlogName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self.prefix == other.prefix).then(|| self.number.cmp(&other.number))
    }
}

impl fmt::Display for BinlogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:0width$}", self.prefix, self.number, width = self.digits))
    }
}

/// The text is not the name of a binary log, or not a coordinate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a binary log name such as mysql-bin.000042")]
pub struct ParseBinlogNameError {
    /// What was to be read.
    pub text: String,
}

impl FromStr for BinlogName {
    type Err = ParseBinlogNameError;

    /// A path in front of the name, as in an index file, is dropped.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.trim().rsplit('/').next().unwrap_or_default();
        let parts = name.rsplit_once('.').filter(|(prefix, digits)| {
            !prefix.is_empty() && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
        });
        parts
            .and_then(|(prefix, digits)| {
                let number = digits.parse().ok()?;
                Some(BinlogName { prefix: prefix.to_owned(), number, digits: digits.len() })
            })
            .ok_or_else(|| ParseBinlogNameError { text: text.to_owned() })
    }
}

impl TryFrom<String> for BinlogName {
    type Error = ParseBinlogNameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<BinlogName> for String {
    fn from(name: BinlogName) -> String {
        name.to_string()
    }
}

/// A place in a server's binary log: a file and a byte offset in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Hash, Serialize, Deserialize)]
pub struct BinlogCoord {
    /// The file.
    pub file: BinlogName,
    /// Offset in bytes of the next event.
    pub position: u64,
}

impl fmt::Display for BinlogCoord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}:{}", self.file, self.position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> BinlogName {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_ordered_by_number_within_a_prefix() {
        assert!(name("mysql-bin.999999") < name("mysql-bin.1000000"));
        assert_eq!(name("a.000001").partial_cmp(&name("b.000002")), None);
    }

    #[test]
    fn names_keep_their_digits_and_lose_a_path() {
        assert_eq!(name("./log.bin.000007").to_string(), "log.bin.000007");
        assert_eq!(name("log.bin.000007").prefix(), "log.bin");
        for text in ["mysql-bin", ".000001", "mysql-bin.", "mysql-bin.00x1", "mysql-bin.index"] {
            assert!(text.parse::<BinlogName>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn coordinates_are_ordered_by_file_then_position() {
        let at = |file: &str, position| BinlogCoord { file: name(file), position };
        assert!(at("b.000001", 900) < at("b.000002", 4));
        assert!(at("b.000002", 4) < at("b.000002", 120));
        assert_eq!(at("b.000002", 120).to_string(), "b.000002:120");
    }
}

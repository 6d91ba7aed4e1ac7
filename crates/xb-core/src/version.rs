//! Versions of servers and tools, read from the many shapes they are printed in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Three numbers and a build number: `8.0.35-31` is `8.0.35` build `31`, `10.11.6-MariaDB` has build 0.
///
/// Text after the numbers (`-log`, `-MariaDB`, `-rc1`, `+deb12u1`) is no part of the order and is dropped;
/// who needs it keeps the text the version was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number, 0 when it is not given.
    pub patch: u32,
    /// The vendor's number behind the dash, 0 when it is not given.
    pub build: u32,
}

impl Version {
    /// A version without a build number.
    #[must_use]
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Version { major, minor, patch, build: 0 }
    }

    /// First and second number: the release series.
    #[must_use]
    pub fn series(&self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{}.{}", self.major, self.minor, self.patch);
        match self.build {
            0 => f.pad(&text),
            build => f.pad(&format!("{text}-{build}")),
        }
    }
}

/// The text does not begin with a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} does not begin with a version such as 8.0.35")]
pub struct ParseVersionError {
    /// What was to be read.
    pub text: String,
}

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Reads the numbers at the beginning of the text. MariaDB's replication prefix `5.5.5-` is skipped
    /// when a second version follows it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (numbers, rest) = leading_numbers(text);
        let wrong = || ParseVersionError { text: text.chars().take(80).collect() };
        let [major, minor, patch] = numbers.ok_or_else(wrong)?;
        if let Some(behind) = rest.strip_prefix('-') {
            let is_prefix = (major, minor, patch) == (5, 5, 5);
            if let Some(version) = is_prefix.then(|| behind.parse().ok()).flatten() {
                return Ok(version);
            }
        }
        let build = rest.strip_prefix('-').map(leading_digits).and_then(|d| d.parse().ok()).unwrap_or(0);
        Ok(Version { major, minor, patch, build })
    }
}

fn leading_digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    &text[..end]
}

/// Two or three numbers with dots between, and what follows them.
fn leading_numbers(text: &str) -> (Option<[u32; 3]>, &str) {
    let mut numbers = [None; 3];
    let mut rest = text;
    for (index, number) in numbers.iter_mut().enumerate() {
        let candidate = if index == 0 { Some(rest) } else { rest.strip_prefix('.') };
        let Some(candidate) = candidate else { break };
        let digits = leading_digits(candidate);
        let Ok(value) = digits.parse() else { break };
        *number = Some(value);
        rest = &candidate[digits.len()..];
    }
    match numbers {
        [Some(major), Some(minor), patch] => (Some([major, minor, patch.unwrap_or(0)]), rest),
        _ => (None, rest),
    }
}

impl TryFrom<String> for Version {
    type Error = ParseVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> String {
        version.to_string()
    }
}

/// Whose server it is. Decides which engine can copy its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    /// Oracle's MySQL, and builds that call themselves nothing else.
    MySql,
    /// Percona Server, Percona XtraDB Cluster.
    Percona,
    /// MariaDB.
    MariaDb,
}

impl Flavor {
    /// Tells the flavour from the server's `version` and `version_comment`.
    #[must_use]
    pub fn of(version: &str, version_comment: &str) -> Self {
        let (version, comment) = (version.to_ascii_lowercase(), version_comment.to_ascii_lowercase());
        if version.contains("mariadb") || comment.contains("mariadb") {
            Flavor::MariaDb
        } else if comment.contains("percona") {
            Flavor::Percona
        } else {
            Flavor::MySql
        }
    }
}

impl fmt::Display for Flavor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Flavor::MySql => "MySQL",
            Flavor::Percona => "Percona Server",
            Flavor::MariaDb => "MariaDB",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("8.0.35", Version::new(8, 0, 35))]
    #[case("5.6.24-log", Version::new(5, 6, 24))]
    #[case("5.7.44-48-57-log", Version { build: 48, ..Version::new(5, 7, 44) })]
    #[case("8.0.35-31", Version { build: 31, ..Version::new(8, 0, 35) })]
    #[case("8.0.35-34.1", Version { build: 34, ..Version::new(8, 0, 35) })]
    #[case("10.11.19-MariaDB-0+deb12u1", Version::new(10, 11, 19))]
    #[case("5.5.5-10.6.12-MariaDB-log", Version::new(10, 6, 12))]
    #[case("5.5.5-log", Version::new(5, 5, 5))]
    #[case("9.7.1-rc1", Version::new(9, 7, 1))]
    #[case("2.4", Version::new(2, 4, 0))]
    fn versions_are_read_from_what_servers_print(#[case] text: &str, #[case] version: Version) {
        assert_eq!(text.parse(), Ok(version));
    }

    #[rstest]
    #[case("")]
    #[case("8")]
    #[case("v8.0.1")]
    #[case("99999999999.0.1")]
    fn what_is_no_version_is_refused(#[case] text: &str) {
        assert!(text.parse::<Version>().is_err());
    }

    #[test]
    fn versions_compare_by_number() {
        assert!("8.0.9".parse::<Version>().unwrap() < "8.0.35-4".parse().unwrap());
        assert!("8.0.35-4".parse::<Version>().unwrap() < "8.0.35-31".parse().unwrap());
    }

    #[test]
    fn the_flavour_follows_version_and_comment() {
        assert_eq!(Flavor::of("10.11.19-MariaDB-0+deb12u1", "Debian 12"), Flavor::MariaDb);
        assert_eq!(Flavor::of("8.0.35-27", "Percona Server (GPL), Release 27"), Flavor::Percona);
        assert_eq!(Flavor::of("5.6.24-log", "MySQL Community Server (GPL)"), Flavor::MySql);
    }
}

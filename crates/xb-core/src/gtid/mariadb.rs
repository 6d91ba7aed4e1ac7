//! MariaDB's GTID positions: the last `domain-server-sequence` of every replication domain.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ParseGtidError;

/// The last transaction of each domain. A position, not a history: everything of a domain up to the
/// sequence number is included.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MariaGtidList {
    /// Domain → (server id, sequence number).
    last: BTreeMap<u32, (u32, u64)>,
}

impl MariaGtidList {
    /// Whether no domain is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// The server and the sequence number of the last transaction of a domain.
    #[must_use]
    pub fn get(&self, domain: u32) -> Option<(u32, u64)> {
        self.last.get(&domain).copied()
    }

    /// Domain, server and sequence number of every last transaction, in the order of domains.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32, u64)> + '_ {
        self.last.iter().map(|(domain, (server, sequence))| (*domain, *server, *sequence))
    }

    /// Makes a transaction the last one of its domain, whatever was there before.
    pub fn set(&mut self, domain: u32, server: u32, sequence: u64) {
        self.last.insert(domain, (server, sequence));
    }

    /// The same list with another last transaction of a domain.
    #[must_use]
    pub fn with(mut self, domain: u32, server: u32, sequence: u64) -> Self {
        self.set(domain, server, sequence);
        self
    }

    /// Whether every transaction that `other` has is also in here, judged by sequence number per domain.
    #[must_use]
    pub fn includes(&self, other: &MariaGtidList) -> bool {
        other.last.iter().all(|(domain, (_, sequence))| {
            self.last.get(domain).is_some_and(|(_, reached)| reached >= sequence)
        })
    }
}

impl fmt::Display for MariaGtidList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |(domain, (server, sequence)): (&u32, &(u32, u64))| format!("{domain}-{server}-{sequence}");
        f.pad(&self.last.iter().map(one).collect::<Vec<_>>().join(","))
    }
}

impl FromStr for MariaGtidList {
    type Err = ParseGtidError;

    /// Spaces and line breaks between elements are allowed. A domain that stands twice, as in
    /// `gtid_binlog_state`, keeps its highest sequence number.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut last = BTreeMap::new();
        for element in text.split(',').map(str::trim).filter(|e| !e.is_empty()) {
            let (domain, server, sequence) = parse_one(element)
                .ok_or_else(|| ParseGtidError::new(text, "expected domain-server-sequence"))?;
            let entry = last.entry(domain).or_insert((server, sequence));
            if sequence > entry.1 {
                *entry = (server, sequence);
            }
        }
        Ok(MariaGtidList { last })
    }
}

pub(super) fn parse_one(element: &str) -> Option<(u32, u32, u64)> {
    let mut parts = element.split('-');
    let gtid = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next().is_none().then_some(gtid)
}

impl TryFrom<String> for MariaGtidList {
    type Error = ParseGtidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MariaGtidList> for String {
    fn from(list: MariaGtidList) -> String {
        list.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> MariaGtidList {
        text.parse().unwrap()
    }

    #[test]
    fn order_and_white_space_do_not_matter() {
        assert_eq!(list("1-2-30, 0-1-100"), list("0-1-100,\n1-2-30"));
        assert_eq!(list("0-1-5,0-2-9").to_string(), "0-2-9");
        assert!("0-1".parse::<MariaGtidList>().is_err());
        assert!("0-1-2-3".parse::<MariaGtidList>().is_err());
    }

    #[test]
    fn the_last_of_a_domain_is_what_was_set_last() {
        let list = list("0-1-1000,7-2-5").with(0, 3, 999).with(2, 1, 1);
        assert_eq!(list.to_string(), "0-3-999,2-1-1,7-2-5");
        assert_eq!((list.get(7), list.get(8)), (Some((2, 5)), None));
        assert_eq!(list.iter().collect::<Vec<_>>(), [(0, 3, 999), (2, 1, 1), (7, 2, 5)]);
    }

    #[test]
    fn a_position_includes_what_came_before_it() {
        assert!(list("0-1-1000,1-1-4").includes(&list("0-2-999")));
        assert!(!list("0-1-998").includes(&list("0-1-999")));
        assert!(!list("0-1-998").includes(&list("5-1-1")));
        assert!(list("0-1-1").includes(&list("")));
    }
}

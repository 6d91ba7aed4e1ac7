//! GTID sets of MySQL and of MariaDB. Sets, never text: two spellings of one set are equal.

pub mod mariadb;
pub mod mysql;
mod one;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use mariadb::MariaGtidList;
pub use mysql::MysqlGtidSet;
pub use one::Gtid;

/// A GTID set of either flavour, as read from an engine's metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "flavor", content = "set", rename_all = "lowercase")]
pub enum GtidSet {
    /// `uuid:interval,…`
    MySql(MysqlGtidSet),
    /// `domain-server-sequence,…`
    MariaDb(MariaGtidList),
}

impl GtidSet {
    /// Whether no transaction is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            GtidSet::MySql(set) => set.is_empty(),
            GtidSet::MariaDb(list) => list.is_empty(),
        }
    }

    /// Whether every transaction of `other` is also in here. One of the other flavour is not.
    #[must_use]
    pub fn includes(&self, other: &GtidSet) -> bool {
        match (self, other) {
            (GtidSet::MySql(own), GtidSet::MySql(other)) => own.includes(other),
            (GtidSet::MariaDb(own), GtidSet::MariaDb(other)) => own.includes(other),
            _ => other.is_empty(),
        }
    }

    /// Whether a transaction is in it. One of the other flavour is not.
    #[must_use]
    pub fn contains(&self, gtid: &Gtid) -> bool {
        match (self, gtid) {
            (GtidSet::MySql(set), Gtid::MySql { uuid, tag, number }) => set.contains(uuid, tag, *number),
            (GtidSet::MariaDb(list), Gtid::MariaDb { domain, sequence, .. }) => {
                list.get(*domain).is_some_and(|(_, reached)| reached >= *sequence)
            }
            _ => false,
        }
    }

    /// One of its transactions; none of an empty set.
    #[must_use]
    pub fn any(&self) -> Option<Gtid> {
        match self {
            GtidSet::MySql(set) => {
                let (uuid, tag, intervals) = set.iter().next()?;
                let number = intervals.first()?.0;
                Some(Gtid::MySql { uuid: uuid.to_owned(), tag: tag.to_owned(), number })
            }
            GtidSet::MariaDb(list) => list.iter().next().map(|(domain, server, sequence)| Gtid::MariaDb {
                domain,
                server,
                sequence,
            }),
        }
    }

    /// Adds a transaction: to a set, or as the new last one of its domain. One of the other flavour is left
    /// out.
    pub fn add(&mut self, gtid: &Gtid) {
        match (self, gtid) {
            (GtidSet::MySql(set), Gtid::MySql { uuid, tag, number }) => set.insert(uuid, tag, *number),
            (GtidSet::MariaDb(list), Gtid::MariaDb { domain, server, sequence }) => {
                list.set(*domain, *server, *sequence);
            }
            _ => {}
        }
    }
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GtidSet::MySql(set) => set.fmt(f),
            GtidSet::MariaDb(list) => list.fmt(f),
        }
    }
}

/// The text is neither flavour's GTID set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a GTID set: {reason}")]
pub struct ParseGtidError {
    /// What was to be read, cut to a readable length.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl ParseGtidError {
    fn new(text: &str, reason: &'static str) -> Self {
        ParseGtidError { text: text.chars().take(120).collect(), reason }
    }
}

impl std::str::FromStr for GtidSet {
    type Err = ParseGtidError;

    /// Tells the flavour by the first element: a UUID has a colon behind it, MariaDB's form has none.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains(':') { text.parse().map(GtidSet::MySql) } else { text.parse().map(GtidSet::MariaDb) }
    }
}

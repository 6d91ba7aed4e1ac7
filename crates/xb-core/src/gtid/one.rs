//! One transaction, by its GTID.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::mariadb::parse_one;
use super::mysql::{is_tag, is_uuid};
use super::{GtidSet, MariaGtidList, MysqlGtidSet, ParseGtidError};

/// The GTID of one transaction, of either flavour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Gtid {
    /// `uuid:number` or `uuid:tag:number`.
    MySql {
        /// The server it was first committed at, in lower case.
        uuid: String,
        /// Its tag in lower case; empty when it has none.
        tag: String,
        /// Its number there, from 1.
        number: u64,
    },
    /// `domain-server-sequence`.
    MariaDb {
        /// Its replication domain.
        domain: u32,
        /// The server it was first committed at.
        server: u32,
        /// Its number in the domain.
        sequence: u64,
    },
}

impl Gtid {
    /// The set of this one alone.
    #[must_use]
    pub fn alone(&self) -> GtidSet {
        let mut set = match self {
            Gtid::MySql { .. } => GtidSet::MySql(MysqlGtidSet::default()),
            Gtid::MariaDb { .. } => GtidSet::MariaDb(MariaGtidList::default()),
        };
        set.add(self);
        set
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Gtid::MySql { uuid, tag, number } if tag.is_empty() => format!("{uuid}:{number}"),
            Gtid::MySql { uuid, tag, number } => format!("{uuid}:{tag}:{number}"),
            Gtid::MariaDb { domain, server, sequence } => format!("{domain}-{server}-{sequence}"),
        })
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    /// Tells the flavour as [`GtidSet`] does. An interval or a list is refused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let wrong =
            || ParseGtidError::new(text, "expected one transaction: uuid:number or domain-server-sequence");
        if !text.contains(':') {
            let (domain, server, sequence) = parse_one(text).ok_or_else(wrong)?;
            return Ok(Gtid::MariaDb { domain, server, sequence });
        }
        let parts: Vec<&str> = text.split(':').map(str::trim).collect();
        let (uuid, tag, number) = match parts.as_slice() {
            [uuid, number] => (*uuid, "", *number),
            [uuid, tag, number] if is_tag(tag) => (*uuid, *tag, *number),
            _ => return Err(wrong()),
        };
        let number = number.parse().ok().filter(|number| (1..i64::MAX as u64).contains(number));
        let number = number.filter(|_| is_uuid(uuid)).ok_or_else(wrong)?;
        Ok(Gtid::MySql { uuid: uuid.to_ascii_lowercase(), tag: tag.to_ascii_lowercase(), number })
    }
}

impl TryFrom<String> for Gtid {
    type Error = ParseGtidError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Gtid> for String {
    fn from(gtid: Gtid) -> String {
        gtid.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn one_transaction_is_read_as_it_is_printed() {
        for text in ["0-1-77".to_owned(), format!("{A}:5"), format!("{A}:backup:5")] {
            assert_eq!(text.parse::<Gtid>().unwrap().to_string(), text);
        }
        let upper = format!(" {}:TAG:5 ", A.to_uppercase()).parse::<Gtid>().unwrap();
        assert_eq!(upper.to_string(), format!("{A}:tag:5"));
    }

    #[test]
    fn what_is_not_one_transaction_is_refused() {
        for text in ["", "0-1", "0-1-2,1-1-1", "x:5"] {
            assert!(text.parse::<Gtid>().is_err(), "{text:?}");
        }
        for rest in [":1-5", ":0", ":", ":1:2", ":a:b:1", ":9223372036854775807"] {
            assert!(format!("{A}{rest}").parse::<Gtid>().is_err(), "{rest:?}");
        }
    }

    #[test]
    fn one_alone_is_a_set() {
        for text in ["0-1-77".to_owned(), format!("{A}:backup:5")] {
            assert_eq!(text.parse::<Gtid>().unwrap().alone().to_string(), text);
        }
    }
}

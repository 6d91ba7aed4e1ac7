//! Epochs: the unbroken runs of logs an archive is made of.
//!
//! Within an epoch every log follows the one before it, by construction: whatever cannot be shown to follow
//! begins another epoch. So a gap is a border between two epochs that are not joined, and nothing else, unless
//! somebody takes files away.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xb_core::gtid::GtidSet;
use xb_core::{BinlogCoord, BinlogName, Flavor};

use super::entry::LogEntry;

/// The number of an epoch in its archive, from 1 on. 0 are logs that lie in the archive itself, as the
/// original put them.
pub type EpochNumber = u32;

/// Whose logs an epoch has, and how it came to be: `epoch.json` in its directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Its number.
    pub number: EpochNumber,
    /// When it was begun.
    pub begun: DateTime<Utc>,
    /// The server it was begun from. Others may have taken its place since, under the same log.
    pub server: EpochServer,
    /// What it is to the epoch before.
    pub beginning: Beginning,
}

/// A server, as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochServer {
    /// Where it listens.
    pub address: String,
    /// Whose server it is.
    pub flavor: Flavor,
    /// Its version, as it prints it.
    pub version: String,
    /// Its id among servers.
    pub server_id: u32,
    /// Its UUID, which MariaDB does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
}

/// How an epoch begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "lowercase")]
pub enum Beginning {
    /// There was nothing before it.
    First,
    /// It goes on where another one ends: its first log may begin before that place, but has all that comes
    /// behind it.
    Joined {
        /// The other one.
        epoch: EpochNumber,
        /// Where that one ended.
        at: BinlogCoord,
        /// All that is committed there. The join was checked by it.
        gtids: GtidSet,
    },
    /// What lies between it and the one before is not in the archive, or is not the same history.
    Broken {
        /// The one before.
        epoch: EpochNumber,
        /// Where that one ended, if it had anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<BinlogCoord>,
        /// Why, in words for people.
        reason: String,
    },
}

/// An epoch with its logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// Whose it is.
    #[serde(flatten)]
    pub record: EpochRecord,
    /// Its logs, oldest first. Only the last one may be open.
    pub logs: Vec<LogEntry>,
    /// Logs that cannot be used: the file, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<LogFault>,
}

/// A log that should be there and is not, or is not good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LogFault {
    /// Which one.
    pub name: BinlogName,
    /// What is wrong with it.
    pub reason: String,
}

impl Epoch {
    /// Where its last log ends.
    #[must_use]
    pub fn end(&self) -> Option<BinlogCoord> {
        let last = self.logs.last()?;
        Some(BinlogCoord { file: last.name.clone(), position: last.size_bytes })
    }

    /// The log of a name.
    #[must_use]
    pub fn log(&self, name: &BinlogName) -> Option<&LogEntry> {
        self.logs.iter().find(|log| log.name == *name)
    }
}

/// A place in the logs of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The epoch.
    pub epoch: EpochNumber,
    /// The place in it.
    #[serde(flatten)]
    pub at: BinlogCoord,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of epoch {}", self.at, self.epoch)
    }
}

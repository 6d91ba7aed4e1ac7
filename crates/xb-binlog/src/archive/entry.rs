//! What is known of one log of an archive, so that nobody has to read it to know.

use serde::{Deserialize, Serialize};
use xb_core::BinlogName;
use xb_core::gtid::{GtidSet, MysqlGtidSet};
use xb_formats::binlog::{ChecksumAlgorithm, FileFacts};
use xb_pipeline::Digest;
use xb_pipeline::single::FileForm;

use super::last::LastEvent;

/// One log. For a closed one it is written beside it, as `<name>.json`, and says nothing that the log does
/// not: it can be made again from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEntry {
    /// The server's name for it.
    pub name: BinlogName,
    /// Whether it is all there.
    pub state: LogState,
    /// Its length in bytes, as the server has it.
    pub size_bytes: u64,
    /// The BLAKE3 digest of these bytes, without the in-use flag. None for an open one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// How it is stored, where that is not as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<StoredForm>,
    /// When it was begun, in seconds since 1970.
    pub begun: Option<u32>,
    /// The earliest and the latest time of an event, in seconds since 1970.
    pub times: Option<(u32, u32)>,
    /// The earliest and the latest time at which the server that wrote it committed a transaction, in
    /// microseconds since 1970. None where the server does not say it, in a log without transactions, and in
    /// what was written down before this was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_times: Option<(u64, u64)>,
    /// The log before it in its epoch, as long as that is there. Told by the directory and not written down,
    /// so that it does not get old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<BinlogName>,
    /// The log in which the server goes on, where this one says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<BinlogName>,
    /// What was committed before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtids_before: Option<GtidSet>,
    /// What is committed in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtids: Option<LogGtids>,
    /// What is committed by its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtids_at_end: Option<GtidSet>,
    /// Its last event, by which a server is told to be the one that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastEvent>,
    /// The version of the server that wrote it, as it prints it.
    pub server_version: Option<String>,
    /// The id of that server among servers.
    pub server_id: Option<u32>,
    /// Whether its events have checksums.
    pub has_checksums: bool,
    /// Whether the server keeps it encrypted. Here it is not, unless [`LogEntry::stored`] says so.
    pub encrypted_at_server: bool,
}

/// How far a log has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogState {
    /// The server goes on in another one.
    Closed,
    /// There may be more to come.
    Open,
}

/// A log that is not stored as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredForm {
    /// What its file has behind the server's name, layer by layer: `.zst`, `.xbcrypt`, `.zst.age`.
    pub suffix: String,
    /// The length of that file in bytes.
    pub size_bytes: u64,
    /// The BLAKE3 digest of that file.
    pub digest: Digest,
}

/// The transactions of one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogGtids {
    /// MySQL: a set.
    MySql(MysqlGtidSet),
    /// MariaDB: the first and the last of each domain, in the order of domains.
    MariaDb(Vec<(String, String)>),
}

impl StoredForm {
    /// The form its suffix names.
    #[must_use]
    pub fn form(&self) -> FileForm {
        FileForm::split(&self.suffix).1
    }
}

impl LogEntry {
    /// How it is stored.
    #[must_use]
    pub fn form(&self) -> FileForm {
        self.stored.as_ref().map(StoredForm::form).unwrap_or_default()
    }

    /// The length of its file in bytes.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.stored.as_ref().map_or(self.size_bytes, |stored| stored.size_bytes)
    }

    /// The time of its latest event, in seconds since 1970.
    #[must_use]
    pub fn latest(&self) -> Option<u32> {
        self.times.map(|(_, latest)| latest).or(self.begun)
    }

    /// What the events of a log say. Name, form and neighbours are the archive's to add.
    #[must_use]
    pub fn of(name: BinlogName, state: LogState, facts: &FileFacts, last: Option<LastEvent>) -> Self {
        let before = match (&facts.previous, &facts.state) {
            (Some(set), _) => Some(GtidSet::MySql(set.clone())),
            (None, Some(state)) => Some(GtidSet::MariaDb(state.position())),
            (None, None) => None,
        };
        let gtids = match &before {
            Some(GtidSet::MySql(_)) => Some(LogGtids::MySql(facts.transactions.set())),
            Some(GtidSet::MariaDb(_)) => Some(LogGtids::MariaDb(
                facts
                    .domains
                    .values()
                    .map(|range| (range.first.to_string(), range.last.to_string()))
                    .collect(),
            )),
            None => None,
        };
        LogEntry {
            name,
            state,
            size_bytes: facts.end_position,
            digest: None,
            stored: None,
            begun: facts.begun,
            times: facts.times,
            commit_times: facts.commit_times,
            previous: None,
            next: facts.next_file.clone(),
            gtids_before: before,
            gtids,
            gtids_at_end: facts.gtids_at_end(),
            last,
            server_version: facts.format.as_ref().map(|format| format.server_version.clone()),
            server_id: facts.server_id,
            has_checksums: facts.checksum() == Some(ChecksumAlgorithm::Crc32),
            encrypted_at_server: facts.encrypted,
        }
    }
}

//! The settings of binary logs: how they are streamed, kept and replayed.

use std::path::PathBuf;

use serde::Serialize;

use super::resolve::{set_whole, whole};
use super::value::Value;
use crate::BinlogName;

/// How the connection to a server is protected while its log is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum BinlogTls {
    /// Not at all.
    #[default]
    Off,
    /// By TLS, with whoever answers.
    On,
    /// By TLS, with a server whose certificate is vouched for.
    Verify,
}

/// What a run was told of binary logs; each field under its key's name.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BinlogSettings {
    /// Days to keep them; `None` keeps them back to the oldest full.
    pub retention_binlogs: Option<u32>,
    /// Whether sets on the shelves need them, too.
    pub binlog_for_shelves: bool,
    /// Where they are kept, when that is not `binlogs` in the store.
    pub binlog_dir: Option<PathBuf>,
    /// The one to begin with.
    pub first_binlog: Option<BinlogName>,
    /// Whether they come from the source of the replica that is backed up.
    pub binlog_from_master: bool,
    /// Whether to go on behind what the server no longer has.
    pub binlog_resume: bool,
    /// The vendor's mysqlbinlog, to be used instead of the replication protocol.
    pub binlog_binary: Option<PathBuf>,
    /// Whether the server waits until a transaction is on the disk here.
    pub binlog_semisync: bool,
    /// How the connection is protected.
    pub binlog_tls: BinlogTls,
    /// Certificates that vouch for the server.
    pub binlog_tls_ca: Option<PathBuf>,
    /// The id among the server's replicas.
    pub binlog_server_id: Option<u32>,
    /// Attempts to connect again; `None` is without an end.
    pub binlog_retries: Option<u32>,
    /// Whether closed logs are compressed.
    pub binlog_compress: bool,
    /// Whether closed logs are encrypted.
    pub binlog_encrypt: bool,
    /// Seconds between pushes of the open log; 0 pushes closed ones only.
    pub binlog_push_interval_seconds: u64,
    /// `status` warns when they are so many seconds behind.
    pub status_binlog_lag_seconds: u64,
    /// The server program they are replayed with.
    pub recovery_server: Option<PathBuf>,
    /// More options for it.
    pub recovery_options: Vec<String>,
    /// What the server that was backed up meant by the time zone `SYSTEM`; none: what the backup says.
    pub recovery_time_zone: Option<String>,
}

impl Default for BinlogSettings {
    fn default() -> Self {
        BinlogSettings {
            retention_binlogs: None,
            binlog_for_shelves: true,
            binlog_dir: None,
            first_binlog: None,
            binlog_from_master: false,
            binlog_resume: false,
            binlog_binary: None,
            binlog_semisync: false,
            binlog_tls: BinlogTls::Off,
            binlog_tls_ca: None,
            binlog_server_id: None,
            binlog_retries: None,
            binlog_compress: false,
            binlog_encrypt: false,
            binlog_push_interval_seconds: 0,
            status_binlog_lag_seconds: 300,
            recovery_server: None,
            recovery_options: Vec::new(),
            recovery_time_zone: None,
        }
    }
}

impl BinlogSettings {
    /// Puts a value into its field.
    pub(super) fn store(&mut self, name: &str, value: Value) {
        match (name, value) {
            ("retention_binlogs", Value::Number(number)) => {
                self.retention_binlogs = whole(number).filter(|days| *days > 0);
            }
            ("binlog_for_shelves", Value::Flag(on)) => self.binlog_for_shelves = on,
            ("binlog_dir", Value::Path(path)) => self.binlog_dir = Some(path),
            ("first_binlog", Value::Text(text)) => self.first_binlog = text.parse().ok(),
            ("binlog_from_master", Value::Flag(on)) => self.binlog_from_master = on,
            ("binlog_resume", Value::Flag(on)) => self.binlog_resume = on,
            ("binlog_binary", Value::Path(path)) => self.binlog_binary = Some(path),
            ("binlog_semisync", Value::Flag(on)) => self.binlog_semisync = on,
            ("binlog_tls", Value::Choice(word)) => {
                self.binlog_tls = match word {
                    "on" => BinlogTls::On,
                    "verify" => BinlogTls::Verify,
                    _ => BinlogTls::Off,
                }
            }
            ("binlog_tls_ca", Value::Path(path)) => self.binlog_tls_ca = Some(path),
            ("binlog_server_id", Value::Number(number)) => self.binlog_server_id = whole(number),
            ("binlog_retries", Value::Number(number)) => {
                self.binlog_retries = whole(number).filter(|retries| *retries > 0);
            }
            ("binlog_compress", Value::Flag(on)) => self.binlog_compress = on,
            ("binlog_encrypt", Value::Flag(on)) => self.binlog_encrypt = on,
            ("binlog_push_interval", Value::Number(number)) => {
                set_whole(&mut self.binlog_push_interval_seconds, number);
            }
            ("status_binlog_lag", Value::Number(number)) => {
                set_whole(&mut self.status_binlog_lag_seconds, number);
            }
            ("recovery_server", Value::Path(path)) => self.recovery_server = Some(path),
            ("recovery_options", Value::Words(words)) => self.recovery_options = words,
            ("recovery_time_zone", Value::Text(text)) => self.recovery_time_zone = Some(text),
            _ => {}
        }
    }
}

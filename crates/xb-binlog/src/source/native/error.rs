//! What can go wrong between a server and a replica.

use std::io;

use xb_core::{BinlogName, ErrorClass};
use xb_formats::binlog::Fault;

/// The server could not be reached, or does not give what it was asked for. Holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// No connection.
    #[error("cannot connect to the server at {address}: {source}")]
    Connect {
        /// Where, and as whom.
        address: String,
        /// Why not.
        source: io::Error,
    },
    /// The connection cannot be protected.
    #[error("cannot protect the connection to {address}: {reason}")]
    Tls {
        /// Where, and as whom.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The server does not let the account in.
    #[error("the server at {address} refused the account: error {code}: {message}")]
    Denied {
        /// Where, and as whom.
        address: String,
        /// The server's number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The account proves itself in a way that is not known here.
    #[error(
        "the account uses the authentication plugin {plugin:?}, which is not supported; use \
             caching_sha2_password or mysql_native_password"
    )]
    UnknownPlugin {
        /// The plugin's name.
        plugin: String,
    },
    /// The server wants the password itself, and the way there is not protected.
    #[error("the server wants the password in clear, which needs TLS or the server's socket: turn on TLS")]
    NeedsProtection,
    /// The server refused a command.
    #[error("the server refused \"{what}\": error {code}: {message}")]
    Refused {
        /// What was asked.
        what: String,
        /// The server's number.
        code: u16,
        /// The server's words.
        message: String,
    },
    /// The server does not have the file any more, or never had.
    #[error("the server has no binary log {file} (any more): {message}")]
    LogGone {
        /// The file that was asked for.
        file: String,
        /// The server's words.
        message: String,
    },
    /// The file has no event at the place that was asked for.
    #[error("the server's binary log {file} does not go on at byte {position}: {message}")]
    NoSuchPosition {
        /// The file.
        file: String,
        /// The offset in bytes.
        position: u64,
        /// The server's words.
        message: String,
    },
    /// Another replica uses the same id; the server serves one of them.
    #[error("another replica has the server id {server_id}; give this one an id of its own")]
    ServerIdInUse {
        /// The id.
        server_id: u32,
    },
    /// The server keeps no binary log.
    #[error("the server keeps no binary log: start it with log_bin")]
    NoBinlog,
    /// The other side does not keep to the protocol.
    #[error("the server's answer is not of the form it should have: {what}")]
    Protocol {
        /// What is wrong.
        what: &'static str,
    },
    /// An event is not what it should be.
    #[error("an event of {file} at byte {position} came wrong: {fault}")]
    Event {
        /// The file.
        file: String,
        /// Where the event would begin, in bytes.
        position: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// The name of a file in an answer is none.
    #[error("the server names a binary log {name:?}, which is no such name")]
    BadName {
        /// What it said.
        name: String,
    },
    /// The connection ended.
    #[error("the connection to the server ended: {0}")]
    Lost(#[from] io::Error),
    /// Nothing has come, not even a heartbeat.
    #[error("nothing has come from the server for {seconds} s, not even a heartbeat")]
    Silent {
        /// For how long.
        seconds: u64,
    },
}

/// Errors of a server that goes down or has no room just now: shutdown, too many connections, killed.
const PASSING: [u16; 5] = [1040, 1053, 1077, 1317, 1927];

impl NativeError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            NativeError::Connect { .. } | NativeError::Lost(_) | NativeError::Silent { .. } => {
                ErrorClass::Transient
            }
            NativeError::Refused { code, .. } | NativeError::Denied { code, .. }
                if PASSING.contains(code) =>
            {
                ErrorClass::Transient
            }
            // What the wire broke may be whole the next time.
            NativeError::Event { fault: Fault::BadChecksum { .. }, .. } => ErrorClass::Transient,
            _ => ErrorClass::Permanent,
        }
    }

    /// For the answer to a request for a log: an error number and words.
    pub(super) fn of_dump(code: u16, message: String, file: &str, position: u64, server_id: u32) -> Self {
        const FATAL_READING_LOG: u16 = 1236;
        let words = message.to_ascii_lowercase();
        let says = |part: &str| words.contains(part);
        let file = file.to_owned();
        match code {
            FATAL_READING_LOG if says("could not find") || says("could not open") || says("purged") => {
                NativeError::LogGone { file, message }
            }
            FATAL_READING_LOG if says("same server_id") || says("same server_uuid") => {
                NativeError::ServerIdInUse { server_id }
            }
            FATAL_READING_LOG if says("position") || says("bogus") || says("event") => {
                NativeError::NoSuchPosition { file, position, message }
            }
            _ => NativeError::Refused { what: format!("dump of {file}"), code, message },
        }
    }
}

/// A file's name in an answer.
pub(super) fn file_name(name: &str) -> Result<BinlogName, NativeError> {
    name.parse().map_err(|_| NativeError::BadName { name: name.chars().take(120).collect() })
}

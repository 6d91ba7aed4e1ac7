//! Asking a server for its log: the commands of a replica.

use xb_core::BinlogName;
use xb_core::gtid::{GtidSet, MysqlGtidSet};

use super::error::NativeError;

pub(super) const DUMP: u8 = 0x12;
pub(super) const REGISTER: u8 = 0x15;
pub(super) const DUMP_GTID: u8 = 0x1e;

/// Do not wait at the end of the log.
const NON_BLOCKING: u16 = 1;
/// MariaDB: send the events with the statements of row events too.
const ANNOTATE: u16 = 2;
/// MySQL: the GTID set counts.
const THROUGH_GTID: u16 = 4;

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// At an event.
    File {
        /// In this file.
        file: BinlogName,
        /// At this offset, in bytes; 4 is its first event.
        position: u64,
    },
    /// Behind these transactions, in the file they lead to. What is in that file of transactions that are
    /// in the set is left out by the server.
    Gtid(GtidSet),
}

/// The body of a request at a position.
pub(super) fn at_position(
    file: &str,
    position: u32,
    server_id: u32,
    blocking: bool,
    is_maria: bool,
) -> Vec<u8> {
    let flags = if blocking { 0 } else { NON_BLOCKING } | if is_maria { ANNOTATE } else { 0 };
    let mut body = position.to_le_bytes().to_vec();
    body.extend(flags.to_le_bytes());
    body.extend(server_id.to_le_bytes());
    body.extend(file.bytes());
    body
}

/// The body of a request behind a GTID set of MySQL.
pub(super) fn behind(set: &MysqlGtidSet, server_id: u32, blocking: bool) -> Result<Vec<u8>, NativeError> {
    let set = encode(set).ok_or(NativeError::Protocol { what: "the GTID set to start from" })?;
    let flags = THROUGH_GTID | if blocking { 0 } else { NON_BLOCKING };
    let mut body = flags.to_le_bytes().to_vec();
    body.extend(server_id.to_le_bytes());
    body.extend(0_u32.to_le_bytes());
    body.extend(4_u64.to_le_bytes());
    body.extend((set.len() as u32).to_le_bytes());
    body.extend(set);
    Ok(body)
}

/// One server and tag, with its intervals.
type Source = ([u8; 16], String, Vec<(u64, u64)>);

/// A set as it stands in a request. Servers before 8.3 do not know tags, so they are only in it if there are
/// any.
fn encode(set: &MysqlGtidSet) -> Option<Vec<u8>> {
    let sources = sources(&set.to_string())?;
    let tagged = sources.iter().any(|(_, tag, _)| !tag.is_empty());
    let count = sources.len() as u64;
    let head = if tagged { 1 | count << 8 | 1 << 56 } else { count };
    let mut bytes = head.to_le_bytes().to_vec();
    for (uuid, tag, intervals) in sources {
        bytes.extend(uuid);
        if tagged {
            bytes.push((tag.len() as u8) << 1);
            bytes.extend(tag.bytes());
        }
        bytes.extend((intervals.len() as u64).to_le_bytes());
        for (first, last) in intervals {
            bytes.extend(first.to_le_bytes());
            bytes.extend((last + 1).to_le_bytes());
        }
    }
    Some(bytes)
}

/// Reads what a set prints: `uuid:1-5:tag:1-2,uuid:7`.
fn sources(text: &str) -> Option<Vec<Source>> {
    let mut sources: Vec<Source> = Vec::new();
    for element in text.split(',').filter(|element| !element.is_empty()) {
        let mut parts = element.split(':');
        let uuid = uuid(parts.next()?)?;
        let mut tag = String::new();
        for part in parts {
            if !part.starts_with(|first: char| first.is_ascii_digit()) {
                tag = part.to_owned();
                continue;
            }
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let interval = (first.parse().ok()?, last.parse().ok()?);
            match sources.last_mut() {
                Some((of, with, intervals)) if *of == uuid && *with == tag => intervals.push(interval),
                _ => sources.push((uuid, tag.clone(), vec![interval])),
            }
        }
    }
    Some(sources)
}

fn uuid(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let mut uuid = [0; 16];
    for (place, byte) in uuid.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(uuid)
}

/// The body of a replica's introduction. Neither account nor address are told: the server does not need them.
pub(super) fn register(server_id: u32, name: &str) -> Vec<u8> {
    let name: Vec<u8> = name.bytes().take(60).collect();
    let mut body = server_id.to_le_bytes().to_vec();
    body.push(name.len() as u8);
    body.extend(name);
    body.extend([0, 0]);
    body.extend([0; 2]);
    body.extend([0; 8]);
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_encoded_with_tags_only_if_it_has_any() {
        let uuid = "96652f25-e6dd-11f1-b128-02fc00000001";
        let plain = encode(&format!("{uuid}:1-5").parse().unwrap()).unwrap();
        assert_eq!((plain.len(), plain[0], plain[7]), (8 + 16 + 8 + 16, 1, 0));
        assert_eq!(plain[32..], [1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        // As MySQL 9.7 writes it.
        let tagged = encode(&format!("{uuid}:1-4:backup:1-2").parse().unwrap()).unwrap();
        assert_eq!(tagged[..8], [1, 2, 0, 0, 0, 0, 0, 1]);
        assert_eq!((tagged[24], &tagged[65..72]), (0, b"\x0cbackup".as_slice()));
        assert_eq!(encode(&MysqlGtidSet::default()).unwrap(), [0; 8]);
    }
}

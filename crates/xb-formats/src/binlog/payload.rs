//! What events say that matters for keeping logs.

use xb_core::gtid::MysqlGtidSet;

use super::cursor::Cursor;
use super::error::Fault;
use super::format::FormatDescription;
use super::gtid::{self, MariaGtid, MariaGtidState, MysqlGtid};
use super::header::{EventHeader, EventKind};

/// The longest name of a file the servers know, in bytes.
const NAME_BYTES: usize = 512;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// How the file is written.
    FormatDescription(FormatDescription),
    /// The log goes on elsewhere.
    Rotate {
        /// The file's name, without its directory.
        file: String,
        /// The offset in it, in bytes.
        position: u64,
    },
    /// The server was shut down.
    Stop,
    /// MySQL: the transactions of all files before.
    PreviousGtids(MysqlGtidSet),
    /// MySQL: the transaction that follows.
    MysqlGtid(MysqlGtid),
    /// MySQL: a transaction without a GTID follows.
    AnonymousGtid,
    /// MariaDB: the transaction that follows.
    MariaGtid(MariaGtid),
    /// MariaDB: the state of the log at the beginning of the file.
    MariaGtidList(MariaGtidState),
    /// MariaDB: transactions in files before this one are all committed.
    BinlogCheckpoint {
        /// The file.
        file: String,
    },
    /// MariaDB: the log is encrypted.
    StartEncryption {
        /// Whether what follows is in clear all the same: a server sends it so.
        is_decrypted: bool,
    },
    /// There is nothing new behind this place.
    Heartbeat {
        /// The file the server is reading.
        file: String,
        /// The offset in it, in bytes; modulo 2^32 in heartbeats of the first version.
        position: u64,
    },
    /// Something that is only kept.
    Other,
}

impl Payload {
    /// Reads an event: its header, all of it, and its body without checksum.
    pub(super) fn parse(header: &EventHeader, event: &[u8], body: &[u8]) -> Result<Payload, Fault> {
        let (what, payload) = match header.kind {
            EventKind::FORMAT_DESCRIPTION => {
                return FormatDescription::parse(header, event).map(Payload::FormatDescription);
            }
            EventKind::ROTATE => ("rotate", rotate(body)),
            EventKind::STOP => ("stop", Some(Payload::Stop)),
            EventKind::PREVIOUS_GTIDS => ("previous GTIDs", gtid::previous(body).map(Payload::PreviousGtids)),
            EventKind::GTID => ("GTID", gtid::mysql(body).map(Payload::MysqlGtid)),
            EventKind::GTID_TAGGED => ("tagged GTID", gtid::mysql_tagged(body).map(Payload::MysqlGtid)),
            EventKind::ANONYMOUS_GTID => ("anonymous GTID", Some(Payload::AnonymousGtid)),
            EventKind::MARIA_GTID => ("GTID", gtid::maria(header.server_id, body).map(Payload::MariaGtid)),
            EventKind::MARIA_GTID_LIST => ("GTID list", gtid::maria_list(body).map(Payload::MariaGtidList)),
            EventKind::BINLOG_CHECKPOINT => ("binlog checkpoint", checkpoint(body)),
            EventKind::START_ENCRYPTION => {
                let is_decrypted = header.flags & EventHeader::IGNORABLE != 0;
                ("start encryption", Some(Payload::StartEncryption { is_decrypted }))
            }
            EventKind::HEARTBEAT => {
                let position = u64::from(header.next_position);
                ("heartbeat", name(body).map(|file| Payload::Heartbeat { file, position }))
            }
            EventKind::HEARTBEAT_V2 => ("heartbeat", heartbeat(body)),
            _ => ("", Some(Payload::Other)),
        };
        payload.ok_or(Fault::BadBody { what })
    }

    /// Reads an event that stands in no file. Those come before it is known whether they have a checksum.
    ///
    /// # Errors
    /// [`Fault`] when it is not whole or not understood.
    pub fn of_artificial(event: &[u8]) -> Result<Payload, Fault> {
        use super::header::HEADER_BYTES;
        let short = Fault::Short { length: event.len() as u64, needed: HEADER_BYTES as u64 };
        let header = EventHeader::parse(event.first_chunk().ok_or(short)?);
        let (plain, _) = super::check::strip_checksum(event);
        Payload::parse(&header, event, plain.get(HEADER_BYTES..).unwrap_or_default())
    }
}

/// When a transaction was committed, in microseconds since 1970, from the body of its GTID event.
pub(super) fn commit_time(kind: EventKind, body: &[u8]) -> Option<u64> {
    match kind {
        EventKind::GTID | EventKind::ANONYMOUS_GTID => gtid::commit_time(body),
        EventKind::GTID_TAGGED => gtid::commit_time_tagged(body),
        _ => None,
    }
}

/// The name of a file: text, and no path.
fn name(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_end_matches('\0');
    let is_plain = !text.is_empty() && text.len() <= NAME_BYTES && !text.contains(['/', '\0']);
    is_plain.then(|| text.to_owned())
}

fn rotate(body: &[u8]) -> Option<Payload> {
    let mut body = Cursor(body);
    let position = body.number::<8>()?;
    Some(Payload::Rotate { file: name(body.rest())?, position })
}

fn checkpoint(body: &[u8]) -> Option<Payload> {
    let mut body = Cursor(body);
    let length = body.word()? as usize;
    Some(Payload::BinlogCheckpoint { file: name(body.take(length)?)? })
}

/// Fields of type, length and value, ended by type 0 or the end: 1 is the file's name, 2 the position.
fn heartbeat(body: &[u8]) -> Option<Payload> {
    let mut body = Cursor(body);
    let (mut file, mut position) = (None, None);
    while let Some(field @ 1..) = packed(&mut body) {
        let length = usize::try_from(packed(&mut body)?).ok()?;
        let value = body.take(length)?;
        match field {
            1 => file = Some(name(value)?),
            2 => position = Some(packed(&mut Cursor(value))?),
            _ => {}
        }
    }
    Some(Payload::Heartbeat { file: file?, position: position? })
}

/// A length-encoded number of the client protocol.
pub(super) fn packed(body: &mut Cursor<'_>) -> Option<u64> {
    match body.byte()? {
        0xfc => body.number::<2>(),
        0xfd => body.number::<3>(),
        0xfe => body.number::<8>(),
        small @ ..=0xfa => Some(u64::from(small)),
        _ => None,
    }
}

//! GTIDs as they stand in events.

use std::fmt;

use xb_core::gtid::{Gtid, MariaGtidList, MysqlGtidSet};

use super::cursor::Cursor;

/// A transaction of a MySQL server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MysqlGtid {
    /// The server it was first committed at.
    pub uuid: [u8; 16],
    /// Its tag; empty when it has none.
    pub tag: String,
    /// Its number there, from 1.
    pub number: u64,
}

impl From<MysqlGtid> for Gtid {
    fn from(gtid: MysqlGtid) -> Gtid {
        Gtid::MySql { uuid: uuid_text(&gtid.uuid), tag: gtid.tag, number: gtid.number }
    }
}

impl fmt::Display for MysqlGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.tag.is_empty() { "" } else { ":" };
        f.pad(&format!("{}{separator}{}:{}", uuid_text(&self.uuid), self.tag, self.number))
    }
}

/// A UUID as it is printed.
pub(super) fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in uuid.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// Reads the body of a GTID event of MySQL: flags, UUID, number; what follows is about when it may run.
pub(super) fn mysql(body: &[u8]) -> Option<MysqlGtid> {
    let mut body = Cursor(body);
    body.byte()?;
    let uuid = *body.take(16)?.first_chunk()?;
    Some(MysqlGtid { uuid, tag: String::new(), number: number(body.number::<8>()?)? })
}

/// When a transaction was committed at the server that wrote the log, in microseconds since 1970: what
/// MySQL 8.0 and later have in the body of a GTID event, or of the one that stands for none.
///
/// Flags, UUID and number; then 2, which says that two logical times of 8 bytes follow; then the time in 7
/// bytes, whose highest bit says that the time at the first server follows.
pub(super) fn commit_time(body: &[u8]) -> Option<u64> {
    let mut body = Cursor(body);
    body.take(1 + 16 + 8)?;
    (body.byte()? == 2).then_some(())?;
    body.take(16)?;
    body.number::<7>().map(|time| time & !(1 << 55))
}

/// The same for a tagged GTID event. What it comes behind: last committed, sequence number; each field has
/// its index before it.
pub(super) fn commit_time_tagged(body: &[u8]) -> Option<u64> {
    let mut body = Cursor(body);
    tagged(&mut body)?;
    for index in [4, 5] {
        (body.varying()? == index).then_some(())?;
        body.varying()?;
    }
    (body.varying()? == 6).then_some(())?;
    body.varying()
}

/// Numbers are from 1 to 2^63 − 2.
fn number(value: u64) -> Option<u64> {
    (1..i64::MAX as u64).contains(&value).then_some(value)
}

/// The longest tag.
const TAG_BYTES: usize = 32;

/// Reads the body of a tagged GTID event: a message of MySQL's serialisation library, whose fields are
/// flags, UUID (sixteen numbers), number (signed) and tag, each behind its index.
pub(super) fn mysql_tagged(body: &[u8]) -> Option<MysqlGtid> {
    tagged(&mut Cursor(body))
}

fn tagged(body: &mut Cursor<'_>) -> Option<MysqlGtid> {
    // The version of the encoding, the size of the message, and the last field that must be understood.
    let [_version, _size, _last] = [body.varying()?, body.varying()?, body.varying()?];
    (body.varying()? == 0).then_some(())?;
    body.varying()?;
    (body.varying()? == 1).then_some(())?;
    let mut uuid = [0; 16];
    for byte in &mut uuid {
        *byte = u8::try_from(body.varying()?).ok()?;
    }
    (body.varying()? == 2).then_some(())?;
    let signed = body.varying()?;
    (signed & 1 == 0).then_some(())?;
    (body.varying()? == 3).then_some(())?;
    let tag = tag(body)?;
    Some(MysqlGtid { uuid, tag, number: number(signed >> 1)? })
}

fn tag(body: &mut Cursor<'_>) -> Option<String> {
    let length = usize::try_from(body.varying()?).ok().filter(|length| *length <= TAG_BYTES)?;
    let text = std::str::from_utf8(body.take(length)?).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_tag = text.is_empty() || (is_plain && !text.starts_with(|first: char| first.is_ascii_digit()));
    is_tag.then(|| text.to_ascii_lowercase())
}

/// Reads the body of a previous-GTIDs event. With tags the first number says so in its highest byte.
pub(super) fn previous(body: &[u8]) -> Option<MysqlGtidSet> {
    let mut body = Cursor(body);
    let head = body.number::<8>()?;
    let (count, tagged) = match head >> 56 {
        0 => (head, false),
        1 => (head << 8 >> 16, true),
        _ => return None,
    };
    let mut text = String::new();
    for _ in 0..count {
        let uuid = uuid_text(body.take(16)?.first_chunk()?);
        let tag = if tagged { tag(&mut body)? } else { String::new() };
        let intervals = body.number::<8>()?;
        if intervals == 0 {
            continue;
        }
        text.push_str(&uuid);
        if !tag.is_empty() {
            text.push(':');
            text.push_str(&tag);
        }
        for _ in 0..intervals {
            // The end of an interval is the first number behind it.
            let (first, end) = (number(body.number::<8>()?)?, body.number::<8>()?);
            let last = number(end.checked_sub(1)?).filter(|last| *last >= first)?;
            text.push_str(&format!(":{first}-{last}"));
        }
        text.push(',');
    }
    text.parse().ok()
}

/// A transaction of a MariaDB server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MariaGtid {
    /// Its replication domain.
    pub domain: u32,
    /// The server it was first committed at.
    pub server: u32,
    /// Its number in the domain.
    pub sequence: u64,
}

impl From<MariaGtid> for Gtid {
    fn from(gtid: MariaGtid) -> Gtid {
        Gtid::MariaDb { domain: gtid.domain, server: gtid.server, sequence: gtid.sequence }
    }
}

impl fmt::Display for MariaGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}-{}", self.domain, self.server, self.sequence))
    }
}

/// Reads the body of a GTID event of MariaDB.
pub(super) fn maria(server: u32, body: &[u8]) -> Option<MariaGtid> {
    let mut body = Cursor(body);
    let (sequence, domain) = (body.number::<8>()?, body.word()?);
    body.byte()?;
    Some(MariaGtid { domain, server, sequence })
}

/// The state of a MariaDB server's log at the beginning of a file: for each domain the last transaction of
/// each server, the very last one behind the others.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MariaGtidState(pub Vec<MariaGtid>);

impl MariaGtidState {
    /// The position it stands for: the last transaction of each domain.
    #[must_use]
    pub fn position(&self) -> MariaGtidList {
        position(self.0.iter().copied())
    }
}

/// The last transaction of each domain, where later ones count.
pub(super) fn position(gtids: impl Iterator<Item = MariaGtid>) -> MariaGtidList {
    let last: std::collections::BTreeMap<u32, MariaGtid> = gtids.map(|gtid| (gtid.domain, gtid)).collect();
    let text: Vec<String> = last.values().map(MariaGtid::to_string).collect();
    // What was printed here is of the form that is parsed there.
    text.join(",").parse().unwrap_or_default()
}

/// Reads the body of a GTID list event. The highest four bits of the count are flags.
pub(super) fn maria_list(body: &[u8]) -> Option<MariaGtidState> {
    let mut body = Cursor(body);
    let count = body.word()? & 0x0fff_ffff;
    let mut state = Vec::new();
    for _ in 0..count {
        let (domain, server, sequence) = (body.word()?, body.word()?, body.number::<8>()?);
        state.push(MariaGtid { domain, server, sequence });
    }
    Some(MariaGtidState(state))
}

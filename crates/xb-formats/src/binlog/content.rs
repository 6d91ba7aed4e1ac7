//! What an event is to the transaction it stands in. Only heads are read; rows are not looked into.

use super::cursor::Cursor;
use super::event::Event;
use super::header::EventKind;
use super::payload::{commit_time, packed};

const QUERY: u8 = 2;
const INTVAR: u8 = 5;
const APPEND_BLOCK: u8 = 9;
const RAND: u8 = 13;
const USER_VAR: u8 = 14;
const XID: u8 = 16;
const BEGIN_LOAD_QUERY: u8 = 17;
const EXECUTE_LOAD_QUERY: u8 = 18;
const TABLE_MAP: u8 = 19;
const INCIDENT: u8 = 26;
const ROWS_QUERY: u8 = 29;
const XA_PREPARE: u8 = 38;
const TRANSACTION_PAYLOAD: u8 = 40;
const ANNOTATE_ROWS: u8 = 160;
const QUERY_COMPRESSED: u8 = 165;

/// What an event is to the transaction it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'e> {
    /// It stands between transactions: the file's own events.
    Between,
    /// The GTID, or its stand-in, with which a transaction begins.
    Head,
    /// Something a statement needs and that stands before it: numbers, variables, a file to load.
    Preparation,
    /// A statement.
    Query {
        /// The default database.
        database: &'e [u8],
        /// Its text; none where it is compressed.
        text: Option<&'e [u8]>,
    },
    /// The statement that changed the rows which follow. It is only told, not done again: the rows are.
    RowsStatement {
        /// Its text.
        text: &'e [u8],
    },
    /// Which table a number stands for in the events of rows that follow.
    TableMap {
        /// The number.
        table: u64,
        /// The table's database.
        database: &'e [u8],
        /// Its name.
        name: &'e [u8],
    },
    /// Changed rows.
    Rows {
        /// The number of the table.
        table: u64,
        /// What happened to them.
        change: RowChange,
    },
    /// The transaction is committed.
    Commit,
    /// The transaction is prepared, and is committed or rolled back by another one.
    XaPrepare,
    /// MySQL: a whole transaction, packed into one event. Behind one another stand events without checksums.
    Packed {
        /// How they are compressed: 0 is zstd, 255 not at all.
        compression: u64,
        /// They, compressed.
        bytes: &'e [u8],
    },
    /// The server lost events; what is missing is in no log.
    Incident,
    /// Something else that belongs to the transaction.
    Other,
}

/// What happened to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RowChange {
    /// They are new.
    Insert,
    /// They have other values.
    Update,
    /// They are gone.
    Delete,
}

/// MariaDB's flags of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct MariaFlags(u8);

impl MariaFlags {
    /// Whether it ends with its first statement; else it ends with a commit.
    #[must_use]
    pub fn is_standalone(self) -> bool {
        // The end of a prepared transaction is one statement too.
        self.0 & (1 | 128) != 0
    }
}

impl Event {
    /// What it is to the transaction it stands in. An event that is damaged inside is [`Content::Other`].
    #[must_use]
    pub fn content(&self) -> Content<'_> {
        content(self.header.kind, self.body())
    }

    /// When the transaction that begins here was committed, in microseconds since 1970. Only MySQL 8.0 and
    /// later say it.
    #[must_use]
    pub fn commit_time(&self) -> Option<u64> {
        commit_time(self.header.kind, self.body())
    }

    /// MariaDB: the flags in the GTID event of a transaction.
    #[must_use]
    pub fn maria_flags(&self) -> Option<MariaFlags> {
        let is_head = self.header.kind == EventKind::MARIA_GTID;
        self.body().get(12).filter(|_| is_head).map(|flags| MariaFlags(*flags))
    }
}

/// The same for an event without its frame.
#[must_use]
pub fn content(kind: EventKind, body: &[u8]) -> Content<'_> {
    match kind {
        EventKind::FORMAT_DESCRIPTION
        | EventKind::ROTATE
        | EventKind::STOP
        | EventKind::HEARTBEAT
        | EventKind::HEARTBEAT_V2
        | EventKind::PREVIOUS_GTIDS
        | EventKind::BINLOG_CHECKPOINT
        | EventKind::MARIA_GTID_LIST
        | EventKind::START_ENCRYPTION => return Content::Between,
        EventKind::GTID | EventKind::GTID_TAGGED | EventKind::ANONYMOUS_GTID | EventKind::MARIA_GTID => {
            return Content::Head;
        }
        _ => {}
    }
    match kind.0 {
        QUERY => query(body, 0).unwrap_or(Content::Other),
        EXECUTE_LOAD_QUERY => query(body, 13).unwrap_or(Content::Other),
        QUERY_COMPRESSED => match query(body, 0) {
            Some(Content::Query { database, .. }) => Content::Query { database, text: None },
            _ => Content::Other,
        },
        TABLE_MAP => table_map(body).unwrap_or(Content::Other),
        XID => Content::Commit,
        XA_PREPARE => Content::XaPrepare,
        TRANSACTION_PAYLOAD => pack(body).unwrap_or(Content::Other),
        INCIDENT => Content::Incident,
        INTVAR | RAND | USER_VAR | BEGIN_LOAD_QUERY | APPEND_BLOCK => Content::Preparation,
        ANNOTATE_ROWS => Content::RowsStatement { text: body },
        // The length in the first byte is only of its last eight bits.
        ROWS_QUERY => body.split_first().map_or(Content::Other, |(_, text)| Content::RowsStatement { text }),
        other => rows(other, body).unwrap_or(Content::Other),
    }
}

/// Thread, duration, lengths and error; `more` bytes of the kind's own; status variables, database, text.
fn query(body: &[u8], more: usize) -> Option<Content<'_>> {
    let mut body = Cursor(body);
    body.take(8)?;
    let database = usize::from(body.byte()?);
    body.take(2)?;
    let variables = body.number::<2>()? as usize;
    body.take(more)?;
    body.take(variables)?;
    let database = body.take(database)?;
    (body.byte()? == 0).then_some(())?;
    Some(Content::Query { database, text: Some(body.rest()) })
}

/// Fields of type, length and value, ended by type 0: 2 is the compression. What is compressed follows.
fn pack(body: &[u8]) -> Option<Content<'_>> {
    let mut body = Cursor(body);
    let mut compression = None;
    loop {
        let field = packed(&mut body)?;
        if field == 0 {
            return Some(Content::Packed { compression: compression?, bytes: body.rest() });
        }
        let length = usize::try_from(packed(&mut body)?).ok()?;
        let value = body.take(length)?;
        if field == 2 {
            compression = Some(packed(&mut Cursor(value))?);
        }
    }
}

fn table_map(body: &[u8]) -> Option<Content<'_>> {
    let mut body = Cursor(body);
    let table = body.number::<6>()?;
    body.take(2)?;
    let mut name = || {
        let length = usize::from(body.byte()?);
        let name = body.take(length)?;
        (body.byte()? == 0).then_some(name)
    };
    let (database, name) = (name()?, name()?);
    Some(Content::TableMap { table, database, name })
}

/// The kinds of two versions, and those that MariaDB compresses.
fn rows(kind: u8, body: &[u8]) -> Option<Content<'_>> {
    let change = match kind {
        23 | 30 | 166 | 169 => RowChange::Insert,
        24 | 31 | 39 | 167 | 170 => RowChange::Update,
        25 | 32 | 168 | 171 => RowChange::Delete,
        _ => return None,
    };
    Some(Content::Rows { table: Cursor(body).number::<6>()?, change })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_has_its_database_and_text_behind_its_variables() {
        let mut body = vec![0; 8];
        body.extend([4, 0, 0, 3, 0, 9, 9, 9]);
        body.extend(b"shop\0DROP TABLE t");
        let expected = Content::Query { database: b"shop", text: Some(b"DROP TABLE t") };
        assert_eq!(content(EventKind(QUERY), &body), expected);
        for length in 0..body.len() - b"DROP TABLE t".len() {
            assert_eq!(content(EventKind(QUERY), &body[..length]), Content::Other, "{length}");
        }
        let packed = Content::Query { database: b"shop", text: None };
        assert_eq!(content(EventKind(QUERY_COMPRESSED), &body), packed);
    }

    #[test]
    fn the_statement_behind_rows_is_told_by_both_makes() {
        let expected = Content::RowsStatement { text: b"DELETE FROM t" };
        assert_eq!(content(EventKind(ANNOTATE_ROWS), b"DELETE FROM t"), expected);
        assert_eq!(content(EventKind(ROWS_QUERY), b"\x0dDELETE FROM t"), expected);
        assert_eq!(content(EventKind(ROWS_QUERY), b""), Content::Other);
    }

    #[test]
    fn a_table_map_cut_short_is_not_understood() {
        let body = b"\x07\0\0\0\0\0\x01\0\x04shop\0\x01t\0rest";
        let expected = Content::TableMap { table: 7, database: b"shop", name: b"t" };
        assert_eq!(content(EventKind(TABLE_MAP), body), expected);
        for length in 0..body.len() - b"rest".len() {
            assert_eq!(content(EventKind(TABLE_MAP), &body[..length]), Content::Other, "{length}");
        }
    }
}

//! What one transaction is, told from its events.

use chrono::{DateTime, Utc};
use serde::Serialize;
use xb_core::gtid::Gtid;
use xb_formats::binlog::{Content, Event, Payload, RowChange};

use super::clock::moment;
use super::pack;

/// How much of a transaction is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingLimits {
    /// Bytes of a statement. Default 400.
    pub statement_bytes: usize,
    /// Statements, statements behind rows, and tables. Default 20 each.
    pub items: usize,
}

impl Default for ReadingLimits {
    fn default() -> Self {
        ReadingLimits { statement_bytes: 400, items: 20 }
    }
}

/// A transaction, or what stands for one: a statement that commits by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TransactionSummary {
    /// Where it begins in its log, in bytes.
    pub begin: u64,
    /// Where it ends, in bytes.
    pub end: u64,
    /// Its GTID, where the server gives any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gtid: Option<Gtid>,
    /// When it was committed, to the microsecond, at MySQL 8.0 and later. Else the second of its first event.
    pub time: DateTime<Utc>,
    /// How it ends.
    pub kind: TransactionKind,
    /// Statements in it, without those that only begin and end it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<StatementText>,
    /// Statements beyond those told.
    pub more_statements: u64,
    /// Statements whose changes are in it as rows, where the server says them: MariaDB does
    /// (`binlog_annotate_row_events`), MySQL only with `binlog_rows_query_log_events`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub row_statements: Vec<StatementText>,
    /// The same beyond those told.
    pub more_row_statements: u64,
    /// Tables whose rows it changes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableChanges>,
    /// Events with rows of tables beyond those told.
    pub more_row_events: u64,
    /// Whether something in it is compressed and was not looked into.
    pub is_compressed: bool,
    /// Whether a statement in it is about a temporary table.
    pub has_temporary_tables: bool,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionKind {
    /// With a commit, all or nothing.
    Transactional,
    /// With a commit that cannot undo what was changed in tables without transactions.
    NonTransactional,
    /// By itself: a change of a definition, an account, …
    Statement,
    /// Prepared. Another one commits it or rolls it back.
    XaPrepared,
    /// The server says that it lost events here.
    Incident,
    /// It does not: the log ends inside of it.
    Unfinished,
}

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatementText {
    /// The default database; empty for none, and for statements behind rows, which do not say it.
    pub database: String,
    /// Its text, as far as it is told. None where it is compressed.
    pub text: Option<String>,
    /// Whether it goes on.
    pub is_cut: bool,
}

/// What happened to the rows of a table, in events. One has as many rows as the server put into it, so these are
/// not numbers of rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableChanges {
    /// `database.table`.
    pub table: String,
    /// Events with new rows.
    pub insert_events: u64,
    /// Events with changed rows.
    pub update_events: u64,
    /// Events with deleted rows.
    pub delete_events: u64,
}

impl TransactionSummary {
    /// Whether a server that replays it may have nothing to write into its own log: it has statements only,
    /// which may be without an effect there, or about temporary tables.
    #[must_use]
    pub fn may_log_nothing(&self) -> bool {
        self.tables.is_empty() && !self.is_compressed
    }

    /// Whether a server that replays it commits it in two parts, of which the second takes a GTID of its own:
    /// a MariaDB table that is created with its rows.
    #[must_use]
    pub fn is_split(&self) -> bool {
        let creates = |statement: &StatementText| {
            let text = statement.text.as_deref().unwrap_or("CREATE");
            text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("CREATE"))
        };
        matches!(self.gtid, Some(Gtid::MariaDb { .. }))
            && !self.tables.is_empty()
            && (self.statements.iter().any(creates) || self.more_statements > 0)
    }

    /// Whether all of it is there.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.kind != TransactionKind::Unfinished
    }
}

/// Tables of one transaction whose numbers are remembered. A statement has a few at a time; a log that names ever
/// more takes no more room.
const MAPS: usize = 4096;

/// A transaction that is being read.
#[derive(Debug)]
pub(super) struct Gathering {
    limits: ReadingLimits,
    /// Whether it ends with a commit; else with its first statement.
    awaits_commit: bool,
    /// Number of a table → its name.
    maps: Vec<(u64, String)>,
    summary: TransactionSummary,
}

impl Gathering {
    /// Begins with an event, which is still to be added.
    pub(super) fn begin(event: &Event, limits: ReadingLimits) -> Self {
        let gtid = match event.payload() {
            Ok(Payload::MysqlGtid(gtid)) => Some(gtid.into()),
            Ok(Payload::MariaGtid(gtid)) => Some(gtid.into()),
            _ => None,
        };
        let begun = || DateTime::from_timestamp(i64::from(event.header.timestamp), 0);
        let summary = TransactionSummary {
            begin: event.offset,
            end: event.offset,
            gtid,
            time: event.commit_time().and_then(moment).or_else(begun).unwrap_or_default(),
            kind: TransactionKind::Unfinished,
            statements: Vec::new(),
            more_statements: 0,
            row_statements: Vec::new(),
            more_row_statements: 0,
            tables: Vec::new(),
            more_row_events: 0,
            is_compressed: false,
            has_temporary_tables: false,
        };
        let awaits_commit = event.maria_flags().is_some_and(|flags| !flags.is_standalone());
        Gathering { limits, awaits_commit, maps: Vec::new(), summary }
    }

    /// Adds an event. Gives whether it is the last one.
    pub(super) fn add(&mut self, event: &Event) -> bool {
        self.summary.end = event.end();
        let ended = self.take(event.content());
        self.summary.kind = ended.unwrap_or(TransactionKind::Unfinished);
        ended.is_some()
    }

    fn take(&mut self, content: Content<'_>) -> Option<TransactionKind> {
        match content {
            Content::Query { database, text } => return self.statement(database, text),
            Content::TableMap { table, database, name } => {
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                self.awaits_commit = true;
                self.maps.retain(|(number, _)| *number != table);
                if self.maps.len() >= MAPS {
                    self.maps.remove(0);
                }
                self.maps.push((table, format!("{}.{}", text(database), text(name))));
            }
            Content::RowsStatement { text } => {
                let Gathering { limits, summary, .. } = self;
                let told = (&mut summary.row_statements, &mut summary.more_row_statements);
                tell(told, *limits, b"", Some(text));
            }
            Content::Rows { table, change } => self.rows(table, change),
            Content::Commit => return Some(TransactionKind::Transactional),
            Content::XaPrepare => return Some(TransactionKind::XaPrepared),
            Content::Incident => return Some(TransactionKind::Incident),
            Content::Packed { compression, bytes } => {
                let read = pack::read(compression, bytes, &mut |content| {
                    self.take(content);
                });
                self.summary.is_compressed |= !read;
                return Some(TransactionKind::Transactional);
            }
            Content::Between | Content::Head | Content::Preparation | Content::Other => {}
        }
        None
    }

    fn statement(&mut self, database: &[u8], text: Option<&[u8]>) -> Option<TransactionKind> {
        let begins = |word: &str| {
            text.is_some_and(|text| {
                text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()))
            })
        };
        let is =
            |word: &str| begins(word) && text.is_some_and(|text| text.trim_ascii_end().len() == word.len());
        if self.awaits_commit && (is("COMMIT") || is("ROLLBACK")) {
            return Some(TransactionKind::NonTransactional);
        }
        if !self.awaits_commit && (is("BEGIN") || begins("XA START") || begins("XA BEGIN")) {
            self.awaits_commit = true;
            return None;
        }
        self.note(database, text);
        (!self.awaits_commit).then_some(TransactionKind::Statement)
    }

    fn note(&mut self, database: &[u8], text: Option<&[u8]>) {
        self.summary.is_compressed |= text.is_none();
        self.summary.has_temporary_tables |= text.is_none_or(mentions_temporary);
        let Gathering { limits, summary, .. } = self;
        tell((&mut summary.statements, &mut summary.more_statements), *limits, database, text);
    }

    fn rows(&mut self, table: u64, change: RowChange) {
        self.awaits_commit = true;
        let named = self.maps.iter().find(|(number, _)| *number == table);
        let name = named.map_or("?", |(_, name)| name.as_str());
        let tables = &mut self.summary.tables;
        let place = tables.iter().position(|changes| changes.table == name);
        let place = place.or_else(|| {
            if tables.len() >= self.limits.items {
                return None;
            }
            let table = name.to_owned();
            tables.push(TableChanges { table, insert_events: 0, update_events: 0, delete_events: 0 });
            Some(tables.len() - 1)
        });
        match (place.and_then(|place| tables.get_mut(place)), change) {
            (Some(changes), RowChange::Insert) => changes.insert_events += 1,
            (Some(changes), RowChange::Update) => changes.update_events += 1,
            (Some(changes), RowChange::Delete) => changes.delete_events += 1,
            (None, _) => self.summary.more_row_events += 1,
        }
    }

    /// What was gathered.
    pub(super) fn finish(self) -> TransactionSummary {
        self.summary
    }
}

/// Adds a statement to those told, as far as the limits go, or counts it.
fn tell(
    (told, more): (&mut Vec<StatementText>, &mut u64),
    limits: ReadingLimits,
    database: &[u8],
    text: Option<&[u8]>,
) {
    if told.len() >= limits.items {
        *more += 1;
        return;
    }
    let limit = limits.statement_bytes;
    let cut = |bytes: &[u8]| String::from_utf8_lossy(bytes.get(..limit).unwrap_or(bytes)).into_owned();
    told.push(StatementText {
        database: String::from_utf8_lossy(database).into_owned(),
        text: text.map(cut),
        is_cut: text.is_some_and(|text| text.len() > limit),
    });
}

/// Whether a statement says TEMPORARY. Those that say it elsewhere are taken for some that do.
fn mentions_temporary(text: &[u8]) -> bool {
    const WORD: &[u8] = b"TEMPORARY";
    text.windows(WORD.len()).any(|part| part.eq_ignore_ascii_case(WORD))
}

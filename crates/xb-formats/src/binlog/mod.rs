//! Binary logs of MySQL and MariaDB, version 4: framing, checksums, and the few events that say where things are.
//!
//! A file is four magic bytes and events behind them. An event is a header of 19 bytes, a body, and behind it
//! a CRC-32 if the format description event at the head of the file says so. Rows are not looked into: of what
//! changes them, only which tables they belong to is read.
//!
//! * [`FileReader`] reads a file and says how it ends ([`End`]); [`Splitter`] is the same for whoever has the
//!   bytes. [`EventCheck`] judges events that come one by one, as from a server.
//! * [`Payload`] is what an event says, [`FileFacts`] what a file's events say together.
//! * [`Content`] is what an event is to the transaction it stands in.
//!
//! Events are kept as the bytes they are, so that a copy of them is one.

mod check;
mod content;
mod cursor;
mod error;
mod event;
mod facts;
mod format;
mod gtid;
mod header;
mod payload;
mod reader;
mod splitter;

pub use check::{EventCheck, strip_checksum};
pub use content::{Content, MariaFlags, RowChange, content};
pub use error::{BinlogError, Fault};
pub use event::Event;
pub use facts::{DomainRange, FileFacts, MysqlTransactions};
pub use format::{ChecksumAlgorithm, FormatDescription};
pub use gtid::{MariaGtid, MariaGtidState, MysqlGtid};
pub use header::{EventHeader, EventKind, HEADER_BYTES};
pub use payload::Payload;
pub use reader::{FileReader, ReadError};
pub use splitter::{Close, End, Limits, Splitter};

/// The bytes at the head of every binary log.
pub const MAGIC: [u8; 4] = *b"\xfebin";
/// The bytes at the head of a binary log that MySQL encrypted as a whole.
pub const ENCRYPTED_MAGIC: [u8; 4] = *b"\xfdbin";
/// Where the first event of a file is.
pub const FIRST_EVENT: u64 = MAGIC.len() as u64;

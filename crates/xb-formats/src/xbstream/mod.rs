//! The stream format of `xbstream` (Percona XtraBackup) and `mbstream` (MariaDB).
//!
//! A stream is a sequence of chunks without header, trailer or index. Chunks of different files interleave
//! freely; an end chunk closes a file. Numbers are unsigned and little-endian:
//!
//! ```text
//! magic "XBSTCK01" | flags u8 | type u8 | path length u32 | path | what the type asks for
//!   P  data      length u64, offset u64, crc32 u32, payload
//!   E  end       -
//!   S  sparse    entries u32, length u64, offset u64, crc32 u32, entries × (skip u32, write u32), payload
//!   S  seek      offset u64                                                            (MariaDB only)
//!   D  remove    -                                                                     (MariaDB only)
//!   R  rename    length u32, new path                                                  (MariaDB only)
//! ```
//!
//! [`Decoder`] is the one parser: fed with the bytes that pass through a pipe it observes them, and it is the
//! front of an extraction. [`Reader`] pulls for it, [`Writer`] makes streams that all known tools read.
//!
//! Invariants: whatever way the input is cut into calls, the result is the same; no path leaves this module
//! that could lead out of the directory it is resolved in; a stream that ends with a file open is refused,
//! which the tools themselves do not do.

mod decoder;
mod error;
mod event;
mod files;
mod payload;
mod reader;
mod writer;

pub use decoder::Decoder;
pub use error::{Fault, XbstreamError};
pub use event::{Dialect, Event, FileKey, Limits, StreamSummary};
pub use reader::{ReadError, Reader};
pub use writer::{CHUNK_LIMIT, FileInWork, WriteError, Writer};

pub use crate::path::{PATH_LIMIT, PathError, StreamPath};

/// The first bytes of every chunk, and so of every stream that is not empty.
pub const MAGIC: [u8; 8] = *b"XBSTCK01";

/// Flag bit 0: a reader may skip the chunk. No known writer sets it, and what is behind the path of an
/// unknown type is not defined, so it is of no use.
const FLAG_SKIPPABLE: u8 = 0x01;
/// Flag bit 1, on data chunks of MariaDB 10.11.8 and later: the file replaces an earlier one.
const FLAG_REWRITE: u8 = 0x02;

const TYPE_DATA: u8 = b'P';
const TYPE_END: u8 = b'E';
const TYPE_SEEK_OR_SPARSE: u8 = b'S';
const TYPE_REMOVE: u8 = b'D';
const TYPE_RENAME: u8 = b'R';

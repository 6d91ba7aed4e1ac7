//! The archives of `qpress`, which XtraBackup and MariaDB write for each file they compress.
//!
//! An archive is a head and records until the input ends. Numbers are unsigned and little-endian:
//!
//! ```text
//! "qpress10" | chunk size u64
//!   D  enter a directory      name length u32, name, NUL
//!   U  back to its parent     -
//!   F  a file                 name length u32, name, NUL, blocks, trailer
//!   block                     "NEWBNEWB", position u64, adler32 u32, QuickLZ packet
//!   trailer                   "ENDSENDS", 8 bytes that are zero
//! ```
//!
//! A name is one component of a path. A block's position is the number of plaintext bytes of its file before
//! it; its checksum covers the packet. No block expands to more than the chunk size; shorter ones may stand
//! anywhere. Standard input stored under a name is a file like any other. Nowhere does it say how long a file
//! is, or that the archive is complete: it may end after any record outside of a file, as long as every
//! directory was left. Taken from the behaviour of qpress 1.1, xtrabackup 2.2.10 and mariabackup 10.11.19, whose
//! archives are in the tests.
//!
//! [`Decoder`] is the one parser: it cuts an archive into [`Event`]s, among them owned [`Block`]s, which
//! [`Block::expand`] turns into plaintext, on any thread and in any order. [`Reader`] pulls for it. In the
//! other direction [`PackedBlock::new`] compresses, at level 1, and [`Writer`] puts the parts together.
//!
//! ```
//! use xb_formats::qpress::{Event, Limits, QpressError, ReadError, Reader, Writer};
//!
//! let mut writer = Writer::new(Vec::new())?;
//! writer.enter_directory(b"shop")?;
//! writer.write_file(b"db.opt", &mut &b"default-collation=utf8\n"[..])?;
//! writer.leave_directory()?;
//! let archive = writer.finish()?;
//!
//! let (mut plain, mut path) = (Vec::new(), String::new());
//! Reader::new(archive.as_slice()).run::<ReadError>(&mut |event| {
//!     match event {
//!         Event::Block(block) => plain.extend(block.expand()?),
//!         Event::Close { path: of, .. } => path = of.to_string(),
//!         _ => {}
//!     }
//!     Ok(())
//! })?;
//! assert_eq!((path.as_str(), plain.as_slice()), ("shop/db.opt", &b"default-collation=utf8\n"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Invariants: whatever way the input is cut into calls, the result is the same; no path leaves this module
//! that could lead out of the directory it is resolved in; memory grows with what has arrived, and when a
//! block is expanded to at most 85 times that.

mod block;
mod decoder;
mod error;
mod event;
mod quicklz;
mod reader;
mod writer;

pub use block::{Block, PackedBlock};
pub use decoder::Decoder;
pub use error::{Fault, QpressError};
pub use event::{ArchiveSummary, Event, FileKey, Limits, Shape};
pub use quicklz::{Level, PacketError, PacketHead, TokenFault};
pub use reader::{ReadError, Reader};
pub use writer::{DEFAULT_CHUNK_BYTES, MAX_CHUNK_BYTES, WriteError, Writer};

/// The first bytes of every archive.
pub const MAGIC: [u8; 8] = *b"qpress10";

const BLOCK_MARK: [u8; 8] = *b"NEWBNEWB";
const TRAILER_MARK: [u8; 8] = *b"ENDSENDS";

const RECORD_DIRECTORY: u8 = b'D';
const RECORD_UP: u8 = b'U';
const RECORD_FILE: u8 = b'F';

//! Codecs of MySQL and MariaDB physical backups.
//!
//! * [`xbstream`]: the stream format of `xbstream` and `mbstream`, read and written.
//! * [`xbcrypt`]: the encrypted chunks of `xbcrypt`, read and written.
//! * [`qpress`]: the archives of `qpress` and the QuickLZ packets in them, read and written.
//! * [`binlog`]: binary logs, cut into events and checked; where they begin, end and go on.
//! * [`path`]: the paths all of them hand out, which cannot lead out of where they are resolved.
//! * [`meta`]: the small files an engine leaves beside the data, and the lines it logs.
//! * [`archive`]: which layers an archive consists of, told by its name and by its first bytes.
//!
//! The crate is pure: it takes byte slices, [`std::io::Read`], [`std::io::Write`] and values. It opens no
//! file, asks no clock, reads no environment and starts no thread and no process. Whatever it is fed may
//! come from an enemy: it answers with an error, never with a panic, and allocates by what has arrived, not
//! by what a header announces.
//!
//! ```
//! use xb_formats::xbstream::{Event, ReadError, Reader, StreamPath, Writer};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.write_file(StreamPath::new(b"shop/db.opt")?, &mut &b"default-collation=utf8\n"[..])?;
//! let stream = writer.finish()?;
//!
//! let mut closed = Vec::new();
//! let summary = Reader::new(stream.as_slice()).run::<ReadError>(&mut |event| {
//!     if let Event::Close { path, size, .. } = event {
//!         closed.push((path.to_string(), size));
//!     }
//!     Ok(())
//! })?;
//! assert_eq!(closed, [("shop/db.opt".to_owned(), 23)]);
//! assert_eq!(summary.files, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archive;
pub mod binlog;
mod bytes;
mod field;
pub mod meta;
pub mod path;
mod pull;
pub mod qpress;
pub mod xbcrypt;
pub mod xbstream;

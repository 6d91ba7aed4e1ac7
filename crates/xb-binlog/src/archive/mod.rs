//! Archives of binary logs.
//!
//! ```text
//! epoch-000001/        one server's logs, without a gap
//!   epoch.json         whose, and what it is to the epoch before
//!   server-uuid        whose, where the server has a UUID
//!   <name>             a closed log: as long as the server's, and equal to it but for the in-use flag
//!   <name>.zst.age     a closed log in another form: see FileForm
//!   <name>.json        what is known of a closed log, so that nobody has to read it
//!   <name>.partial     the newest log, as far as it has come
//!   <name>.part-<from>-<to>   pieces of the newest log, where the archive is a copy, or came from one
//!   <name>.torn-<at>   what an earlier run left behind the last whole event; nobody needs it, it is kept because
//!                      nothing is thrown away unseen
//! <name>               a log that somebody put there without an epoch, which is called epoch 0; only read
//! ```
//!
//! The one who adds to an archive holds a lock on its directory ([`BinlogArchive`]), and adds to one epoch at a time
//! ([`EpochDirectory`]). Everybody looks at it without ([`ArchiveView`]). Who gives logs another form ([`convert`]) or
//! removes them holds a lock on `epoch.json`.

mod convert;
pub(crate) mod describe;
mod directory;
mod entry;
mod epoch;
mod error;
mod last;
pub(crate) mod listing;
pub(crate) mod lock;
pub(crate) mod names;
mod output;
mod partial;
mod picture;
pub(crate) mod pieces;
pub(crate) mod read;
pub(crate) mod repair;
pub(crate) mod root;
pub(crate) mod seal;
pub(crate) mod shelf;
mod verify;

pub use convert::convert;
pub use directory::{ArchiveEnd, EpochDirectory};
pub use entry::{LogEntry, LogGtids, LogState, StoredForm};
pub use epoch::{Beginning, Epoch, EpochNumber, EpochRecord, EpochServer, LogFault, Place};
pub use error::ArchiveError;
pub use last::LastEvent;
pub use partial::Partial;
pub use picture::{Logs, Picture};
pub use root::{ArchiveView, BinlogArchive};
pub use verify::verify;

#[cfg(test)]
mod tests;

//! Binary logs of a server: the client that talks to it, and a replica that keeps its logs in an archive.
//!
//! * [`client`]: questions to a server.
//! * [`source`]: logs as a server sends them.
//! * [`archive`]: a directory of logs, equal to the server's byte for byte.
//! * [`gap`]: what an archive lacks. [`lost`](mod@lost): what it had. [`prune`](mod@prune): what of it nobody needs any more.
//! * [`push`]: an archive's way to a store elsewhere, [`elsewhere`] the way back.
//! * [`union`]: an archive and its copies as one.
//! * [`stream`](mod@stream): from the one to the other, over as many connections as it takes.
//! * [`state`]: how a streamer does, for those who ask.
//! * [`recover`]: what is in an archive, and which part of it leads from a backup to a point in time.
//! * [`replay`](mod@replay): that part, on a server.

pub mod archive;
pub mod client;
pub mod elsewhere;
pub mod gap;
pub mod lost;
pub mod prune;
pub mod push;
pub mod recover;
pub mod replay;
pub mod source;
pub mod state;
pub mod stream;
pub mod union;

mod lineage;
#[cfg(test)]
mod testing;

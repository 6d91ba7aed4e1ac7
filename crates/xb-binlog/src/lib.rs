//! Binary logs of a server: the client that talks to it, and a replica that keeps its logs in an archive.
//!
//! * [`client`]: questions to a server.
//! * [`source`]: logs as a server sends them.
//! * [`archive`]: a directory of logs, equal to the server's byte for byte.
//! * [`stream`](mod@stream): from the one to the other, over as many connections as it takes.

pub mod archive;
pub mod client;
pub mod source;
pub mod stream;

//! How backup bytes move: child processes, checks, compression, digests and the files they end in.
//!
//! Everything that touches the outside stands here, each thing in one module: processes in [`process`],
//! files in [`fs`], time in [`clock`]. Memory does not grow with the data.
//!
//! The two ways through: [`receive::receive`] takes a backup in, [`extract::extract`] unpacks it again.

pub mod cancel;
pub mod clock;
pub mod copy;
pub mod extract;
pub mod fs;
pub mod monitor;
pub mod process;
pub mod receive;

mod parallel;
mod sink;
mod stage;

pub use sink::file::{copy_object, digest_file, write_object};
pub use sink::{Digest, ObjectReceipt};
pub use stage::check::{CheckError, MetaFile};
pub use stage::compress::Compression;

//! How backup bytes move: child processes, checks, compression, digests and the files they end in.
//!
//! Everything that touches the outside stands here, each thing in one module: processes in [`process`],
//! files in [`fs`], time in [`clock`]. Memory does not grow with the data.
//!
//! The two ways through: [`receive::receive`] takes a backup in, [`extract::extract`] unpacks it again.
//! [`archive`] looks into archives and makes one from another. [`single`] packs and unpacks a file that is no
//! archive.

pub mod archive;
pub mod attend;
pub mod cancel;
pub mod clock;
pub mod copy;
pub mod extract;
pub mod flush;
pub mod fs;
pub mod keys;
pub mod monitor;
pub mod presence;
pub mod probe;
pub mod process;
pub mod receive;
pub mod single;
pub mod store;

mod check;
mod cut;
mod flow;
mod pack;
mod parallel;
mod read;
mod sink;

pub use check::{CheckError, MetaFile};
pub use flow::FlowError;
pub use pack::compress::Compression;
pub use pack::{Encryption, Packing};
pub use read::ReadOptions;
pub use sink::file::{ObjectError, ObjectWriter, copy_object, digest_file, write_object};
pub use sink::{Digest, ObjectReceipt};

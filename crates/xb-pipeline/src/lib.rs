//! How backup bytes move: child processes, checks, compression, digests and the files they end in.
//!
//! Everything that touches the outside stands here, each thing in one module: processes in [`process`],
//! files in [`fs`], time in [`clock`]. Memory does not grow with the data.

pub mod cancel;
pub mod clock;
pub mod fs;
pub mod monitor;
pub mod process;

//! A private real server: its own data directory, socket and log, no network unless asked for, and gone
//! when its owner is, however the owner ends.
//!
//! For tests, demonstrations and drills that restore a backup and look at what came out. Needs the programs
//! of MariaDB ([`Binaries::find`]) or of any other server ([`Binaries::of_server`]), and nothing that has to
//! be set up before.
//!
//! ```no_run
//! use xb_sandbox::{Dataset, Sandbox, dataset, oracle};
//!
//! # fn main() -> Result<(), xb_sandbox::SandboxError> {
//! let source = Sandbox::new("/tmp/source").option("log-bin", "mysql-bin").initialise()?;
//! Dataset::create(&source, 200)?;
//! dataset::change(&source, 1)?;
//!
//! // The state at a coordinate, from the binary logs alone.
//! let here = source.binlog_coordinate()?;
//! let replayed = oracle::at(source.binaries(), &source.binary_logs()?, &here, "/tmp/oracle")?;
//! assert_eq!(replayed.checksums()?, source.checksums()?);
//! # Ok(())
//! # }
//! ```

pub mod dataset;
pub mod oracle;

mod binaries;
mod checksum;
mod client;
mod dialect;
mod error;
mod initialise;
mod keeper;
mod port;
mod sandbox;
mod server;

pub use binaries::Binaries;
pub use client::{Client, quote_name, quote_text};
pub use dataset::{Dataset, Writer, WriterStats};
pub use error::{MissingProgram, SandboxError};
pub use port::free_port;
pub use sandbox::Sandbox;
pub use server::Server;

//! Varied data to back up: what is in it is fixed by its size, so two servers filled alike hold the same.
//!
//! Text is made of a few words, numbers and digests in hexadecimal, so that it packs about as well as real
//! tables do. Everything is computed by the server itself from row numbers: nothing is random.

mod change;
mod fill;
mod writer;

use std::time::{Duration, Instant};

pub use change::change;
pub use writer::{Writer, WriterStats};

use crate::error::SandboxError;
use crate::server::Server;

const SCHEMA: &str = include_str!("schema.sql");

/// What was put into a server.
#[derive(Clone, Copy, Debug)]
pub struct Dataset {
    /// Rows in all the large tables.
    pub rows: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl Dataset {
    /// Fills a server that has none of it with about so many megabytes of tables, beside the some 60 MB
    /// that every data directory has. With 0 every table is there with a few rows.
    ///
    /// # Errors
    /// As [`Server::sql`].
    pub fn create(server: &Server, megabytes: u32) -> Result<Dataset, SandboxError> {
        let started = Instant::now();
        server.sql(SCHEMA)?;
        let rows = fill::fill(&server.client(), megabytes)?;
        Ok(Dataset { rows, elapsed: started.elapsed() })
    }
}

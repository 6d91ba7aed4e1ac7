//! All that is in an archive, as one value, and the one way to read a log of it.

use std::io::Read;

use serde::Serialize;
use xb_core::BinlogName;

use super::epoch::{Epoch, EpochNumber};
use super::error::ArchiveError;

/// An archive as it was when it was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Picture {
    /// Its epochs, oldest first.
    pub epochs: Vec<Epoch>,
    /// Names of what is there and is not known; it is left alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub strangers: Vec<String>,
}

impl Picture {
    /// The epoch of a number.
    #[must_use]
    pub fn epoch(&self, number: EpochNumber) -> Option<&Epoch> {
        self.epochs.iter().find(|epoch| epoch.record.number == number)
    }
}

/// Reads logs of an archive as the server wrote them, wherever and in whatever form they are stored.
pub trait Logs: Send + Sync {
    /// A log from its first byte on. Its end is that of what is in the archive.
    ///
    /// # Errors
    /// [`ArchiveError`], also while reading, inside of the [`std::io::Error`].
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError>;
}

//! The vocabulary of MySQL and MariaDB physical backups.
//!
//! Values only: this crate opens no file, asks no clock, reads no environment and starts nothing. What is
//! here can be used alone, and every other crate of the project speaks in these words.

pub mod gtid;
pub mod settings;

mod backup_id;
mod class;
mod coord;
mod lsn;
mod secret;
mod version;

pub use backup_id::{BackupId, BackupKind, ParseBackupIdError};
pub use class::ErrorClass;
pub use coord::{BinlogCoord, BinlogName, ParseBinlogNameError};
pub use gtid::GtidSet;
pub use lsn::{Lsn, LsnRange, ParseLsnError};
pub use secret::{MASK, Masker, Secret};
pub use settings::{CompressWith, EngineChoice, Settings};
pub use version::{Flavor, ParseVersionError, Version};

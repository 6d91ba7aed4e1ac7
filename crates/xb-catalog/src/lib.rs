//! Backup sets and chains on disk: what is there, what is whole, what builds on what, and how a backup comes
//! to exist (docs/INVARIANTS.md).

pub mod layout;
pub mod manifest;
pub mod plan;

mod catalog;
mod commit;
mod read;
mod record;
mod set;

pub use catalog::{Catalog, Partial};
pub use commit::{BACKUP_META_NAME, CommitError, Draft, prepare_store, remove_partials};
pub use read::{read_manifest, read_objects};
pub use record::{BackupRecord, BackupState, Moment, Origin};
pub use set::{BackupSet, ChainError};

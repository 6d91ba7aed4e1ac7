//! Backup sets and chains in a store: what is there, what is whole, what builds on what, how a backup comes
//! to exist, and how it goes (docs/INVARIANTS.md).

pub mod layout;
pub mod manifest;
pub mod pins;
pub mod plan;
pub mod remove;
pub mod shelve;

mod catalog;
mod commit;
mod directory;
mod draft;
mod lean;
mod listing;
mod name;
mod original;
mod read;
mod record;
mod repository;
mod runs;
mod scan;
mod set;
mod sweep;

#[cfg(test)]
mod sample;

pub use catalog::{Catalog, Partial, ShelvedSet};
pub use commit::{BACKUP_META_NAME, CommitError, Draft, prepare_store, remove_partials};
pub use draft::{NewBackup, RemoteDraft};
pub use layout::Shelf;
pub use listing::Listing;
pub use pins::Pin;
pub use read::{read_manifest, read_objects};
pub use record::{BackupRecord, BackupState, Moment, Origin};
pub use repository::{Remote, Repository, RepositoryError};
pub use set::{BackupSet, ChainError};
pub use sweep::Remnant;

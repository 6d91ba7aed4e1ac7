//! The flows of a backup manager for MySQL, Percona Server and MariaDB: full and incremental backups,
//! restores, lists and verdicts. The crate to embed.
//!
//! ```no_run
//! use xb_core::Settings;
//! use xb_engine::Engine;
//!
//! let engine = Engine::new(Settings {
//!     mysql_user: Some("backup".into()),
//!     stor_dir: Some("/backups/store".into()),
//!     work_dir: Some("/backups/work".into()),
//!     restore_dir: Some("/backups/restored".into()),
//!     compress: true,
//!     ..Settings::default()
//! });
//! let taken = engine.full()?;
//! println!("{} ends at LSN {}", taken.manifest.id, taken.manifest.lsns.to);
//! println!("restored to {}", engine.restore_set()?.directory.display());
//! # Ok::<(), xb_engine::EngineError>(())
//! ```
//!
//! The library never prints, never ends the process, reads no environment and installs no signal handler: it
//! takes [`Settings`](xb_core::Settings) and [`Surroundings`] and returns reports that serialise.

mod context;
mod copystate;
mod encryption;
mod engine;
mod error;
mod flow;
mod hook;
mod listen;
mod lock;
mod memory;
mod notify;
mod option_file;
mod prepared;
mod private;
mod readers;
mod recorder;
mod report;
mod runlogs;
mod server;
mod server_settings;
mod stores;
mod surroundings;
mod told;
pub mod tool;

pub use copystate::CopyState;
pub use engine::Engine;
pub use error::{EngineError, LastWords, WrongBackup};
pub use flow::archive::{ArchiveInput, ArchiveRefusal, ArchiveSelection};
pub use flow::binlogs::look::Sought;
pub use flow::binlogs::stream::{Beat, StreamRequest};
pub use flow::recover::RecoveryRequest;
pub use lock::{LockError, LockState, RunInfo};
pub use report::{
    ApplyReport, ArchiveConverted, ArchiveExtracted, ArchiveListing, BackupReport, Check, CopyReport, Fleet,
    FleetServer, LastBackup, LastFull, LastLsn, LeftBehind, Level, Limits, ListReport, LogsReport,
    LogsSummary, LogsValues, MetaItem, MetaReport, NextStep, PinReport, PruneOptions, PruneReport,
    RecoveryReport, RestoreReport, Running, StatusReport, StatusValues, StoreCopied, StreamReport, Window,
    WindowReport, WipeItem, WipeReport, WithoutLogs,
};
pub use runlogs::log_name;
pub use server::ServerError;
pub use surroundings::{Advice, Surroundings};

//! Why a flow ended early.

mod convert;
mod key;

use std::path::PathBuf;

use xb_binlog::archive::{ArchiveError, Place};
use xb_binlog::client::ClientError;
use xb_binlog::recover::RecoverError;
use xb_binlog::replay::ReplayError;
use xb_binlog::stream::StreamError;
use xb_catalog::CommitError;
use xb_catalog::plan::{BaseError, RestoreError};
use xb_catalog::remove::RemoveError;
use xb_catalog::shelve::ShelveError;
use xb_core::{BackupId, BinlogName, ErrorClass, Flavor, Lsn};
use xb_formats::meta::MetaError;
use xb_formats::meta::log::KnownFailure;
use xb_pipeline::cancel::Cancelled;
use xb_pipeline::extract::ExtractError;
use xb_pipeline::fs::FsError;
use xb_pipeline::keys::KeyError;
use xb_pipeline::process::ProcessError;
use xb_pipeline::receive::ReceiveError;
use xb_pipeline::store::{AddressError, StoreError};
use xb_sandbox::SandboxError;

use crate::flow::archive::ArchiveRefusal;
use crate::lock::LockError;
use crate::server::ServerError;
use crate::tool::{Mismatch, ProbeError};

/// Why a flow ended early. Nothing that was in the store before is changed by a flow that fails.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A setting that the flow needs is not set.
    #[error("{key} is not set")]
    NotSet {
        /// The key.
        key: &'static str,
    },
    /// Somebody asked to stop.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// Somebody asked to stop while logs were replayed. What was done so far is kept to be gone on with.
    #[error("{cancelled}")]
    ReplayStopped {
        /// Who.
        #[source]
        cancelled: Cancelled,
        /// The directory it is kept in.
        left_in: PathBuf,
    },
    /// Another run is going on.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The server could not be asked.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// There is no engine.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The engine does not fit.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// An incremental has nothing to build on.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The engine did not deliver a backup.
    #[error("the backup failed: {source}")]
    Backup {
        /// What went wrong.
        source: ReceiveError,
        /// What the engine said at the end.
        said: LastWords,
    },
    /// The engine delivered something else than was asked for.
    #[error("the backup failed: {problem}")]
    NotAsAsked {
        /// What is wrong with it.
        problem: WrongBackup,
    },
    /// The backup could not be committed.
    #[error("the backup could not be committed: {0}")]
    Commit(#[from] CommitError),
    /// A store elsewhere does not answer, or not as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An address of a store cannot be understood.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The store has no prefix of its own beside which those of others could stand.
    #[error("{store} has no prefix of its own, so there is no telling where other servers are")]
    NoFleet {
        /// The store.
        store: String,
    },
    /// A store was to hold copies of itself.
    #[error("{store} is the store itself, and cannot hold its copies")]
    CopyOfItself {
        /// The store.
        store: String,
    },
    /// What can be done in a directory of this machine only.
    #[error("{what} works on a store that is a directory of this machine, and {store} is not")]
    OnlyHere {
        /// What was asked for.
        what: &'static str,
        /// The store.
        store: String,
    },
    /// A restore cannot begin.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The place a restore is to appear in is taken.
    #[error("{} exists already", path.display())]
    TargetExists {
        /// The place.
        path: PathBuf,
    },
    /// Another restore is making the same thing.
    #[error("another restore is at work in {}", path.display())]
    RestoreRunning {
        /// Where.
        path: PathBuf,
    },
    /// There is not enough room.
    #[error("{} has {free_bytes} bytes free, {task} needs about {needed_bytes}", path.display())]
    NoSpace {
        /// What was to be done.
        task: &'static str,
        /// Where.
        path: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
    /// A backup could not be unpacked.
    #[error("cannot unpack {member}: {source}")]
    Extract {
        /// Which one.
        member: BackupId,
        /// What went wrong.
        source: ExtractError,
    },
    /// A key is of no use.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An archive could not be read, unpacked or made.
    #[error("{source}")]
    Archive {
        /// What went wrong.
        source: Box<ExtractError>,
        /// The directory in which files are left that were complete by then.
        left_in: Option<PathBuf>,
    },
    /// What was asked of an archive cannot be done.
    #[error(transparent)]
    Refused(#[from] ArchiveRefusal),
    /// The engine could not prepare a backup.
    #[error("preparing {member} failed: {reason}")]
    Prepare {
        /// Which one.
        member: BackupId,
        /// How it ended.
        reason: String,
        /// What the engine said at the end.
        said: LastWords,
    },
    /// A backup is committed, and the prepared copy could not be brought up to it.
    #[error("{backup} is taken and committed, but not part of the prepared copy: {source}")]
    NotApplied {
        /// The backup.
        backup: BackupId,
        /// Why not.
        source: Box<EngineError>,
    },
    /// A store did not get a copy; with `backup`, that is committed here.
    #[error("{}no copy in {store}: {source}", .backup.map(|backup| format!("{backup} is taken and committed, but there is ")).unwrap_or_default())]
    NotCopied {
        /// The address of the store.
        store: String,
        /// The backup that was taken before.
        backup: Option<BackupId>,
        /// Why not.
        source: Box<EngineError>,
    },
    /// The remote host's own pyxbackup failed, after a backup was brought there.
    #[error("{backup} is taken and committed, but remote_script failed: {source}")]
    RemoteScript {
        /// The backup.
        backup: BackupId,
        /// What it said.
        source: StoreError,
    },
    /// Where the prepared copy belongs stands something else.
    #[error("{} is not a prepared copy of this store", path.display())]
    NotOurs {
        /// What stands there.
        path: PathBuf,
    },
    /// A backup could not be removed.
    #[error(transparent)]
    Remove(#[from] RemoveError),
    /// A set could not be moved.
    #[error(transparent)]
    Shelve(ShelveError),
    /// A hook forbids the run.
    #[error("{key} failed, so no backup was begun: {reason}")]
    Hook {
        /// The setting that names it.
        key: &'static str,
        /// How it ended, and the last it said.
        reason: String,
    },
    /// `purge_bitmaps` is set for a server that cannot do it.
    #[error("purge_bitmaps is set, but {server} has no changed page bitmaps to purge")]
    NoBitmaps {
        /// The server's flavor and version.
        server: String,
    },
    /// The incremental is committed, but the bitmaps it has used are still there.
    #[error("{backup} is taken and committed, but purging the bitmaps before LSN {before} failed: {source}")]
    BitmapPurge {
        /// The incremental.
        backup: BackupId,
        /// Where it ends.
        before: Lsn,
        /// Why.
        source: ClientError,
    },
    /// The archive of binary logs could not be read or added to.
    #[error(transparent)]
    Logs(#[from] ArchiveError),
    /// Binary logs could not be streamed.
    #[error(transparent)]
    Stream(#[from] Box<StreamError>),
    /// There is no way from a backup to the target.
    #[error(transparent)]
    Recover(#[from] Box<RecoverError>),
    /// No backup stands before the target.
    #[error("{} before {target}, from which it could be recovered", taken(only.as_ref()))]
    NoBase {
        /// What was wanted.
        target: String,
        /// The only backup that was to be used.
        only: Option<BackupId>,
    },
    /// The end of the logs is before a backup.
    #[error(
        "the binary logs end at {end}, before the backup {backup} was taken: recovering from {base} gives an older \
         state than that"
    )]
    BehindTheLogs {
        /// The backup that is behind the end of the logs.
        backup: BackupId,
        /// The newest one that logs follow on.
        base: BackupId,
        /// Where they end.
        end: Place,
    },
    /// A backup does not say where it stands in the binary logs.
    #[error("{backup} does not say where the server's binary log stood: logs cannot be replayed on it")]
    NoBinlog {
        /// The backup.
        backup: BackupId,
    },
    /// There is no server to replay logs with.
    #[error("no {names} in the search path, to replay binary logs with")]
    NoServerProgram {
        /// What was looked for.
        names: String,
    },
    /// No time zone has this name.
    #[error("recovery_time_zone: this machine knows no time zone {name:?}")]
    NoTimeZone {
        /// The name.
        name: String,
    },
    /// What is to replay logs is no server, or does not run.
    #[error("{} cannot replay binary logs: {source}", program.display())]
    BadServerProgram {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: Box<SandboxError>,
    },
    /// The server is of another kind than the backup.
    #[error("{} is not a server of the kind that was backed up, {flavor}", program.display())]
    OtherServerProgram {
        /// The program.
        program: PathBuf,
        /// Whose server was backed up.
        flavor: Flavor,
    },
    /// The archive has no log of this name.
    #[error("there is no {log} in {}", archive.display())]
    NoSuchLog {
        /// The name.
        log: BinlogName,
        /// The archive.
        archive: PathBuf,
    },
    /// The archive has several logs of this name.
    #[error("epochs {epochs:?} all have a log {log}")]
    SeveralLogs {
        /// The name.
        log: BinlogName,
        /// The epochs.
        epochs: Vec<u32>,
    },
    /// A log behind the last one that can be used cannot be.
    #[error("{log} cannot be used: {reason}; what is in it would be missing")]
    LogUnusable {
        /// Which.
        log: BinlogName,
        /// Why not.
        reason: String,
    },
    /// Other stores do not have all binary logs.
    #[error("the binary logs are here, but not all of them elsewhere: {reason}")]
    LogsNotPushed {
        /// Why not.
        reason: String,
    },
    /// A log of the archive is damaged.
    #[error("{log} of epoch {epoch}: {source}")]
    DamagedLog {
        /// Which.
        log: BinlogName,
        /// Its epoch.
        epoch: u32,
        /// What is wrong with it.
        source: xb_formats::binlog::ReadError,
    },
    /// The private server does not run.
    #[error("the private server for the recovery: {0}")]
    Sandbox(#[from] Box<SandboxError>),
    /// Logs could not be replayed.
    #[error("replaying the binary logs failed: {0}")]
    Replay(#[from] Box<ReplayError>),
    /// What keeps the archive while it is streamed into is gone.
    #[error("internal error: the thread that keeps the archive of binary logs is gone")]
    KeeperLost,
    /// A file could not be worked on.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// A child could not be run.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// How a backup differs from what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongBackup {
    /// Its metadata cannot be understood.
    #[error(transparent)]
    Metadata(#[from] MetaError),
    /// It is of the other kind.
    #[error("the engine made a backup of type {found}, wanted was {wanted}")]
    Kind {
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// It does not continue its base.
    #[error(
        "it begins at LSN {from} and ends at {to}, but its base {base} ends at {base_to}: it does not continue it"
    )]
    Gap {
        /// Its base.
        base: BackupId,
        /// Where that ends.
        base_to: Lsn,
        /// Where it begins.
        from: Lsn,
        /// Where it ends.
        to: Lsn,
    },
}

/// The end of what an engine said, secrets masked.
#[derive(Clone, Debug, Default)]
pub struct LastWords {
    /// The last lines.
    pub lines: Vec<String>,
    /// What they are known to mean.
    pub known: Option<KnownFailure>,
}

impl EngineError {
    /// The error of a store elsewhere that is behind it.
    #[must_use]
    pub fn store_error(&self) -> Option<&StoreError> {
        match self {
            EngineError::Store(error)
            | EngineError::RemoteScript { source: error, .. }
            | EngineError::Commit(CommitError::Store(error))
            | EngineError::Remove(RemoveError::Store(error))
            | EngineError::Backup { source: ReceiveError::Store(error), .. }
            | EngineError::Extract { source: ExtractError::Store(error), .. } => Some(error),
            EngineError::Archive { source, .. } => match &**source {
                ExtractError::Store(error) => Some(error),
                _ => None,
            },
            EngineError::NotApplied { source, .. } | EngineError::NotCopied { source, .. } => {
                source.store_error()
            }
            _ => None,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> ErrorClass {
        match self {
            EngineError::Cancelled(_) | EngineError::ReplayStopped { .. } => ErrorClass::Cancelled,
            EngineError::Lock(LockError::Held { .. }) | EngineError::RestoreRunning { .. } => {
                ErrorClass::Transient
            }
            EngineError::Backup { source, said } => said.known.map_or(source.class(), KnownFailure::class),
            EngineError::Store(error)
            | EngineError::Commit(CommitError::Store(error))
            | EngineError::Remove(RemoveError::Store(error)) => error.class(),
            EngineError::Extract { source, .. } => source.class(),
            EngineError::Archive { source, .. } => source.class(),
            EngineError::Server(ServerError::Client(error)) => error.class(),
            EngineError::NotApplied { source, .. } | EngineError::NotCopied { source, .. } => source.class(),
            EngineError::BitmapPurge { source, .. } => source.class(),
            EngineError::Logs(error) => error.class(),
            EngineError::Stream(error) => error.class(),
            EngineError::Recover(error) => error.class(),
            EngineError::Replay(error) => error.class(),
            EngineError::KeeperLost => ErrorClass::Bug,
            _ => ErrorClass::Permanent,
        }
    }

    /// What to do about it, where it is known from what the engine said.
    #[must_use]
    pub fn known_advice(&self) -> Option<&'static str> {
        match self {
            EngineError::Backup { said, .. } | EngineError::Prepare { said, .. } => {
                said.known.map(KnownFailure::advice)
            }
            _ => None,
        }
    }

    /// The backup that exists although the run failed: it was committed before.
    #[must_use]
    pub fn committed(&self) -> Option<BackupId> {
        match self {
            EngineError::NotApplied { backup, .. } | EngineError::BitmapPurge { backup, .. } => Some(*backup),
            EngineError::RemoteScript { backup, .. } => Some(*backup),
            EngineError::NotCopied { backup, .. } => *backup,
            _ => None,
        }
    }

    /// Whether somebody asked to stop, wherever that was noticed.
    #[must_use]
    pub fn cancelled(&self) -> Option<Cancelled> {
        match self {
            EngineError::Cancelled(cancelled)
            | EngineError::ReplayStopped { cancelled, .. }
            | EngineError::Backup { source: ReceiveError::Cancelled(cancelled), .. }
            | EngineError::Extract { source: ExtractError::Cancelled(cancelled), .. } => Some(*cancelled),
            EngineError::NotApplied { source, .. } | EngineError::NotCopied { source, .. } => {
                source.cancelled()
            }
            EngineError::Remove(RemoveError::Cancelled(cancelled))
            | EngineError::Shelve(ShelveError::Cancelled(cancelled)) => Some(*cancelled),
            EngineError::Archive { source, .. } => match &**source {
                ExtractError::Cancelled(cancelled) => Some(*cancelled),
                _ => None,
            },
            _ => None,
        }
    }
}

/// What was not taken before a target.
fn taken(only: Option<&BackupId>) -> String {
    only.map_or("no backup was taken".to_owned(), |backup| format!("{backup} was not taken"))
}

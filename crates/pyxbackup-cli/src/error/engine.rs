//! Errors of the engine room: the exit code, the words and the remedy of each.

mod archive;
mod logs;
mod store;

use std::io;
use std::path::PathBuf;

use xb_binlog::client::ClientError;
use xb_catalog::plan::{BaseError, RestoreError};
use xb_catalog::remove::RemoveError;
use xb_catalog::shelve::ShelveError;
use xb_catalog::{ChainError, CommitError};
use xb_engine::tool::ProbeError;
use xb_engine::{EngineError, LastWords, LockError, ServerError, WrongBackup};
use xb_pipeline::cancel::{CancelReason, Cancelled};
use xb_pipeline::extract::ExtractError;
use xb_pipeline::fs::FsError;
use xb_pipeline::keys::{KeyError, KeyFault};
use xb_pipeline::process::ProcessError;
use xb_pipeline::receive::ReceiveError;

use crate::exit::Exit;
use crate::render::units;

/// An error of the engine room with what only the command line knows.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: EngineError,
    /// Advice beyond what the error itself gives rise to.
    pub(crate) hints: Vec<String>,
    /// The log of the run.
    pub(crate) log: Option<PathBuf>,
}

impl Failure {
    /// The exit code. One total match: a new error does not compile until it has one.
    pub(super) fn exit(&self) -> Exit {
        match &self.error {
            EngineError::Cancelled(cancelled) | EngineError::ReplayStopped { cancelled, .. } => {
                stopped(*cancelled)
            }
            EngineError::Lock(LockError::Held { .. }) | EngineError::RestoreRunning { .. } => Exit::Locked,
            EngineError::Base(BaseError::NoFull) => Exit::NoFull,
            EngineError::Commit(CommitError::Store(_)) => Exit::RemotePush,
            EngineError::Store(_)
            | EngineError::RemoteScript { .. }
            | EngineError::Remove(RemoveError::Store(_)) => Exit::RemoteCommand,
            EngineError::Backup { source, .. } => of_receiving(source),
            EngineError::Extract { source, .. } => of_extracting(source),
            EngineError::Key(_) => Exit::Decrypt,
            EngineError::Archive { source, .. } => archive::exit(source),
            EngineError::Refused(refusal) => archive::refusal_exit(refusal),
            EngineError::NotApplied { .. }
            | EngineError::NotCopied { .. }
            | EngineError::Remove(_)
            | EngineError::Shelve(_) if self.error.cancelled().is_some() => {
                self.error.cancelled().map_or(Exit::Unexpected, stopped)
            }
            EngineError::NotCopied { .. } => Exit::RemotePush,
            EngineError::NotApplied { .. } | EngineError::Prepare { .. } => Exit::ApplyLog,
            EngineError::BitmapPurge { .. } => Exit::BitmapPurge,
            EngineError::Base(
                BaseError::OtherServer { .. }
                | BaseError::Upgraded { .. }
                | BaseError::NoLsn { .. }
                | BaseError::Unreadable { .. },
            )
            | EngineError::Server(_)
            | EngineError::Probe(_)
            | EngineError::Mismatch(_)
            | EngineError::NotAsAsked { .. }
            // Every child of a run is an engine.
            | EngineError::Process(_) => Exit::Engine,
            EngineError::Logs(_)
            | EngineError::Stream(_)
            | EngineError::Recover(_)
            | EngineError::NoBase { .. }
            | EngineError::NoBinlog { .. }
            | EngineError::BehindTheLogs { .. }
            | EngineError::NoServerProgram { .. }
            | EngineError::NoTimeZone { .. }
            | EngineError::BadServerProgram { .. }
            | EngineError::OtherServerProgram { .. }
            | EngineError::NoSuchLog { .. }
            | EngineError::SeveralLogs { .. }
            | EngineError::DamagedLog { .. }
            | EngineError::LogUnusable { .. }
            | EngineError::LogsNotPushed { .. }
            | EngineError::Sandbox(_)
            | EngineError::Replay(_)
            | EngineError::KeeperLost => logs::exit(&self.error),
            EngineError::Lock(LockError::Fs(_))
            | EngineError::NotSet { .. }
            | EngineError::Address(_)
            | EngineError::OnlyHere { .. }
            | EngineError::NoFleet { .. }
            | EngineError::CopyOfItself { .. }
            | EngineError::Hook { .. }
            | EngineError::NoBitmaps { .. }
            | EngineError::Commit(_)
            | EngineError::Restore(_)
            | EngineError::TargetExists { .. }
            | EngineError::NotOurs { .. }
            | EngineError::Remove(_)
            | EngineError::Shelve(_)
            | EngineError::NoSpace { .. }
            | EngineError::Fs(_) => Exit::Fatal,
        }
    }

    /// A word for programs that read errors.
    pub(super) fn kind(&self) -> &'static str {
        match &self.error {
            EngineError::Cancelled(_) | EngineError::ReplayStopped { .. } => "cancelled",
            EngineError::Lock(_) => "lock",
            EngineError::Base(_) => "base",
            EngineError::Backup { .. } | EngineError::NotAsAsked { .. } => "backup",
            EngineError::Extract { source: ExtractError::Key { .. }, .. } | EngineError::Key(_) => "key",
            EngineError::Extract { .. } => "extract",
            EngineError::Archive { source, .. } => archive::kind(source),
            EngineError::Refused(refusal) => archive::refusal_kind(refusal),
            EngineError::Prepare { .. } | EngineError::NotApplied { .. } => "prepare",
            EngineError::Server(_) => "server",
            EngineError::Probe(_) | EngineError::Mismatch(_) | EngineError::Process(_) => "engine",
            EngineError::Store(_) | EngineError::RemoteScript { .. } => "store",
            EngineError::NotCopied { .. } => "copy",
            EngineError::NotSet { .. }
            | EngineError::Address(_)
            | EngineError::NoFleet { .. }
            | EngineError::CopyOfItself { .. }
            | EngineError::OnlyHere { .. } => "settings",
            EngineError::Hook { .. } => "hook",
            EngineError::NoBitmaps { .. } | EngineError::BitmapPurge { .. } => "bitmaps",
            EngineError::Commit(_) => "commit",
            EngineError::Restore(_) => "restore",
            EngineError::TargetExists { .. }
            | EngineError::RestoreRunning { .. }
            | EngineError::NotOurs { .. } => "target",
            EngineError::Remove(_) | EngineError::Shelve(_) => "prune",
            EngineError::NoSpace { .. } => "space",
            EngineError::Fs(_) => "files",
            // The exit code's match is the one that has to know them all.
            error => logs::kind(error),
        }
    }

    /// What happened, sizes in units for people.
    pub(super) fn message(&self) -> String {
        match &self.error {
            EngineError::NoSpace { task, path, free_bytes, needed_bytes } => {
                let (free, needed) = (units::bytes(*free_bytes), units::bytes(*needed_bytes));
                format!("{}: {free} are free, {task} needs about {needed}", path.display())
            }
            error => error.to_string(),
        }
    }

    /// The last lines of the engine, where it was the engine that failed.
    pub(super) fn said(&self) -> &[String] {
        self.last_words().map(|said| said.lines.as_slice()).unwrap_or_default()
    }

    fn last_words(&self) -> Option<&LastWords> {
        let innermost = match &self.error {
            EngineError::NotApplied { source, .. } | EngineError::NotCopied { source, .. } => source,
            error => error,
        };
        match innermost {
            EngineError::Backup { said, .. } | EngineError::Prepare { said, .. } => Some(said),
            _ => None,
        }
    }

    /// What to do, the likeliest first.
    pub(super) fn hints(&self) -> Vec<String> {
        let known = self.error.known_advice().map(str::to_owned);
        let mut hints: Vec<String> = known.into_iter().collect();
        hints.extend(self.hints.iter().cloned());
        hints.extend(remedies(&self.error));
        hints.extend(
            self.log.as_ref().map(|log| format!("all messages of this run are in {}", log.display())),
        );
        hints
    }
}

/// What to do about an error, as notices tell it.
pub(crate) fn advice(error: &EngineError) -> Vec<String> {
    error.known_advice().map(str::to_owned).into_iter().chain(remedies(error)).collect()
}

fn stopped(Cancelled(reason): Cancelled) -> Exit {
    match reason {
        CancelReason::Interrupt => Exit::Interrupted,
        CancelReason::Terminate => Exit::Terminated,
    }
}

fn of_receiving(error: &ReceiveError) -> Exit {
    match error {
        ReceiveError::Cancelled(cancelled) => stopped(*cancelled),
        ReceiveError::Pack(_) => Exit::Compress,
        ReceiveError::Store(_) => Exit::RemotePush,
        ReceiveError::Engine { .. }
        | ReceiveError::NoSuccessLine
        | ReceiveError::Check(_)
        | ReceiveError::Read(_)
        | ReceiveError::Process(_) => Exit::Engine,
        ReceiveError::Fs(_) => Exit::Fatal,
    }
}

fn of_extracting(error: &ExtractError) -> Exit {
    match error {
        ExtractError::Cancelled(cancelled) => stopped(*cancelled),
        ExtractError::Archive { .. } | ExtractError::Digest { .. } => Exit::Extract,
        ExtractError::Key { .. } => Exit::Decrypt,
        ExtractError::Store(_) => Exit::RemoteCommand,
        ExtractError::Fs(_) => Exit::Fatal,
    }
}

fn remedies(error: &EngineError) -> Vec<String> {
    match error {
        EngineError::Archive { source, left_in } => {
            let left = match left_in {
                Some(left) => Some(format!("files that were complete by then are in {}", left.display())),
                None => error.cancelled().map(|_| "nothing was left behind".to_owned()),
            };
            archive::remedy(source).into_iter().chain(left).collect()
        }
        EngineError::Refused(refusal) => archive::refusal_remedies(refusal),
        EngineError::Replay(replay) if error.log_key_fault().is_none() => logs::replay_remedies(replay),
        EngineError::NotApplied { source, .. } => {
            let again = "the backup itself is good; `pyxbackup apply-last` brings the prepared copy up to it";
            let why = if source.cancelled().is_none() { remedies(source) } else { Vec::new() };
            why.into_iter().chain([again.to_owned()]).collect()
        }
        EngineError::NotCopied { source, backup, .. } => {
            let again = "the backup itself is good; the next run copies it, or `pyxbackup copy` does it now";
            let again = backup.map(|_| again.to_owned());
            let why = if source.cancelled().is_none() { remedies(source) } else { Vec::new() };
            why.into_iter().chain(again).collect()
        }
        error => remedy(error).into_iter().collect(),
    }
}

fn remedy(error: &EngineError) -> Option<String> {
    let text = match error {
        EngineError::NotSet { key } => {
            return Some(format!("set {key} in the configuration file or give its option"));
        }
        EngineError::Hook { key, .. } => {
            return Some(format!("see what {key} wants; what it said is in the log of this run"));
        }
        EngineError::NoBitmaps { .. } => {
            "set purge_bitmaps = 0: only Percona Server from 5.5 to 8.0.29 keeps such bitmaps"
        }
        EngineError::BitmapPurge { source, .. } => return Some(of_purging(source)),
        EngineError::ReplayStopped { left_in, .. } => {
            return Some(format!(
                "the same command goes on where this one was, with what is in {}; remove that directory to give it up",
                left_in.display()
            ));
        }
        EngineError::Cancelled(_) => "nothing was left behind; run the same again when it suits",
        EngineError::Lock(LockError::Held { .. }) => {
            "wait until that run has ended, or end it; `pyxbackup status` tells when it has been running too long"
        }
        EngineError::Lock(LockError::Fs(error)) | EngineError::Fs(error) => return Some(of_file(error)),
        EngineError::Server(error) => return Some(of_server(error)),
        EngineError::Probe(error) => of_probing(error),
        EngineError::Mismatch(_) => {
            "install the engine that fits, name its directory with --engine-dir, or give \
             --allow-version-mismatch to go on at your own risk"
        }
        EngineError::Base(error) => of_base(error),
        EngineError::Backup { source, .. } => return of_backup(source),
        EngineError::NotAsAsked { problem } => of_wrong_backup(problem),
        EngineError::Commit(CommitError::Store(error))
        | EngineError::Store(error)
        | EngineError::Remove(RemoveError::Store(error)) => return store::remedy(error),
        EngineError::RemoteScript { .. } => {
            "the backup itself is good; run the same command on the host by hand, and see what is wrong there"
        }
        EngineError::Address(_) => "correct it in the configuration file, or on the command line",
        EngineError::CopyOfItself { .. } => "leave it out of copy_to",
        EngineError::NoFleet { .. } => "give each server a prefix of its own: store = s3://bucket/NAME",
        EngineError::OnlyHere { .. } => {
            "use the tools of that store; `pyxbackup list` shows what is in it, `pyxbackup prune` removes by retention"
        }
        EngineError::Commit(CommitError::Fs(error)) => return Some(of_file(error)),
        EngineError::Commit(CommitError::Manifest(_)) => "use paths in UTF-8 for stor_dir and data directory",
        EngineError::Restore(error) => of_restore(error),
        EngineError::TargetExists { .. } => "remove it, or choose another place with --restore-dir",
        EngineError::RestoreRunning { .. } => "wait until it has ended, or choose another --restore-dir",
        EngineError::NoSpace { .. } => "free space there, or choose another place with --restore-dir",
        EngineError::Extract { source, .. } => return of_unpacking(source),
        EngineError::Key(error) => return Some(of_key(error)),
        // Of these there can be more to say than one thing.
        EngineError::Archive { .. }
        | EngineError::Refused(_)
        | EngineError::NotCopied { .. }
        | EngineError::NotApplied { .. } => {
            return None;
        }
        EngineError::NotOurs { .. } => {
            "move it away, or remove it if nobody needs it: the Python tool, restores into work_dir and other stores with the same work_dir leave such a directory"
        }
        EngineError::Prepare { .. } => {
            "try once more with a larger --prepare-memory, or a smaller one where memory was short; if it fails again, \
             restore an earlier backup"
        }
        EngineError::Remove(RemoveError::Fs(error)) | EngineError::Shelve(ShelveError::Fs(error)) => {
            return Some(of_file(error));
        }
        EngineError::Remove(_) | EngineError::Shelve(_) => {
            "see what stands there; `pyxbackup prune --dry-run` shows what is to be done"
        }
        EngineError::Process(error) => of_process(error),
        error => return logs::remedy(error),
    };
    Some(text.to_owned())
}

fn of_file(error: &FsError) -> String {
    let path = error.path.display();
    match error.source.kind() {
        _ if error.is_full() => format!("free space on the file system of {path}"),
        io::ErrorKind::AlreadyExists => {
            format!("remove {path}, or choose another place: nothing that exists is replaced")
        }
        io::ErrorKind::NotFound => format!("see whether {path} is the right path, and mounted"),
        io::ErrorKind::PermissionDenied => format!("run as a user who may use {path}"),
        io::ErrorKind::ReadOnlyFilesystem => format!("mount the file system of {path} for writing"),
        _ => format!("see what is wrong with {path}"),
    }
}

fn of_server(error: &ServerError) -> String {
    match error {
        ServerError::Client(ClientError::Connect { reason, .. }) if reason.contains("Access denied") => {
            "check mysql_user and mysql_pass; `pyxbackup config show` tells where they come from".to_owned()
        }
        ServerError::Client(ClientError::Connect { .. }) => {
            "see whether the server runs, and check mysql_sock, or mysql_host and mysql_port; \
             `pyxbackup config show` tells where they come from"
                .to_owned()
        }
        ServerError::Client(ClientError::Query { .. }) => {
            "use an account with the privileges a backup needs".to_owned()
        }
        ServerError::Remote { .. } => "run pyxbackup on the machine of the server".to_owned(),
        ServerError::Version { .. } => "only MySQL, Percona Server and MariaDB can be backed up".to_owned(),
        ServerError::Fs(error) => of_file(error),
    }
}

fn of_purging(error: &ClientError) -> String {
    let what = match error {
        ClientError::Query { reason, .. } if reason.contains("1227") => {
            "give the account the privilege SUPER, or set purge_bitmaps = 0"
        }
        ClientError::Query { .. } | ClientError::Connect { .. } => "see the server's error log",
    };
    format!("{what}; the backup is good, and the next incremental purges what is left")
}

fn of_probing(error: &ProbeError) -> &'static str {
    match error {
        ProbeError::NotFound { .. } | ProbeError::InnobackupexMissing { .. } => {
            "install the engine (Debian and Ubuntu: mariadb-backup for MariaDB), or name its directory with \
             --engine-dir"
        }
        ProbeError::NoVersion { .. } => "run it with --version to see what is wrong with it",
        ProbeError::UnknownVersion { .. } => "install a version that is known, or a newer pyxbackup",
        ProbeError::Process(error) => of_process(error),
    }
}

fn of_process(error: &ProcessError) -> &'static str {
    match error {
        ProcessError::Start { .. } => "see whether it may be executed, and runs with --version",
        ProcessError::Wait { .. } => "try again",
        ProcessError::TimedOut { .. } => "run it with --version to see why it hangs",
    }
}

fn of_base(error: &BaseError) -> &'static str {
    match error {
        BaseError::NoFull => "take a full backup first: `pyxbackup full`",
        BaseError::Upgraded { .. } => "take a new full backup of the upgraded server: `pyxbackup full`",
        BaseError::OtherServer { .. } => {
            "take a new full backup of this server (`pyxbackup full`), or give each server a stor_dir of its own"
        }
        BaseError::NoLsn { .. } => "take a new full backup: `pyxbackup full`",
        BaseError::Unreadable { .. } => {
            "see why it cannot be read, or leave its set behind with a new full backup: `pyxbackup full`"
        }
    }
}

fn of_backup(error: &ReceiveError) -> Option<String> {
    match error {
        ReceiveError::Fs(error) => Some(of_file(error)),
        ReceiveError::Store(error) => store::remedy(error),
        ReceiveError::Process(error) => Some(of_process(error).to_owned()),
        ReceiveError::Pack(_) => Some("check compress_with, compress_level and encrypt".to_owned()),
        // What the engine said, and what that is known to mean, stands there already.
        ReceiveError::Cancelled(_)
        | ReceiveError::Engine { .. }
        | ReceiveError::NoSuccessLine
        | ReceiveError::Check(_)
        | ReceiveError::Read(_) => None,
    }
}

fn of_wrong_backup(problem: &WrongBackup) -> &'static str {
    match problem {
        WrongBackup::Metadata(_) => {
            "see whether this engine fits the server: `pyxbackup --debug full` shows both"
        }
        WrongBackup::Kind { .. } => "remove options from extra_ibx_options that change what is backed up",
        WrongBackup::Gap { .. } => "take a new full backup: `pyxbackup full`",
    }
}

fn of_restore(error: &RestoreError) -> &'static str {
    match error {
        RestoreError::Chain(ChainError::NoSuchBackup { .. }) => "`pyxbackup list` prints the names there are",
        RestoreError::Chain(
            ChainError::FullMissing { .. }
            | ChainError::MemberBroken { .. }
            | ChainError::MemberMissing { .. },
        ) => {
            "choose a backup with an unbroken chain: `pyxbackup list --format table` shows the state of each"
        }
        RestoreError::NothingToRestore => "check stor_dir; `pyxbackup list` prints what is there",
    }
}

fn of_unpacking(error: &ExtractError) -> Option<String> {
    match error {
        ExtractError::Fs(error) => Some(of_file(error)),
        ExtractError::Store(error) => store::remedy(error),
        ExtractError::Cancelled(_) => None,
        ExtractError::Key { fault, .. } => Some(of_key_fault(fault).to_owned()),
        ExtractError::Archive { .. } | ExtractError::Digest { .. } => Some(
            "the archive was damaged after it was written: get it from a copy of the store, or restore a \
             backup that does not need it"
                .to_owned(),
        ),
    }
}

/// What to do about a key that does not open an archive.
pub(super) fn of_key_fault(fault: &KeyFault) -> &'static str {
    match fault {
        KeyFault::KeyNeeded => "name the file of its key with encrypt_key_file",
        KeyFault::WrongKey | KeyFault::Noise => {
            "look for the key that was in use when it was written; a newline at the end of a key file is part of it"
        }
        KeyFault::NotEncrypted => "leave out encrypt_key_file",
        KeyFault::IdentityNeeded => "name the file of age-keygen that fits with encrypt_identity_file",
        KeyFault::WrongIdentity => "look for the identity of one of the recipients it was encrypted for",
        KeyFault::Passphrase => "take the passphrase off with `age --decrypt` first",
    }
}

/// What to do about a key file that is of no use.
pub(super) fn of_key(error: &KeyError) -> String {
    match error {
        KeyError::Read { path, .. } => {
            format!("see whether {} is the right path, and readable", path.display())
        }
        KeyError::Exposed { path } => format!("chmod go= {}", path.display()),
        KeyError::Key { .. } => "a key file holds 16, 24 or 32 bytes and nothing else, no newline".to_owned(),
        KeyError::Algorithm { .. } => {
            "set encrypt to what the key is for, or name another key file".to_owned()
        }
        KeyError::Identity { .. } => "name a file as `age-keygen -o FILE` writes it".to_owned(),
        KeyError::Recipient { .. } => {
            "`age-keygen -y IDENTITY-FILE` prints the recipient of an identity".to_owned()
        }
        KeyError::IdentityForRecipient { .. } => {
            "`age-keygen -y IDENTITY-FILE` prints its recipient; keep the identity where restores are made"
                .to_owned()
        }
        KeyError::NoRecipient => "set encrypt_recipients".to_owned(),
    }
}

#[cfg(test)]
mod tests;

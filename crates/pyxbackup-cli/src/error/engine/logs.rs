//! Errors of binary logs and of recovering with them.

use xb_binlog::archive::{ArchiveError, Place};
use xb_binlog::recover::RecoverError;
use xb_binlog::replay::{ReplayError, StoppedIn};
use xb_binlog::source::native::NativeError;
use xb_binlog::stream::StreamError;
use xb_engine::EngineError;

use crate::exit::Exit;

/// The exit code.
pub(super) fn exit(error: &EngineError) -> Exit {
    match error {
        error if error.log_key_fault().is_some() => Exit::Decrypt,
        EngineError::Replay(_) | EngineError::Sandbox(_) => Exit::ApplyLog,
        EngineError::NoServerProgram { .. }
        | EngineError::BadServerProgram { .. }
        | EngineError::OtherServerProgram { .. }
        | EngineError::NoTimeZone { .. } => Exit::Engine,
        EngineError::KeeperLost => Exit::Unexpected,
        EngineError::LogsNotPushed { .. } => Exit::RemotePush,
        EngineError::Logs(ArchiveError::InUse { .. }) => Exit::Locked,
        _ => Exit::BinlogStream,
    }
}

/// A word for programs that read errors.
pub(super) fn kind(error: &EngineError) -> &'static str {
    match error {
        error if error.log_key_fault().is_some() => "key",
        EngineError::Stream(_) => "binlog_stream",
        EngineError::Recover(_)
        | EngineError::NoBase { .. }
        | EngineError::NoBinlog { .. }
        | EngineError::BehindTheLogs { .. } => "recover",
        EngineError::Replay(_) => "replay",
        EngineError::Sandbox(_)
        | EngineError::NoServerProgram { .. }
        | EngineError::NoTimeZone { .. }
        | EngineError::BadServerProgram { .. }
        | EngineError::OtherServerProgram { .. } => "recovery_server",
        EngineError::KeeperLost => "internal",
        _ => "binlogs",
    }
}

/// What to do.
pub(super) fn remedy(error: &EngineError) -> Option<String> {
    if let Some(fault) = error.log_key_fault() {
        return Some(super::of_key_fault(fault).to_owned());
    }
    let text = match error {
        EngineError::Logs(ArchiveError::Fs(error)) => return Some(super::of_file(error)),
        EngineError::Logs(ArchiveError::Exists { .. } | ArchiveError::Mixed { .. }) => NEVER_FITS,
        EngineError::Stream(error) => return of_streaming(error),
        EngineError::Recover(error) => of_recovering(error),
        EngineError::NoBase { .. } => {
            "`pyxbackup recovery-window` tells from when on data can be recovered; --restore-backup names another backup"
        }
        EngineError::NoBinlog { .. } => {
            "it can only be restored as it is; a backup of a server with log_bin says where its log stands"
        }
        EngineError::BehindTheLogs { .. } => {
            "`pyxbackup restore-set` without a target restores the newest backup; to recover to the end of the logs all the same, \
             name the older one with --restore-backup, or give --best-effort"
        }
        EngineError::NoServerProgram { .. } => {
            "install the server that was backed up, or name its program with --recovery-server"
        }
        EngineError::NoTimeZone { .. } => {
            "give a name of the time zone database, such as Europe/Prague (package tzdata), or an offset such as +02:00"
        }
        EngineError::BadServerProgram { .. } => {
            "name the program of a server, mariadbd or mysqld, with --recovery-server; it has to answer to --version"
        }
        EngineError::OtherServerProgram { .. } => "name a server of that kind with --recovery-server",
        EngineError::NoSuchLog { .. } => "`pyxbackup binlog list` prints what there is",
        EngineError::SeveralLogs { .. } => "give --epoch, with one of these numbers",
        EngineError::LogsNotPushed { .. } => "see what that store says; the next run pushes what is missing",
        EngineError::LogUnusable { .. } => {
            "give --best-effort to recover what is before it, or put the file of a copy in its place, or the server's own \
             under the same name, if it still has it and does not encrypt it"
        }
        EngineError::DamagedLog { .. } => {
            "what is before it is good; remove the damaged file and put that of a copy in its place, or the server's own \
             under the same name, if it still has it and does not encrypt it; else take a full backup"
        }
        EngineError::Sandbox(_) => {
            "see what the server says; --recovery-options gives it more options, --recovery-server names another one"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// What to do about a replay that stopped: more than one thing.
pub(super) fn replay_remedies(error: &ReplayError) -> Vec<String> {
    match error {
        ReplayError::Statement { transaction: Some(transaction), .. } => of_refused(transaction),
        ReplayError::Read { .. } | ReplayError::Archive(_) => vec![
            "the restored data stay in the restore directory: move the log away if it is damaged, and run the same again, \
             which goes on with its copy elsewhere if there is one; else recover to an earlier target"
                .to_owned(),
        ],
        _ => vec![
            "the restored data stay in the restore directory: run the same again to go on, once the reason is gone; with \
             --exclude-gtid or an earlier target the backup is restored once more"
                .to_owned(),
        ],
    }
}

fn of_refused(StoppedIn { begin, gtid }: &StoppedIn) -> Vec<String> {
    let (Place { epoch, at }, file) = (begin, &begin.at.file);
    let without = gtid.as_ref().map(|gtid| format!("--exclude-gtid {gtid} to leave it out, or "));
    vec![
        format!(
            "look at it with `pyxbackup binlog show {file} --epoch {epoch} --from {} --limit 1`",
            at.position
        ),
        format!(
            "recover with {}--to-position {at} --epoch {epoch} instead of the target to end just before it; the backup is \
             restored once more for that",
            without.unwrap_or_default()
        ),
        "if the reason is outside of the data (room, a plugin, an option), run the same again: it goes on where it was"
            .to_owned(),
    ]
}

/// Of an epoch that was begun because the one before did not fit.
const NEVER_FITS: &str = "see whether mysql_host always leads to the same server; if so, set binlog_dir to a directory of \
                          its own";

fn of_streaming(error: &StreamError) -> Option<String> {
    let text = match error {
        StreamError::LogGone { .. } => {
            "set binlog_resume = 1 to go on from what the server still has, in a new epoch behind a gap, and take a full \
             backup then; keep logs longer on the server (binlog_expire_logs_seconds, expire_logs_days)"
        }
        // Else streaming goes on in a new epoch.
        StreamError::Diverged { .. } | StreamError::OtherServer { .. } => NEVER_FITS,
        StreamError::Source(NativeError::Denied { .. }) => {
            "check mysql_user and mysql_pass; `pyxbackup config show` tells where they come from"
        }
        StreamError::Source(NativeError::Refused { .. }) => {
            "the account needs REPLICATION SLAVE and REPLICATION CLIENT; on MariaDB 10.5 and later REPLICATION SLAVE and \
             BINLOG MONITOR"
        }
        StreamError::Source(NativeError::NoBinlog) => "start the server with log_bin",
        StreamError::Source(NativeError::ServerIdInUse { .. }) => {
            "set binlog_server_id to a number of its own"
        }
        StreamError::GivenUp { .. } => "see whether the server runs, and check mysql_host and mysql_port",
        _ => return None,
    };
    Some(text.to_owned())
}

fn of_recovering(error: &RecoverError) -> &'static str {
    match error {
        RecoverError::Gap { .. } => {
            "recover to a point before it, or give --across-gaps if what was changed in between may be lost"
        }
        RecoverError::EndsEarly { .. } => {
            "give --to-latest or --best-effort for all there is; of a moment just now the streamer is sure some seconds later"
        }
        RecoverError::AmbiguousBase { .. } => {
            "give --base-epoch, with the epoch whose server was backed up; `pyxbackup binlog list` prints them"
        }
        RecoverError::NoSuchEpoch { .. } => {
            "give --epoch with one of these numbers; `pyxbackup binlog list` prints what is in them"
        }
        RecoverError::AmbiguousLog { .. } => {
            "give --epoch, with one of these numbers; `pyxbackup binlog list` prints when they were written"
        }
        RecoverError::NotABorder { .. } => "give one of these positions",
        RecoverError::BeforeBase { .. } | RecoverError::AlreadyInBase { .. } => {
            "it takes a backup from before the target; `pyxbackup recovery-window` tells from when on data can be recovered"
        }
        _ => "`pyxbackup recovery-window` and `pyxbackup binlog list` tell what the archive has",
    }
}

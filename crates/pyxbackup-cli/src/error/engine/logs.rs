//! Errors of binary logs and of recovering with them.

use xb_binlog::archive::ArchiveError;
use xb_binlog::recover::RecoverError;
use xb_binlog::replay::ReplayError;
use xb_binlog::source::native::NativeError;
use xb_binlog::stream::StreamError;
use xb_engine::EngineError;

use crate::exit::Exit;

/// The exit code.
pub(super) fn exit(error: &EngineError) -> Exit {
    match error {
        EngineError::Replay(_) | EngineError::Sandbox(_) => Exit::ApplyLog,
        EngineError::NoServerProgram { .. }
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
        EngineError::Stream(_) => "binlog_stream",
        EngineError::Recover(_)
        | EngineError::NoBase { .. }
        | EngineError::NoBinlog { .. }
        | EngineError::BehindTheLogs { .. } => "recover",
        EngineError::Replay(_) => "replay",
        EngineError::Sandbox(_)
        | EngineError::NoServerProgram { .. }
        | EngineError::NoTimeZone { .. }
        | EngineError::OtherServerProgram { .. } => "recovery_server",
        EngineError::KeeperLost => "internal",
        _ => "binlogs",
    }
}

/// What to do.
pub(super) fn remedy(error: &EngineError) -> Option<String> {
    let text = match error {
        EngineError::Logs(ArchiveError::Fs(error)) => return Some(super::of_file(error)),
        EngineError::Stream(error) => return of_streaming(error),
        EngineError::Recover(error) => of_recovering(error),
        EngineError::NoBase { .. } => {
            "`pyxbackup recovery-window` tells from when on data can be recovered; --restore-backup names another backup"
        }
        EngineError::NoBinlog { .. } => {
            "it can only be restored as it is; a backup of a server with log_bin says where its log stands"
        }
        EngineError::BehindTheLogs { .. } => {
            "`pyxbackup restore-set` without a target restores the newest backup; --best-effort recovers to the end of the logs"
        }
        EngineError::NoServerProgram { .. } => {
            "install the server that was backed up, or name its program with --recovery-server"
        }
        EngineError::NoTimeZone { .. } => {
            "give a name of the time zone database, such as Europe/Prague (package tzdata), or an offset such as +02:00"
        }
        EngineError::OtherServerProgram { .. } => "name a server of that kind with --recovery-server",
        EngineError::NoSuchLog { .. } => "`pyxbackup binlog list` prints what there is",
        EngineError::SeveralLogs { .. } => "give --epoch, with one of these numbers",
        EngineError::LogsNotPushed { .. } => "see what that store says; the next run pushes what is missing",
        EngineError::LogUnusable { .. } => {
            "give --best-effort to recover what is before it, or fetch it again from the server or a copy"
        }
        EngineError::DamagedLog { .. } => {
            "what is before it is good; fetch the log again from the server or from a copy, or take a full backup"
        }
        EngineError::Replay(error) if is_damage(error) => {
            "the restored data stay in the restore directory: move the log away if it is damaged, and run the same again, \
             which goes on with its copy elsewhere if there is one; else recover to an earlier target"
        }
        EngineError::Replay(_) => {
            "the restored data stay in the restore directory: mend what kept the statement from working, and run the same \
             again to go on; with --exclude-gtid or an earlier target the backup is restored once more"
        }
        EngineError::Sandbox(_) => {
            "see what the server says; --recovery-options gives it more options, --recovery-server names another one"
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whether a log cannot be read to its end.
fn is_damage(error: &ReplayError) -> bool {
    matches!(error, ReplayError::Read { .. } | ReplayError::Archive(_))
}

fn of_streaming(error: &StreamError) -> Option<String> {
    let text = match error {
        StreamError::LogGone { .. } => {
            "take a full backup now, and set binlog_resume = 1 to go on from what the server still has; keep logs longer \
             on the server (binlog_expire_logs_seconds, expire_logs_days)"
        }
        StreamError::Source(NativeError::Denied { .. }) => {
            "check mysql_user and mysql_pass; `pyxbackup config show` tells where they come from"
        }
        StreamError::Source(NativeError::Refused { .. }) => {
            "the account needs REPLICATION SLAVE and REPLICATION CLIENT; on MariaDB also BINLOG MONITOR"
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

//! Exit codes. Scripts and monitoring rely on them: a number never changes its meaning.

/// How a run ended, as its caller sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done; `status`: all is well.
    Success,
    /// `status`: someone should look.
    StatusWarning,
    /// `status`: someone must look.
    StatusCritical,
    /// Compressing failed.
    Compress,
    /// Sending a backup to the remote host failed.
    RemotePush,
    /// Unpacking a backup failed.
    Extract,
    /// Purging changed page bitmaps failed.
    BitmapPurge,
    /// An incremental has no full backup to build on.
    NoFull,
    /// Decrypting failed.
    Decrypt,
    /// Preparing a backup failed.
    ApplyLog,
    /// The engine failed.
    Engine,
    /// Streaming binary logs failed.
    BinlogStream,
    /// What was sought is not there.
    NotFound,
    /// Another run holds the lock.
    Locked,
    /// A command on the remote host failed.
    RemoteCommand,
    /// The run cannot begin or go on: usage, settings, a missing directory.
    Fatal,
    /// Ended by SIGINT.
    Interrupted,
    /// Ended by SIGTERM.
    Terminated,
    /// Something that should not happen.
    Unexpected,
}

impl Exit {
    /// The number the process ends with.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::StatusWarning | Exit::Compress | Exit::NotFound => 1,
            Exit::StatusCritical | Exit::RemotePush => 2,
            Exit::Extract => 4,
            Exit::BitmapPurge => 8,
            Exit::NoFull => 16,
            Exit::Decrypt => 32,
            Exit::ApplyLog => 64,
            Exit::Engine => 65,
            Exit::BinlogStream => 66,
            Exit::Locked => 75,
            Exit::RemoteCommand => 96,
            Exit::Fatal => 128,
            Exit::Interrupted => 130,
            Exit::Terminated => 143,
            Exit::Unexpected => 255,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_scripts_rely_on_stay() {
        let numbers = [
            (Exit::Compress, 1),
            (Exit::RemotePush, 2),
            (Exit::Extract, 4),
            (Exit::BitmapPurge, 8),
            (Exit::NoFull, 16),
            (Exit::Decrypt, 32),
            (Exit::ApplyLog, 64),
            (Exit::Engine, 65),
            (Exit::BinlogStream, 66),
            (Exit::RemoteCommand, 96),
            (Exit::Fatal, 128),
            (Exit::Unexpected, 255),
            (Exit::Locked, 75),
            (Exit::Interrupted, 130),
            (Exit::Terminated, 143),
        ];
        for (exit, number) in numbers {
            assert_eq!(exit.code(), number, "{exit:?}");
        }
    }
}

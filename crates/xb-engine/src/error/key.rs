//! Errors of binary logs that are about a key, wherever it was noticed.

use xb_binlog::archive::ArchiveError;
use xb_binlog::recover::RecoverError;
use xb_binlog::replay::ReplayError;
use xb_formats::binlog::ReadError;
use xb_pipeline::keys::KeyFault;

use super::EngineError;

impl EngineError {
    /// What is wrong with the key of a binary log: one that is missing or wrong says nothing about the log.
    #[must_use]
    pub fn log_key_fault(&self) -> Option<&KeyFault> {
        match self {
            EngineError::Logs(error) => of_archive(error),
            EngineError::DamagedLog { source, .. } => of_reading(source),
            EngineError::Recover(error) => of_recovering(error),
            EngineError::Replay(error) => match &**error {
                ReplayError::Read { source, .. } => of_reading(source),
                ReplayError::Archive(error) => of_archive(error),
                ReplayError::Outcome(error) => of_recovering(error),
                _ => None,
            },
            _ => None,
        }
    }
}

fn of_recovering(error: &RecoverError) -> Option<&KeyFault> {
    match error {
        RecoverError::Read { source, .. } => of_reading(source),
        RecoverError::Archive(error) => of_archive(error),
        _ => None,
    }
}

fn of_reading(error: &ReadError) -> Option<&KeyFault> {
    match error {
        // What an archive has to say travels through the interface of a reader.
        ReadError::Io(error) => error.get_ref()?.downcast_ref().and_then(of_archive),
        ReadError::Format(_) => None,
    }
}

fn of_archive(error: &ArchiveError) -> Option<&KeyFault> {
    match error {
        ArchiveError::Packed { source, .. } => source.key_fault(),
        ArchiveError::Read { source, .. } => of_reading(source),
        _ => None,
    }
}

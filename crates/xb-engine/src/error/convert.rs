//! Errors of others as those of flows: that somebody asked to stop is told alike, wherever it was noticed.

use xb_binlog::recover::RecoverError;
use xb_binlog::replay::ReplayError;
use xb_binlog::stream::StreamError;
use xb_catalog::{ChainError, RepositoryError};
use xb_sandbox::SandboxError;

use super::EngineError;

impl From<ChainError> for EngineError {
    fn from(error: ChainError) -> Self {
        EngineError::Restore(error.into())
    }
}

impl From<StreamError> for EngineError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
            StreamError::Archive(error) => EngineError::Logs(error),
            other => EngineError::Stream(Box::new(other)),
        }
    }
}

impl From<RecoverError> for EngineError {
    fn from(error: RecoverError) -> Self {
        match error {
            RecoverError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
            RecoverError::Archive(error) => EngineError::Logs(error),
            other => EngineError::Recover(Box::new(other)),
        }
    }
}

impl From<ReplayError> for EngineError {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
            other => EngineError::Replay(Box::new(other)),
        }
    }
}

impl From<SandboxError> for EngineError {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
            other => EngineError::Sandbox(Box::new(other)),
        }
    }
}

impl From<RepositoryError> for EngineError {
    fn from(error: RepositoryError) -> Self {
        match error {
            RepositoryError::Fs(error) => EngineError::Fs(error),
            RepositoryError::Store(error) => EngineError::Store(error),
        }
    }
}

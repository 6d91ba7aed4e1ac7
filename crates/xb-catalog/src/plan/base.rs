//! What the next incremental builds on.

use xb_core::{BackupId, LsnRange, Version};

use crate::catalog::Catalog;
use crate::manifest::ServerRecord;
use crate::set::{BackupSet, ChainError};

/// The base of the next incremental.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasePlan {
    /// The set it joins.
    pub set: BackupId,
    /// The backup it builds on: the newest restorable one of the newest restorable set.
    pub base: BackupId,
    /// What the base covers; the incremental begins at its `to`.
    pub lsns: LsnRange,
    /// Whether it is certain that the base came from this server. A backup by the original does not tell.
    pub same_server: bool,
    /// A newer backup that was passed over because it cannot be restored, and why.
    pub passed_over: Option<ChainError>,
}

/// Why there can be no incremental.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseError {
    /// The store has no full backup that could be restored.
    #[error("there is no complete full backup to build on")]
    NoFull,
    /// The newest backup is of another server.
    #[error("the newest backup {base} was taken from another server: this one has {difference}")]
    OtherServer {
        /// The newest backup.
        base: BackupId,
        /// What differs.
        difference: String,
    },
    /// The server was upgraded since.
    #[error("the newest backup {base} is of version {was}, the server is {is} now: pages of both do not mix")]
    Upgraded {
        /// The newest backup.
        base: BackupId,
        /// The server's version then.
        was: Version,
        /// The server's version now.
        is: Version,
    },
    /// A newer backup cannot be read now. It may be whole, and what builds on an older one would end its set.
    #[error("the newest backup {backup} cannot be read now: {reason}")]
    Unreadable {
        /// The newest backup.
        backup: BackupId,
        /// Why not.
        reason: String,
    },
    /// Its range is not known.
    #[error("the newest backup {base} does not tell where it ends")]
    NoLsn {
        /// The newest backup.
        base: BackupId,
    },
}

/// Chooses the base for an incremental of `server`.
///
/// # Errors
/// [`BaseError`].
pub fn plan_base(catalog: &Catalog, server: &ServerRecord) -> Result<BasePlan, BaseError> {
    let chain = catalog.newest_base().ok_or(BaseError::NoFull)?;
    let base = chain.last().ok_or(BaseError::NoFull)?;
    let newer = catalog.sets.iter().flat_map(BackupSet::members).filter(|record| record.id() > base.id());
    if let Some(record) = newer.filter(|record| record.is_unreadable()).max_by_key(|record| record.id()) {
        let reason = record.state.reason().unwrap_or_default().to_owned();
        return Err(BaseError::Unreadable { backup: record.id(), reason });
    }
    let lsns = base.lsns.ok_or(BaseError::NoLsn { base: base.id() })?;
    if let Some(then) = &base.server {
        let differs = |difference| BaseError::OtherServer { base: base.id(), difference };
        server.identity.same_as(&then.identity).map_err(differs)?;
        if server.version.series() != then.version.series() {
            return Err(BaseError::Upgraded { base: base.id(), was: then.version, is: server.version });
        }
    }
    Ok(BasePlan {
        set: base.place.set,
        base: base.id(),
        lsns,
        same_server: base.server.is_some(),
        passed_over: catalog.passed_over_as_base(base.id()),
    })
}

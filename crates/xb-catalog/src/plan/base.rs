//! What the next incremental builds on.

use xb_core::{BackupId, LsnRange};

use crate::catalog::Catalog;
use crate::manifest::ServerIdentity;

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
    /// Its range is not known.
    #[error("the newest backup {base} does not tell where it ends")]
    NoLsn {
        /// The newest backup.
        base: BackupId,
    },
}

/// Chooses the base for an incremental of the server `identity`.
///
/// # Errors
/// [`BaseError`].
pub fn plan_base(catalog: &Catalog, identity: &ServerIdentity) -> Result<BasePlan, BaseError> {
    let chain = catalog.newest_restorable().ok_or(BaseError::NoFull)?;
    let base = chain.last().ok_or(BaseError::NoFull)?;
    let lsns = base.lsns.ok_or(BaseError::NoLsn { base: base.id() })?;
    let known = base.server.as_ref().map(|server| identity.same_as(&server.identity));
    if let Some(Err(difference)) = known {
        return Err(BaseError::OtherServer { base: base.id(), difference });
    }
    Ok(BasePlan { set: base.place.set, base: base.id(), lsns, same_server: known.is_some() })
}

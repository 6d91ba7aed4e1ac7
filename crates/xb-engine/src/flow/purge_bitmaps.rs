//! `purge_bitmaps`: after an incremental, the server's record of changed pages that it has used goes.
//!
//! Everything before `to_lsn` goes, not before `last_lsn`: the next incremental begins at `to_lsn`, the
//! checkpoint, and reads the record from there. What lies between the two is still needed.

use xb_binlog::client::{Client, ConnectOptions};
use xb_catalog::manifest::Manifest;
use xb_core::BackupKind;

use crate::context::Context;
use crate::error::EngineError;
use crate::server::ServerFacts;

/// What is to be purged when the backup is committed.
pub(super) struct Purge(Option<ConnectOptions>);

/// Decides before anything is begun.
///
/// # Errors
/// [`EngineError::NoBitmaps`] when it is set for a server that cannot do it.
pub(super) fn plan(context: &Context, kind: BackupKind, facts: &ServerFacts) -> Result<Purge, EngineError> {
    if !context.settings.purge_bitmaps {
        return Ok(Purge(None));
    }
    if !facts.has_page_bitmaps {
        let server = format!("{} {}", facts.record.flavor, facts.record.version);
        return Err(EngineError::NoBitmaps { server });
    }
    Ok(Purge(Some(facts.connection.clone()).filter(|_| kind == BackupKind::Incremental)))
}

impl Purge {
    /// Purges what `taken`, which is committed, has used.
    ///
    /// # Errors
    /// [`EngineError::BitmapPurge`]; the backup is not touched by it.
    pub(super) fn after(self, context: &Context, taken: &Manifest) -> Result<(), EngineError> {
        let Purge(Some(connection)) = self else { return Ok(()) };
        let before = taken.lsns.to;
        let purged = Client::connect(&connection).and_then(|mut client| client.purge_page_bitmaps(before));
        purged.map_err(|source| EngineError::BitmapPurge { backup: taken.id, before, source })?;
        context.monitor().info(&format!("purged changed page bitmaps before LSN {before}"));
        Ok(())
    }
}

//! `pin` and `unpin`: a set that stays whatever retention says.

use xb_catalog::ChainError;
use xb_core::BackupId;

use crate::context::Context;
use crate::error::EngineError;
use crate::report::PinReport;

/// Pins `backup`, and with it all of its set.
pub(crate) fn set(context: &Context, backup: BackupId, note: Option<&str>) -> Result<PinReport, EngineError> {
    let home = context.repository()?;
    let catalog = home.scan()?;
    let record = catalog.records().find(|record| record.id() == backup);
    let set = record.ok_or(ChainError::NoSuchBackup { target: backup })?.place.set;
    if let Err(error) = catalog.chain(backup) {
        context.monitor().warn(&format!("it will be kept, but cannot be restored: {error}"));
    }
    let was_pinned = catalog.pins.iter().any(|pin| pin.id == backup);
    home.pin(backup, context.now(), note)?;
    Ok(PinReport { backup, set: Some(set), pinned: true, was_pinned })
}

/// Takes the pin of `backup` away. A backup that is gone can be unpinned as well.
pub(crate) fn clear(context: &Context, backup: BackupId) -> Result<PinReport, EngineError> {
    let home = context.repository()?;
    let catalog = home.scan()?;
    let set = catalog.records().find(|record| record.id() == backup).map(|record| record.place.set);
    let was_pinned = home.unpin(backup)?;
    if !was_pinned && set.is_none() {
        return Err(ChainError::NoSuchBackup { target: backup }.into());
    }
    Ok(PinReport { backup, set, pinned: false, was_pinned })
}

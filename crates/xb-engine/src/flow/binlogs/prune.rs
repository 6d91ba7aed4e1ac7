//! Removing binary logs that no kept backup needs.

use xb_binlog::archive::{ArchiveView, BinlogArchive, Epoch, EpochNumber, Picture};
use xb_binlog::elsewhere::Elsewhere;
use xb_binlog::prune::{Need, PrunePlan, plan_prune, prune};
use xb_binlog::recover::find_base;
use xb_catalog::BackupRecord;
use xb_core::{BackupId, BinlogCoord};
use xb_pipeline::store::StoreAddress;

use super::{directory, kept_for, point, push_targets};
use crate::context::Context;
use crate::encryption::keys;
use crate::error::EngineError;
use crate::flow::recover::choose::base;
use crate::stores;

const SECONDS_A_DAY: i64 = 86_400;

/// Removes them, or with `dry_run` only says which. Backups that are `gone` need nothing. Stores elsewhere follow.
pub(crate) fn run(
    context: &Context,
    archive: &ArchiveView,
    gone: &dyn Fn(BackupId) -> bool,
    dry_run: bool,
) -> Result<PrunePlan, EngineError> {
    let picture = BinlogArchive::look(archive.root()).brief().picture()?;
    if picture.epochs.is_empty() {
        return Ok(PrunePlan::default());
    }
    let catalog = context.repository()?.scan()?;
    let records: Vec<_> = kept_for(context, &catalog).filter(|record| !gone(record.id())).collect();
    let Some(needs) = needs(context, archive, &picture, &records) else {
        return Ok(PrunePlan::default());
    };
    let plan = plan_prune(&picture, &needs, keep_after(context));
    if dry_run {
        return Ok(plan);
    }
    if !plan.is_empty() {
        let bytes: u64 = plan.logs.iter().map(|log| log.stored_bytes).sum();
        let text =
            format!("removing {} binary logs that no kept backup needs, {bytes} bytes", plan.logs.len());
        context.monitor().info(&text);
        prune(archive, &plan)?;
    }
    for address in push_targets(context)? {
        if let Err(error) = elsewhere(context, &address, &records) {
            let text = format!("binary logs that nobody needs stay in {address} for now: {error}");
            context.monitor().warn(&text);
        }
    }
    Ok(plan)
}

/// Logs with something from then on stay, where days are set.
fn keep_after(context: &Context) -> Option<u32> {
    let days = context.settings.binlogs.retention_binlogs?;
    u32::try_from(context.now().timestamp() - i64::from(days) * SECONDS_A_DAY).ok()
}

/// What the backups need. None where nobody can tell, so that all stays: without any backup, as in a store that is
/// not mounted, and where one cannot be read or its place not be found.
fn needs(
    context: &Context,
    logs: &ArchiveView,
    picture: &Picture,
    records: &[&BackupRecord],
) -> Option<Vec<Need>> {
    if records.is_empty() {
        return None;
    }
    let mut needs = Vec::new();
    for record in records {
        if record.is_unreadable() {
            return None;
        }
        // Of a server without a log nothing can be replayed.
        let Some(point) = point(context, record) else { continue };
        match (point.coord, point.gtid) {
            (Some(at), _) => {
                let epoch = epoch_of(context, logs, picture, record, &at);
                needs.push(Need { epoch, at, time: None });
            }
            (None, Some(_)) => {
                let base = base(context, record, None)?;
                let place = find_base(&logs.picture().ok()?, logs, &base).ok()?;
                needs.push(Need { epoch: Some(place.epoch), at: place.at, time: None });
            }
            (None, None) => {}
        }
    }
    Some(needs)
}

/// The epoch a backup stands in. Logs are read only where several have one of this name.
fn epoch_of(
    context: &Context,
    archive: &ArchiveView,
    picture: &Picture,
    record: &BackupRecord,
    at: &BinlogCoord,
) -> Option<EpochNumber> {
    let has = |epoch: &&Epoch| epoch.log(&at.file).is_some_and(|log| log.size_bytes >= at.position);
    let mut epochs = picture.epochs.iter().filter(has).map(|epoch| epoch.record.number);
    match (epochs.next(), epochs.next()) {
        (only, None) => only,
        _ => {
            let base = base(context, record, None)?;
            find_base(&archive.picture().ok()?, archive, &base).ok().map(|place| place.epoch)
        }
    }
}

/// Removes from a store what neither the backups here nor those in it need.
fn elsewhere(context: &Context, address: &StoreAddress, here: &[&BackupRecord]) -> Result<(), EngineError> {
    let store = Elsewhere::look(stores::open_store(context, address)?, keys(context)?)?;
    let picture = store.picture()?;
    let catalog = stores::repository(context, address)?.scan()?;
    let records: Vec<&BackupRecord> = here.iter().copied().chain(kept_for(context, &catalog)).collect();
    // The logs there are those from here, in the same epochs.
    let view = BinlogArchive::look(directory(context)?).with_keys(keys(context)?);
    let Some(needs) = needs(context, &view, &picture, &records) else { return Ok(()) };
    let plan = plan_prune(&picture, &needs, keep_after(context));
    if plan.is_empty() {
        return Ok(());
    }
    if let Some(reason) = store.prune(&plan)? {
        context.monitor().info(&format!("binary logs stay in {address} for now: {reason}"));
    }
    Ok(())
}

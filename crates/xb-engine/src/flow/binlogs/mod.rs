//! Binary logs next to backups: where they are, and which of them backups need.

mod connection;
mod forms;
pub(crate) mod glance;
mod keeper;
pub(crate) mod look;
pub(crate) mod prune;
pub(crate) mod stream;
pub(crate) mod window;

use std::path::{Path, PathBuf};

use xb_binlog::state::STATE_FILE;
use xb_catalog::manifest::BinlogPoint;
use xb_catalog::{BackupRecord, Catalog, Shelf};
use xb_pipeline::store::StoreAddress;

use crate::context::Context;
use crate::error::EngineError;
use crate::stores;

/// The directory in a store, and in `work_dir` where the store is elsewhere.
const DIRECTORY: &str = "binlogs";

/// Where the archive is. It is always a directory of this machine: nothing else can be written event by event.
pub(crate) fn directory(context: &Context) -> Result<PathBuf, EngineError> {
    let settings = &context.settings;
    if let Some(directory) = &settings.binlogs.binlog_dir {
        return Ok(directory.clone());
    }
    match stores::address(settings)? {
        StoreAddress::Local(directory) => Ok(directory.join(DIRECTORY)),
        _ => Ok(context.work_dir()?.join(DIRECTORY)),
    }
}

/// What of ours stands in an archive: the directories of epochs, and the state of the streamer.
pub(crate) fn of_ours(archive: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(archive).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_epoch = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("epoch-") && path.join("epoch.json").is_file()
    };
    let is_state = |path: &PathBuf| path.file_name().is_some_and(|name| name == STATE_FILE);
    let mut ours: Vec<PathBuf> = entries.filter(|path| is_epoch(path) || is_state(path)).collect();
    ours.sort();
    ours
}

/// The stores that get binary logs, too: those of copies, and the store itself where it is elsewhere.
pub(crate) fn push_targets(context: &Context) -> Result<Vec<StoreAddress>, EngineError> {
    // Nothing is brought to a store as its own copy.
    stores::copies(&context.settings)?;
    copies(context)
}

/// The stores that may have copies of the archive. One that is named as the store itself, as one does to recover from a
/// copy, is not its own copy.
pub(crate) fn copies(context: &Context) -> Result<Vec<StoreAddress>, EngineError> {
    let own = stores::address(&context.settings)?;
    let is_elsewhere = !matches!(own, StoreAddress::Local(_));
    let others = stores::others(&context.settings)?.into_iter().filter(|other| *other != own);
    Ok(is_elsewhere.then(|| own.clone()).into_iter().chain(others).collect())
}

/// Where a backup stands in the logs that are archived: its own server's, or those of the source it replicates.
pub(crate) fn point(context: &Context, record: &BackupRecord) -> Option<BinlogPoint> {
    if context.settings.binlogs.binlog_from_master {
        return record.replica_of.first().map(|source| source.point.clone());
    }
    record.binlog.clone()
}

/// The backups that binary logs are kept for, oldest first. Those on the shelves may be left out.
pub(crate) fn kept_for<'c>(
    context: &Context,
    catalog: &'c Catalog,
) -> impl Iterator<Item = &'c BackupRecord> + use<'c> {
    let with_shelves = context.settings.binlogs.binlog_for_shelves;
    let sets = catalog.all_sets().filter(move |(shelf, _)| with_shelves || *shelf == Shelf::Current);
    sets.flat_map(|(_, set)| set.members())
}

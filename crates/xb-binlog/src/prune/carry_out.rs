//! Doing on this machine what was planned.

use std::fs;
use std::io;
use std::path::Path;

use xb_core::BinlogName;
use xb_pipeline::fs::{FsError, sync_dir};

use super::plan::PrunePlan;
use crate::archive::listing::Listing;
use crate::archive::lock::Keeper;
use crate::archive::names::{EPOCH, Known, Role, entry_file, known, log_file, partial_file, piece_file};
use crate::archive::repair::remove;
use crate::archive::{ArchiveError, ArchiveView, EpochNumber};

/// Removes what a plan says, in its order. What is gone already is no error.
///
/// # Errors
/// [`ArchiveError::Fs`]; what was removed before is gone, and what stays is without a hole.
pub fn prune(archive: &ArchiveView, plan: &PrunePlan) -> Result<(), ArchiveError> {
    let mut rest = plan.logs.as_slice();
    while let Some(first) = rest.first() {
        let of_epoch = rest.iter().take_while(|log| log.epoch == first.epoch).count();
        let (own, others) = rest.split_at(of_epoch);
        remove_logs(&archive.directory(first.epoch), first.epoch, own.iter().map(|log| &log.name))?;
        rest = others;
    }
    plan.epochs.iter().try_for_each(|epoch| remove_epoch(&archive.directory(*epoch)))
}

fn remove_logs<'a>(
    directory: &Path,
    epoch: EpochNumber,
    names: impl Iterator<Item = &'a BinlogName>,
) -> Result<(), ArchiveError> {
    let _keeper = Keeper::wait(directory)?;
    let listing = match Listing::read(directory) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for name in names {
        let Some(files) = listing.log(name) else { continue };
        // First what is known of it: a log without that is read again, while the reverse is a log that was lost.
        if epoch > 0 {
            remove(&directory.join(entry_file(name)))?;
        }
        for form in files.forms.iter().filter(|form| epoch > 0 || form.is_bare()) {
            remove(&directory.join(log_file(name, *form)))?;
        }
        if files.has_partial && epoch > 0 {
            remove(&directory.join(partial_file(name)))?;
        }
        for piece in files.pieces.iter().filter(|_| epoch > 0) {
            remove(&directory.join(piece_file(name, *piece)))?;
        }
        for torn in files.torn.iter().filter(|_| epoch > 0) {
            remove(&directory.join(torn))?;
        }
    }
    Ok(sync_dir(directory)?)
}

/// Removes an epoch that has nothing of its own any more, its record last.
fn remove_epoch(directory: &Path) -> Result<(), ArchiveError> {
    let _keeper = Keeper::wait(directory)?;
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(FsError::on("read directory", directory))?,
    };
    let mut leftovers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(FsError::on("read directory", directory))?;
        match entry.file_name().to_str().and_then(known) {
            _ if entry.file_name() == EPOCH => {}
            Some(Known::OfEpoch | Known::Temporary | Known::OfLog(_, Role::Torn)) => {
                leftovers.push(entry.path());
            }
            // It has something after all.
            _ => return Ok(()),
        }
    }
    leftovers.iter().try_for_each(|path| remove(path))?;
    remove(&directory.join(EPOCH))?;
    match fs::remove_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FsError::on("remove", directory)(error).into());
        }
        _ => {}
    }
    Ok(sync_dir(directory.parent().unwrap_or(Path::new(".")))?)
}

//! What a crash left half done in the directory of an epoch.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use xb_pipeline::digest_file;
use xb_pipeline::fs::{FsError, sync_dir};
use xb_pipeline::keys::Keys;
use xb_pipeline::single::FileForm;

use super::entry::LogEntry;
use super::error::ArchiveError;
use super::listing::{Listing, LogFiles};
use super::lock::Keeper;
use super::names::{Known, known, log_file, partial_file};
use super::read::{Expected, unpacked};
use super::seal::write_entry;
use super::shelf::{Shelf, read_entry};

/// Does what is left to do, unless somebody is just at it. For the one who adds to the epoch.
///
/// # Errors
/// [`ArchiveError::Fs`].
pub(crate) fn repair(directory: &Path) -> Result<(), ArchiveError> {
    let listing = Listing::read(directory)?;
    for files in listing.logs().filter(|files| files.has_partial && !files.forms.is_empty()) {
        drop_second_name(directory, files)?;
    }
    if let Some(_keeper) = Keeper::now(directory)? {
        remove_temporary(directory)?;
        for files in listing.logs().filter(|files| files.forms.len() > 1) {
            settle(directory, files)?;
        }
    }
    // Between the name of a closed log and what is written down of it: that can be the newest one only.
    if let Some(newest) = listing.closed().next_back() {
        let keys = Keys::default();
        let shelf =
            Shelf { directory, keys: &keys, writes: true, remembered: None, is_flat: false, is_brief: false };
        shelf.closed(newest);
    }
    Ok(())
}

/// Where a file system cannot rename without replacing, a file has both names for a moment.
fn drop_second_name(directory: &Path, files: &LogFiles) -> Result<(), ArchiveError> {
    let (partial, log) = (
        directory.join(partial_file(&files.name)),
        directory.join(log_file(&files.name, FileForm::default())),
    );
    if let (Ok(one), Ok(other)) = (fs::metadata(&partial), fs::metadata(&log))
        && (one.dev(), one.ino()) == (other.dev(), other.ino())
    {
        remove(&partial)?;
        sync_dir(directory)?;
    }
    Ok(())
}

fn remove_temporary(directory: &Path) -> Result<(), ArchiveError> {
    for entry in fs::read_dir(directory).map_err(FsError::on("read directory", directory))? {
        let entry = entry.map_err(FsError::on("read directory", directory))?;
        let is_temporary = |name: &str| known(name) == Some(Known::Temporary);
        if entry.file_name().to_str().is_some_and(is_temporary) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file, which may be gone already.
///
/// # Errors
/// [`FsError`].
pub(crate) fn remove(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::on("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Leaves one form of a log that is there in several: the one that is known, or the bare one, whichever is found to be
/// whole. If neither is, all stay.
///
/// # Errors
/// [`ArchiveError::Fs`].
pub(crate) fn settle(directory: &Path, files: &LogFiles) -> Result<(), ArchiveError> {
    let Some(entry) = read_entry(directory, &files.name).unwrap_or_default() else {
        return settle_unknown(directory, files);
    };
    let candidates = [entry.form(), FileForm::default()];
    let is_good = |form: &FileForm| files.forms.contains(form) && is_whole(directory, &entry, *form);
    let Some(kept) = candidates.into_iter().find(is_good) else { return Ok(()) };
    if kept != entry.form() {
        write_entry(directory, &LogEntry { stored: None, ..entry })?;
    }
    keep_only(directory, files, kept)
}

/// With nothing known, the bare log tells.
fn settle_unknown(directory: &Path, files: &LogFiles) -> Result<(), ArchiveError> {
    let (keys, bare) = (Keys::default(), FileForm::default());
    let shelf =
        Shelf { directory, keys: &keys, writes: true, remembered: None, is_flat: false, is_brief: false };
    let path = directory.join(log_file(&files.name, bare));
    if !files.forms.contains(&bare) {
        return Ok(());
    }
    match shelf.read_closed(&files.name, &path, bare) {
        Ok(entry) => {
            write_entry(directory, &entry)?;
            keep_only(directory, files, bare)
        }
        Err(_) => Ok(()),
    }
}

fn keep_only(directory: &Path, files: &LogFiles, kept: FileForm) -> Result<(), ArchiveError> {
    for form in files.forms.iter().filter(|form| **form != kept) {
        remove(&directory.join(log_file(&files.name, *form)))?;
    }
    Ok(sync_dir(directory)?)
}

/// Whether a file is what it was when it was written.
fn is_whole(directory: &Path, entry: &LogEntry, form: FileForm) -> bool {
    let path = directory.join(log_file(&entry.name, form));
    match entry.stored.as_ref().filter(|stored| stored.form() == form) {
        Some(stored) => digest_file(&path).is_ok_and(|found| found == (stored.size_bytes, stored.digest)),
        None => File::open(&path)
            .ok()
            .and_then(|file| unpacked(file, path, form, &Keys::default(), Some(Expected::of(entry))).ok())
            .is_some_and(|mut log| io::copy(&mut log, &mut io::sink()).is_ok()),
    }
}

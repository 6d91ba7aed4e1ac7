//! Giving a closed log another form.

use std::fs::File;
use std::io;
use std::path::Path;

use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::{FsError, rename, sync_dir};
use xb_pipeline::keys::{KeyFault, Keys};
use xb_pipeline::single::{FileForm, pack_single};
use xb_pipeline::{Encryption, FlowError, ObjectReceipt, ObjectWriter, Packing, digest_file};

use super::entry::{LogEntry, LogState, StoredForm};
use super::error::ArchiveError;
use super::listing::Listing;
use super::lock::Keeper;
use super::names::{log_file, temporary_file};
use super::read::{Expected, open_log, packed, unpacked};
use super::repair::{remove, settle};
use super::seal::write_entry;
use super::shelf::read_entry;

/// Stores a closed log of the epoch in `directory` in another form, and gives what is known of it then.
///
/// The other form is read back before the one that is there goes. With recipients of age whose identities are not in
/// `keys`, it can only be told that what was written is what stands on the disk.
///
/// # Errors
/// [`ArchiveError`]; the log is there as before then.
pub fn convert(
    directory: &Path,
    entry: &LogEntry,
    packing: &Packing,
    keys: &Keys,
    cancel: &CancelToken,
) -> Result<LogEntry, ArchiveError> {
    let _keeper = Keeper::wait(directory)?;
    let entry = current(directory, entry)?;
    let form = FileForm::of(packing);
    if form == entry.form() {
        return Ok(entry);
    }
    let target = directory.join(log_file(&entry.name, form));
    let temporary = directory.join(temporary_file(&log_file(&entry.name, form)));
    remove(&temporary)?;
    let keys = match &packing.encryption {
        Some(Encryption::Xbcrypt(key)) => keys.clone().with_key(key.clone()),
        _ => keys.clone(),
    };
    let written = write(directory, &entry, &temporary, packing, &keys, cancel)
        .and_then(|receipt| read_back(&temporary, form, &entry, &receipt, &keys).map(|()| receipt));
    let receipt = match written {
        Ok(receipt) => receipt,
        Err(error) => {
            // It was made here; that it cannot be removed is not worse than what led here.
            let _ = remove(&temporary);
            return Err(error);
        }
    };
    rename(&temporary, &target)?;
    let stored = StoredForm { suffix: form.suffix(), size_bytes: receipt.size, digest: receipt.blake3 };
    let converted = LogEntry { stored: (!form.is_bare()).then_some(stored), ..entry.clone() };
    write_entry(directory, &converted)?;
    remove(&directory.join(log_file(&entry.name, entry.form())))?;
    sync_dir(directory)?;
    Ok(converted)
}

/// What is known of a log now that nobody else changes it.
fn current(directory: &Path, entry: &LogEntry) -> Result<LogEntry, ArchiveError> {
    let no_log = || ArchiveError::NoLog { directory: directory.to_owned(), log: entry.name.clone() };
    let path = directory.join(entry.name.to_string());
    if entry.state != LogState::Closed {
        let reason = "it is still written, and keeps its form until it is closed".to_owned();
        return Err(ArchiveError::Unfit { path, reason });
    }
    let listing = Listing::read(directory)?;
    let files = listing.log(&entry.name).ok_or_else(no_log)?;
    if files.forms.len() > 1 {
        settle(directory, files)?;
    }
    let known = read_entry(directory, &entry.name)?.ok_or_else(no_log)?;
    Ok(LogEntry { previous: entry.previous.clone(), ..known })
}

fn write(
    directory: &Path,
    entry: &LogEntry,
    temporary: &Path,
    packing: &Packing,
    keys: &Keys,
    cancel: &CancelToken,
) -> Result<ObjectReceipt, ArchiveError> {
    let log = open_log(directory, &entry.name, keys)?;
    let to = ObjectWriter::file(temporary)?;
    pack_single(log, packing, to, cancel).map_err(|error| packed(temporary, error))
}

/// Holds what stands on the disk against what it must be.
fn read_back(
    path: &Path,
    form: FileForm,
    entry: &LogEntry,
    receipt: &ObjectReceipt,
    keys: &Keys,
) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(FsError::on("open", path))?;
    let opened = unpacked(file, path.to_owned(), form, keys, Some(Expected::of(entry)));
    match opened {
        Ok(mut log) => {
            let read = io::copy(&mut log, &mut io::sink());
            read.map(|_| ()).map_err(|error| read_failed(path, error))
        }
        Err(ArchiveError::Packed { source: FlowError::Key(fault), .. }) if is_for_others(&fault) => {
            let (bytes, found) = digest_file(path)?;
            if (bytes, found) == (receipt.size, receipt.blake3) {
                return Ok(());
            }
            let (path, expected) = (path.to_owned(), receipt.blake3);
            Err(ArchiveError::Digest { path, bytes, expected, found })
        }
        Err(error) => Err(error),
    }
}

fn is_for_others(fault: &KeyFault) -> bool {
    matches!(fault, KeyFault::IdentityNeeded | KeyFault::WrongIdentity)
}

fn read_failed(path: &Path, error: io::Error) -> ArchiveError {
    match ArchiveError::from_io(error) {
        Ok(error) => error,
        Err(error) => FsError::on("read", path)(error).into(),
    }
}

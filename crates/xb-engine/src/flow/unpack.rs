//! Unpacking the members of a chain: archives are opened, files are copied, all of it held against digests.

use std::path::{Path, PathBuf};

use xb_catalog::manifest::MANIFEST_NAME;
use xb_catalog::{BackupRecord, Origin, read_objects};
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::FILE_NAMES;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::ReadOptions;
use xb_pipeline::copy::{CopyItem, copy_tree, list_tree};
use xb_pipeline::extract::{ExtractError, Wanted, extract};
use xb_pipeline::fs::{FsError, create_dir_private};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Phase;
use xb_pipeline::probe::probe;

use super::backup::LOG_NAME;
use crate::context::{Context, Phases};
use crate::error::EngineError;

/// What stands beside the data in a backup kept as files, and is not the server's.
const NOT_DATA: [&str; 4] = [FILE_NAMES[0], FILE_NAMES[1], LOG_NAME, MANIFEST_NAME];

/// Unpacks a member into `directory`, which is made.
///
/// # Errors
/// [`EngineError::Extract`].
pub(super) fn unpack_member(
    context: &Context,
    phases: &mut Phases<'_>,
    member: &BackupRecord,
    keys: &Keys,
    directory: &Path,
) -> Result<(), EngineError> {
    let total = match archive_path(member) {
        Some(archive) => std::fs::metadata(&archive).ok().map(|meta| meta.len()),
        None => member.sizes.map(|sizes| sizes.stream_bytes),
    };
    phases.begin(Phase::Extract, &member.id().to_string(), total);
    create_dir_private(directory)?;
    unpack(context, member, keys, directory).map_err(|error| cannot_unpack(member, error))
}

fn unpack(
    context: &Context,
    member: &BackupRecord,
    keys: &Keys,
    directory: &Path,
) -> Result<(), ExtractError> {
    let options = read_options(context, keys);
    let Some(archive) = archive_path(member) else {
        let ReadOptions { threads, monitor, cancel, .. } = options;
        return copy_tree(&items(member)?, &member.directory, directory, threads, monitor, cancel);
    };
    let wanted =
        Wanted { digest: member.archive_digest, metadata: &[MetaKind::Checkpoints], ..Wanted::default() };
    extract(&archive, directory, &wanted, &options).map(|_| ())
}

/// The archive of a member that is one file.
fn archive_path(member: &BackupRecord) -> Option<PathBuf> {
    member.archive.and_then(Archive::file_name).map(|name| member.directory.join(name))
}

fn read_options<'a>(context: &'a Context, keys: &'a Keys) -> ReadOptions<'a> {
    let (monitor, cancel) = (&**context.monitor(), context.cancel());
    ReadOptions { keys, threads: context.compress_threads(), monitor, cancel }
}

/// Opens every archive a little: a key that does not fit is told before anything is written.
pub(super) fn check_keys(
    context: &Context,
    members: &[BackupRecord],
    keys: &Keys,
) -> Result<(), EngineError> {
    for member in members {
        if let Some(archive) = archive_path(member) {
            probe(&archive, &read_options(context, keys)).map_err(|error| cannot_unpack(member, error))?;
        }
    }
    Ok(())
}

fn cannot_unpack(member: &BackupRecord, error: ExtractError) -> EngineError {
    match error {
        ExtractError::Cancelled(cancelled) => EngineError::Cancelled(cancelled),
        source => EngineError::Extract { member: member.id(), source },
    }
}

/// The files of a backup that is kept as files. The original wrote no list: there it is whatever is there.
fn items(member: &BackupRecord) -> Result<Vec<CopyItem>, FsError> {
    if member.origin == Origin::Native {
        let unreadable =
            |reason| FsError::on("read the manifest of", &member.directory)(std::io::Error::other(reason));
        let objects = read_objects(&member.directory).map_err(unreadable)?;
        return Ok(objects
            .into_iter()
            .map(|o| CopyItem { path: o.path, expected: Some(o.blake3) })
            .collect());
    }
    let is_data = |path: &PathBuf| !NOT_DATA.iter().any(|name| path == Path::new(name));
    let files = list_tree(&member.directory)?.into_iter().filter(is_data);
    Ok(files.map(|path| CopyItem { path, expected: None }).collect())
}

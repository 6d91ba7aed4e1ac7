//! Unpacking the members of a chain: archives are opened, files are copied, all of it held against digests.

use std::path::{Path, PathBuf};

use xb_catalog::manifest::MANIFEST_NAME;
use xb_catalog::{BackupRecord, Origin, Repository, RepositoryError};
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::FILE_NAMES;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::ReadOptions;
use xb_pipeline::copy::{CopyItem, CopySource, copy_tree, list_tree};
use xb_pipeline::extract::{ExtractError, Wanted, extract_from};
use xb_pipeline::fs::{FsError, create_dir_private};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Phase;
use xb_pipeline::probe::probe_from;

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
    let total = match archive_name(member) {
        Some(name) => member
            .sizes
            .map(|sizes| sizes.stored_bytes)
            .or_else(|| std::fs::metadata(member.directory.join(name)).ok().map(|meta| meta.len())),
        None => member.sizes.map(|sizes| sizes.stream_bytes),
    };
    phases.begin(Phase::Extract, &member.id().to_string(), total);
    create_dir_private(directory)?;
    let home = context.repository()?;
    unpack(context, &home, member, keys, directory).map_err(|error| cannot_unpack(member, error))
}

fn unpack(
    context: &Context,
    home: &Repository,
    member: &BackupRecord,
    keys: &Keys,
    directory: &Path,
) -> Result<(), ExtractError> {
    let options = read_options(context, keys);
    let Some(name) = archive_name(member) else {
        let ReadOptions { threads, monitor, cancel, .. } = options;
        let open = |path: &Path| home.open(member, path).map_err(not_opened);
        let source = match home.directory() {
            Some(_) => CopySource::Directory(&member.directory),
            None => CopySource::Elsewhere(&open, &member.directory),
        };
        return copy_tree(&items(home, member)?, source, directory, threads, monitor, cancel);
    };
    let wanted =
        Wanted { digest: member.archive_digest, metadata: &[MetaKind::Checkpoints], ..Wanted::default() };
    let archive = member.directory.join(&name);
    let input = home.open(member, &name).map_err(not_opened)?;
    extract_from(input, &archive, directory, &wanted, &options).map(|_| ())
}

fn not_opened(error: RepositoryError) -> ExtractError {
    match error {
        RepositoryError::Fs(error) => ExtractError::Fs(error),
        RepositoryError::Store(error) => ExtractError::Store(error),
    }
}

/// The name of the archive of a member that is one file.
fn archive_name(member: &BackupRecord) -> Option<PathBuf> {
    member.archive.and_then(Archive::file_name).map(PathBuf::from)
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
    let home = context.repository()?;
    for member in members {
        if let Some(name) = archive_name(member) {
            let archive = member.directory.join(&name);
            let input = home.open(member, &name).map_err(not_opened);
            input
                .and_then(|input| probe_from(input, &archive, &read_options(context, keys)))
                .map_err(|error| cannot_unpack(member, error))?;
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
fn items(home: &Repository, member: &BackupRecord) -> Result<Vec<CopyItem>, FsError> {
    let unreadable = |reason: String| FsError::on("read", &member.directory)(std::io::Error::other(reason));
    if member.origin == Origin::Native {
        let objects = home.read_objects(member).map_err(unreadable)?;
        return Ok(objects
            .into_iter()
            .map(|o| CopyItem { path: o.path, expected: Some(o.blake3) })
            .collect());
    }
    let is_data = |path: &PathBuf| !NOT_DATA.iter().any(|name| path == Path::new(name));
    let all = match home.directory() {
        Some(_) => list_tree(&member.directory)?,
        None => home.list_files(member).map_err(|error| unreadable(error.to_string()))?,
    };
    let files = all.into_iter().filter(is_data);
    Ok(files.map(|path| CopyItem { path, expected: None }).collect())
}

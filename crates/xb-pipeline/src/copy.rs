//! Copying a backup that is kept as files, with every file held against its digest on the way.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::cancel::CancelToken;
use crate::extract::ExtractError;
use crate::fs::{FsError, create_dir_private, create_private};
use crate::monitor::Monitor;
use crate::parallel::ordered;
use crate::sink::Digest;
use crate::store::StoreError;

const BLOCK_BYTES: usize = 1024 * 1024;

/// A file to copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyItem {
    /// Its path below the directory.
    pub path: PathBuf,
    /// What it must be, if that is known.
    pub expected: Option<Digest>,
}

/// Every regular file below `root`, sorted. Links and other things are not followed and not listed.
///
/// # Errors
/// [`FsError`] when a directory cannot be read.
pub fn list_tree(root: &Path) -> Result<Vec<PathBuf>, FsError> {
    let mut files = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let directory = root.join(&relative);
        for entry in fs::read_dir(&directory).map_err(FsError::on("read directory", &directory))? {
            let entry = entry.map_err(FsError::on("read directory", &directory))?;
            let kind = entry.file_type().map_err(FsError::on("examine", &entry.path()))?;
            let path = relative.join(entry.file_name());
            if kind.is_dir() {
                pending.push(path);
            } else if kind.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Whether files of the file system of `from`, a file, can be cloned into the directory `to`: a copy then takes
/// no time and no room.
#[must_use]
pub fn can_clone(from: &Path, to: &Path) -> bool {
    let probe = to.join(format!(".pyxbackup-clone-{}", std::process::id()));
    let (Ok(input), Ok(output)) = (File::open(from), create_private(&probe)) else { return false };
    // It was made here; an empty file that stays is in nobody's way.
    let _ = fs::remove_file(&probe);
    rustix::fs::ioctl_ficlone(&output, &input).is_ok()
}

/// Where files are copied from.
#[derive(Clone, Copy)]
pub enum CopySource<'a> {
    /// From below a directory.
    Directory(&'a Path),
    /// From elsewhere: what opens a file, given its path, and the name of the whole in messages.
    Elsewhere(&'a Open<'a>, &'a Path),
}

/// Opens a file for reading.
pub type Open<'a> = dyn Fn(&Path) -> Result<Box<dyn Read + Send>, ExtractError> + Sync + 'a;

impl CopySource<'_> {
    fn shown(&self, path: &Path) -> PathBuf {
        match self {
            CopySource::Directory(root) | CopySource::Elsewhere(_, root) => root.join(path),
        }
    }
}

/// Copies `items` from below `from` to below `to`, which exists and is empty, on `threads` threads.
///
/// What has no digest to be held against is cloned where the file system can.
///
/// # Errors
/// [`ExtractError::Digest`] when a file is not what it was; [`ExtractError::Fs`], [`ExtractError::Cancelled`].
pub fn copy_tree(
    items: &[CopyItem],
    from: CopySource<'_>,
    to: &Path,
    threads: usize,
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<(), ExtractError> {
    let mut waiting = items.iter();
    let make_worker = || {
        let mut block = vec![0; BLOCK_BYTES];
        move |item: &CopyItem| copy_one(item, from, to, &mut block, monitor, cancel)
    };
    ordered(threads, || Ok(waiting.next()), make_worker, Ok)
}

fn copy_one(
    item: &CopyItem,
    from: CopySource<'_>,
    to: &Path,
    block: &mut [u8],
    monitor: &dyn Monitor,
    cancel: &CancelToken,
) -> Result<(), ExtractError> {
    let (source, target) = (from.shown(&item.path), to.join(&item.path));
    if let Some(parent) = target.parent() {
        create_dir_private(parent)?;
    }
    let mut output = create_private(&target)?;
    let mut input: Box<dyn Read + Send> = match from {
        CopySource::Directory(_) => {
            let input = File::open(&source).map_err(FsError::on("open", &source))?;
            if item.expected.is_none() && rustix::fs::ioctl_ficlone(&output, &input).is_ok() {
                monitor.advance(output.metadata().map_or(0, |meta| meta.len()));
                return Ok(());
            }
            Box::new(input)
        }
        CopySource::Elsewhere(open, _) => open(&item.path)?,
    };
    let mut hasher = blake3::Hasher::new();
    loop {
        cancel.check()?;
        let got = match input.read(block) {
            Ok(0) => break,
            Ok(got) => got,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(cannot_read(error, &source)),
        };
        hasher.update(&block[..got]);
        output.write_all(&block[..got]).map_err(FsError::on("write", &target))?;
        monitor.advance(got as u64);
    }
    let found = Digest::from(hasher.finalize());
    match item.expected.filter(|expected| *expected != found) {
        Some(expected) => Err(ExtractError::Digest { path: source, expected, found }),
        None => Ok(()),
    }
}

fn cannot_read(error: std::io::Error, source: &Path) -> ExtractError {
    match error.downcast::<StoreError>() {
        Ok(error) => error.into(),
        Err(error) => FsError::on("read", source)(error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest_file;
    use crate::monitor::Silent;

    #[test]
    fn a_tree_is_copied_and_a_changed_file_is_found() {
        let (from, to, again) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(from.path().join("shop")).unwrap();
        fs::write(from.path().join("shop/t.ibd"), "data").unwrap();
        fs::write(from.path().join("ibdata1"), "more").unwrap();
        let item = |path: PathBuf| CopyItem {
            expected: Some(digest_file(&from.path().join(&path)).unwrap().1),
            path,
        };
        let items: Vec<_> = list_tree(from.path()).unwrap().into_iter().map(item).collect();
        let copy = |to: &Path| {
            copy_tree(&items, CopySource::Directory(from.path()), to, 2, &Silent, &CancelToken::new())
        };
        copy(to.path()).unwrap();
        assert_eq!(fs::read(to.path().join("shop/t.ibd")).unwrap(), b"data");
        fs::write(from.path().join("shop/t.ibd"), "dat4").unwrap();
        assert!(
            matches!(copy(again.path()), Err(ExtractError::Digest { path, .. }) if path.ends_with("shop/t.ibd"))
        );
    }
}

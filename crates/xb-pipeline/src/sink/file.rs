//! One file, written from beginning to end.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::flush::{FLUSH_BYTES, Flusher};
use super::{Digest, ObjectReceipt};
use crate::fs::{FsError, create_private};
use crate::read::read_full;

/// A new private file that is digested while it is written.
pub(crate) struct DigestFile {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    size: u64,
    flusher: Flusher,
}

impl DigestFile {
    pub(crate) fn create(path: &Path) -> Result<Self, FsError> {
        let file = create_private(path)?;
        Ok(DigestFile {
            file,
            path: path.to_owned(),
            hasher: blake3::Hasher::new(),
            size: 0,
            flusher: Flusher::default(),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::on("write", &self.path))?;
        self.hasher.update(bytes);
        let flushes = self.size / FLUSH_BYTES;
        self.size += bytes.len() as u64;
        if self.size / FLUSH_BYTES > flushes {
            self.flusher.poke(&self.file);
        }
        Ok(())
    }

    /// Makes the file last. The receipt names it `name`.
    pub(crate) fn finish(mut self, name: impl Into<PathBuf>) -> Result<ObjectReceipt, FsError> {
        self.flusher.finish().map_err(FsError::on("sync", &self.path))?;
        self.file.sync_all().map_err(FsError::on("sync", &self.path))?;
        Ok(ObjectReceipt { path: name.into(), size: self.size, blake3: Digest(self.hasher.finalize()) })
    }
}

/// Writes a small private file and gives its receipt under `name`.
///
/// # Errors
/// [`FsError`].
pub fn write_object(directory: &Path, name: &str, content: &[u8]) -> Result<ObjectReceipt, FsError> {
    let mut file = DigestFile::create(&directory.join(name))?;
    file.write(content)?;
    file.finish(name)
}

/// Copies a file into `directory` as a private one and gives its receipt under `name`.
///
/// # Errors
/// [`FsError`].
pub fn copy_object(from: &Path, directory: &Path, name: &str) -> Result<ObjectReceipt, FsError> {
    let mut target = DigestFile::create(&directory.join(name))?;
    each_block(from, |block| target.write(block))?;
    target.finish(name)
}

/// Reads a file to its end for its digest.
///
/// # Errors
/// [`FsError`].
pub fn digest_file(path: &Path) -> Result<(u64, Digest), FsError> {
    let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
    each_block(path, |block| {
        hasher.update(block);
        size += block.len() as u64;
        Ok(())
    })?;
    Ok((size, Digest(hasher.finalize())))
}

fn each_block(path: &Path, mut on: impl FnMut(&[u8]) -> Result<(), FsError>) -> Result<(), FsError> {
    let mut file = File::open(path).map_err(FsError::on("open", path))?;
    let mut block = vec![0; 256 * 1024];
    loop {
        match read_full(&mut file, &mut block).map_err(FsError::on("read", path))? {
            0 => return Ok(()),
            got => on(&block[..got])?,
        }
    }
}

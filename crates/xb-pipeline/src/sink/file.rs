//! One object, written from beginning to end.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Digest, ObjectReceipt};
use crate::flush::{FLUSH_BYTES, Flusher};
use crate::fs::{FsError, create_private};
use crate::read::read_full;
use crate::store::{StoreError, StoreErrorKind, Upload};

/// An object that is digested while it is written: a new private file, or an object of a store.
pub struct ObjectWriter {
    to: To,
    name: PathBuf,
    hasher: Box<blake3::Hasher>,
    size: u64,
}

enum To {
    File { file: File, path: PathBuf, flusher: Flusher },
    Store(Box<dyn Upload>),
}

/// An object could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// It is a file.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// It is an object of a store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ObjectWriter {
    /// Writes the new private file `path`; the receipt names it by its last name.
    ///
    /// # Errors
    /// [`FsError`].
    pub fn file(path: &Path) -> Result<Self, FsError> {
        let to = To::File { file: create_private(path)?, path: path.to_owned(), flusher: Flusher::default() };
        let name = PathBuf::from(path.file_name().unwrap_or_default());
        Ok(ObjectWriter { to, name, hasher: Box::default(), size: 0 })
    }

    /// Writes to a store; the receipt names the object `name`.
    #[must_use]
    pub fn upload(upload: Box<dyn Upload>, name: impl Into<PathBuf>) -> Self {
        ObjectWriter { to: To::Store(upload), name: name.into(), hasher: Box::default(), size: 0 }
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        let before = self.size;
        self.size += bytes.len() as u64;
        self.hasher.update(bytes);
        match &mut self.to {
            To::File { file, path, flusher } => {
                file.write_all(bytes).map_err(FsError::on("write", path))?;
                if self.size / FLUSH_BYTES > before / FLUSH_BYTES {
                    flusher.poke(file);
                }
                Ok(())
            }
            To::Store(upload) => upload
                .write_all(bytes)
                .map_err(|error| StoreError::from_io(error, "the store", "write").into()),
        }
    }

    /// The digest of what was written so far.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(self.hasher.finalize())
    }

    /// Makes it last.
    ///
    /// # Errors
    /// [`ObjectError`], also when a store confirms another length than was written.
    pub fn finish(self) -> Result<ObjectReceipt, ObjectError> {
        let name = self.name.clone();
        self.finish_as(name)
    }

    /// The same with a receipt that names it `name`.
    pub(crate) fn finish_as(self, name: impl Into<PathBuf>) -> Result<ObjectReceipt, ObjectError> {
        let (path, size) = (name.into(), self.size);
        match self.to {
            To::File { file, path, mut flusher } => {
                flusher.finish().map_err(FsError::on("sync", &path))?;
                file.sync_all().map_err(FsError::on("sync", &path))?;
            }
            To::Store(upload) => {
                let stored = upload.finish()?;
                if stored != size {
                    return Err(StoreError {
                        kind: StoreErrorKind::Damaged,
                        store: "the store".to_owned(),
                        action: "confirm",
                        path: Some(path.to_string_lossy().into_owned()),
                        reason: format!("it holds {stored} bytes of {size} that were written"),
                    }
                    .into());
                }
            }
        }
        Ok(ObjectReceipt { path, size, blake3: Digest(self.hasher.finalize()) })
    }
}

/// Writes a small private file and gives its receipt under `name`.
///
/// # Errors
/// [`ObjectError`].
pub fn write_object(directory: &Path, name: &str, content: &[u8]) -> Result<ObjectReceipt, ObjectError> {
    let mut file = ObjectWriter::file(&directory.join(name))?;
    file.write(content)?;
    file.finish_as(name)
}

/// Copies a file to where `target` writes.
///
/// # Errors
/// [`ObjectError`].
pub fn copy_object(from: &Path, mut target: ObjectWriter) -> Result<ObjectReceipt, ObjectError> {
    each_block(from, |block| target.write(block))?;
    target.finish()
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
        Ok::<_, FsError>(())
    })?;
    Ok((size, Digest(hasher.finalize())))
}

fn each_block<E: From<FsError>>(path: &Path, mut on: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
    let mut file = File::open(path).map_err(FsError::on("open", path))?;
    let mut block = vec![0; 256 * 1024];
    loop {
        match read_full(&mut file, &mut block).map_err(FsError::on("read", path))? {
            0 => return Ok(()),
            got => on(&block[..got])?,
        }
    }
}

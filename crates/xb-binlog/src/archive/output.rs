//! The bytes of a log on their way to the disk.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use xb_pipeline::Digest;
use xb_pipeline::flush::{FLUSH_BYTES, Flusher};
use xb_pipeline::fs::FsError;

use super::describe::LogHasher;

/// Bytes gathered before they are digested and handed to the system: both are slow in small portions.
const BUFFER: usize = 256 * 1024;

/// Writes a log behind what there is of it, and digests all. What was not synced is not to be trusted after
/// an error, and gone when this is dropped.
#[derive(Debug)]
pub(super) struct LogOutput {
    path: PathBuf,
    file: File,
    /// What is neither in the file nor in the digest.
    buffer: Vec<u8>,
    hasher: LogHasher,
    flusher: Flusher,
    /// Bytes written since the disk was last asked to take some.
    unflushed: u64,
    is_synced: bool,
}

impl LogOutput {
    /// Writes at the place where `file` is, behind what `hasher` has seen.
    pub(super) fn new(path: PathBuf, file: File, hasher: LogHasher) -> Self {
        LogOutput {
            path,
            file,
            buffer: Vec::with_capacity(BUFFER),
            hasher,
            flusher: Flusher::default(),
            unflushed: 0,
            is_synced: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all of it is on the disk.
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Adds bytes.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.is_synced = false;
        if self.buffer.len() + bytes.len() > BUFFER {
            self.hand_over()?;
        }
        if bytes.len() < BUFFER {
            self.buffer.extend_from_slice(bytes);
            return Ok(());
        }
        self.hasher.update(bytes);
        self.put(bytes)
    }

    /// Digests what is gathered and gives it to the system.
    fn hand_over(&mut self) -> Result<(), FsError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.hasher.update(&buffer);
        let outcome = self.put(&buffer);
        buffer.clear();
        self.buffer = buffer;
        outcome
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::on("write", &self.path))?;
        self.unflushed += bytes.len() as u64;
        if self.unflushed >= FLUSH_BYTES {
            self.unflushed = 0;
            self.flusher.poke(&self.file);
        }
        Ok(())
    }

    /// Waits until all of it is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), FsError> {
        if !self.is_synced {
            self.hand_over()?;
            self.flusher.finish().map_err(FsError::on("sync", &self.path))?;
            self.file.sync_data().map_err(FsError::on("sync", &self.path))?;
            self.unflushed = 0;
            self.is_synced = true;
        }
        Ok(())
    }

    /// The length in bytes and the digest of what was handed over, which after a sync is all.
    pub(super) fn digest(&self) -> (u64, Digest) {
        (self.hasher.length(), self.hasher.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_of_any_size_arrive_in_order_and_in_the_digest() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut output = LogOutput::new(path.clone(), File::create(&path).unwrap(), LogHasher::default());
        let mut expected: Vec<u8> = Vec::new();
        let sizes =
            [4, 100, BUFFER - 104, 1, 5, BUFFER, 2, BUFFER - 1, 3 * BUFFER, 7, FLUSH_BYTES as usize, 9];
        for (number, size) in sizes.into_iter().enumerate() {
            let bytes = vec![number as u8 * 2; size];
            output.write(&bytes).unwrap();
            expected.extend(bytes);
            if number % 3 == 0 {
                output.sync().unwrap();
                assert_eq!(std::fs::metadata(&path).unwrap().len(), expected.len() as u64);
            }
            assert_eq!(output.is_synced(), number % 3 == 0);
        }
        output.sync().unwrap();
        assert!(std::fs::read(&path).unwrap() == expected);
        let mut hasher = LogHasher::default();
        hasher.update(&expected);
        assert_eq!(output.digest(), (expected.len() as u64, hasher.digest()));
    }

    #[test]
    fn a_disk_that_takes_no_more_is_told() {
        let path = PathBuf::from("/dev/full");
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        let mut output = LogOutput::new(path, file, LogHasher::default());
        output.write(b"some").unwrap();
        assert!(output.sync().is_err());
        assert!(!output.is_synced());
    }
}

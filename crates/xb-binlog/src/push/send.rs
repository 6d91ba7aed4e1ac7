//! One closed log on its way.

use std::fs::File;
use std::io::{self, Read};

use xb_pipeline::fs::FsError;
use xb_pipeline::store::{About, ObjectDigest, sha256};
use xb_pipeline::{Digest, ObjectError, ObjectWriter};

use super::Push;
use super::index::path_of;
use crate::archive::describe::LogHasher;
use crate::archive::names::log_file;
use crate::archive::{ArchiveError, EpochNumber, LogEntry};

/// Bytes that are read at a time.
const BLOCK: usize = 256 * 1024;

impl Push<'_> {
    /// Sends the file of a log, in the form it has. It comes to exist there only if it is whole here.
    pub(super) fn send(&mut self, epoch: EpochNumber, entry: &LogEntry) -> Result<(), ArchiveError> {
        let name = log_file(&entry.name, entry.form());
        let local = self.archive.directory(epoch).join(&name);
        let mut file = File::open(&local).map_err(FsError::on("open", &local))?;
        let path = path_of(self.store, epoch, &name)?;
        let about = About {
            expected_bytes: Some(entry.stored_bytes()),
            digest: entry.stored.as_ref().map(|stored| stored.digest),
        };
        let mut to = ObjectWriter::upload(self.store.create(&path, about)?, path.as_str());
        let (mut hasher, mut block) = (LogHasher::default(), vec![0; BLOCK]);
        loop {
            let got = match file.read(&mut block) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(FsError::on("read", &local)(error).into()),
            };
            let bytes = block.get(..got).unwrap_or_default();
            hasher.update(bytes);
            to.write(bytes).map_err(object_error)?;
        }
        let (bytes, expected) = (hasher.length(), entry.stored_bytes());
        if bytes != expected {
            return Err(ArchiveError::Length { path: local, expected, found: bytes });
        }
        let (expected, found) = match &entry.stored {
            Some(stored) => (Some(stored.digest), to.digest()),
            None => (entry.digest, hasher.digest()),
        };
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ArchiveError::Digest { path: local, bytes, expected, found });
        }
        to.finish().map_err(object_error)?;
        self.index.add(epoch, name, bytes);
        self.pushed.bytes += bytes;
        Ok(())
    }

    /// Whether an object that does not count yet is the file here, as far as the store can tell.
    pub(super) fn has_digest(&self, epoch: EpochNumber, entry: &LogEntry) -> Result<bool, ArchiveError> {
        let name = log_file(&entry.name, entry.form());
        let local = self.archive.directory(epoch).join(&name);
        let found = self.store.digest(&path_of(self.store, epoch, &name)?)?;
        let open = || File::open(&local).map_err(FsError::on("open", &local));
        Ok(match found {
            None => false,
            Some(ObjectDigest::Blake3(found)) => {
                let own = match &entry.stored {
                    Some(stored) => stored.digest,
                    None => file_digest(open()?).map_err(FsError::on("read", &local))?,
                };
                own == found
            }
            Some(ObjectDigest::Sha256(found)) => {
                sha256(open()?).map_err(FsError::on("read", &local))? == found
            }
        })
    }
}

/// Of all bytes, with the in-use flag.
fn file_digest(mut file: File) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(hasher.finalize().into())
}

pub(super) fn object_error(error: ObjectError) -> ArchiveError {
    match error {
        ObjectError::Fs(error) => error.into(),
        ObjectError::Store(error) => error.into(),
    }
}

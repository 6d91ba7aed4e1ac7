//! One file, written from beginning to end.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};

use super::{Digest, ObjectReceipt};
use crate::fs::{FsError, create_private};
use crate::read::read_full;

/// Written bytes after which the disk is asked to take them, so that the last sync has little left to do.
const FLUSH_BYTES: u64 = 8 * 1024 * 1024;

/// A new private file that is digested while it is written.
pub(crate) struct DigestFile {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    size: u64,
    flusher: Option<Flusher>,
}

impl DigestFile {
    pub(crate) fn create(path: &Path) -> Result<Self, FsError> {
        let file = create_private(path)?;
        Ok(DigestFile { file, path: path.to_owned(), hasher: blake3::Hasher::new(), size: 0, flusher: None })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::on("write", &self.path))?;
        self.hasher.update(bytes);
        let flushes = self.size / FLUSH_BYTES;
        self.size += bytes.len() as u64;
        if self.size / FLUSH_BYTES > flushes {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        if self.flusher.is_none() {
            // Without a second handle there is only the sync at the end, which is the one that counts.
            self.flusher = self.file.try_clone().ok().map(Flusher::start);
        }
        if let Some(flusher) = &self.flusher {
            flusher.poke();
        }
    }

    /// Makes the file last. The receipt names it `name`.
    pub(crate) fn finish(mut self, name: impl Into<PathBuf>) -> Result<ObjectReceipt, FsError> {
        if let Some(flusher) = self.flusher.take() {
            flusher.finish().map_err(FsError::on("sync", &self.path))?;
        }
        self.file.sync_all().map_err(FsError::on("sync", &self.path))?;
        Ok(ObjectReceipt { path: name.into(), size: self.size, blake3: Digest(self.hasher.finalize()) })
    }
}

/// Syncs a file that is still being written, on a thread of its own. The system tells an error of writing
/// back only once per open file, so one that is met here must not get lost: [`Flusher::finish`] gives it.
struct Flusher {
    poke: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flusher {
    fn start(file: File) -> Self {
        let (poke, pokes) = bounded(1);
        let thread = std::thread::spawn(move || pokes.iter().try_for_each(|()| file.sync_data()));
        Flusher { poke, thread }
    }

    /// Asks for a sync, unless one is waiting already. After an error nobody listens any more.
    fn poke(&self) {
        let _ = self.poke.try_send(());
    }

    fn finish(self) -> io::Result<()> {
        drop(self.poke);
        self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the syncing thread panicked")))
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

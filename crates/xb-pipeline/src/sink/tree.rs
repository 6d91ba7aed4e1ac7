//! A tree of files, made from the pieces of an archive.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use xb_formats::path::StreamPath;

use super::confined::Confined;
use super::file::digest_file;
use super::{Digest, ObjectReceipt};
use crate::flow::{FileId, Piece};
use crate::flush::{FLUSH_BYTES, Flusher};
use crate::fs::FsError;

/// Writes the files of an archive below a directory.
///
/// A file is created with its first bytes, or at its end if it has none: what fails before, such as a key that
/// does not fit, leaves nothing.
pub(crate) struct TreeSink {
    root: Confined,
    with_digests: bool,
    open: HashMap<FileId, OpenFile>,
    closed: BTreeMap<StreamPath, (u64, Option<Digest>)>,
    flusher: Flusher,
}

struct OpenFile {
    path: StreamPath,
    rewrite: bool,
    file: Option<File>,
    /// Runs along while the file is written in order; given up at the first piece that is not.
    hasher: Option<blake3::Hasher>,
    digested_to: u64,
    /// Bytes that the disk was not asked to take yet.
    unflushed: u64,
}

impl TreeSink {
    /// Below `root`, which exists.
    pub(crate) fn new(root: &Path, with_digests: bool) -> Result<Self, FsError> {
        let root = Confined::open(root)?;
        Ok(TreeSink {
            root,
            with_digests,
            open: HashMap::new(),
            closed: BTreeMap::new(),
            flusher: Flusher::default(),
        })
    }

    pub(crate) fn handle(&mut self, piece: Piece) -> Result<(), FsError> {
        match piece {
            Piece::Directory { path } => self.root.make_directory(&path),
            Piece::Open { file, path, about } => {
                let hasher = self.with_digests.then(blake3::Hasher::new);
                let rewrite = about.rewrite;
                self.open.insert(
                    file,
                    OpenFile { path, rewrite, file: None, hasher, digested_to: 0, unflushed: 0 },
                );
                Ok(())
            }
            Piece::Data { file, offset, bytes } => self.write(file, offset, &bytes),
            Piece::Extend { file, size } => self.extend(file, size),
            Piece::Close { file, size } => self.close(file, size),
            Piece::Remove { path } => self.remove(&path),
            Piece::Rename { from, to } => self.rename(&from, to),
        }
    }

    /// What was written, by path; only for an archive that was whole. Digests stand if they were asked for. That
    /// all of it is on the disk, the caller makes sure.
    pub(crate) fn finish(mut self) -> Result<Vec<ObjectReceipt>, FsError> {
        self.flusher.finish().map_err(FsError::on("sync files in", self.root.path()))?;
        if !self.with_digests {
            return Ok(Vec::new());
        }
        let root = &self.root;
        let receipt = |(path, (size, digest)): (StreamPath, (u64, Option<Digest>))| {
            let (size, blake3) = match digest {
                Some(digest) => (size, digest),
                None => digest_file(&root.full(&path))?,
            };
            Ok(ObjectReceipt { path: path.as_path().to_owned(), size, blake3 })
        };
        self.closed.into_iter().map(receipt).collect()
    }

    /// Files that are complete, and their bytes.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.closed.len() as u64, self.closed.values().map(|(size, _)| size).sum())
    }

    /// Removes the files that are not complete, after an error.
    pub(crate) fn give_up(&mut self) {
        for (_, open) in self.open.drain().filter(|(_, open)| open.file.is_some()) {
            // What cannot be removed is not worse than what led here.
            let _ = self.root.remove(&open.path);
        }
    }

    /// The file, created if that was not done yet. `None`: it is not open, which no archive makes happen.
    fn file(&mut self, key: FileId) -> Result<Option<(&mut OpenFile, &Confined)>, FsError> {
        let Some(open) = self.open.get_mut(&key) else { return Ok(None) };
        if open.file.is_none() {
            if open.rewrite && self.closed.remove(&open.path).is_some() {
                self.root.remove(&open.path)?;
            }
            open.file = Some(self.root.create(&open.path)?);
        }
        Ok(Some((open, &self.root)))
    }

    fn write(&mut self, key: FileId, offset: u64, bytes: &Bytes) -> Result<(), FsError> {
        let Some((open, root)) = self.file(key)? else { return Ok(()) };
        if let Some(file) = &open.file {
            file.write_all_at(bytes, offset).map_err(|e| FsError::on("write", &root.full(&open.path))(e))?;
        }
        if offset != open.digested_to {
            open.hasher = None;
        }
        if let Some(hasher) = &mut open.hasher {
            hasher.update(bytes);
            open.digested_to += bytes.len() as u64;
        }
        open.unflushed += bytes.len() as u64;
        self.flush(key);
        Ok(())
    }

    fn flush(&mut self, key: FileId) {
        if let Some(OpenFile { file: Some(file), unflushed, .. }) = self.open.get_mut(&key)
            && *unflushed >= FLUSH_BYTES
        {
            *unflushed = 0;
            self.flusher.poke(file);
        }
    }

    fn extend(&mut self, key: FileId, size: u64) -> Result<(), FsError> {
        let Some((open, root)) = self.file(key)? else { return Ok(()) };
        let Some(file) = &open.file else { return Ok(()) };
        let full = root.full(&open.path);
        let length = file.metadata().map_err(FsError::on("examine", &full))?.len();
        if length < size {
            open.hasher = None;
            file.set_len(size).map_err(FsError::on("extend", &full))?;
        }
        Ok(())
    }

    fn close(&mut self, key: FileId, size: u64) -> Result<(), FsError> {
        self.file(key)?;
        if let Some(open) = self.open.remove(&key) {
            let digest =
                open.hasher.filter(|_| open.digested_to == size).map(|hasher| Digest(hasher.finalize()));
            self.closed.insert(open.path, (size, digest));
        }
        Ok(())
    }

    fn remove(&mut self, path: &StreamPath) -> Result<(), FsError> {
        if self.closed.remove(path).is_some() { self.root.remove(path) } else { Ok(()) }
    }

    /// A file of this archive that has the name is replaced; what stood there before is not.
    fn rename(&mut self, from: &StreamPath, to: StreamPath) -> Result<(), FsError> {
        let Some(entry) = self.closed.remove(from) else { return Ok(()) };
        if *from != to && self.closed.remove(&to).is_some() {
            self.root.remove(&to)?;
        }
        if *from != to {
            self.root.rename(from, &to)?;
        }
        self.closed.insert(to, entry);
        Ok(())
    }
}

//! A tree of files, made from the events of a backup stream.
//!
//! The directory is new and ours alone, and a stream holds neither links nor directories, so no path of it
//! can lead outside: [`StreamPath`] has no `..`, and every file is created anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use xb_formats::xbstream::{Event, FileKey, StreamPath};

use super::file::digest_file;
use super::{Digest, ObjectReceipt};
use crate::fs::{FsError, create_dir_private, create_private};

/// Writes the files of a stream below a directory.
pub(crate) struct TreeSink {
    root: PathBuf,
    with_digests: bool,
    directories: HashSet<PathBuf>,
    open: HashMap<FileKey, OpenFile>,
    closed: BTreeMap<PathBuf, (u64, Option<Digest>)>,
}

struct OpenFile {
    path: PathBuf,
    file: File,
    /// Runs along while the file is written in order; given up at the first piece that is not.
    hasher: Option<blake3::Hasher>,
    digested_to: u64,
}

impl TreeSink {
    /// `root` exists, is empty and stays ours alone.
    pub(crate) fn new(root: &Path, with_digests: bool) -> Self {
        TreeSink {
            root: root.to_owned(),
            with_digests,
            directories: HashSet::new(),
            open: HashMap::new(),
            closed: BTreeMap::new(),
        }
    }

    pub(crate) fn handle(&mut self, event: &Event<'_>) -> Result<(), FsError> {
        match event {
            Event::Open { file, path, rewrite } => self.open(*file, path, *rewrite),
            Event::Data { file, offset, bytes } => self.write(*file, *offset, bytes),
            Event::Extend { file, size } => self.extend(*file, *size),
            Event::Close { file, size, .. } => self.close(*file, *size),
            Event::Remove { path } => self.remove(path.as_path()),
            Event::Rename { from, to } => self.rename(from.as_path(), to.as_path()),
            // Data carries its place; a seek alone changes nothing. Checksums are the decoder's business.
            Event::Seek { .. } | Event::ChunkEnd { .. } => Ok(()),
        }
    }

    /// What was written, by path; only for a stream that was whole. Digests stand if they were asked for.
    pub(crate) fn finish(self) -> Result<Vec<ObjectReceipt>, FsError> {
        if !self.with_digests {
            return Ok(Vec::new());
        }
        let root = &self.root;
        let receipt = |(path, (size, digest)): (PathBuf, (u64, Option<Digest>))| {
            let (size, blake3) = match digest {
                Some(digest) => (size, digest),
                None => digest_file(&root.join(&path))?,
            };
            Ok(ObjectReceipt { path, size, blake3 })
        };
        self.closed.into_iter().map(receipt).collect()
    }

    fn open(&mut self, key: FileKey, path: &StreamPath, rewrite: bool) -> Result<(), FsError> {
        let path = path.as_path();
        self.make_parent(path)?;
        let full = self.root.join(path);
        if rewrite && self.closed.remove(path).is_some() {
            fs::remove_file(&full).map_err(FsError::on("replace", &full))?;
        }
        let file = create_private(&full)?;
        let hasher = self.with_digests.then(blake3::Hasher::new);
        self.open.insert(key, OpenFile { path: path.to_owned(), file, hasher, digested_to: 0 });
        Ok(())
    }

    fn write(&mut self, key: FileKey, offset: u64, bytes: &[u8]) -> Result<(), FsError> {
        // The decoder opens a file before it tells of its data.
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        open.file.write_all_at(bytes, offset).map_err(FsError::on("write", &self.root.join(&open.path)))?;
        if offset != open.digested_to {
            open.hasher = None;
        }
        if let Some(hasher) = &mut open.hasher {
            hasher.update(bytes);
            open.digested_to += bytes.len() as u64;
        }
        Ok(())
    }

    fn extend(&mut self, key: FileKey, size: u64) -> Result<(), FsError> {
        let Some(open) = self.open.get_mut(&key) else { return Ok(()) };
        let full = self.root.join(&open.path);
        let length = open.file.metadata().map_err(FsError::on("examine", &full))?.len();
        if length < size {
            open.hasher = None;
            open.file.set_len(size).map_err(FsError::on("extend", &full))?;
        }
        Ok(())
    }

    fn close(&mut self, key: FileKey, size: u64) -> Result<(), FsError> {
        if let Some(open) = self.open.remove(&key) {
            let digest =
                open.hasher.filter(|_| open.digested_to == size).map(|hasher| Digest(hasher.finalize()));
            self.closed.insert(open.path, (size, digest));
        }
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> Result<(), FsError> {
        if self.closed.remove(path).is_some() {
            let full = self.root.join(path);
            fs::remove_file(&full).map_err(FsError::on("remove", &full))?;
        }
        Ok(())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "within a tree that is not committed; the commit syncs all of it"
    )]
    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), FsError> {
        let Some(entry) = self.closed.remove(from) else { return Ok(()) };
        self.make_parent(to)?;
        let (old, new) = (self.root.join(from), self.root.join(to));
        if self.closed.insert(to.to_owned(), entry).is_none() && new.symlink_metadata().is_ok() {
            return Err(FsError::on("rename onto", &new)(std::io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(&old, &new).map_err(FsError::on("rename", &old))
    }

    fn make_parent(&mut self, path: &Path) -> Result<(), FsError> {
        let Some(parent) = path.parent().filter(|parent| !self.directories.contains(*parent)) else {
            return Ok(());
        };
        create_dir_private(&self.root.join(parent))?;
        self.directories.insert(parent.to_owned());
        Ok(())
    }
}

//! The files of a stream: which are open and which are complete.
//!
//! Memory: a path of each file, about 60 bytes and the length of the path, as long as the stream lasts. The
//! paths themselves are kept, not digests of them, so that no two can be confused; the table's hash is keyed
//! at random, so that nobody can choose paths that collide.

use std::collections::{HashMap, HashSet};

use super::error::{Fault, NAMES_TOLD};
use super::event::{FileKey, Limits};
use crate::path::StreamPath;

/// A file that has begun and not ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenFile {
    pub(super) key: FileKey,
    /// Where the next byte goes.
    pub(super) position: u64,
    /// How long the file is so far.
    pub(super) size: u64,
}

#[derive(Debug, Default)]
pub(super) struct FileTable {
    open: HashMap<StreamPath, OpenFile>,
    closed: HashSet<StreamPath>,
    opened: u64,
}

impl FileTable {
    /// The state of an open file.
    pub(super) fn get(&self, path: &StreamPath) -> Option<OpenFile> {
        self.open.get(path).copied()
    }

    /// Begins a file. Tells also whether it replaces one of the same path that is complete, which only
    /// `rewrite` allows.
    pub(super) fn begin(
        &mut self,
        path: &StreamPath,
        rewrite: bool,
        limits: &Limits,
    ) -> Result<(OpenFile, bool), Fault> {
        let replaces = self.closed.contains(path);
        if self.open.contains_key(path) || (replaces && !rewrite) {
            return Err(Fault::Duplicate);
        }
        within("the number of open files", self.open.len() as u64 + 1, limits.max_open_files as u64)?;
        within("the number of files", self.opened + 1, limits.max_files)?;
        self.closed.remove(path);
        let file = OpenFile { key: FileKey(self.opened), position: 0, size: 0 };
        self.opened += 1;
        self.open.insert(path.clone(), file);
        Ok((file, replaces))
    }

    /// Notes the state of an open file after a chunk.
    pub(super) fn update(&mut self, path: &StreamPath, state: OpenFile) {
        if let Some(file) = self.open.get_mut(path) {
            *file = state;
        }
    }

    /// Ends an open file.
    pub(super) fn end(&mut self, path: &StreamPath) {
        if self.open.remove(path).is_some() {
            self.closed.insert(path.clone());
        }
    }

    /// Forgets a complete file. False when this stream has no such file: MariaDB removes and renames also
    /// what it never sent.
    pub(super) fn remove(&mut self, path: &StreamPath) -> Result<bool, Fault> {
        if self.open.contains_key(path) {
            return Err(Fault::BadSequence);
        }
        Ok(self.closed.remove(path))
    }

    /// Gives a complete file another path. False when there is nothing to do.
    pub(super) fn rename(&mut self, from: &StreamPath, to: &StreamPath) -> Result<bool, Fault> {
        if self.open.contains_key(from) {
            return Err(Fault::BadSequence);
        }
        if from == to || !self.closed.contains(from) {
            return Ok(false);
        }
        if self.open.contains_key(to) {
            return Err(Fault::BadSequence);
        }
        self.closed.remove(from);
        self.closed.insert(to.clone());
        Ok(true)
    }

    /// The fault of a stream that ends now, if there is one.
    pub(super) fn unfinished(&self) -> Option<Fault> {
        let mut paths: Vec<&StreamPath> = self.open.keys().collect();
        paths.sort();
        let names = paths.iter().take(NAMES_TOLD).map(ToString::to_string).collect();
        (!paths.is_empty()).then_some(Fault::FilesOpen { count: paths.len(), names })
    }
}

/// Compares a number with its limit.
pub(super) fn within(what: &'static str, value: u64, limit: u64) -> Result<(), Fault> {
    if value > limit { Err(Fault::Oversize { what, value, limit }) } else { Ok(()) }
}

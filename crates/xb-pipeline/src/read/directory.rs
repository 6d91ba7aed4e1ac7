//! What is in a directory, as if it were an archive.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread::Scope;

use bytes::Bytes;
use xb_formats::path::{StreamPath, escape};

use super::{ReadOptions, read_full};
use crate::flow::{About, BLOCK_BYTES, FlowError, Piece, Pieces};
use crate::fs::FsError;
use crate::parallel::{Flow, Outflow, background};

/// The pieces of a directory: one after the other, directory by directory, in the order of the names.
pub(crate) fn directory_pieces<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    root: &'env Path,
    options: &ReadOptions<'env>,
) -> Box<dyn Pieces + 'scope> {
    let options = *options;
    let flow: Flow<Vec<Piece>, FlowError> = background(scope, move |outflow| {
        let mut walk = Walk { outflow, options: &options, number: 0 };
        walk.directory(root, None).map(|_| ())
    });
    Box::new(flow)
}

struct Walk<'a> {
    outflow: &'a Outflow<Vec<Piece>, FlowError>,
    options: &'a ReadOptions<'a>,
    number: u64,
}

impl Walk<'_> {
    /// Gives all that is in a directory, its own files first; false when nobody wants more.
    fn directory(&mut self, full: &Path, inside: Option<&StreamPath>) -> Result<bool, FlowError> {
        let entries = fs::read_dir(full).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
        let mut entries = entries.map_err(FsError::on("read directory", full))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        let mut below = Vec::new();
        for entry in entries {
            let name = entry.file_name();
            let path = StreamPath::child(inside, name.as_bytes()).map_err(|source| FlowError::Path {
                path: escape(entry.path().as_os_str().as_bytes()),
                source,
            })?;
            let kind = entry.file_type().map_err(FsError::on("examine", &entry.path()))?;
            if kind.is_dir() {
                below.push((entry.path(), path));
            } else if !kind.is_file() {
                let what = if kind.is_symlink() { "a symbolic link" } else { "neither file nor directory" };
                return Err(FlowError::Kind { path: path.to_string(), what });
            } else if !self.file(&entry.path(), path)? {
                return Ok(false);
            }
        }
        for (full, path) in below {
            let wanted = self.outflow.give(vec![Piece::Directory { path: path.clone() }]);
            if !wanted || !self.directory(&full, Some(&path))? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, full: &Path, path: StreamPath) -> Result<bool, FlowError> {
        let file = self.number;
        self.number += 1;
        let mut input = File::open(full).map_err(FsError::on("open", full))?;
        let size = input.metadata().map_err(FsError::on("examine", full))?.len();
        let about = About { size: Some(size), ..About::default() };
        let shown = path.to_string();
        let mut pieces = vec![Piece::Open { file, path, about }];
        let mut offset = 0;
        loop {
            self.options.cancel.check()?;
            let mut block = vec![0; BLOCK_BYTES];
            let got = read_full(&mut input, &mut block).map_err(FsError::on("read", full))?;
            if got == 0 && offset != size {
                let reason = "it changed while it was read: stop what writes to it, or copy it first";
                return Err(FlowError::Unfit { path: shown, reason });
            }
            if got == 0 {
                pieces.push(Piece::Close { file, size: offset });
                return Ok(self.outflow.give(pieces));
            }
            block.truncate(got);
            self.options.monitor.advance(got as u64);
            pieces.push(Piece::Data { file, offset, bytes: Bytes::from(block) });
            offset += got as u64;
            if !self.outflow.give(std::mem::take(&mut pieces)) {
                return Ok(false);
            }
        }
    }
}

//! Leaving files out before they are unpacked, and watching pieces on their way.

use std::collections::HashSet;

use xb_formats::archive::MemberLayers;
use xb_formats::path::StreamPath;

use crate::flow::{FileId, FlowError, Piece, Pieces};

/// Only the files whose path is wanted: the one they come out with.
pub(crate) struct Selected<P, F> {
    pieces: P,
    wanted: F,
    /// Whether they come out as they are stored, with the suffixes of their packing.
    as_stored: bool,
    left_out: HashSet<FileId>,
}

impl<P, F: FnMut(&StreamPath) -> bool> Selected<P, F> {
    pub(crate) fn new(pieces: P, wanted: F, as_stored: bool) -> Self {
        Selected { pieces, wanted, as_stored, left_out: HashSet::new() }
    }

    fn keeps(&mut self, piece: &Piece) -> bool {
        match piece {
            Piece::Open { file, path, .. } => {
                let wanted =
                    if self.as_stored { (self.wanted)(path) } else { (self.wanted)(&unwrapped_path(path)) };
                if !wanted {
                    self.left_out.insert(*file);
                }
                wanted
            }
            Piece::Data { file, .. } | Piece::Extend { file, .. } => !self.left_out.contains(file),
            Piece::Close { file, .. } => !self.left_out.remove(file),
            Piece::Directory { path } => (self.wanted)(path),
            // Of files that were left out nobody knows the names any more.
            Piece::Remove { .. } | Piece::Rename { .. } => true,
        }
    }
}

impl<P: Pieces, F: FnMut(&StreamPath) -> bool + Send> Pieces for Selected<P, F> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        while let Some(mut pieces) = self.pieces.next_pieces()? {
            pieces.retain(|piece| self.keeps(piece));
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }
}

/// The path a file has once it is unpacked.
fn unwrapped_path(path: &StreamPath) -> StreamPath {
    let (inner, _) = MemberLayers::split(path.file_name());
    without_suffix(path, path.file_name().len() - inner.len())
}

/// The path without its last `length` bytes, unless no name would be left.
pub(super) fn without_suffix(path: &StreamPath, length: usize) -> StreamPath {
    let bytes = path.as_bytes();
    bytes
        .get(..bytes.len() - length)
        .and_then(|shorter| StreamPath::new(shorter).ok())
        .unwrap_or_else(|| path.clone())
}

/// Shows every piece to somebody.
pub(crate) struct Tapped<P, F> {
    pub(crate) pieces: P,
    pub(crate) on: F,
}

impl<P: Pieces, F: FnMut(&Piece) + Send> Pieces for Tapped<P, F> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        let pieces = self.pieces.next_pieces()?;
        pieces.iter().flatten().for_each(&mut self.on);
        Ok(pieces)
    }
}

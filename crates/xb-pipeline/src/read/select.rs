//! Leaving files out before they are unpacked, and watching pieces on their way.

use std::collections::{HashMap, HashSet};

use xb_formats::archive::MemberLayers;
use xb_formats::path::StreamPath;

use crate::flow::{FileId, FlowError, Piece, Pieces};

/// Only the files whose path is wanted: the one they come out with.
///
/// A stream of MariaDB may rename a file later. One that gets or loses a wanted path so cannot be told when it
/// begins, and is refused: nobody is given an old file under its new name.
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

    fn wants(&mut self, path: &StreamPath) -> bool {
        if self.as_stored { (self.wanted)(path) } else { (self.wanted)(&unwrapped_path(path)) }
    }

    fn keeps(&mut self, piece: &Piece) -> Result<bool, FlowError> {
        Ok(match piece {
            Piece::Open { file, path, .. } => {
                let wanted = self.wants(path);
                if !wanted {
                    self.left_out.insert(*file);
                }
                wanted
            }
            Piece::Data { file, .. } | Piece::Extend { file, .. } => !self.left_out.contains(file),
            Piece::Close { file, .. } => !self.left_out.remove(file),
            Piece::Directory { path } => (self.wanted)(path),
            Piece::Remove { path } => self.wants(path),
            Piece::Rename { from, to } => match (self.wants(from), self.wants(to)) {
                (true, true) => true,
                (false, false) => false,
                _ => {
                    let reason = "a file gets or loses this path later in the archive; extract it without a choice of files";
                    let path = if self.wants(to) { to } else { from };
                    return Err(FlowError::Unfit { path: path.to_string(), reason });
                }
            },
        })
    }
}

impl<P: Pieces, F: FnMut(&StreamPath) -> bool + Send> Pieces for Selected<P, F> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        while let Some(pieces) = self.pieces.next_pieces()? {
            let mut kept = Vec::with_capacity(pieces.len());
            for piece in pieces {
                if self.keeps(&piece)? {
                    kept.push(piece);
                }
            }
            if !kept.is_empty() {
                return Ok(Some(kept));
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

/// Pieces of which no two files have one path, unless the archive says that the later replaces the other.
pub(crate) struct Unique<P> {
    pieces: P,
    open: HashMap<FileId, StreamPath>,
    closed: HashSet<StreamPath>,
    failed: Option<FlowError>,
}

impl<P> Unique<P> {
    pub(crate) fn new(pieces: P) -> Self {
        Unique { pieces, open: HashMap::new(), closed: HashSet::new(), failed: None }
    }

    fn check(&mut self, piece: &Piece) -> Result<(), FlowError> {
        match piece {
            Piece::Open { file, path, about } => {
                let is_open = self.open.values().any(|open| open == path);
                if is_open || self.closed.contains(path) && !about.rewrite {
                    return Err(FlowError::Twice { path: path.to_string() });
                }
                self.open.insert(*file, path.clone());
            }
            Piece::Close { file, .. } => self.closed.extend(self.open.remove(file)),
            Piece::Remove { path } => drop(self.closed.remove(path)),
            Piece::Rename { from, to } if self.closed.remove(from) => drop(self.closed.insert(to.clone())),
            _ => {}
        }
        Ok(())
    }
}

impl<P: Pieces> Pieces for Unique<P> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(mut pieces) = self.pieces.next_pieces()? else { return Ok(None) };
        for index in 0..pieces.len() {
            if let Some(Err(error)) = pieces.get(index).map(|piece| self.check(piece)) {
                // What comes before it is good, and is passed on first.
                pieces.truncate(index);
                self.failed = Some(error);
                break;
            }
        }
        Ok(Some(pieces))
    }
}

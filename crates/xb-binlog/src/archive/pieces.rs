//! A log that came to another store piece by piece before it was closed. An archive that was brought back from such a
//! store, or is one, has them too.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use xb_pipeline::fs::FsError;
use xb_pipeline::keys::Keys;

use super::error::ArchiveError;
use super::listing::LogFiles;
use super::names::{Piece, partial_file, piece_file};
use super::read::{Expected, unpacked};

/// Pieces that follow one another from the first byte on, of all that a listing has, in its order. What is behind a
/// gap is left out. There may be as many as seconds that a log was open.
pub(crate) fn chain(pieces: &[Piece]) -> Vec<Piece> {
    let mut end = 0;
    let follows = |piece: &&Piece| {
        let is_next = piece.from == end && piece.to > end;
        end = if is_next { piece.to } else { end };
        is_next
    };
    pieces.iter().filter(follows).copied().collect()
}

/// The pieces of a log in a directory, if they go further than the file that was written here.
pub(crate) fn further(directory: &Path, files: &LogFiles) -> Option<Vec<Piece>> {
    let chain = chain(&files.pieces);
    let written = fs::metadata(directory.join(partial_file(&files.name))).map_or(0, |meta| meta.len());
    chain.last().is_some_and(|last| last.to > written).then_some(chain)
}

/// The log that pieces in a directory are of, as far as they go.
pub(crate) fn in_directory(
    directory: &Path,
    files: &LogFiles,
    chain: Vec<Piece>,
    keys: &Keys,
) -> Box<dyn Read + Send> {
    let (directory, name, keys) = (directory.to_owned(), files.name.clone(), keys.clone());
    joined(chain, move |piece| {
        let path = directory.join(piece_file(&name, piece));
        let file = File::open(&path).map_err(FsError::on("open", &path))?;
        let expected = Some(Expected::length(piece.to - piece.from));
        unpacked(file, path, piece.form, &keys, expected)
    })
}

/// Pieces that follow one another, as one log.
pub(crate) fn joined(
    chain: Vec<Piece>,
    open: impl Fn(Piece) -> Result<Box<dyn Read + Send>, ArchiveError> + Send + 'static,
) -> Box<dyn Read + Send> {
    Box::new(Joined { rest: chain.into(), open, current: None })
}

struct Joined<F> {
    /// Those to come.
    rest: VecDeque<Piece>,
    open: F,
    current: Option<Box<dyn Read + Send>>,
}

impl<F: Fn(Piece) -> Result<Box<dyn Read + Send>, ArchiveError>> Read for Joined<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(current) = &mut self.current {
                match current.read(buffer)? {
                    0 if !buffer.is_empty() => self.current = None,
                    got => return Ok(got),
                }
            }
            let Some(piece) = self.rest.pop_front() else { return Ok(0) };
            self.current = Some((self.open)(piece).map_err(io::Error::other)?);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::listing::Listing;

    #[test]
    fn the_longest_pieces_that_follow_one_another_are_taken_up_to_a_gap() {
        let parts = ["40-90", "0-10", "10-30", "0-40", "10-20", "90-90", "90-100", "110-120"];
        let names = parts.iter().map(|part| format!("b.000001.part-{part}"));
        let listing = Listing::of(names);
        let files = listing.logs().next().unwrap();
        let taken: Vec<_> = chain(&files.pieces).iter().map(|piece| (piece.from, piece.to)).collect();
        assert_eq!(taken, [(0, 40), (40, 90), (90, 100)]);
        assert!(chain(files.pieces.get(2..).unwrap()).is_empty());
    }
}

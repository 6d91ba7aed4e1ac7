//! A look at the beginning of an archive: whether its layers open with the keys at hand.

use std::io::Read;
use std::path::Path;

use xb_formats::archive::Layer;

use crate::extract::{ExtractError, open_file};
use crate::flow::{FlowError, Piece, Pieces};
use crate::monitor::Silent;
use crate::read::{ReadOptions, Request, Source, open};

/// Opens all layers of an archive and unpacks its first bytes, so that a key that is missing or wrong is known
/// before hours of work. Gives the layers, from the outside in, the container last.
///
/// # Errors
/// [`ExtractError`].
pub fn probe(archive: &Path, options: &ReadOptions<'_>) -> Result<Vec<Layer>, ExtractError> {
    probe_from(open_file(archive)?, archive, options)
}

/// The same of an input that is not a file; `archive` is its name in messages.
///
/// # Errors
/// As [`probe`].
pub fn probe_from(
    input: impl Read + Send,
    archive: &Path,
    options: &ReadOptions<'_>,
) -> Result<Vec<Layer>, ExtractError> {
    let options = ReadOptions { monitor: &Silent, ..*options };
    let (source, _) = Source::new(input, false, options.monitor, options.cancel);
    let layers = std::thread::scope(|scope| {
        let (layers, mut pieces) = open(scope, source, Request::default(), &options)?;
        while let Some(batch) = pieces.next_pieces()? {
            if batch.iter().any(|piece| matches!(piece, Piece::Data { .. })) {
                break;
            }
        }
        Ok::<_, FlowError>(layers)
    });
    layers.map_err(|error| ExtractError::of(archive, error))
}

//! Fetching input for decoders that are fed.

use std::io::{self, Read};

/// Bytes fetched at a time.
const BLOCK: usize = 256 * 1024;

/// Reads to the end of a source and hands over what it gives.
///
/// # Errors
/// The error of the source or of `on`, whichever comes first.
pub(crate) fn each_block<E: From<io::Error>>(
    source: &mut impl Read,
    mut on: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut block = vec![0; BLOCK];
    loop {
        match source.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(length) => on(block.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

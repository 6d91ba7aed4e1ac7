//! The file an archive is read from, digested on the way.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::cancel::CancelToken;
use crate::flow::{BLOCK_BYTES, Blocks, FlowError};
use crate::monitor::Monitor;
use crate::sink::Digest;

/// Known of a source once its end was reached.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<OnceLock<Digest>>);

impl Seen {
    /// The digest of all of it. `None`: its end was not reached, or nobody asked for one.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.0.get().copied()
    }
}

/// Reads in blocks.
pub(crate) struct Source<'s> {
    input: Box<dyn Read + Send + 's>,
    hasher: Option<blake3::Hasher>,
    seen: Seen,
    monitor: &'s dyn Monitor,
    cancel: &'s CancelToken,
    ended: bool,
}

impl<'s> Source<'s> {
    pub(crate) fn new(
        input: impl Read + Send + 's,
        with_digest: bool,
        monitor: &'s dyn Monitor,
        cancel: &'s CancelToken,
    ) -> (Self, Seen) {
        let seen = Seen::default();
        let hasher = with_digest.then(blake3::Hasher::new);
        let input = Box::new(input);
        (Source { input, hasher, seen: seen.clone(), monitor, cancel, ended: false }, seen)
    }
}

impl Blocks for Source<'_> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        self.cancel.check()?;
        if self.ended {
            return Ok(None);
        }
        let mut block = vec![0; BLOCK_BYTES];
        let got = read_full(&mut self.input, &mut block).map_err(FlowError::from)?;
        block.truncate(got);
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&block);
        }
        self.monitor.advance(got as u64);
        if got == 0 {
            self.ended = true;
            if let Some(hasher) = &self.hasher {
                let _ = self.seen.0.set(hasher.finalize().into());
            }
            return Ok(None);
        }
        Ok(Some(block.into()))
    }
}

/// Reads until `block` is full or the input ends; gives the bytes read.
pub(crate) fn read_full(reader: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match reader.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

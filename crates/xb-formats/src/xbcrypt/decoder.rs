//! Decryption in one go, for whoever has one thread.

use super::chunk::decrypt;
use super::error::{Fault, XbcryptError};
use super::key::Key;
use super::splitter::{Limits, Splitter, StreamSummary};

/// Decrypts a stream that is fed to it in pieces of any size.
///
/// Plaintext is told a chunk at a time, after everything the chunk carries was checked. Memory: one chunk.
/// After an error, its own or the caller's, a decoder answers everything with an error.
#[derive(Debug)]
pub struct Decoder {
    splitter: Splitter,
    key: Key,
    failed: Option<XbcryptError>,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new(key: Key, limits: Limits) -> Self {
        Decoder { splitter: Splitter::new(limits), key, failed: None }
    }

    /// How many bytes have been read, which is also how many were fed unless there was an error.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.splitter.position()
    }

    /// Reads the next piece of the stream and hands the plaintext of every chunk that is complete to `on`, in
    /// order. Empty chunks are passed over.
    ///
    /// # Errors
    /// The first fault of the stream, or the error of `on`. Both are final: a later call gives the fault
    /// again, or [`Fault::GivenUp`].
    pub fn feed<E: From<XbcryptError>>(
        &mut self,
        input: &[u8],
        on: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = &self.failed {
            return Err(E::from(error.clone()));
        }
        let (key, failed) = (&self.key, &mut self.failed);
        self.splitter.feed::<E>(input, &mut |chunk| {
            let (number, offset) = (chunk.number(), chunk.offset());
            let plain = decrypt(chunk, key).map_err(|error| failed.insert(error).clone())?;
            if plain.is_empty() {
                return Ok(());
            }
            on(&plain).inspect_err(|_| {
                *failed = Some(XbcryptError { chunk: number, offset, fault: Fault::GivenUp });
            })
        })
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When it ends inside a chunk, and when there was an error before.
    pub fn finish(self) -> Result<StreamSummary, XbcryptError> {
        match self.failed {
            Some(error) => Err(error),
            None => self.splitter.finish(),
        }
    }
}

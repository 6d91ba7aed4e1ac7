//! Writing an archive: what is put around a container's bytes, block by block, on all cores.
//!
//! ```text
//! container → blocks of 1 MiB → compressed and encrypted, each on its own → age, in order → file
//! ```

pub(crate) mod compress;
pub(crate) mod container;
pub(crate) mod members;

use std::io::{self, Write};
use std::thread::Scope;

use bytes::Bytes;
use xb_formats::archive::{StreamCompression, StreamEncryption};
use xb_formats::xbcrypt::{self, Iv, Key};

use crate::flow::{BLOCK_BYTES, Blocks, FlowError};
use crate::keys::Recipients;
use crate::parallel::{Flow, Outflow, background, spread};
use compress::{BlockCompressor, Compression};

/// How an archive is encrypted.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a run, and it holds an expanded key")]
pub enum Encryption {
    /// With xbcrypt, version 3: whoever has the key reads and writes.
    Xbcrypt(Key),
    /// With age: whoever writes needs no key that reads.
    Age(Recipients),
}

/// What is put around a container.
#[derive(Clone, Debug)]
pub struct Packing {
    /// How its bytes are compressed.
    pub compression: Compression,
    /// How they are encrypted then.
    pub encryption: Option<Encryption>,
    /// Threads that do both.
    pub threads: usize,
}

impl Packing {
    /// The layers it makes.
    #[must_use]
    pub fn layers(&self) -> (StreamCompression, StreamEncryption) {
        let encryption = match &self.encryption {
            None => StreamEncryption::None,
            Some(Encryption::Xbcrypt(_)) => StreamEncryption::Xbcrypt,
            Some(Encryption::Age(_)) => StreamEncryption::Age,
        };
        (self.compression.into(), encryption)
    }

    fn key(&self) -> Option<Key> {
        match &self.encryption {
            Some(Encryption::Xbcrypt(key)) => Some(key.clone()),
            Some(Encryption::Age(_)) | None => None,
        }
    }
}

/// Packs what `blocks` gives.
pub(crate) fn pack<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut blocks: impl Blocks + 'scope,
    packing: &Packing,
) -> Result<Box<dyn Blocks + 'scope>, FlowError> {
    let compression = packing.compression;
    // A level that does not exist is found here, not in a thread.
    BlockCompressor::new(compression).map_err(pack_error)?;
    let key = packing.key();
    let make_worker = move || {
        let (mut compressor, key) = (BlockCompressor::new(compression), key.clone());
        move |block: Bytes| {
            let compressor = compressor.as_mut().map_err(|error| FlowError::Pack(error.to_string()))?;
            let compressed = compressor.compress(block).map_err(pack_error)?;
            key.as_ref().map_or(Ok(compressed.clone()), |key| encrypt(key, &compressed))
        }
    };
    let packed = spread(scope, packing.threads, move || blocks.next_block(), make_worker);
    match &packing.encryption {
        Some(Encryption::Age(recipients)) => Ok(Box::new(age(scope, packed, recipients)?)),
        _ => Ok(Box::new(packed)),
    }
}

fn pack_error(error: impl std::fmt::Display) -> FlowError {
    FlowError::Pack(error.to_string())
}

/// Chunks of xbcrypt, each with an IV from the system's source of randomness.
pub(crate) fn encrypt(key: &Key, plain: &[u8]) -> Result<Bytes, FlowError> {
    let mut out = Vec::with_capacity(plain.len() + plain.len() / 256 + 128);
    for part in plain.chunks(xbcrypt::DEFAULT_CHUNK_BYTES) {
        out.extend(xbcrypt::encrypt_chunk(key, random_iv()?, part).map_err(pack_error)?);
    }
    Ok(out.into())
}

fn random_iv() -> Result<Iv, FlowError> {
    let (mut iv, mut filled) = (Iv::default(), 0);
    while let Some(rest) = iv.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty()) {
            Ok(got) => filled += got,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(pack_error(io::Error::from(errno))),
        }
    }
    Ok(iv)
}

/// The age layer. Its chunks are numbered, so one thread makes it.
fn age<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut blocks: impl Blocks + 'scope,
    recipients: &Recipients,
) -> Result<Flow<Bytes, FlowError>, FlowError> {
    let encryptor = age::Encryptor::with_recipients(recipients.iter()).map_err(pack_error)?;
    Ok(background(scope, move |outflow| {
        let mut writer = encryptor.wrap_output(OutflowWriter::new(outflow))?;
        while let Some(block) = blocks.next_block()? {
            writer.write_all(&block)?;
        }
        Ok(writer.finish()?.flush()?)
    }))
}

/// Gives what is written to it as blocks.
pub(crate) struct OutflowWriter<'o> {
    outflow: &'o Outflow<Bytes, FlowError>,
    pending: Vec<u8>,
}

impl<'o> OutflowWriter<'o> {
    pub(crate) fn new(outflow: &'o Outflow<Bytes, FlowError>) -> Self {
        OutflowWriter { outflow, pending: Vec::with_capacity(BLOCK_BYTES) }
    }
}

impl Write for OutflowWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = BLOCK_BYTES - self.pending.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.pending.extend_from_slice(taken);
        if self.pending.len() == BLOCK_BYTES {
            self.flush()?;
        }
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let block = std::mem::replace(&mut self.pending, Vec::with_capacity(BLOCK_BYTES));
        let wanted = block.is_empty() || self.outflow.give(block.into());
        // Nobody reads this error: whoever is gone has one of its own.
        if wanted { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }
}

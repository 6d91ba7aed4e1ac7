//! The layers around a container.

use std::io;
use std::thread::Scope;

use bytes::Bytes;
use xb_formats::archive::{Layer, SNIFF_LENGTH, sniff};

use super::source::read_full;
use super::{ReadOptions, Source};
use crate::cut::{Around, Cutter, Expander, Part, cutter_for};
use crate::flow::{BLOCK_BYTES, Blocks, BlocksReader, FlowError, Peeked};
use crate::keys::{KeyFault, Keys};
use crate::parallel::{Flow, background, spread};

/// More layers than this nobody puts around a backup.
const DEPTH_LIMIT: usize = 8;

/// A container, laid open.
pub(super) struct Peeled<'scope> {
    /// From the outside in, the container last.
    pub(super) layers: Vec<Layer>,
    /// The bytes of the container.
    pub(super) blocks: Peeked<Box<dyn Blocks + 'scope>>,
}

/// Takes layer after layer off, by their first bytes.
pub(super) fn peel<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'scope>,
    options: &ReadOptions<'env>,
) -> Result<Peeled<'scope>, FlowError> {
    let mut layers = Vec::new();
    let source: Box<dyn Blocks + 'scope> = Box::new(source);
    let mut blocks = Peeked::new(source, SNIFF_LENGTH)?;
    loop {
        let Some(layer) = sniff(blocks.first_bytes()) else {
            return Err(unknown(&layers, blocks.first_bytes()));
        };
        layers.push(layer);
        if layers.len() > DEPTH_LIMIT {
            let found = format!("more than {DEPTH_LIMIT} layers around one another");
            return Err(FlowError::Unknown { offset: 0, found });
        }
        let inner: Box<dyn Blocks + 'scope> = match layer {
            Layer::Xbstream | Layer::Tar | Layer::Qpress => return Ok(Peeled { layers, blocks }),
            Layer::Age => Box::new(open_age(scope, blocks, options.keys.clone())?),
            layer => match cutter_for(layer, Around::Whole) {
                Some(cutter) => Box::new(unpack(scope, blocks, cutter, options)),
                None => return Err(unknown(&layers, b"")),
            },
        };
        blocks = Peeked::new(inner, SNIFF_LENGTH)?;
    }
}

/// The magic of `lz4 -l`.
const LEGACY_LZ4: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// Why nothing is known about what stands there.
fn unknown(layers: &[Layer], first_bytes: &[u8]) -> FlowError {
    // Before its third version xbcrypt has nothing to tell a wrong key by but this.
    if layers.last() == Some(&Layer::Xbcrypt) && !first_bytes.is_empty() {
        return KeyFault::Noise.into();
    }
    let within = layers.last().map(|layer| format!(" in the {layer} layer")).unwrap_or_default();
    if first_bytes.starts_with(b"-----BEGIN AGE") {
        let found = "an age file as text; decrypt it with `age --decrypt` first".to_owned();
        return FlowError::Unknown { offset: 0, found };
    }
    if first_bytes.starts_with(&LEGACY_LZ4) {
        let found = "lz4 of the legacy format; unpack it with `lz4 -d` first".to_owned();
        return FlowError::Unknown { offset: 0, found };
    }
    let found = if first_bytes.is_empty() {
        format!("there is nothing{within}")
    } else {
        let shown = first_bytes.get(..8).unwrap_or(first_bytes).escape_ascii();
        format!("\"{shown}\"{within} begins no format of backups; it is none, or it is damaged")
    };
    FlowError::Unknown { offset: 0, found }
}

/// A layer that is unpacked part by part, on all threads.
fn unpack<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    blocks: impl Blocks + 'scope,
    cutter: Box<dyn Cutter>,
    options: &ReadOptions<'env>,
) -> Flow<Bytes, FlowError> {
    let mut parts = Parts::new(blocks, cutter);
    let key = options.keys.xbcrypt().cloned();
    let make_worker = move || {
        let mut expander = Expander::new(key.clone());
        move |batch: Vec<Part>| expand(&mut expander, batch)
    };
    spread(scope, options.threads, move || parts.next_batch(), make_worker)
}

/// Unpacks parts that belong together.
pub(super) fn expand(expander: &mut Expander, batch: Vec<Part>) -> Result<Bytes, FlowError> {
    let mut plain = Vec::with_capacity(batch.iter().map(Part::plain_length).sum());
    batch.into_iter().try_for_each(|part| expander.expand(part, &mut plain))?;
    Ok(plain.into())
}

/// Feeds a cutter.
pub(super) struct Parts<B> {
    blocks: B,
    cutter: Box<dyn Cutter>,
    current: Bytes,
    ended: bool,
}

impl<B: Blocks> Parts<B> {
    pub(super) fn new(blocks: B, cutter: Box<dyn Cutter>) -> Self {
        Parts { blocks, cutter, current: Bytes::new(), ended: false }
    }

    /// As many parts as make a block, so that small ones do not cost a change of threads each.
    pub(super) fn next_batch(&mut self) -> Result<Option<Vec<Part>>, FlowError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BLOCK_BYTES {
            let Some(part) = self.next_part()? else { break };
            bytes += part.weight();
            batch.push(part);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn next_part(&mut self) -> Result<Option<Part>, FlowError> {
        loop {
            if self.ended {
                return self.cutter.end();
            }
            let mut input = &self.current[..];
            let part = self.cutter.cut(&mut input)?;
            let taken = self.current.len() - input.len();
            bytes::Buf::advance(&mut self.current, taken);
            if part.is_some() {
                return Ok(part);
            }
            match self.blocks.next_block()? {
                Some(block) => self.current = block,
                None => self.ended = true,
            }
        }
    }
}

/// The age layer on a thread of its own.
fn open_age<'scope>(
    scope: &'scope Scope<'scope, '_>,
    blocks: impl Blocks + 'scope,
    keys: Keys,
) -> Result<Flow<Bytes, FlowError>, FlowError> {
    let mut plain = age_blocks(blocks, &keys)?;
    Ok(background(scope, move |outflow| {
        while let Some(block) = plain.next_block()? {
            if !outflow.give(block) {
                break;
            }
        }
        Ok(())
    }))
}

/// The age layer. Its chunks are numbered and read in order; its header says at once whether a key fits.
pub(super) fn age_blocks<B: Blocks>(
    blocks: B,
    keys: &Keys,
) -> Result<AgeBlocks<impl io::Read + Send + use<B>>, FlowError> {
    let decryptor =
        age::Decryptor::new_buffered(io::BufReader::new(BlocksReader::new(blocks))).map_err(age_error)?;
    if decryptor.is_scrypt() {
        return Err(KeyFault::Passphrase.into());
    }
    if keys.identities().next().is_none() {
        return Err(KeyFault::IdentityNeeded.into());
    }
    let reader = decryptor.decrypt(keys.identities()).map_err(age_error)?;
    Ok(AgeBlocks { reader, passed: 0 })
}

/// What is inside of age.
pub(super) struct AgeBlocks<R> {
    reader: R,
    passed: u64,
}

impl<R: io::Read + Send> Blocks for AgeBlocks<R> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        let mut block = vec![0; BLOCK_BYTES];
        let got =
            read_full(&mut self.reader, &mut block).map_err(|error| age_io_error(self.passed, error))?;
        block.truncate(got);
        self.passed += got as u64;
        Ok((got > 0).then(|| block.into()))
    }
}

fn damaged(offset: u64, reason: &str) -> FlowError {
    FlowError::Layer { layer: Layer::Age, offset, reason: format!("damaged or cut: {reason}") }
}

/// What comes from the layers around it says so itself; all else is what age has met.
fn age_io_error(offset: u64, error: io::Error) -> FlowError {
    error.downcast::<FlowError>().unwrap_or_else(|error| damaged(offset, &error.to_string()))
}

fn age_error(error: age::DecryptError) -> FlowError {
    match error {
        age::DecryptError::Io(error) => age_io_error(0, error),
        age::DecryptError::NoMatchingKeys => KeyFault::WrongIdentity.into(),
        other => damaged(0, &other.to_string()),
    }
}

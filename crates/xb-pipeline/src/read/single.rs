//! Layers around a single file, taken off on the thread of whoever reads.

use std::io::Read;

use bytes::Bytes;
use xb_formats::archive::{Layer, SNIFF_LENGTH, sniff};

use super::layers::{Parts, age_blocks, expand};
use super::read_full;
use crate::cut::{Around, Expander, cutter_for};
use crate::flow::{BLOCK_BYTES, Blocks, BlocksReader, FlowError, Peeked};
use crate::keys::Keys;

/// Takes off the layers a file has, from the outside in.
pub(crate) fn peel_single(
    input: Box<dyn Read + Send>,
    layers: &[Layer],
    keys: &Keys,
) -> Result<Box<dyn Read + Send>, FlowError> {
    let mut blocks: Box<dyn Blocks> = Box::new(ReadBlocks(input));
    for layer in layers {
        blocks = inside(blocks, *layer, keys)?;
    }
    Ok(Box::new(BlocksReader::new(blocks)))
}

fn inside(blocks: Box<dyn Blocks>, layer: Layer, keys: &Keys) -> Result<Box<dyn Blocks>, FlowError> {
    let blocks = Peeked::new(blocks, SNIFF_LENGTH)?;
    let found = sniff(blocks.first_bytes());
    if found != Some(layer) {
        let what = match found {
            Some(other) => other.to_string(),
            None if blocks.first_bytes().is_empty() => "nothing".to_owned(),
            None => "something else".to_owned(),
        };
        let found =
            format!("its name promises {layer}, and there is {what}; it is damaged, or has a wrong name");
        return Err(FlowError::Unknown { offset: 0, found });
    }
    Ok(match cutter_for(layer, Around::Whole) {
        Some(cutter) => {
            let expander = Expander::new(keys.xbcrypt().cloned());
            Box::new(Unpacked { parts: Parts::new(blocks, cutter), expander })
        }
        None => Box::new(age_blocks(blocks, keys)?),
    })
}

/// Blocks of a reader.
struct ReadBlocks(Box<dyn Read + Send>);

impl Blocks for ReadBlocks {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        let mut block = vec![0; BLOCK_BYTES];
        let got = read_full(&mut self.0, &mut block)?;
        block.truncate(got);
        Ok((got > 0).then(|| block.into()))
    }
}

/// A layer that is unpacked part by part.
struct Unpacked<B> {
    parts: Parts<B>,
    expander: Expander,
}

impl<B: Blocks> Blocks for Unpacked<B> {
    fn next_block(&mut self) -> Result<Option<Bytes>, FlowError> {
        while let Some(batch) = self.parts.next_batch()? {
            let plain = expand(&mut self.expander, batch)?;
            if !plain.is_empty() {
                return Ok(Some(plain));
            }
        }
        Ok(None)
    }
}

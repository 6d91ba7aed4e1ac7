//! Decryption and decompression into memory.

use std::collections::{BTreeMap, BTreeSet};

use xb_formats::qpress::{self, Event, QpressError, Shape};
use xb_formats::xbcrypt::{self, Key, XbcryptError};

use super::manifest::{Vector, data};

pub fn key_of(vector: &Vector) -> Key {
    match (&vector.key, &vector.key_file, vector.algorithm.as_deref()) {
        (_, _, Some("NONE")) => Key::none(),
        (Some(text), None, _) => Key::new(text.as_bytes()).unwrap(),
        (None, Some(file), _) => Key::new(&std::fs::read(data("xbcrypt").join(file)).unwrap()).unwrap(),
        _ => panic!("{} has no key", vector.id),
    }
}

/// Decrypts a stream that comes in pieces.
pub fn decrypt<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    key: &Key,
) -> Result<(Vec<u8>, xbcrypt::StreamSummary), XbcryptError> {
    let mut decoder = xbcrypt::Decoder::new(key.clone(), xbcrypt::Limits::default());
    let mut plain = Vec::new();
    for piece in pieces {
        decoder.feed::<XbcryptError>(piece, &mut |bytes| {
            assert!(!bytes.is_empty());
            plain.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    decoder.finish().map(|summary| (plain, summary))
}

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    pub files: BTreeMap<String, Vec<u8>>,
    pub directories: BTreeSet<String>,
    pub summary: qpress::ArchiveSummary,
}

/// Expands an archive that comes in pieces.
pub fn unpack<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Unpacked, QpressError> {
    unpack_as(pieces, qpress::Limits::default(), Shape::Any)
}

pub fn unpack_as<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: qpress::Limits,
    shape: Shape,
) -> Result<Unpacked, QpressError> {
    let mut decoder = qpress::Decoder::new(limits, shape);
    let mut unpacked = Unpacked::default();
    let (mut inside, mut open, mut plain) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        decoder.feed::<QpressError>(piece, &mut |event| {
            match event {
                Event::Enter { path } => {
                    inside.push(path.to_string());
                    assert!(unpacked.directories.insert(path.to_string()));
                }
                Event::Leave { path } => assert_eq!(inside.pop(), Some(path.to_string())),
                Event::Open { file, path } => {
                    assert_eq!(
                        path.to_string().rsplit_once('/').map(|(dir, _)| dir.to_owned()),
                        inside.last().cloned()
                    );
                    assert!(open.replace((file, Vec::<u8>::new())).is_none());
                }
                Event::Block(block) => {
                    let (file, content) = open.as_mut().expect("a file is open");
                    assert_eq!((*file, content.len() as u64), (block.file(), block.offset()));
                    block.expand_into(&mut plain)?;
                    assert_eq!(plain.len(), block.plain_length());
                    content.extend_from_slice(&plain);
                }
                Event::Close { file, path, size } => {
                    let (opened, content) = open.take().expect("a file is open");
                    assert_eq!((opened, content.len() as u64), (file, size));
                    assert!(unpacked.files.insert(path.to_string(), content).is_none());
                }
            }
            Ok(())
        })?;
    }
    unpacked.summary = decoder.finish()?;
    Ok(unpacked)
}

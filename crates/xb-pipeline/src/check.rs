//! The structure check: an observer that knows whether a backup stream is whole, and keeps the engine's
//! metadata files that pass by.

use std::collections::HashMap;

use bytes::Bytes;
use xb_formats::archive::MemberLayers;
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::{Decoder, Dialect, Event, StreamPath, StreamSummary, XbstreamError};

use crate::flow::{FileId, Piece};
use crate::read::{piece_of, xbstream_limits};

/// An engine's metadata file larger than this is not kept: no memory by the wish of a stream. GTID sets of
/// the longest histories seen are some hundred kilobytes.
const META_LIMIT: usize = 8 * 1024 * 1024;

/// A metadata file of the engine, as it stood in the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetaFile {
    /// Its name without a directory.
    pub name: String,
    /// What it is.
    pub kind: MetaKind,
    /// Its content.
    pub content: Vec<u8>,
}

/// Why a stream does not count as a backup.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It is cut or damaged.
    #[error("the backup stream is not whole: {0}")]
    Stream(#[from] XbstreamError),
    /// A file that every backup has is not in it.
    #[error("the backup stream has no {}: the engine did not finish, or is not one we know", names.join(" or "))]
    MetaMissing {
        /// The names it can have.
        names: [&'static str; 2],
    },
    /// The engine was told, not by us, to compress or encrypt.
    #[error(
        "the engine compressed or encrypted {path} by itself: take `compress` and `encrypt` out of its option file"
    )]
    Transformed {
        /// The first such file.
        path: String,
    },
    /// A metadata file is too large to be one.
    #[error("{name} in the backup stream is larger than {META_LIMIT} bytes")]
    MetaTooLarge {
        /// The name of the file.
        name: String,
    },
}

/// Watches a stream on its way.
pub(crate) struct StreamCheck {
    decoder: Decoder,
    keeper: MetaKeeper,
}

impl StreamCheck {
    pub(crate) fn new() -> Self {
        StreamCheck { decoder: Decoder::new(xbstream_limits(), Dialect::Auto), keeper: MetaKeeper::default() }
    }

    /// Looks at the next bytes and gives what is in them.
    pub(crate) fn feed(&mut self, block: &Bytes) -> Result<Vec<Piece>, CheckError> {
        let (mut pieces, keeper) = (Vec::new(), &mut self.keeper);
        self.decoder.feed(block, &mut |event| {
            if let Event::Open { path, .. } = event
                && MemberLayers::split(path.file_name()).1.any()
            {
                // Files that the engine packed by itself are not what was asked for.
                return Err(CheckError::Transformed { path: path.to_string() });
            }
            if let Some(piece) = piece_of(&event, block) {
                keeper.watch(&piece)?;
                pieces.push(piece);
            }
            Ok(())
        })?;
        Ok(pieces)
    }

    /// The verdict at the end of the stream. Every file has its end chunk; the files in `required` are there.
    pub(crate) fn finish(self, required: &[MetaKind]) -> Result<(StreamSummary, Vec<MetaFile>), CheckError> {
        let summary = self.decoder.finish()?;
        Ok((summary, self.keeper.finish(required)?))
    }
}

/// Copies metadata files out of the pieces.
#[derive(Default)]
pub(crate) struct MetaKeeper {
    open: HashMap<FileId, MetaFile>,
    kept: Vec<MetaFile>,
}

impl MetaKeeper {
    pub(crate) fn watch(&mut self, piece: &Piece) -> Result<(), CheckError> {
        match piece {
            Piece::Open { file, path, .. } => {
                if let Some(meta) = meta_file(path) {
                    self.open.insert(*file, meta);
                }
            }
            Piece::Data { file, bytes, .. } => {
                let held: usize = self.open.values().map(|meta| meta.content.len()).sum();
                if let Some(meta) = self.open.get_mut(file) {
                    // All that are open count: a stream can have many, each in a directory of its own.
                    if held + bytes.len() > META_LIMIT {
                        return Err(CheckError::MetaTooLarge { name: meta.name.clone() });
                    }
                    meta.content.extend_from_slice(bytes);
                }
            }
            Piece::Close { file, .. } => {
                if let Some(meta) = self.open.remove(file) {
                    self.kept.retain(|kept| kept.kind != meta.kind);
                    self.kept.push(meta);
                }
            }
            _ => (),
        }
        Ok(())
    }

    /// What was kept; the files in `required` are among it.
    pub(crate) fn finish(self, required: &[MetaKind]) -> Result<Vec<MetaFile>, CheckError> {
        let missing = required.iter().find(|kind| self.kept.iter().all(|file| file.kind != **kind));
        match missing {
            Some(kind) => Err(CheckError::MetaMissing { names: kind.names() }),
            None => Ok(self.kept),
        }
    }
}

/// By the last component: older MariaDB puts the info file under a path of its own (MDEV-18438).
fn meta_file(path: &StreamPath) -> Option<MetaFile> {
    let name = path.file_name();
    let found = MetaKind::of(name)?;
    let name = String::from_utf8_lossy(name).into_owned();
    (!found.is_wrapped()).then(|| MetaFile { name, kind: found.kind, content: Vec::new() })
}

//! Reading an archive: layer by layer from the outside in, then piece by piece.
//!
//! ```text
//! source → [xbcrypt | age]* → [gzip | zstd | lz4]* → xbstream | tar | qpress → each file's xbcrypt → its compression
//! ```
//!
//! What the layers are, the bytes say; a name is not asked. Each layer runs on threads of its own, and what can be
//! unpacked in parts is unpacked by many at once.

mod contents;
pub(crate) mod directory;
mod layers;
mod members;
pub(crate) mod select;
pub(crate) mod single;
mod source;
mod tar;
mod tar_headers;

use std::io;
use std::thread::Scope;

use xb_formats::archive::Layer;
use xb_formats::path::StreamPath;

use crate::cancel::CancelToken;
use crate::flow::{FlowError, Piece, Pieces};
use crate::keys::Keys;
use crate::monitor::Monitor;
use crate::sink::Digest;
use members::unwrap_members;
use select::{Selected, Tapped, Unique};

pub(crate) use contents::{piece_of, qpress_limits, xbstream_limits};
pub(crate) use source::{Source, read_full};

/// How an archive is read.
#[derive(Clone, Copy)]
pub struct ReadOptions<'a> {
    /// What opens it, where it is encrypted.
    pub keys: &'a Keys,
    /// Threads that unpack.
    pub threads: usize,
    /// Is told how many bytes of the archive have been read.
    pub monitor: &'a dyn Monitor,
    /// Stops the run.
    pub cancel: &'a CancelToken,
}

/// What is to be read of an archive.
#[derive(Default)]
pub(crate) struct Request<'a> {
    /// Which files, by the path they have once they are unpacked.
    pub(crate) files: Option<&'a (dyn Fn(&StreamPath) -> bool + Sync)>,
    /// Whether files that are packed one by one are left so.
    pub(crate) as_stored: bool,
    /// Whether the archive is digested on the way.
    pub(crate) with_digest: bool,
    /// Is shown the pieces as they are stored.
    pub(crate) on_stored: Option<&'a mut (dyn FnMut(&Piece) + Send)>,
}

/// What is known of an archive that was read to its end.
pub(crate) struct Read {
    /// From the outside in, the container last.
    pub(crate) layers: Vec<Layer>,
    /// The digest of all of it, if it was asked for.
    pub(crate) digest: Option<Digest>,
}

/// Reads an archive to its end and hands every piece to `on`.
pub(crate) fn read_pieces<'a>(
    input: impl io::Read + Send + 'a,
    request: Request<'a>,
    options: &ReadOptions<'a>,
    on: &mut dyn FnMut(Piece) -> Result<(), FlowError>,
) -> Result<Read, FlowError> {
    let (with_digest, wants_all) = (request.with_digest, request.files.is_none());
    let (source, seen) = Source::new(input, with_digest, options.monitor, options.cancel);
    let layers = std::thread::scope(|scope| {
        let (layers, mut pieces) = open(scope, source, request, options)?;
        let mut has_files = false;
        while let Some(batch) = pieces.next_pieces()? {
            options.cancel.check()?;
            has_files |= batch.iter().any(|piece| matches!(piece, Piece::Open { .. }));
            batch.into_iter().try_for_each(&mut *on)?;
        }
        if wants_all && !has_files {
            return Err(FlowError::NoFiles);
        }
        Ok(layers)
    })?;
    let digest = seen.digest();
    if with_digest && digest.is_none() {
        // Every layer reads on to its end; one that did not would leave bytes that nobody has looked at.
        return Err(FlowError::Unknown { offset: 0, found: "it was not read to its end".to_owned() });
    }
    Ok(Read { layers, digest })
}

/// Opens all layers. From the outside in they are given, the container last, and the pieces in it.
pub(crate) fn open<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    source: Source<'scope>,
    request: Request<'env>,
    options: &ReadOptions<'env>,
) -> Result<(Vec<Layer>, Box<dyn Pieces + 'scope>), FlowError> {
    let peeled = layers::peel(scope, source, options)?;
    let mut pieces: Box<dyn Pieces + 'scope> = match peeled.layers.last() {
        Some(Layer::Tar) => Box::new(tar::tar_pieces(scope, peeled.blocks)),
        Some(Layer::Qpress) => Box::new(contents::qpress_pieces(scope, peeled.blocks, options.threads)),
        _ => Box::new(contents::xbstream_pieces(scope, peeled.blocks)),
    };
    if let Some(files) = request.files {
        pieces = Box::new(Selected::new(pieces, files, request.as_stored));
    }
    if let Some(on) = request.on_stored {
        pieces = Box::new(Tapped { pieces, on });
    }
    if !request.as_stored {
        pieces = unwrap_members(scope, pieces, options);
    }
    Ok((peeled.layers, Box::new(Unique::new(pieces))))
}

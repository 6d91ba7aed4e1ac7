//! Packing files one by one, as the engines' own options do it: qpress, and xbcrypt around it.

use std::collections::{HashMap, VecDeque};
use std::thread::Scope;

use bytes::Bytes;
use xb_formats::path::StreamPath;
use xb_formats::qpress::{DEFAULT_CHUNK_BYTES, PackedBlock, Writer};
use xb_formats::xbcrypt::Key;

use super::{encrypt, pack_error};
use crate::flow::{About, BLOCK_BYTES, FileId, FlowError, Piece, Pieces};
use crate::parallel::{Flow, spread};

/// A piece whose bytes, if it has any, are compressed.
pub(crate) enum PackedPiece {
    /// Anything but data.
    Piece(Piece),
    /// The next bytes of a file.
    Blocks { file: FileId, blocks: Vec<PackedBlock> },
}

/// A piece whose bytes are to be compressed.
enum Raw {
    Piece(Piece),
    Bytes(FileId, Vec<u8>),
}

/// Compresses the data of all files, on all threads. A file's data comes in whole blocks but for its end.
pub(crate) fn compress_files<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pieces: impl Pieces + 'scope,
    threads: usize,
) -> Flow<Vec<PackedPiece>, FlowError> {
    let mut gathering = Gathering { pieces, backlog: VecDeque::new(), open: HashMap::new() };
    let make_worker = || {
        |batch: Vec<Raw>| {
            let compress = |raw| match raw {
                Raw::Piece(piece) => Ok(PackedPiece::Piece(piece)),
                Raw::Bytes(file, bytes) => {
                    let blocks = bytes.chunks(DEFAULT_CHUNK_BYTES).map(PackedBlock::new);
                    let blocks = blocks.collect::<Result<Vec<_>, _>>().map_err(pack_error)?;
                    Ok(PackedPiece::Blocks { file, blocks })
                }
            };
            batch.into_iter().map(compress).collect::<Result<Vec<_>, FlowError>>()
        }
    };
    spread(scope, threads, move || gathering.next_batch(), make_worker)
}

/// Collects the bytes of each file until they make whole blocks.
struct Gathering<P> {
    pieces: P,
    /// Taken, and not looked at yet.
    backlog: VecDeque<Piece>,
    open: HashMap<FileId, Gathered>,
}

struct Gathered {
    path: StreamPath,
    pending: Vec<u8>,
    position: u64,
}

impl<P: Pieces> Gathering<P> {
    /// As many pieces as make about a block. A hole may be of any size and comes bit by bit.
    fn next_batch(&mut self) -> Result<Option<Vec<Raw>>, FlowError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BLOCK_BYTES {
            let Some(piece) = self.backlog.pop_front() else {
                if !batch.is_empty() {
                    break;
                }
                match self.pieces.next_pieces()? {
                    Some(pieces) => self.backlog.extend(pieces),
                    None => return Ok(None),
                }
                continue;
            };
            bytes += self.take(piece, &mut batch)?;
        }
        Ok(Some(batch))
    }

    /// Looks at a piece, or at the hole in front of it, after which it is the next one again. Gives how many bytes
    /// that were.
    fn take(&mut self, piece: Piece, batch: &mut Vec<Raw>) -> Result<usize, FlowError> {
        let reaches = match &piece {
            Piece::Data { file, offset, .. } => Some((*file, *offset)),
            Piece::Extend { file, size } | Piece::Close { file, size } => Some((*file, *size)),
            _ => None,
        };
        if let Some((file, to)) = reaches
            && let Some(gathered) = self.open.get_mut(&file)
        {
            let is_hint = matches!(piece, Piece::Extend { .. });
            let missing = to.checked_sub(gathered.position).or(is_hint.then_some(0));
            let missing = missing.ok_or_else(|| gathered.out_of_order())?;
            if missing > 0 {
                let length = usize::try_from(missing).map_or(BLOCK_BYTES, |length| length.min(BLOCK_BYTES));
                gathered.append(file, &vec![0; length], batch);
                self.backlog.push_front(piece);
                return Ok(length);
            }
        }
        Ok(self.pass(piece, batch))
    }

    fn pass(&mut self, piece: Piece, batch: &mut Vec<Raw>) -> usize {
        match piece {
            Piece::Open { file, path, about } => {
                let gathered = Gathered { path: path.clone(), pending: Vec::new(), position: 0 };
                self.open.insert(file, gathered);
                batch.push(Raw::Piece(Piece::Open { file, path, about }));
            }
            Piece::Data { file, bytes, .. } => {
                if let Some(gathered) = self.open.get_mut(&file) {
                    gathered.append(file, &bytes, batch);
                }
                return bytes.len();
            }
            Piece::Extend { .. } => {}
            Piece::Close { file, size } => {
                let pending = self.open.remove(&file).map(|gathered| gathered.pending);
                batch.extend(pending.filter(|bytes| !bytes.is_empty()).map(|bytes| Raw::Bytes(file, bytes)));
                batch.push(Raw::Piece(Piece::Close { file, size }));
            }
            other => batch.push(Raw::Piece(other)),
        }
        0
    }
}

impl Gathered {
    fn append(&mut self, file: FileId, bytes: &[u8], batch: &mut Vec<Raw>) {
        self.position += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        let whole = self.pending.len() - self.pending.len() % DEFAULT_CHUNK_BYTES;
        if whole > 0 {
            let rest = self.pending.split_off(whole);
            batch.push(Raw::Bytes(file, std::mem::replace(&mut self.pending, rest)));
        }
    }

    fn out_of_order(&self) -> FlowError {
        let reason = "it is not written from its beginning to its end, so it cannot be packed on its way";
        FlowError::Unfit { path: self.path.to_string(), reason }
    }
}

/// Packs every file: `name` becomes `name.qp`, with a key `name.qp.xbcrypt`.
pub(crate) fn pack_members<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pieces: impl Pieces + 'scope,
    key: Option<Key>,
    threads: usize,
) -> impl Pieces + 'scope {
    PackedMembers { flow: compress_files(scope, pieces, threads), key, open: HashMap::new() }
}

struct PackedMembers {
    flow: Flow<Vec<PackedPiece>, FlowError>,
    key: Option<Key>,
    open: HashMap<FileId, PackedFile>,
}

/// A qpress archive of one file, growing.
struct PackedFile {
    writer: Writer<Vec<u8>>,
    position: u64,
}

impl Pieces for PackedMembers {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        while let Some(packed) = self.flow.next()? {
            let mut pieces = Vec::with_capacity(packed.len());
            for piece in packed {
                self.pack(piece, &mut pieces)?;
            }
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }
}

impl PackedMembers {
    fn pack(&mut self, piece: PackedPiece, pieces: &mut Vec<Piece>) -> Result<(), FlowError> {
        match piece {
            PackedPiece::Blocks { file, blocks } => {
                if let Some(packed) = self.open.get_mut(&file) {
                    for block in &blocks {
                        packed.writer.append_block(block).map_err(pack_error)?;
                    }
                    pieces.extend(packed.drain(file, self.key.as_ref())?);
                }
            }
            PackedPiece::Piece(Piece::Open { file, path, about }) => {
                let mut writer = Writer::new(Vec::new()).map_err(pack_error)?;
                writer.begin_file(path.file_name()).map_err(pack_error)?;
                self.open.insert(file, PackedFile { writer, position: 0 });
                let (path, about) = (self.packed_path(&path)?, About { size: None, ..about });
                pieces.push(Piece::Open { file, path, about });
            }
            PackedPiece::Piece(Piece::Close { file, .. }) => {
                if let Some(mut packed) = self.open.remove(&file) {
                    packed.writer.end_file().map_err(pack_error)?;
                    pieces.extend(packed.drain(file, self.key.as_ref())?);
                    pieces.push(Piece::Close { file, size: packed.position });
                }
            }
            PackedPiece::Piece(Piece::Remove { path }) => {
                pieces.push(Piece::Remove { path: self.packed_path(&path)? });
            }
            PackedPiece::Piece(Piece::Rename { from, to }) => {
                let (from, to) = (self.packed_path(&from)?, self.packed_path(&to)?);
                pieces.push(Piece::Rename { from, to });
            }
            PackedPiece::Piece(other) => pieces.push(other),
        }
        Ok(())
    }

    fn packed_path(&self, path: &StreamPath) -> Result<StreamPath, FlowError> {
        let suffix = if self.key.is_some() { &b".qp.xbcrypt"[..] } else { b".qp" };
        StreamPath::new(&[path.as_bytes(), suffix].concat())
            .map_err(|source| FlowError::Path { path: path.to_string(), source })
    }
}

impl PackedFile {
    /// What has been written since the last time.
    fn drain(&mut self, file: FileId, key: Option<&Key>) -> Result<Option<Piece>, FlowError> {
        let written = std::mem::take(self.writer.target_mut());
        if written.is_empty() {
            return Ok(None);
        }
        let bytes = match key {
            Some(key) => encrypt(key, &written)?,
            None => Bytes::from(written),
        };
        let offset = self.position;
        self.position += bytes.len() as u64;
        Ok(Some(Piece::Data { file, offset, bytes }))
    }
}

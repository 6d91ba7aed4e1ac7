//! Files that are encrypted or compressed one by one, as the engines' own options leave them.
//!
//! One [`Unwrapped`] takes one layer off every file that has it. As long as no file has, pieces just pass; with
//! the first one, threads start to work. The suffix of a name says that there is a layer, the first bytes say
//! which.

use std::collections::{HashMap, VecDeque};
use std::thread::Scope;

use bytes::{Buf, Bytes};
use xb_formats::archive::{Layer, MemberCompression, MemberLayers, sniff};
use xb_formats::path::StreamPath;
use xb_formats::xbcrypt::Key;

use super::ReadOptions;
use super::select::without_suffix;
use crate::cut::{Around, Cutter, Expander, Part, cutter_for};
use crate::flow::{About, BLOCK_BYTES, FileId, FlowError, Piece, Pieces};
use crate::keys::KeyFault;
use crate::parallel::{Flow, spread};

/// Bytes that tell a layer.
const MAGIC_BYTES: usize = 8;

/// Takes all layers off all files.
pub(crate) fn unwrap_members<'scope, 'env: 'scope>(
    scope: &'scope Scope<'scope, 'env>,
    pieces: Box<dyn Pieces + 'scope>,
    options: &ReadOptions<'env>,
) -> Box<dyn Pieces + 'scope> {
    let around = |pieces, wrap| -> Box<dyn Pieces + 'scope> {
        let (threads, key) = (options.threads, options.keys.xbcrypt().cloned());
        Box::new(Unwrapped { scope, wrap, threads, key, state: State::Direct(pieces) })
    };
    around(around(pieces, Wrap::Encryption), Wrap::Compression)
}

/// Which layer is taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrap {
    Encryption,
    Compression,
}

impl Wrap {
    /// The path without this layer's suffix; `None` when it has none.
    fn strip(self, path: &StreamPath) -> Option<StreamPath> {
        let name = path.file_name();
        let (inner, layers) = MemberLayers::split(name);
        let suffix = match self {
            Wrap::Encryption if layers.encrypted => b".xbcrypt".len(),
            Wrap::Compression if !layers.encrypted && layers.compression.is_some() => {
                name.len() - inner.len()
            }
            _ => return None,
        };
        Some(without_suffix(path, suffix)).filter(|shorter| shorter != path)
    }

    /// Whether a file of this name has bytes even if nothing is in it. Encryption and frames of nothing are nothing;
    /// a qpress archive has a head, so one without bytes was lost.
    fn has_head(self, path: &StreamPath) -> bool {
        let (_, layers) = MemberLayers::split(path.file_name());
        self == Wrap::Compression && layers.compression == Some(MemberCompression::Qpress)
    }

    /// The cutter for a file with these first bytes.
    fn cutter(self, about: About, first_bytes: &[u8]) -> Result<Box<dyn Cutter>, FlowError> {
        let layer = sniff(first_bytes).filter(|layer| match self {
            Wrap::Encryption => *layer == Layer::Xbcrypt,
            Wrap::Compression => {
                matches!(layer, Layer::Qpress | Layer::Lz4 | Layer::Zstd | Layer::Gzip)
            }
        });
        match layer.and_then(|layer| cutter_for(layer, Around::Member)) {
            Some(cutter) => Ok(cutter),
            None if about.decrypted => Err(KeyFault::Noise.into()),
            None => {
                let found = "its name says that it is packed, its first bytes do not; list or extract it as it is stored";
                Err(FlowError::Unknown { offset: 0, found: found.to_owned() })
            }
        }
    }
}

/// Pieces with one layer less.
struct Unwrapped<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    wrap: Wrap,
    threads: usize,
    key: Option<Key>,
    state: State<'scope>,
}

enum State<'scope> {
    /// No file has had the layer yet.
    Direct(Box<dyn Pieces + 'scope>),
    Staged {
        flow: Flow<Vec<Done>, FlowError>,
        /// How much of each file has come out.
        positions: HashMap<FileId, u64>,
    },
    Ended,
}

/// What comes out of the threads; where bytes belong is known only when all before them are there.
enum Done {
    Piece(Piece),
    Bytes(FileId, Bytes),
    End(FileId),
}

impl Pieces for Unwrapped<'_, '_> {
    fn next_pieces(&mut self) -> Result<Option<Vec<Piece>>, FlowError> {
        if let State::Direct(direct) = &mut self.state {
            let Some(pieces) = direct.next_pieces()? else { return Ok(None) };
            let is_wrapped =
                |piece: &Piece| matches!(piece, Piece::Open { path, .. } if self.wrap.strip(path).is_some());
            if !pieces.iter().any(is_wrapped) {
                return Ok(Some(pieces));
            }
            self.start(pieces);
        }
        let State::Staged { flow, positions } = &mut self.state else { return Ok(None) };
        while let Some(done) = flow.next()? {
            let pieces: Vec<Piece> = done.into_iter().filter_map(|done| place(done, positions)).collect();
            if !pieces.is_empty() {
                return Ok(Some(pieces));
            }
        }
        Ok(None)
    }
}

/// Gives bytes their place.
fn place(done: Done, positions: &mut HashMap<FileId, u64>) -> Option<Piece> {
    match done {
        Done::Piece(piece) => Some(piece),
        Done::Bytes(_, bytes) if bytes.is_empty() => None,
        Done::Bytes(file, bytes) => {
            let position = positions.entry(file).or_default();
            let offset = *position;
            *position += bytes.len() as u64;
            Some(Piece::Data { file, offset, bytes })
        }
        Done::End(file) => Some(Piece::Close { file, size: positions.remove(&file).unwrap_or(0) }),
    }
}

impl Unwrapped<'_, '_> {
    /// Puts threads to work, beginning with the pieces that were taken already.
    fn start(&mut self, backlog: Vec<Piece>) {
        let State::Direct(pieces) = std::mem::replace(&mut self.state, State::Ended) else { return };
        let (key, wrap) = (self.key.take(), self.wrap);
        let mut cutting =
            Cutting { pieces, wrap, backlog: backlog.into(), open: HashMap::new(), current: None };
        let make_worker = move || {
            let mut expander = Expander::new(key.clone());
            move |batch: Vec<Cut>| expand(&mut expander, batch)
        };
        let flow = spread(self.scope, self.threads, move || cutting.next_batch(), make_worker);
        self.state = State::Staged { flow, positions: HashMap::new() };
    }
}

/// What goes to the threads.
enum Cut {
    Piece(Piece),
    Part(FileId, StreamPath, Part),
    End(FileId),
}

fn expand(expander: &mut Expander, batch: Vec<Cut>) -> Result<Vec<Done>, FlowError> {
    let mut done = Vec::with_capacity(batch.len());
    // Small parts of one file become one piece.
    let mut gathered: Option<(FileId, Vec<u8>)> = None;
    let flush = |gathered: &mut Option<(FileId, Vec<u8>)>, done: &mut Vec<Done>| {
        done.extend(gathered.take().map(|(file, bytes)| Done::Bytes(file, bytes.into())));
    };
    for cut in batch {
        match cut {
            Cut::Part(file, path, part) => {
                if gathered.as_ref().is_some_and(|(of, _)| *of != file) {
                    flush(&mut gathered, &mut done);
                }
                let (_, bytes) = gathered.get_or_insert_with(|| (file, Vec::new()));
                expander.expand(part, bytes).map_err(|error| error.in_member(&path))?;
            }
            Cut::Piece(piece) => {
                flush(&mut gathered, &mut done);
                done.push(Done::Piece(piece));
            }
            Cut::End(file) => {
                flush(&mut gathered, &mut done);
                done.push(Done::End(file));
            }
        }
    }
    flush(&mut gathered, &mut done);
    Ok(done)
}

/// Cuts files at the parts of their layer.
struct Cutting<'scope> {
    pieces: Box<dyn Pieces + 'scope>,
    wrap: Wrap,
    backlog: VecDeque<Piece>,
    open: HashMap<FileId, Wrapped>,
    /// Bytes that are being cut, and whether they are the last of their file.
    current: Option<(FileId, Bytes, bool)>,
}

/// A file that has the layer.
struct Wrapped {
    path: StreamPath,
    wrap: Wrap,
    about: About,
    /// Its first bytes, until they tell what they are.
    head: Vec<u8>,
    cutter: Option<Box<dyn Cutter>>,
    /// How much of it has come in.
    position: u64,
}

impl Cutting<'_> {
    /// As many parts as make a block, so that small ones do not cost a change of threads each.
    fn next_batch(&mut self) -> Result<Option<Vec<Cut>>, FlowError> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BLOCK_BYTES && batch.len() < BLOCK_BYTES / 1024 {
            let Some(cut) = self.next_cut()? else { break };
            bytes += match &cut {
                Cut::Part(_, _, part) => part.weight(),
                Cut::Piece(Piece::Data { bytes, .. }) => bytes.len(),
                _ => 0,
            };
            batch.push(cut);
        }
        Ok((!batch.is_empty()).then_some(batch))
    }

    fn next_cut(&mut self) -> Result<Option<Cut>, FlowError> {
        loop {
            if let Some((file, input, is_last)) = self.current.take()
                && let Some(cut) = self.go_on(file, input, is_last)?
            {
                return Ok(Some(cut));
            }
            if self.current.is_some() {
                continue;
            }
            let piece = match self.backlog.pop_front() {
                Some(piece) => piece,
                None => match self.pieces.next_pieces()? {
                    Some(pieces) => {
                        self.backlog.extend(pieces);
                        continue;
                    }
                    None => return Ok(None),
                },
            };
            if let Some(cut) = self.take(piece)? {
                return Ok(Some(cut));
            }
        }
    }

    /// Goes on with bytes of a file; what is left of them becomes `current` again.
    fn go_on(&mut self, file: FileId, mut input: Bytes, is_last: bool) -> Result<Option<Cut>, FlowError> {
        let Some(wrapped) = self.open.get_mut(&file) else { return Ok(None) };
        let part = wrapped.cut(&mut input, is_last).map_err(|error| error.in_member(&wrapped.path))?;
        match part {
            Some(part) => {
                let path = wrapped.path.clone();
                self.current = Some((file, input, is_last));
                Ok(Some(Cut::Part(file, path, part)))
            }
            None if is_last => {
                self.open.remove(&file);
                Ok(Some(Cut::End(file)))
            }
            None => Ok(None),
        }
    }

    /// Looks at the next piece. `None`: it was bytes of a wrapped file, or its end.
    fn take(&mut self, piece: Piece) -> Result<Option<Cut>, FlowError> {
        match piece {
            Piece::Open { file, path, about } => {
                let inner = self.wrap.strip(&path);
                let decrypted = about.decrypted || (inner.is_some() && self.wrap == Wrap::Encryption);
                let known = About { size: about.size.filter(|_| inner.is_none()), decrypted, ..about };
                if inner.is_some() {
                    let path = path.clone();
                    let wrapped =
                        Wrapped { path, wrap: self.wrap, about, head: Vec::new(), cutter: None, position: 0 };
                    self.open.insert(file, wrapped);
                }
                let path = inner.unwrap_or(path);
                Ok(Some(Cut::Piece(Piece::Open { file, path, about: known })))
            }
            Piece::Data { file, offset, bytes } => match self.open.get_mut(&file) {
                None => Ok(Some(Cut::Piece(Piece::Data { file, offset, bytes }))),
                Some(wrapped) => {
                    wrapped.arrive(offset, bytes.len())?;
                    self.current = Some((file, bytes, false));
                    Ok(None)
                }
            },
            Piece::Extend { file, size } => match self.open.get(&file) {
                None => Ok(Some(Cut::Piece(Piece::Extend { file, size }))),
                Some(wrapped) => Err(wrapped.out_of_order()),
            },
            Piece::Close { file, .. } if self.open.contains_key(&file) => {
                self.current = Some((file, Bytes::new(), true));
                Ok(None)
            }
            Piece::Remove { path } => {
                let path = self.wrap.strip(&path).unwrap_or(path);
                Ok(Some(Cut::Piece(Piece::Remove { path })))
            }
            Piece::Rename { from, to } => {
                let [from, to] = [from, to].map(|path| self.wrap.strip(&path).unwrap_or(path));
                Ok(Some(Cut::Piece(Piece::Rename { from, to })))
            }
            other => Ok(Some(Cut::Piece(other))),
        }
    }
}

impl Wrapped {
    fn out_of_order(&self) -> FlowError {
        let reason = "it is packed and does not come from its beginning to its end; the archive is damaged";
        FlowError::Unfit { path: self.path.to_string(), reason }
    }

    fn arrive(&mut self, offset: u64, length: usize) -> Result<(), FlowError> {
        if offset != self.position {
            return Err(self.out_of_order());
        }
        self.position += length as u64;
        Ok(())
    }

    /// The next part. `None`: all of `input` is taken, and with `is_last` that was all.
    fn cut(&mut self, input: &mut Bytes, is_last: bool) -> Result<Option<Part>, FlowError> {
        let cutter = match &mut self.cutter {
            Some(cutter) => cutter,
            None => {
                let take = (MAGIC_BYTES - self.head.len().min(MAGIC_BYTES)).min(input.len());
                self.head.extend_from_slice(&input.split_to(take));
                let is_there = !self.head.is_empty() || self.wrap.has_head(&self.path);
                if self.head.len() < MAGIC_BYTES && !(is_last && is_there) {
                    return Ok(None);
                }
                self.cutter.insert(self.wrap.cutter(self.about, &self.head)?)
            }
        };
        if !self.head.is_empty() {
            // A part may be complete within the first bytes only if they are all there is.
            let mut head = &self.head[..];
            let part = cutter.cut(&mut head)?;
            let taken = self.head.len() - head.len();
            self.head.drain(..taken);
            if part.is_some() {
                return Ok(part);
            }
        }
        let mut rest = &input[..];
        let part = cutter.cut(&mut rest)?;
        let taken = input.len() - rest.len();
        input.advance(taken);
        match part {
            None if is_last => cutter.end(),
            part => Ok(part),
        }
    }
}

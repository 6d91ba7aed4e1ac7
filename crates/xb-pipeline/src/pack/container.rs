//! Putting pieces into a container.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::thread::Scope;

use bytes::Bytes;
use tar::{Builder, EntryType, Header};
use xb_formats::archive::Container;
use xb_formats::path::StreamPath;
use xb_formats::{qpress, xbstream};

use super::members::{PackedPiece, compress_files};
use super::{OutflowWriter, pack_error};
use crate::flow::{BLOCK_BYTES, Blocks, FileId, FlowError, Piece, Pieces};
use crate::monitor::Monitor;
use crate::parallel::{Flow, background};

/// The bytes of a container with these pieces in it.
///
/// Files interleave in an xbstream only; for the others they have to come one after the other, for tar with their
/// sizes, for qpress directory by directory.
pub(crate) fn container<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pieces: impl Pieces + 'scope,
    container: Container,
    threads: usize,
    monitor: &'scope dyn Monitor,
) -> Box<dyn Blocks + 'scope> {
    match container {
        Container::Xbstream => Box::new(xbstream(scope, pieces, monitor)),
        Container::Tar => Box::new(tar(scope, pieces)),
        Container::Qpress => Box::new(qpress(scope, compress_files(scope, pieces, threads))),
    }
}

fn out_of_order(path: impl ToString) -> FlowError {
    let reason =
        "it is not written from its beginning to its end, which this form cannot hold; extract it instead";
    FlowError::Unfit { path: path.to_string(), reason }
}

fn xbstream<'scope>(
    scope: &'scope Scope<'scope, '_>,
    mut pieces: impl Pieces + 'scope,
    monitor: &'scope dyn Monitor,
) -> Flow<Bytes, FlowError> {
    background(scope, move |outflow| {
        let mut writer = xbstream::Writer::new(OutflowWriter::new(outflow));
        let mut open = std::collections::HashMap::<FileId, xbstream::FileInWork>::new();
        let mut bare = BareDirectories::default();
        while let Some(batch) = pieces.next_pieces()? {
            for piece in batch {
                bare.watch(&piece);
                match piece {
                    // An xbstream has no directories, only paths of files.
                    Piece::Directory { .. } => {}
                    Piece::Open { file, path, about } => {
                        let begun = if about.rewrite {
                            writer.begin_file_again(path)
                        } else {
                            writer.begin_file(path)
                        };
                        open.insert(file, begun.map_err(pack_error)?);
                    }
                    Piece::Data { file, offset, bytes } => {
                        if let Some(work) = open.get_mut(&file) {
                            fill(&mut writer, work, offset)?;
                            writer.append(work, &bytes).map_err(pack_error)?;
                        }
                    }
                    Piece::Extend { file, size } => {
                        if let Some(work) = open.get_mut(&file).filter(|work| work.position() < size) {
                            fill(&mut writer, work, size)?;
                        }
                    }
                    Piece::Close { file, size } => {
                        if let Some(mut work) = open.remove(&file) {
                            fill(&mut writer, &mut work, size)?;
                            writer.end_file(work).map_err(pack_error)?;
                        }
                    }
                    Piece::Remove { path } => writer.remove_file(&path).map_err(pack_error)?,
                    Piece::Rename { from, to } => writer.rename_file(&from, &to).map_err(pack_error)?,
                }
            }
        }
        bare.tell(monitor);
        Ok(writer.finish().map_err(pack_error)?.flush()?)
    })
}

/// Directories in which there is no file.
#[derive(Default)]
struct BareDirectories(BTreeSet<StreamPath>);

impl BareDirectories {
    /// So many are named; of the others there is a number.
    const NAMED: usize = 5;

    fn watch(&mut self, piece: &Piece) {
        match piece {
            Piece::Directory { path } => drop(self.0.insert(path.clone())),
            Piece::Open { path, .. } if !self.0.is_empty() => {
                let is_around = |directory: &StreamPath| path.as_path().starts_with(directory.as_path());
                self.0.retain(|directory| !is_around(directory));
            }
            _ => {}
        }
    }

    fn tell(&self, monitor: &dyn Monitor) {
        // One that only holds others without files is lost with them.
        if self.0.is_empty() {
            return;
        }
        let names: Vec<String> = self.0.iter().take(Self::NAMED).map(ToString::to_string).collect();
        let more = self.0.len() - names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        monitor.warn(&format!(
            "an xbstream holds no directories without files; left out: {}{more}; .tar.zst holds them",
            names.join(", ")
        ));
    }
}

/// Writes zeros up to `offset`: a hole that other readers understand too.
fn fill<W: Write>(
    writer: &mut xbstream::Writer<W>,
    work: &mut xbstream::FileInWork,
    offset: u64,
) -> Result<(), FlowError> {
    if offset < work.position() {
        return Err(out_of_order(work.path()));
    }
    while work.position() < offset {
        let length = (offset - work.position()).min(BLOCK_BYTES as u64);
        let zeros = vec![0; usize::try_from(length).unwrap_or(BLOCK_BYTES)];
        writer.append(work, &zeros).map_err(pack_error)?;
    }
    Ok(())
}

fn tar<'scope>(scope: &'scope Scope<'scope, '_>, pieces: impl Pieces + 'scope) -> Flow<Bytes, FlowError> {
    background(scope, move |outflow| {
        let mut builder = Builder::new(OutflowWriter::new(outflow));
        let mut queue = Queue { pieces, ready: Vec::new().into_iter() };
        while let Some(piece) = queue.next()? {
            match piece {
                Piece::Directory { path } => {
                    let mut header = header(EntryType::Directory, 0o700, 0);
                    builder.append_data(&mut header, path.as_path(), std::io::empty())?;
                }
                Piece::Open { file, path, about } => {
                    let Some(size) = about.size else { return Err(out_of_order(&path)) };
                    let mut header = header(EntryType::Regular, 0o600, size);
                    let mut content = Content {
                        queue: &mut queue,
                        file,
                        path: &path,
                        position: 0,
                        size,
                        rest: Bytes::new(),
                    };
                    builder.append_data(&mut header, path.as_path(), &mut content)?;
                    content.end()?;
                }
                Piece::Remove { path } | Piece::Rename { from: path, .. } => return Err(out_of_order(&path)),
                Piece::Data { .. } | Piece::Extend { .. } | Piece::Close { .. } => {}
            }
        }
        Ok(builder.into_inner()?.flush()?)
    })
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header
}

/// Pieces one by one.
struct Queue<P> {
    pieces: P,
    ready: std::vec::IntoIter<Piece>,
}

impl<P: Pieces> Queue<P> {
    fn next(&mut self) -> Result<Option<Piece>, FlowError> {
        loop {
            if let Some(piece) = self.ready.next() {
                return Ok(Some(piece));
            }
            match self.pieces.next_pieces()? {
                Some(pieces) => self.ready = pieces.into_iter(),
                None => return Ok(None),
            }
        }
    }
}

/// The content of the one file that is open.
struct Content<'q, P> {
    queue: &'q mut Queue<P>,
    file: FileId,
    path: &'q StreamPath,
    position: u64,
    size: u64,
    rest: Bytes,
}

impl<P: Pieces> Content<'_, P> {
    /// The next bytes; `None` at the end of the file, which has the size that was told.
    fn more(&mut self) -> Result<Option<Bytes>, FlowError> {
        match self.queue.next()? {
            Some(Piece::Data { file, offset, bytes }) if file == self.file && offset == self.position => {
                self.position += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Some(Piece::Close { file, size }) if file == self.file && size == self.position => Ok(None),
            _ => Err(out_of_order(self.path)),
        }
    }

    /// Takes the end of the file, which nobody asks for once its size has been read.
    fn end(mut self) -> Result<(), FlowError> {
        match self.more()? {
            None if self.position == self.size => Ok(()),
            _ => Err(out_of_order(self.path)),
        }
    }
}

impl<P: Pieces> Read for Content<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() {
            if self.position == self.size {
                return Ok(0);
            }
            let Some(bytes) = self.more()? else { return Err(out_of_order(self.path).into()) };
            self.rest = bytes;
        }
        let length = buffer.len().min(self.rest.len());
        buffer[..length].copy_from_slice(&self.rest.split_to(length));
        Ok(length)
    }
}

fn qpress<'scope>(
    scope: &'scope Scope<'scope, '_>,
    pieces: Flow<Vec<PackedPiece>, FlowError>,
) -> Flow<Bytes, FlowError> {
    background(scope, move |outflow| {
        let mut writer = qpress::Writer::new(OutflowWriter::new(outflow)).map_err(pack_error)?;
        // The directories that were entered and not left.
        let mut within: Vec<Vec<u8>> = Vec::new();
        while let Some(batch) = pieces.next()? {
            for piece in batch {
                match piece {
                    PackedPiece::Blocks { blocks, .. } => {
                        for block in &blocks {
                            writer.append_block(block).map_err(pack_error)?;
                        }
                    }
                    PackedPiece::Piece(Piece::Directory { path }) => {
                        enter(&mut writer, &mut within, path.as_bytes())?;
                    }
                    PackedPiece::Piece(Piece::Open { path, .. }) => {
                        let name = path.file_name();
                        let directory = path.as_bytes().strip_suffix(name).unwrap_or_default();
                        enter(&mut writer, &mut within, directory.strip_suffix(b"/").unwrap_or_default())?;
                        writer.begin_file(name).map_err(pack_error)?;
                    }
                    PackedPiece::Piece(Piece::Close { .. }) => {
                        writer.end_file().map_err(pack_error)?;
                    }
                    PackedPiece::Piece(Piece::Remove { path } | Piece::Rename { from: path, .. }) => {
                        return Err(out_of_order(&path));
                    }
                    PackedPiece::Piece(Piece::Data { .. } | Piece::Extend { .. }) => {}
                }
            }
        }
        enter(&mut writer, &mut within, b"")?;
        Ok(writer.finish().map_err(pack_error)?.flush()?)
    })
}

/// Leaves and enters directories until `directory` is the one that is open.
fn enter<W: Write>(
    writer: &mut qpress::Writer<W>,
    within: &mut Vec<Vec<u8>>,
    directory: &[u8],
) -> Result<(), FlowError> {
    let wanted: Vec<&[u8]> = directory.split(|byte| *byte == b'/').filter(|name| !name.is_empty()).collect();
    let common = within.iter().zip(&wanted).take_while(|(open, wanted)| open == wanted).count();
    while within.len() > common {
        writer.leave_directory().map_err(pack_error)?;
        within.pop();
    }
    for name in wanted.into_iter().skip(common) {
        writer.enter_directory(name).map_err(pack_error)?;
        within.push(name.to_owned());
    }
    Ok(())
}

//! Archives by themselves, without a store: what is in one, one file of it, another form of it.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use xb_formats::archive::{Archive, Container, Layer, Layers};
use xb_formats::path::StreamPath;

use crate::extract::{ExtractError, Wanted, extract_from, open_file};
use crate::flow::{Blocks, FileId, FlowError, Piece, Pieces};
use crate::fs::{FsError, create_new_dir_private, remove_tree, rename_new};
use crate::pack::container::container;
use crate::pack::members::pack_members;
use crate::pack::{Encryption, Packing, pack};
use crate::read::directory::directory_pieces;
use crate::read::select::Tapped;
use crate::read::{ReadOptions, Request, Source, open, read_pieces};
use crate::sink::ObjectReceipt;
use crate::sink::file::ObjectWriter;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its path, with what a terminal cannot show escaped.
    pub path: String,
    /// Its length in bytes, unpacked.
    pub size_bytes: u64,
    /// Its length in bytes as the container has it: compressed and encrypted, where files are so one by one.
    pub stored_bytes: u64,
}

/// What is in an archive. All of it was read, unpacked and checked for this.
#[derive(Clone, Debug)]
pub struct Listing {
    /// What it is wrapped in, from the outside in, the container last.
    pub layers: Vec<Layer>,
    /// Its files, by path.
    pub members: Vec<Member>,
}

/// Lists what is in an archive.
///
/// # Errors
/// [`ExtractError`]; `archive` is its name in messages.
pub fn list(
    input: impl Read + Send,
    archive: &Path,
    wanted: &Wanted<'_>,
    options: &ReadOptions<'_>,
) -> Result<Listing, ExtractError> {
    let mut stored = HashMap::new();
    let mut table = Table::default();
    let mut on_stored = |piece: &Piece| {
        if let Piece::Close { file, size } = piece {
            stored.insert(*file, *size);
        }
    };
    let request = Request {
        files: wanted.files,
        as_stored: wanted.as_stored,
        with_digest: false,
        on_stored: Some(&mut on_stored),
    };
    let read = read_pieces(input, request, options, &mut |piece| {
        table.watch(piece);
        Ok(())
    });
    let layers = read.map_err(|error| ExtractError::of(archive, error))?.layers;
    let member = |(path, (file, size_bytes)): (StreamPath, (FileId, u64))| {
        let stored_bytes = stored.get(&file).copied().unwrap_or(size_bytes);
        Member { path: path.to_string(), size_bytes, stored_bytes }
    };
    Ok(Listing { layers, members: table.closed.into_iter().map(member).collect() })
}

/// Names and sizes of files.
#[derive(Default)]
struct Table {
    open: HashMap<FileId, StreamPath>,
    closed: BTreeMap<StreamPath, (FileId, u64)>,
}

impl Table {
    fn watch(&mut self, piece: Piece) {
        match piece {
            Piece::Open { file, path, .. } => {
                self.open.insert(file, path);
            }
            Piece::Close { file, size } => {
                if let Some(path) = self.open.remove(&file) {
                    self.closed.insert(path, (file, size));
                }
            }
            Piece::Remove { path } => {
                self.closed.remove(&path);
            }
            Piece::Rename { from, to } => {
                if let Some(entry) = self.closed.remove(&from) {
                    self.closed.insert(to, entry);
                }
            }
            Piece::Directory { .. } | Piece::Data { .. } | Piece::Extend { .. } => {}
        }
    }
}

/// Writes one file of an archive to `out`, holes as zeros.
///
/// # Errors
/// [`ExtractError`]; `out` may have received a part by then.
pub fn cat(
    input: impl Read + Send,
    archive: &Path,
    member: &StreamPath,
    as_stored: bool,
    out: &mut dyn Write,
    options: &ReadOptions<'_>,
) -> Result<u64, ExtractError> {
    let is_wanted = |path: &StreamPath| path == member;
    let request = Request { files: Some(&is_wanted), as_stored, with_digest: false, on_stored: None };
    let mut written = None;
    let read = read_pieces(input, request, options, &mut |piece| {
        if let Piece::Open { .. } = piece
            && written.replace(0).is_some_and(|written| written > 0)
        {
            // A second one of the name replaces the first, which has been written.
            return Err(not_in_order(member));
        }
        let Some(position) = &mut written else { return Ok(()) };
        match piece {
            Piece::Data { offset, bytes, .. } => {
                zeros(out, position, offset, member)?;
                out.write_all(&bytes).map_err(FlowError::Write)?;
                *position += bytes.len() as u64;
            }
            Piece::Extend { size, .. } if size > *position => zeros(out, position, size, member)?,
            Piece::Close { size, .. } => zeros(out, position, size, member)?,
            Piece::Remove { .. } => return Err(not_in_order(member)),
            _ => {}
        }
        Ok(())
    });
    read.map_err(|error| ExtractError::of(archive, error))?;
    let missing = || FlowError::NoMember { path: member.to_string() };
    written.ok_or_else(|| ExtractError::of(archive, missing()))
}

fn not_in_order(member: &StreamPath) -> FlowError {
    let reason =
        "it is not stored from its beginning to its end, so it cannot be printed; extract it instead";
    FlowError::Unfit { path: member.to_string(), reason }
}

fn zeros(out: &mut dyn Write, position: &mut u64, to: u64, member: &StreamPath) -> Result<(), FlowError> {
    let gap = to.checked_sub(*position).ok_or_else(|| not_in_order(member))?;
    std::io::copy(&mut std::io::repeat(0).take(gap), out).map_err(FlowError::Write)?;
    *position = to;
    Ok(())
}

/// What an archive becomes.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// What holds its files together.
    pub container: Container,
    /// Whether each file is compressed with qpress. An xbstream only.
    pub qpress_members: bool,
    /// The key each file is encrypted with, on top of qpress.
    pub member_key: Option<xb_formats::xbcrypt::Key>,
    /// What is put around the container.
    pub packing: Packing,
}

impl Conversion {
    /// The form that comes out.
    #[must_use]
    pub fn archive(&self) -> Archive {
        let (compression, encryption) = self.packing.layers();
        let mut layers = Layers { compression, encryption, ..Layers::plain(self.container) };
        if self.qpress_members {
            layers.members = xb_formats::archive::MemberLayers::QPRESS;
        }
        Archive::File(layers)
    }

    /// Whether its files have to come one after the other.
    fn is_sequential(&self) -> bool {
        self.container != Container::Xbstream
    }

    /// Encryption of the whole, if there is any.
    #[must_use]
    pub fn encryption(&self) -> Option<&Encryption> {
        self.packing.encryption.as_ref()
    }
}

/// What archives are made from.
pub enum Origin {
    /// Another archive.
    Archive(Box<dyn Read + Send>),
    /// The files below a directory.
    Directory,
}

/// Makes `to`, a new file, from the archive or directory `from`.
///
/// Files come interleaved out of an xbstream; for a tar or qpress archive they are unpacked beside `to` first.
///
/// # Errors
/// [`ExtractError`]; nothing is left of `to` then.
pub fn convert(
    origin: Origin,
    from: &Path,
    to: &Path,
    conversion: &Conversion,
    options: &ReadOptions<'_>,
) -> Result<ObjectReceipt, ExtractError> {
    for taken in [to, &beside(to, ".partial")] {
        if taken.symlink_metadata().is_ok() {
            return Err(FsError::on("create", taken)(std::io::ErrorKind::AlreadyExists.into()).into());
        }
    }
    match origin {
        Origin::Archive(input) if conversion.is_sequential() => {
            let staging = Staging::create(beside(to, ".unpacked"))?;
            extract_from(input, from, &staging.0, &Wanted::default(), options)?;
            write(Origin::Directory, &staging.0, to, conversion, options)
        }
        origin => write(origin, from, to, conversion, options),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// A directory that is gone when dropped.
struct Staging(PathBuf);

impl Staging {
    fn create(path: PathBuf) -> Result<Self, FsError> {
        create_new_dir_private(&path)?;
        Ok(Staging(path))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // What is left is named after the file that was to be made, and is not taken for it.
        let _ = remove_tree(&self.0);
    }
}

fn write(
    origin: Origin,
    from: &Path,
    to: &Path,
    conversion: &Conversion,
    options: &ReadOptions<'_>,
) -> Result<ObjectReceipt, ExtractError> {
    let partial = beside(to, ".partial");
    let mut file = ObjectWriter::file(&partial)?;
    let written = write_blocks(origin, from, &mut file, conversion, options)
        .map_err(|error| ExtractError::of(from, error))
        .and_then(|()| Ok(file.finish_as(to.file_name().unwrap_or_default())?));
    match written {
        // Hours of work stay under the other name if somebody took this one meanwhile.
        Ok(receipt) => Ok(rename_new(&partial, to).map(|()| receipt)?),
        Err(error) => {
            // It was made here; that it cannot be removed is not worse than what led here.
            let _ = std::fs::remove_file(&partial);
            Err(error)
        }
    }
}

fn write_blocks(
    origin: Origin,
    from: &Path,
    file: &mut ObjectWriter,
    conversion: &Conversion,
    options: &ReadOptions<'_>,
) -> Result<(), FlowError> {
    let threads = conversion.packing.threads;
    let files = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let mut pieces: Box<dyn Pieces> = match origin {
            Origin::Directory => directory_pieces(scope, from, options),
            Origin::Archive(input) => {
                let (source, _) = Source::new(input, false, options.monitor, options.cancel);
                open(scope, source, Request::default(), options)?.1
            }
        };
        let count = |piece: &Piece| {
            files.fetch_add(u64::from(matches!(piece, Piece::Open { .. })), Ordering::Relaxed);
        };
        pieces = Box::new(Tapped { pieces, on: count });
        if conversion.qpress_members {
            pieces = Box::new(pack_members(scope, pieces, conversion.member_key.clone(), threads));
        }
        let blocks = container(scope, pieces, conversion.container, threads, options.monitor);
        let mut packed = pack(scope, blocks, &conversion.packing)?;
        while let Some(block) = packed.next_block()? {
            options.cancel.check()?;
            file.write(&block)?;
        }
        Ok::<_, FlowError>(())
    })?;
    if files.into_inner() == 0 {
        // Most forms of it would have no bytes at all, which is also what is left of a file that was lost.
        return Err(FlowError::NoFiles);
    }
    Ok(())
}

/// The same as [`convert`] from a directory, into an object that is written elsewhere.
///
/// # Errors
/// [`ExtractError`]; the object does not exist then.
pub fn pack_directory(
    from: &Path,
    mut to: ObjectWriter,
    conversion: &Conversion,
    options: &ReadOptions<'_>,
) -> Result<ObjectReceipt, ExtractError> {
    write_blocks(Origin::Directory, from, &mut to, conversion, options)
        .map_err(|error| ExtractError::of(from, error))?;
    Ok(to.finish()?)
}

/// Opens an archive.
///
/// # Errors
/// [`ExtractError::Archive`].
pub fn open_archive(path: &Path) -> Result<std::fs::File, ExtractError> {
    open_file(path)
}

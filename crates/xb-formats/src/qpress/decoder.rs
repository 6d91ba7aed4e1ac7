//! The parser of archives, pushed by whoever has the bytes.

use std::collections::HashSet;

use super::block::Block;
use super::error::{Fault, QpressError, within};
use super::event::{ArchiveSummary, Event, FileKey, Limits, Shape};
use super::quicklz::{LONG_HEAD, PacketHead, SHORT_HEAD, is_long};
use super::{BLOCK_MARK, MAGIC, RECORD_DIRECTORY, RECORD_FILE, RECORD_UP, TRAILER_MARK};
use crate::bytes::number_at;
use crate::field::Field;
use crate::path::{COMPONENT_LIMIT, PathError, StreamPath, escape};

/// Sizes of the fields, in bytes.
const CHUNK_SIZE: usize = 8;
const RECORD: usize = 1;
const NAME_LENGTH: usize = 4;
const MARK: usize = 8;
const BLOCK_HEAD: usize = 12;
const FLAGS: usize = 1;
const TRAILER: usize = 8;

/// By how much a packet can be larger than its plaintext at most: every known encoder stores before that.
const PACKET_EXCESS: u64 = 400;

/// Reads an archive that is fed to it in pieces of any size.
///
/// Memory: the packet that is not complete yet, as far as it has arrived, and the path of each entry, about
/// 60 bytes and its length. After an error, its own or the caller's, a decoder answers everything with an
/// error.
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    shape: Shape,
    chunk_size: u64,
    /// The directories that were entered and not left.
    open: Vec<StreamPath>,
    /// Every path of the archive.
    seen: HashSet<StreamPath>,
    part: Part,
    /// What `part` waits for.
    field: Field,
    /// Where the current record or block begins.
    start: u64,
    counts: ArchiveSummary,
    failed: Option<QpressError>,
}

/// What comes next in the archive.
#[derive(Debug)]
enum Part {
    Magic,
    ChunkSize,
    Record,
    NameLength { kind: u8 },
    Name { kind: u8 },
    Mark(File),
    BlockHead(File),
    PacketFlags(File, u32),
    PacketHead(File, u32),
    Packet(File, u32, PacketHead),
    Trailer(File),
}

/// The file that is open.
#[derive(Debug)]
struct File {
    key: FileKey,
    path: StreamPath,
    size: u64,
}

/// Why parsing stops: a fault of the archive, or the caller's wish.
enum Stop<E> {
    Fault(QpressError),
    Caller(E),
}

impl<E> From<QpressError> for Stop<E> {
    fn from(error: QpressError) -> Self {
        Stop::Fault(error)
    }
}

/// What is told of an archive.
type Listener<'l, E> = &'l mut dyn FnMut(Event<'_>) -> Result<(), E>;

impl Decoder {
    /// A decoder at the beginning of an archive.
    #[must_use]
    pub fn new(limits: Limits, shape: Shape) -> Self {
        Decoder {
            limits,
            shape,
            chunk_size: 0,
            open: Vec::new(),
            seen: HashSet::new(),
            part: Part::Magic,
            field: Field::first(MAGIC.len()),
            start: 0,
            counts: ArchiveSummary::default(),
            failed: None,
        }
    }

    /// How many bytes have been read, which is also how many were fed unless there was an error.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.field.position
    }

    /// Reads the next piece of the archive and tells `on` what is in it.
    ///
    /// # Errors
    /// The first fault of the archive, or the error of `on`. Both are final: a later call gives the fault
    /// again, or [`Fault::GivenUp`].
    pub fn feed<E: From<QpressError>>(
        &mut self,
        input: &[u8],
        on: &mut dyn FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(error) = &self.failed {
            return Err(E::from(error.clone()));
        }
        match self.read(input, on) {
            Ok(()) => Ok(()),
            Err(Stop::Fault(error)) => {
                self.failed = Some(error.clone());
                Err(E::from(error))
            }
            Err(Stop::Caller(error)) => {
                self.failed = Some(self.refuse(Fault::GivenUp, None));
                Err(error)
            }
        }
    }

    /// Ends the archive.
    ///
    /// # Errors
    /// When it ends inside a record or a directory, and when there was an error before.
    pub fn finish(self) -> Result<ArchiveSummary, QpressError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !matches!(self.part, Part::Record) {
            let fault = Fault::Truncated { end: self.field.position };
            return Err(self.refuse(fault, self.part.path()));
        }
        if let Some(directory) = self.open.last() {
            return Err(self.refuse(Fault::DirectoryOpen, Some(directory)));
        }
        if self.shape == Shape::Single && self.counts.files == 0 {
            return Err(self.refuse(Fault::NoFile, None));
        }
        Ok(ArchiveSummary { archive_bytes: self.field.position, ..self.counts })
    }

    fn read<E>(&mut self, mut input: &[u8], on: Listener<'_, E>) -> Result<(), Stop<E>> {
        while self.field.gather(&mut input) {
            self.read_field(on)?;
        }
        Ok(())
    }

    fn expect(&mut self, part: Part, wanted: usize) {
        self.field.bytes.clear();
        self.expect_more(part, wanted);
    }

    /// Waits for a field that begins with the one that is complete.
    fn expect_more(&mut self, part: Part, wanted: usize) {
        self.part = part;
        self.field.wanted = wanted;
    }

    fn expect_record(&mut self) {
        self.start = self.field.position;
        self.expect(Part::Record, RECORD);
    }

    fn expect_mark(&mut self, file: File) {
        self.start = self.field.position;
        self.expect(Part::Mark(file), MARK);
    }

    /// Acts on a field that is complete.
    fn read_field<E>(&mut self, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        match std::mem::replace(&mut self.part, Part::Record) {
            Part::Magic => self.read_magic()?,
            Part::ChunkSize => self.read_chunk_size()?,
            Part::Record => self.read_record(on)?,
            Part::NameLength { kind } => self.read_name_length(kind)?,
            Part::Name { kind } => self.read_name(kind, on)?,
            Part::Mark(file) => self.read_mark(file)?,
            Part::BlockHead(file) => self.read_block_head(file)?,
            Part::PacketFlags(file, expected) => {
                let long = self.field.bytes.first().is_some_and(|flags| is_long(*flags));
                let wanted = if long { LONG_HEAD } else { SHORT_HEAD };
                self.expect_more(Part::PacketHead(file, expected), wanted);
            }
            Part::PacketHead(file, expected) => self.read_packet_head(file, expected)?,
            Part::Packet(file, expected, head) => self.end_block(file, expected, head, on)?,
            Part::Trailer(file) => {
                let File { key, path, size } = file;
                self.counts.files += 1;
                self.expect_record();
                on(Event::Close { file: key, path: &path, size }).map_err(Stop::Caller)?;
            }
        }
        Ok(())
    }

    fn read_magic(&mut self) -> Result<(), QpressError> {
        let found = self.eight_bytes();
        if found != MAGIC {
            return Err(self.refuse(Fault::BadMagic { found }, None));
        }
        self.expect(Part::ChunkSize, CHUNK_SIZE);
        Ok(())
    }

    fn read_chunk_size(&mut self) -> Result<(), QpressError> {
        self.chunk_size = number_at::<8>(&self.field.bytes, 0);
        if self.chunk_size == 0 {
            return Err(self.refuse(Fault::NoChunkSize, None));
        }
        within("the chunk size of the archive", self.chunk_size, self.limits.max_chunk_size)
            .map_err(|fault| self.refuse(fault, None))?;
        self.expect_record();
        Ok(())
    }

    fn read_record<E>(&mut self, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let kind = self.field.bytes.first().copied().unwrap_or_default();
        if !matches!(kind, RECORD_DIRECTORY | RECORD_UP | RECORD_FILE) {
            return Err(self.refuse(Fault::BadRecord { byte: kind }, None).into());
        }
        if self.shape == Shape::Single && (kind != RECORD_FILE || self.counts.files > 0) {
            return Err(self.refuse(Fault::NotSingle, None).into());
        }
        if kind != RECORD_UP {
            self.expect(Part::NameLength { kind }, NAME_LENGTH);
            return Ok(());
        }
        let left = self.open.pop().ok_or_else(|| self.refuse(Fault::AboveTop, None))?;
        self.expect_record();
        on(Event::Leave { path: &left }).map_err(Stop::Caller)
    }

    /// Checks the length of a name before anything of it is taken. The NUL behind it does not count.
    fn read_name_length(&mut self, kind: u8) -> Result<(), QpressError> {
        let length = number_at::<4>(&self.field.bytes, 0);
        match usize::try_from(length) {
            Ok(0) => Err(self.refuse(PathError::Empty.into(), self.open.last())),
            Ok(wanted) if wanted <= COMPONENT_LIMIT => {
                self.expect(Part::Name { kind }, wanted + 1);
                Ok(())
            }
            _ => Err(self.refuse(PathError::TooLong { length }.into(), self.open.last())),
        }
    }

    fn read_name<E>(&mut self, kind: u8, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let path = self.gathered_path()?;
        within("the number of files and directories", self.seen.len() as u64 + 1, self.limits.max_entries)
            .and_then(|()| if self.seen.insert(path.clone()) { Ok(()) } else { Err(Fault::Duplicate) })
            .map_err(|fault| self.refuse(fault, Some(&path)))?;
        if kind == RECORD_FILE {
            let file = File { key: FileKey(self.counts.files), path: path.clone(), size: 0 };
            let key = file.key;
            self.expect_mark(file);
            return on(Event::Open { file: key, path: &path }).map_err(Stop::Caller);
        }
        let depth = self.open.len() as u64 + 1;
        within("the depth of directories", depth, self.limits.max_depth as u64)
            .map_err(|fault| self.refuse(fault, Some(&path)))?;
        self.counts.directories += 1;
        self.open.push(path.clone());
        self.expect_record();
        on(Event::Enter { path: &path }).map_err(Stop::Caller)
    }

    /// Checks the name that was gathered, with the NUL behind it.
    fn gathered_path(&self) -> Result<StreamPath, QpressError> {
        let (path, name) = match self.field.bytes.split_last() {
            Some((0, name)) => (StreamPath::child(self.open.last(), name).map_err(Fault::from), name),
            _ => (Err(Fault::NameUnterminated), self.field.bytes.as_slice()),
        };
        path.map_err(|fault| {
            let parent = self.open.last().map(|parent| format!("{parent}/")).unwrap_or_default();
            QpressError { offset: self.start, path: Some(format!("{parent}{}", escape(name))), fault }
        })
    }

    fn read_mark(&mut self, file: File) -> Result<(), QpressError> {
        match self.eight_bytes() {
            BLOCK_MARK => self.expect(Part::BlockHead(file), BLOCK_HEAD),
            TRAILER_MARK => self.expect(Part::Trailer(file), TRAILER),
            found => return Err(self.refuse(Fault::BadMark { found }, Some(&file.path))),
        }
        Ok(())
    }

    fn read_block_head(&mut self, file: File) -> Result<(), QpressError> {
        let found = number_at::<8>(&self.field.bytes, 0);
        let expected = number_at::<4>(&self.field.bytes, 8) as u32;
        if found != file.size {
            let fault = Fault::OutOfOrder { expected: file.size, found };
            return Err(self.refuse(fault, Some(&file.path)));
        }
        self.expect(Part::PacketFlags(file, expected), FLAGS);
        Ok(())
    }

    /// Checks the head of a packet before anything of the packet is taken.
    fn read_packet_head(&mut self, file: File, expected: u32) -> Result<(), QpressError> {
        let head = PacketHead::parse(&self.field.bytes).map_err(Fault::from);
        let head = head.and_then(|head| self.check_packet(&file, head).map(|()| head));
        let head = head.map_err(|fault| self.refuse(fault, Some(&file.path)))?;
        self.expect_more(Part::Packet(file, expected, head), head.packet_bytes);
        Ok(())
    }

    fn check_packet(&self, file: &File, head: PacketHead) -> Result<(), Fault> {
        let plain = head.plain_bytes as u64;
        let limit = self.chunk_size.min(self.limits.max_block_bytes);
        within("the size of a block", plain, limit)?;
        within("the size of a packet", head.packet_bytes as u64, limit.saturating_add(PACKET_EXCESS))?;
        within("the size of the file", file.size.saturating_add(plain), self.limits.max_file_size)?;
        let all = self.counts.plain_bytes.saturating_add(plain);
        within("the size of all files", all, self.limits.max_plain_bytes)
    }

    fn end_block<E>(
        &mut self,
        mut file: File,
        expected: u32,
        head: PacketHead,
        on: Listener<'_, E>,
    ) -> Result<(), Stop<E>> {
        let block = Block {
            file: file.key,
            path: file.path.clone(),
            start: self.start,
            offset: file.size,
            expected,
            head,
            packet: std::mem::take(&mut self.field.bytes),
        };
        file.size += head.plain_bytes as u64;
        self.counts.blocks += 1;
        self.counts.plain_bytes += head.plain_bytes as u64;
        self.expect_mark(file);
        on(Event::Block(block)).map_err(Stop::Caller)
    }

    /// The field of 8 bytes that was gathered.
    fn eight_bytes(&self) -> [u8; 8] {
        self.field.bytes.first_chunk().copied().unwrap_or_default()
    }

    fn refuse(&self, fault: Fault, path: Option<&StreamPath>) -> QpressError {
        QpressError { offset: self.start, path: path.map(ToString::to_string), fault }
    }
}

impl Part {
    /// The path of the file that is open.
    fn path(&self) -> Option<&StreamPath> {
        match self {
            Part::Magic | Part::ChunkSize | Part::Record | Part::NameLength { .. } | Part::Name { .. } => {
                None
            }
            Part::Mark(file)
            | Part::BlockHead(file)
            | Part::PacketFlags(file, _)
            | Part::PacketHead(file, _)
            | Part::Packet(file, _, _)
            | Part::Trailer(file) => Some(&file.path),
        }
    }
}

//! The parser of streams, pushed by whoever has the bytes.

use super::error::{Fault, XbstreamError};
use super::event::{Dialect, Event, Limits, StreamSummary};
use super::files::{FileTable, OpenFile, within};
use super::payload::Payload;
use super::{
    FLAG_REWRITE, FLAG_SKIPPABLE, MAGIC, PATH_LIMIT, TYPE_DATA, TYPE_END, TYPE_REMOVE, TYPE_RENAME,
    TYPE_SEEK_OR_SPARSE,
};
use crate::bytes::number_at;
use crate::field::Field;
use crate::path::{PathError, StreamPath, escape};

/// Sizes of the fields, in bytes.
const HEAD: usize = 6;
const DATA_HEAD: usize = 20;
const SEEK: usize = 8;
const SPARSE_HEAD: usize = 24;
const MAP_ENTRY: usize = 8;
const RENAME_HEAD: usize = 4;

/// The largest size of a file that the stream's offsets and those of the system calls can express.
const OFFSET_LIMIT: u64 = i64::MAX as u64;

/// Reads a stream that is fed to it in pieces of any size.
///
/// Payloads are never copied and never held: [`Event::Data`] lends a part of the input. Only heads, at most
/// 511 bytes at a time, and the map of a sparse chunk are gathered. After an error, its own or the caller's,
/// a decoder answers everything with an error.
///
/// ```
/// use xb_formats::xbstream::{Decoder, Dialect, Event, Limits, XbstreamError};
///
/// let mut names = Vec::new();
/// let mut decoder = Decoder::new(Limits::default(), Dialect::Auto);
/// for piece in [&b"XBSTCK01\0E\x05"[..], b"\0\0\0empty"] {
///     decoder.feed::<XbstreamError>(piece, &mut |event| {
///         if let Event::Close { path, .. } = event {
///             names.push(path.to_string());
///         }
///         Ok(())
///     })?;
/// }
/// assert_eq!(decoder.finish()?.files, 1);
/// assert_eq!(names, ["empty"]);
/// # Ok::<(), XbstreamError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    limits: Limits,
    dialect: Dialect,
    files: FileTable,
    part: Part,
    /// What `part` waits for.
    field: Field,
    /// Where the current chunk begins.
    chunk_start: u64,
    counts: StreamSummary,
    failed: Option<XbstreamError>,
}

/// What comes next in the stream.
#[derive(Debug)]
enum Part {
    Magic,
    Head,
    Path { kind: u8, rewrite: bool },
    DataHead { path: StreamPath, rewrite: bool },
    Seek { path: StreamPath },
    SeekOrSparse { path: StreamPath },
    SparseHead { path: StreamPath },
    Map { payload: Payload, entries_left: u32 },
    RenameHead { from: StreamPath },
    RenamePath { from: StreamPath },
    Payload(Payload),
}

/// Why parsing stops: a fault of the stream, or the caller's wish.
enum Stop<E> {
    Fault(XbstreamError),
    Caller(E),
}

impl<E> From<XbstreamError> for Stop<E> {
    fn from(error: XbstreamError) -> Self {
        Stop::Fault(error)
    }
}

/// What is told of a stream.
type Listener<'l, E> = &'l mut dyn FnMut(Event<'_>) -> Result<(), E>;

impl Decoder {
    /// A decoder at the beginning of a stream.
    #[must_use]
    pub fn new(limits: Limits, dialect: Dialect) -> Self {
        Decoder {
            limits,
            dialect,
            files: FileTable::default(),
            part: Part::Magic,
            field: Field::first(MAGIC.len()),
            chunk_start: 0,
            counts: StreamSummary::default(),
            failed: None,
        }
    }

    /// How many bytes have been read, which is also how many were fed unless there was an error.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.field.position
    }

    /// Reads the next piece of the stream and tells `on` what is in it.
    ///
    /// # Errors
    /// The first fault of the stream, or the error of `on`. Both are final: a later call gives the fault
    /// again, or [`Fault::GivenUp`].
    pub fn feed<E: From<XbstreamError>>(
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

    /// Ends the stream.
    ///
    /// # Errors
    /// When it ends inside a chunk or with a file open, and when there was an error before.
    pub fn finish(self) -> Result<StreamSummary, XbstreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if !matches!(self.part, Part::Magic) || !self.field.bytes.is_empty() {
            let fault = Fault::Truncated { end: self.field.position };
            return Err(self.refuse(fault, self.part.path()));
        }
        match self.files.unfinished() {
            Some(fault) => Err(self.refuse(fault, None)),
            None => Ok(StreamSummary { stream_bytes: self.field.position, ..self.counts }),
        }
    }

    fn read<E>(&mut self, mut input: &[u8], on: Listener<'_, E>) -> Result<(), Stop<E>> {
        loop {
            if let Part::Payload(payload) = &mut self.part {
                let before = input.len();
                let passed = payload.deliver(&mut input, on).map_err(Stop::Caller)?;
                self.field.position += (before - input.len()) as u64;
                if !passed {
                    return Ok(());
                }
                self.end_payload(on)?;
            } else {
                if !self.field.gather(&mut input) {
                    return Ok(());
                }
                self.read_field(on)?;
            }
        }
    }

    fn expect(&mut self, part: Part, wanted: usize) {
        self.part = part;
        self.field.expect(wanted);
    }

    fn expect_chunk(&mut self) {
        self.counts.chunks += 1;
        self.chunk_start = self.field.position;
        self.expect(Part::Magic, MAGIC.len());
    }

    /// Acts on a field that is complete.
    fn read_field<E>(&mut self, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        match std::mem::replace(&mut self.part, Part::Magic) {
            Part::Magic => self.read_magic()?,
            Part::Head => self.read_head()?,
            Part::Path { kind, rewrite } => self.read_path(kind, rewrite, on)?,
            Part::DataHead { path, rewrite } => self.read_data_head(path, rewrite, on)?,
            Part::Seek { path } => {
                self.seek(&path, on)?;
                self.expect_chunk();
            }
            Part::SeekOrSparse { path } => self.read_seek_or_sparse(path, on)?,
            Part::SparseHead { path } => self.read_sparse_head(path, on)?,
            Part::Map { payload, entries_left } => self.read_map_entry(payload, entries_left)?,
            Part::RenameHead { from } => {
                let length = number_at::<4>(&self.field.bytes, 0);
                let wanted = self.path_length(length, Some(&from))?;
                self.expect(Part::RenamePath { from }, wanted);
            }
            Part::RenamePath { from } => self.rename(&from, on)?,
            payload @ Part::Payload(_) => self.part = payload,
        }
        Ok(())
    }

    fn read_magic(&mut self) -> Result<(), XbstreamError> {
        if self.field.bytes != MAGIC {
            let mut found = [0; 8];
            found.copy_from_slice(&self.field.bytes);
            return Err(self.refuse(Fault::BadMagic { found }, None));
        }
        self.expect(Part::Head, HEAD);
        Ok(())
    }

    fn read_head(&mut self) -> Result<(), XbstreamError> {
        let (flags, kind) = (self.field.bytes[0], self.field.bytes[1]);
        if !matches!(kind, TYPE_DATA | TYPE_END | TYPE_SEEK_OR_SPARSE | TYPE_REMOVE | TYPE_RENAME) {
            return Err(self.refuse(Fault::UnknownType { byte: kind }, None));
        }
        if flags & !(FLAG_SKIPPABLE | FLAG_REWRITE) != 0 {
            return Err(self.refuse(Fault::UnknownFlag { flags }, None));
        }
        let wanted = self.path_length(number_at::<4>(&self.field.bytes, 2), None)?;
        self.expect(Part::Path { kind, rewrite: flags & FLAG_REWRITE != 0 }, wanted);
        Ok(())
    }

    /// Checks the length of a path before anything of it is taken.
    fn path_length(&self, length: u64, path: Option<&StreamPath>) -> Result<usize, XbstreamError> {
        match usize::try_from(length) {
            Ok(0) => Err(self.refuse(PathError::Empty.into(), path)),
            Ok(wanted) if wanted <= PATH_LIMIT => Ok(wanted),
            _ => Err(self.refuse(PathError::TooLong { length }.into(), path)),
        }
    }

    /// Checks the path that was gathered.
    fn gathered_path(&self) -> Result<StreamPath, XbstreamError> {
        StreamPath::new(&self.field.bytes).map_err(|error| XbstreamError {
            offset: self.chunk_start,
            path: Some(escape(&self.field.bytes)),
            fault: error.into(),
        })
    }

    fn read_path<E>(&mut self, kind: u8, rewrite: bool, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let path = self.gathered_path()?;
        match (kind, self.dialect) {
            (TYPE_DATA, _) => self.expect(Part::DataHead { path, rewrite }, DATA_HEAD),
            (TYPE_SEEK_OR_SPARSE, Dialect::Auto) => {
                self.expect(Part::SeekOrSparse { path }, SEEK + MAGIC.len());
            }
            (TYPE_SEEK_OR_SPARSE, Dialect::Percona) => self.expect(Part::SparseHead { path }, SPARSE_HEAD),
            (TYPE_SEEK_OR_SPARSE, Dialect::MariaDb) => self.expect(Part::Seek { path }, SEEK),
            (TYPE_RENAME, _) => self.expect(Part::RenameHead { from: path }, RENAME_HEAD),
            (TYPE_REMOVE, _) => self.remove(&path, on)?,
            _ => self.end_file(&path, on)?,
        }
        Ok(())
    }

    /// The file a chunk belongs to; the first chunk of a file opens it.
    fn enter<E>(
        &mut self,
        path: &StreamPath,
        rewrite: bool,
        on: Listener<'_, E>,
    ) -> Result<OpenFile, Stop<E>> {
        if let Some(file) = self.files.get(path) {
            return Ok(file);
        }
        let begun = self.files.begin(path, rewrite, &self.limits);
        let (file, replaces) = begun.map_err(|fault| self.refuse(fault, Some(path)))?;
        on(Event::Open { file: file.key, path, rewrite: replaces }).map_err(Stop::Caller)?;
        Ok(file)
    }

    fn read_data_head<E>(
        &mut self,
        path: StreamPath,
        rewrite: bool,
        on: Listener<'_, E>,
    ) -> Result<(), Stop<E>> {
        let length = number_at::<8>(&self.field.bytes, 0);
        let offset = number_at::<8>(&self.field.bytes, 8);
        let expected = number_at::<4>(&self.field.bytes, 16) as u32;
        let file = self.enter_at(&path, rewrite, offset, length, on)?;
        self.part = Part::Payload(Payload::data(path, file, length, expected));
        Ok(())
    }

    /// The file a chunk with a payload belongs to; the payload must fit where the chunk puts it.
    fn enter_at<E>(
        &mut self,
        path: &StreamPath,
        rewrite: bool,
        offset: u64,
        length: u64,
        on: Listener<'_, E>,
    ) -> Result<OpenFile, Stop<E>> {
        within("the length of a chunk", length, self.limits.max_payload_bytes)
            .and_then(|()| self.check_size(offset.checked_add(length)))
            .map_err(|fault| self.refuse(fault, Some(path)))?;
        let file = self.enter(path, rewrite, on)?;
        if file.position != offset {
            let fault = Fault::OutOfOrder { expected: file.position, found: offset };
            return Err(self.refuse(fault, Some(path)).into());
        }
        Ok(file)
    }

    /// Checks where a chunk leads a file; nothing stands for an overflow.
    fn check_size(&self, end: Option<u64>) -> Result<(), Fault> {
        let limit = self.limits.max_file_size.min(OFFSET_LIMIT);
        within("the size of the file", end.unwrap_or(u64::MAX), limit)
    }

    /// Decides by what stands where the next chunk would begin if this were a seek.
    fn read_seek_or_sparse<E>(&mut self, path: StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        if self.field.bytes[SEEK..] == MAGIC {
            self.seek(&path, on)?;
            self.expect_chunk();
            self.chunk_start = self.field.position - MAGIC.len() as u64;
            self.expect(Part::Head, HEAD);
        } else {
            self.part = Part::SparseHead { path };
            self.field.wanted = SPARSE_HEAD;
        }
        Ok(())
    }

    fn seek<E>(&mut self, path: &StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let offset = number_at::<8>(&self.field.bytes, 0);
        self.check_size(Some(offset)).map_err(|fault| self.refuse(fault, Some(path)))?;
        let mut file = self.enter(path, false, on)?;
        file.position = offset;
        self.files.update(path, file);
        on(Event::Seek { file: file.key, offset }).map_err(Stop::Caller)
    }

    fn read_sparse_head<E>(&mut self, path: StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let entries = number_at::<4>(&self.field.bytes, 0) as u32;
        let length = number_at::<8>(&self.field.bytes, 4);
        let offset = number_at::<8>(&self.field.bytes, 12);
        let expected = number_at::<4>(&self.field.bytes, 20) as u32;
        let limit = u64::from(self.limits.max_map_entries);
        within("the number of map entries", u64::from(entries), limit)
            .map_err(|fault| self.refuse(fault, Some(&path)))?;
        let file = self.enter_at(&path, false, offset, length, on)?;
        let payload = Payload::sparse(path, file, length, expected);
        if entries == 0 {
            self.end_map(payload)?;
        } else {
            self.expect(Part::Map { payload, entries_left: entries }, MAP_ENTRY);
        }
        Ok(())
    }

    fn read_map_entry(&mut self, mut payload: Payload, entries_left: u32) -> Result<(), XbstreamError> {
        payload.add_entry(number_at::<8>(&self.field.bytes, 0).to_le_bytes());
        match entries_left - 1 {
            0 => self.end_map(payload),
            entries_left => {
                self.expect(Part::Map { payload, entries_left }, MAP_ENTRY);
                Ok(())
            }
        }
    }

    /// Checks the map as a whole. From here on no position in the file can overflow.
    fn end_map(&mut self, payload: Payload) -> Result<(), XbstreamError> {
        let (skips, described) = payload.sums();
        let length = payload.length;
        let end = payload.file.position.checked_add(skips).and_then(|end| end.checked_add(length));
        let map = if described == length { Ok(()) } else { Err(Fault::BadMap { described, length }) };
        map.and_then(|()| self.check_size(end)).map_err(|fault| self.refuse(fault, Some(&payload.path)))?;
        self.part = Part::Payload(payload);
        Ok(())
    }

    /// Checks a payload that has passed, and ends its chunk.
    fn end_payload<E>(&mut self, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        if let Part::Payload(mut payload) = std::mem::replace(&mut self.part, Part::Magic) {
            let extended = payload.verify().map_err(|fault| self.refuse(fault, Some(&payload.path)))?;
            let file = payload.file;
            self.files.update(&payload.path, file);
            self.counts.payload_bytes += payload.length;
            if extended {
                on(Event::Extend { file: file.key, size: file.size }).map_err(Stop::Caller)?;
            }
            on(Event::ChunkEnd { file: file.key }).map_err(Stop::Caller)?;
        }
        self.expect_chunk();
        Ok(())
    }

    /// A file that was not open is one of no bytes: its end is its only chunk.
    fn end_file<E>(&mut self, path: &StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let file = self.enter(path, false, on)?;
        self.files.end(path);
        self.counts.files += 1;
        on(Event::Close { file: file.key, path, size: file.size }).map_err(Stop::Caller)?;
        self.expect_chunk();
        Ok(())
    }

    fn remove<E>(&mut self, path: &StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let known = self.files.remove(path).map_err(|fault| self.refuse(fault, Some(path)))?;
        if known {
            on(Event::Remove { path }).map_err(Stop::Caller)?;
        }
        self.expect_chunk();
        Ok(())
    }

    fn rename<E>(&mut self, from: &StreamPath, on: Listener<'_, E>) -> Result<(), Stop<E>> {
        let to = self.gathered_path()?;
        let renamed = self.files.rename(from, &to).map_err(|fault| self.refuse(fault, Some(from)))?;
        if renamed {
            on(Event::Rename { from, to: &to }).map_err(Stop::Caller)?;
        }
        self.expect_chunk();
        Ok(())
    }

    fn refuse(&self, fault: Fault, path: Option<&StreamPath>) -> XbstreamError {
        XbstreamError { offset: self.chunk_start, path: path.map(ToString::to_string), fault }
    }
}

impl Part {
    /// The path of the chunk, once it is known.
    fn path(&self) -> Option<&StreamPath> {
        match self {
            Part::Magic | Part::Head | Part::Path { .. } => None,
            Part::DataHead { path, .. }
            | Part::Seek { path }
            | Part::SeekOrSparse { path }
            | Part::SparseHead { path }
            | Part::RenameHead { from: path }
            | Part::RenamePath { from: path } => Some(path),
            Part::Map { payload, .. } | Part::Payload(payload) => Some(&payload.path),
        }
    }
}

//! Reading a log in whatever form it is stored, held against what is known of it.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use xb_core::BinlogName;
use xb_formats::binlog::{FileReader, MAGIC};
use xb_pipeline::fs::FsError;
use xb_pipeline::keys::Keys;
use xb_pipeline::single::{FileForm, unpack_single};
use xb_pipeline::store::StoreError;
use xb_pipeline::{Digest, FlowError};

use super::describe::LogHasher;
use super::entry::LogEntry;
use super::error::ArchiveError;
use super::listing::{Listing, LogFiles};
use super::names::{log_file, partial_file};
use super::pieces;
use super::shelf::read_entry;

/// How often to look again for a log that got another name meanwhile.
pub(crate) const LOOKS: usize = 5;

/// What a closed log has to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    size_bytes: u64,
    digest: Option<Digest>,
}

impl Expected {
    /// What is known of a log.
    pub(crate) fn of(entry: &LogEntry) -> Self {
        Expected { size_bytes: entry.size_bytes, digest: entry.digest }
    }

    /// This many bytes.
    pub(crate) fn length(size_bytes: u64) -> Self {
        Expected { size_bytes, digest: None }
    }
}

/// Holds what is read against what it must be, and says of every error where it is.
struct Checked {
    reader: Box<dyn Read + Send>,
    place: PathBuf,
    expected: Option<Expected>,
    hasher: LogHasher,
    is_over: bool,
}

impl Checked {
    fn finish(&mut self) -> Result<(), ArchiveError> {
        self.is_over = true;
        let Some(Expected { size_bytes, digest }) = self.expected else { return Ok(()) };
        let (place, found) = (self.place.clone(), self.hasher.length());
        if found != size_bytes {
            return Err(ArchiveError::Length { path: place, expected: size_bytes, found });
        }
        match digest.map(|expected| (expected, self.hasher.digest())) {
            Some((expected, found)) if expected != found => {
                Err(ArchiveError::Digest { path: place, bytes: size_bytes, expected, found })
            }
            _ => Ok(()),
        }
    }
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_over || buffer.is_empty() {
            return Ok(0);
        }
        let got = match self.reader.read(buffer) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => return Err(io::Error::other(at_place(&self.place, error))),
        };
        if got == 0 {
            return self.finish().map(|()| 0).map_err(io::Error::other);
        }
        self.hasher.update(buffer.get(..got).unwrap_or_default());
        let found = self.hasher.length();
        if let Some(Expected { size_bytes: expected, .. }) = self.expected
            && found > expected
        {
            return Err(io::Error::other(ArchiveError::Length { path: self.place.clone(), expected, found }));
        }
        Ok(got)
    }
}

/// What went wrong while something was read.
fn at_place(place: &Path, error: io::Error) -> ArchiveError {
    let error = match error.downcast::<ArchiveError>() {
        Ok(error) => return error,
        Err(error) => error,
    };
    match error.downcast::<FlowError>() {
        Ok(source) => packed(place, source),
        Err(error) => match error.downcast::<StoreError>() {
            Ok(error) => error.into(),
            Err(error) => FsError::on("read", place)(error).into(),
        },
    }
}

/// What went wrong while something was unpacked.
pub(crate) fn packed(place: &Path, source: FlowError) -> ArchiveError {
    match source {
        FlowError::Store(error) => error.into(),
        FlowError::Fs(error) => error.into(),
        FlowError::Read(error) => at_place(place, error),
        source => ArchiveError::Packed { path: place.to_owned(), source },
    }
}

/// A log, or a piece of one, unpacked and checked.
pub(crate) fn unpacked(
    input: impl Read + Send + 'static,
    place: PathBuf,
    form: FileForm,
    keys: &Keys,
    expected: Option<Expected>,
) -> Result<Box<dyn Read + Send>, ArchiveError> {
    let reader = unpack_single(input, form, keys).map_err(|error| packed(&place, error))?;
    Ok(Box::new(Checked { reader, place, expected, hasher: LogHasher::default(), is_over: false }))
}

/// Opens a log of the epoch in `directory`, in whatever form it is there.
pub(crate) fn open_log(
    directory: &Path,
    name: &BinlogName,
    keys: &Keys,
) -> Result<Box<dyn Read + Send>, ArchiveError> {
    let mut looks = 1;
    loop {
        match try_open(directory, name, keys) {
            Err(error) if error.is_missing() && looks < LOOKS => looks += 1,
            Err(error) if error.is_missing() => {
                return Err(ArchiveError::NoLog { directory: directory.to_owned(), log: name.clone() });
            }
            other => return other,
        }
    }
}

fn try_open(directory: &Path, name: &BinlogName, keys: &Keys) -> Result<Box<dyn Read + Send>, ArchiveError> {
    let entry = read_entry(directory, name).unwrap_or_default();
    let likely = directory.join(log_file(name, entry.as_ref().map(LogEntry::form).unwrap_or_default()));
    let (form, path) = match (&entry, likely.exists()) {
        (Some(entry), true) => (entry.form(), likely),
        _ => {
            let listing = Listing::read(directory)?;
            let files = listing.log(name);
            match files.and_then(|files| files.forms.first()) {
                Some(form) => (*form, directory.join(log_file(name, *form))),
                None => return open_unclosed(directory, name, files, keys),
            }
        }
    };
    let file = File::open(&path).map_err(FsError::on("open", &path))?;
    unpacked(file, path, form, keys, entry.as_ref().map(Expected::of))
}

/// A log that is not closed, from what goes further: the file that was written here, or pieces of it.
fn open_unclosed(
    directory: &Path,
    name: &BinlogName,
    files: Option<&LogFiles>,
    keys: &Keys,
) -> Result<Box<dyn Read + Send>, ArchiveError> {
    match files.and_then(|files| Some((files, pieces::further(directory, files)?))) {
        Some((files, chain)) => Ok(pieces::in_directory(directory, files, chain, keys)),
        None => open_events(&directory.join(partial_file(name))),
    }
}

/// A log that is being written, up to its last whole event.
pub(crate) fn open_events(path: &Path) -> Result<Box<dyn Read + Send>, ArchiveError> {
    let file = File::open(path).map_err(FsError::on("open", path))?;
    Ok(Box::new(WholeEvents { events: FileReader::new(file), path: path.to_owned(), ready: None, at: 0 }))
}

/// Leaves out what is not a whole event.
struct WholeEvents {
    events: FileReader<File>,
    path: PathBuf,
    /// Nothing before the first byte.
    ready: Option<Vec<u8>>,
    at: usize,
}

impl Read for WholeEvents {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let ready = self.ready.as_deref().unwrap_or_default();
            let rest = ready.get(self.at..).unwrap_or_default();
            if !rest.is_empty() || buffer.is_empty() {
                let got = rest.len().min(buffer.len());
                buffer[..got].copy_from_slice(&rest[..got]);
                self.at += got;
                return Ok(got);
            }
            let is_first = self.ready.is_none();
            let next = match self.events.next() {
                None if is_first && self.has_magic() => MAGIC.to_vec(),
                None => return Ok(0),
                Some(Err(source)) => {
                    let path = self.path.clone();
                    return Err(io::Error::other(ArchiveError::Read { path, source }));
                }
                Some(Ok(event)) if is_first => [&MAGIC[..], &event.bytes].concat(),
                Some(Ok(event)) => event.bytes,
            };
            (self.ready, self.at) = (Some(next), 0);
        }
    }
}

impl WholeEvents {
    /// Whether a log without events has at least the bytes at its head.
    fn has_magic(&self) -> bool {
        use xb_formats::binlog::End;
        !matches!(self.events.end(), Some(End::Torn { at: 0, .. } | End::Open { at: 0 }) | None)
    }
}

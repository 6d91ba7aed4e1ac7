//! The file of an archive that is being written.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::{
    BinlogError, End, Event, EventCheck, EventHeader, EventKind, FIRST_EVENT, FileFacts, FileReader, MAGIC,
};
use xb_pipeline::Digest;
use xb_pipeline::fs::{FsError, create_private, rename_new, sync_dir};

use super::describe::LogHasher;
use super::entry::{LogEntry, LogState};
use super::error::ArchiveError;
use super::names::partial_file;
use super::seal::write_entry;

/// Bytes gathered before they are handed to the system.
const BUFFER: usize = 256 * 1024;
/// Where the flags of a format description are in its event.
const FLAGS: usize = 17;

/// The newest event of an archive, by which another server, or the same one begun anew, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// Where it begins in its file, in bytes.
    pub position: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The BLAKE3 digest of all of it, without the in-use flag. Not a CRC-32: that of everything which ends
    /// with its own is the same.
    pub digest: Digest,
}

impl LastEvent {
    /// What to remember of an event.
    #[must_use]
    pub fn of(position: u64, bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bytes.get(..FLAGS).unwrap_or(bytes));
        if let Some((flags, rest)) = bytes.get(FLAGS..).and_then(<[u8]>::split_first) {
            let is_format = bytes.get(4) == Some(&EventKind::FORMAT_DESCRIPTION.0);
            hasher.update(&[if is_format { flags & !(EventHeader::IN_USE as u8) } else { *flags }]);
            hasher.update(rest);
        }
        LastEvent { position, length: bytes.len() as u64, digest: hasher.finalize().into() }
    }
}

/// A file `<name>.partial`, of which every event was checked before it was written.
#[derive(Debug)]
pub struct Partial {
    name: BinlogName,
    path: PathBuf,
    file: BufWriter<File>,
    check: EventCheck,
    facts: FileFacts,
    last: Option<LastEvent>,
    hasher: LogHasher,
    is_synced: bool,
}

/// Where the file of this name is while it is not complete.
pub(super) fn partial_path(directory: &Path, name: &BinlogName) -> PathBuf {
    directory.join(partial_file(name))
}

impl Partial {
    /// Begins a new file.
    pub(super) fn create(directory: &Path, name: BinlogName) -> Result<Self, ArchiveError> {
        let path = partial_path(directory, &name);
        let mut file = BufWriter::with_capacity(BUFFER, create_private(&path)?);
        file.write_all(&MAGIC).map_err(FsError::on("write", &path))?;
        sync_dir(directory)?;
        let (check, facts) = (EventCheck::new(), FileFacts::default());
        let hasher = magic_hasher();
        Ok(Partial { name, path, file, check, facts, last: None, hasher, is_synced: false })
    }

    /// Goes on with a file that an earlier run left. What does not stand the check is cut off and kept
    /// beside it, as `<name>.torn-<offset>`.
    pub(super) fn open(directory: &Path, name: BinlogName) -> Result<Self, ArchiveError> {
        let path = partial_path(directory, &name);
        let mut file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(FsError::on("open", &path))?;
        let Good { good, check, facts, last, hasher } = read_good(&mut file, &path)?;
        let length = file.metadata().map_err(FsError::on("look at", &path))?.len();
        if good < length {
            keep_aside(&mut file, &path, good, &directory.join(format!("{name}.torn-{good}")))?;
            file.set_len(good).map_err(FsError::on("shorten", &path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(FsError::on("seek in", &path))?;
        let mut file = BufWriter::with_capacity(BUFFER, file);
        if good < FIRST_EVENT {
            file.write_all(&MAGIC).map_err(FsError::on("write", &path))?;
        }
        Ok(Partial { name, path, file, check, facts, last, hasher, is_synced: false })
    }

    /// Its name when it is complete.
    #[must_use]
    pub fn name(&self) -> &BinlogName {
        &self.name
    }

    /// Where its next event begins.
    #[must_use]
    pub fn end(&self) -> BinlogCoord {
        BinlogCoord { file: self.name.clone(), position: self.check.position() }
    }

    /// What its events say.
    #[must_use]
    pub fn facts(&self) -> &FileFacts {
        &self.facts
    }

    /// Its last event, if it has one.
    #[must_use]
    pub fn last(&self) -> Option<LastEvent> {
        self.last
    }

    /// Whether all of it is on the disk.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Adds the next event.
    ///
    /// # Errors
    /// [`ArchiveError::Event`] when it is not the next one, or damaged; nothing is written then.
    pub fn append(&mut self, bytes: Vec<u8>) -> Result<Event, ArchiveError> {
        let offset = self.check.position();
        let event = self.check.check(bytes).map_err(|fault| {
            let source = BinlogError { offset, fault };
            ArchiveError::Event { file: self.name.clone(), source }
        })?;
        self.is_synced = false;
        self.file.write_all(&event.bytes).map_err(FsError::on("write", &self.path))?;
        self.hasher.update(&event.bytes);
        self.facts.observe(&event);
        self.last = Some(LastEvent::of(event.offset, &event.bytes));
        Ok(event)
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`]. The file is not to be trusted any more then; open it again.
    pub fn sync(&mut self) -> Result<(), ArchiveError> {
        if !self.is_synced {
            self.file.flush().map_err(FsError::on("write", &self.path))?;
            self.file.get_ref().sync_data().map_err(FsError::on("sync", &self.path))?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Gives it the name of a complete file, and writes down what is known of it.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`].
    pub fn complete(mut self) -> Result<PathBuf, ArchiveError> {
        self.sync()?;
        let path = self.path.with_extension("");
        rename_new(&self.path, &path)?;
        write_entry(path.parent().unwrap_or(Path::new(".")), &self.closed_entry())?;
        Ok(path)
    }

    /// What is known of it once it is complete.
    fn closed_entry(&self) -> LogEntry {
        let entry = LogEntry::of(self.name.clone(), LogState::Closed, &self.facts, self.last);
        LogEntry { size_bytes: self.hasher.length(), digest: Some(self.hasher.digest()), ..entry }
    }
}

fn magic_hasher() -> LogHasher {
    let mut hasher = LogHasher::default();
    hasher.update(&MAGIC);
    hasher
}

/// How far a file is good, what is needed to go on there, and what it says so far.
struct Good {
    good: u64,
    check: EventCheck,
    facts: FileFacts,
    last: Option<LastEvent>,
    hasher: LogHasher,
}

fn read_good(file: &mut File, path: &Path) -> Result<Good, ArchiveError> {
    let mut reader = FileReader::new(file);
    let (mut last, mut hasher) = (None, magic_hasher());
    loop {
        match reader.next() {
            Some(Ok(event)) => {
                hasher.update(&event.bytes);
                last = Some(LastEvent::of(event.offset, &event.bytes));
            }
            Some(Err(xb_formats::binlog::ReadError::Io(source))) => {
                return Err(FsError::on("read", path)(source).into());
            }
            // What is damaged is fetched again, from the last good event on.
            Some(Err(_)) | None => break,
        }
    }
    let is_begun = !matches!(reader.end(), Some(End::Torn { at: 0, .. } | End::Open { at: 0 }) | None);
    let (check, facts) = reader.into_parts();
    let good = if is_begun || last.is_some() { check.position() } else { 0 };
    Ok(Good { good, check, facts, last, hasher })
}

/// Copies what follows a place into a file of its own.
fn keep_aside(file: &mut File, path: &Path, from: u64, to: &Path) -> Result<(), ArchiveError> {
    // That of an earlier run at the same place is no worse, but both have to have gone through the same.
    if to.exists() {
        return Ok(());
    }
    file.seek(SeekFrom::Start(from)).map_err(FsError::on("seek in", path))?;
    let mut torn = create_private(to)?;
    std::io::copy(&mut file.take(u64::MAX), &mut torn).map_err(FsError::on("copy the torn end into", to))?;
    torn.sync_all().map_err(FsError::on("sync", to))?;
    Ok(sync_dir(to.parent().unwrap_or(Path::new(".")))?)
}

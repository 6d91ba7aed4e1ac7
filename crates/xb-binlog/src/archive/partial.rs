//! The file of an archive that is being written.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::{
    BinlogError, End, EventCheck, FIRST_EVENT, FileFacts, FileReader, MAGIC, ReadError,
};
use xb_pipeline::fs::{FsError, create_private, rename_new, sync_dir};

use super::describe::LogHasher;
use super::entry::{LogEntry, LogState};
use super::error::ArchiveError;
use super::last::{LastEvent, Newest};
use super::names::partial_file;
use super::output::LogOutput;
use super::seal::write_entry;

/// A file `<name>.partial`, of which every event was checked before it was written.
#[derive(Debug)]
pub struct Partial {
    name: BinlogName,
    output: LogOutput,
    check: EventCheck,
    facts: FileFacts,
    newest: Newest,
}

/// Where the file of this name is while it is not complete.
pub(super) fn partial_path(directory: &Path, name: &BinlogName) -> PathBuf {
    directory.join(partial_file(name))
}

impl Partial {
    /// Begins a new file.
    pub(super) fn create(directory: &Path, name: BinlogName) -> Result<Self, ArchiveError> {
        let path = partial_path(directory, &name);
        let file = create_private(&path)?;
        let mut output = LogOutput::new(path, file, LogHasher::default());
        output.write(&MAGIC)?;
        sync_dir(directory)?;
        Ok(Partial {
            name,
            output,
            check: EventCheck::new(),
            facts: FileFacts::default(),
            newest: Newest::None,
        })
    }

    /// Goes on with a file that an earlier run left. What does not stand the check is cut off and kept
    /// beside it, as `<name>.torn-<offset>`.
    pub(super) fn open(directory: &Path, name: BinlogName) -> Result<Self, ArchiveError> {
        let path = partial_path(directory, &name);
        let mut file =
            OpenOptions::new().read(true).write(true).open(&path).map_err(FsError::on("open", &path))?;
        let Good { good, check, facts, newest, hasher } = read_good(&mut file, &path)?;
        let length = file.metadata().map_err(FsError::on("look at", &path))?.len();
        if good < length {
            keep_aside(&mut file, &path, good, &directory.join(format!("{name}.torn-{good}")))?;
            file.set_len(good).map_err(FsError::on("shorten", &path))?;
        }
        file.seek(SeekFrom::End(0)).map_err(FsError::on("seek in", &path))?;
        let mut output = LogOutput::new(path, file, hasher);
        if good < FIRST_EVENT {
            output.write(&MAGIC)?;
        }
        Ok(Partial { name, output, check, facts, newest })
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
        self.newest.get()
    }

    /// Whether all of it is on the disk.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.output.is_synced()
    }

    /// Adds the next event, and says how long it is, in bytes.
    ///
    /// # Errors
    /// [`ArchiveError::Event`] when it is not the next one, or damaged; nothing is written then.
    pub fn append(&mut self, bytes: Vec<u8>) -> Result<u64, ArchiveError> {
        let offset = self.check.position();
        let event = self.check.check(bytes).map_err(|fault| {
            let source = BinlogError { offset, fault };
            ArchiveError::Event { file: self.name.clone(), source }
        })?;
        self.output.write(&event.bytes)?;
        self.facts.observe(&event);
        self.newest.set(event);
        Ok(self.check.position() - offset)
    }

    /// Waits until all of it is on the disk.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`]. The file is not to be trusted any more then; open it again.
    pub fn sync(&mut self) -> Result<(), ArchiveError> {
        Ok(self.output.sync()?)
    }

    /// Gives it the name of a complete file, and writes down what is known of it.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`].
    pub fn complete(mut self) -> Result<PathBuf, ArchiveError> {
        self.sync()?;
        let path = self.output.path().with_extension("");
        rename_new(self.output.path(), &path)?;
        write_entry(path.parent().unwrap_or(Path::new(".")), &self.closed_entry())?;
        Ok(path)
    }

    /// What is known of it once it is complete.
    fn closed_entry(&self) -> LogEntry {
        let entry = LogEntry::of(self.name.clone(), LogState::Closed, &self.facts, self.last());
        let (size_bytes, digest) = self.output.digest();
        LogEntry { size_bytes, digest: Some(digest), ..entry }
    }
}

/// How far a file is good, what is needed to go on there, and what it says so far.
struct Good {
    good: u64,
    check: EventCheck,
    facts: FileFacts,
    newest: Newest,
    hasher: LogHasher,
}

fn read_good(file: &mut File, path: &Path) -> Result<Good, ArchiveError> {
    let mut reader = FileReader::new(file);
    let (mut newest, mut hasher) = (Newest::None, LogHasher::default());
    hasher.update(&MAGIC);
    loop {
        match reader.next() {
            Some(Ok(event)) => {
                hasher.update(&event.bytes);
                newest.set(event);
            }
            Some(Err(ReadError::Io(source))) => return Err(FsError::on("read", path)(source).into()),
            // What is damaged is fetched again, from the last good event on.
            Some(Err(ReadError::Format(_))) | None => break,
        }
    }
    let is_begun = !matches!(reader.end(), Some(End::Torn { at: 0, .. } | End::Open { at: 0 }) | None);
    let (check, facts) = reader.into_parts();
    if is_begun || newest.get().is_some() {
        return Ok(Good { good: check.position(), check, facts, newest, hasher });
    }
    Ok(Good { good: 0, check, facts, newest, hasher: LogHasher::default() })
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

//! An archive as a whole: its epochs, and the logs that lie in it without one.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use xb_core::{BinlogName, Flavor};
use xb_pipeline::fs::{FsError, create_dir_private, sync_dir, write_atomic};
use xb_pipeline::keys::Keys;

use super::directory::EpochDirectory;
use super::entry::LogEntry;
use super::epoch::{Beginning, Epoch, EpochNumber, EpochRecord, EpochServer};
use super::error::ArchiveError;
use super::lock::lock_directory;
use super::names::{EPOCH, Known, epoch_directory, epoch_number, known};
use super::picture::{Logs, Picture};
use super::read::{open_events, open_log};
use super::seal::{from_text, to_text};
use super::shelf::{Remembered, Shelf};

/// An archive, for whoever looks at it. What others do to it meanwhile does no harm.
#[derive(Debug)]
pub struct ArchiveView {
    root: PathBuf,
    keys: Keys,
    /// Whether this process is the one that adds to it.
    is_held: bool,
    /// Whether logs of which nothing is written down are left unread.
    is_brief: bool,
    remembered: Remembered,
}

impl ArchiveView {
    /// The same with keys for logs that are encrypted. Without them only what is written down is known of those.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        ArchiveView { keys, ..self }
    }

    /// The same for whoever cannot wait: of the log that is written, and of logs that somebody put there without an
    /// epoch, the picture has name and length only, so that none is read. Of the newest of these it has how it begins.
    #[must_use]
    pub fn brief(self) -> Self {
        ArchiveView { is_brief: true, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What opens logs that are encrypted.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The directory of an epoch.
    #[must_use]
    pub fn directory(&self, epoch: EpochNumber) -> PathBuf {
        if epoch == 0 { self.root.clone() } else { self.root.join(epoch_directory(epoch)) }
    }

    /// All that is in it. Logs are read only where nothing is written down of them.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`]; [`ArchiveError::Record`] when it cannot be told whose logs an epoch has.
    pub fn picture(&self) -> Result<Picture, ArchiveError> {
        let mut picture = Picture::default();
        let shelves = match self.shelves() {
            Err(error) if error.is_missing() && !self.root.exists() => return Ok(picture),
            other => other?,
        };
        picture.strangers = shelves.strangers;
        if shelves.has_flat {
            let (logs, faults, strangers) = self.shelf(&self.root, true).logs()?;
            picture.strangers.extend(strangers);
            if !logs.is_empty() || !faults.is_empty() {
                picture.epochs.push(Epoch { record: flat_record(&logs), logs, faults });
            }
        }
        for number in shelves.epochs {
            let directory = self.directory(number);
            match self.record(number).and_then(|record| Ok((record, self.shelf(&directory, false).logs()?))) {
                Ok((Some(record), (logs, faults, strangers))) => {
                    let name = epoch_directory(number);
                    picture.strangers.extend(strangers.iter().map(|stranger| format!("{name}/{stranger}")));
                    picture.epochs.push(Epoch { record, logs, faults });
                }
                // Begun and not gone on with, or removed meanwhile.
                Ok((None, (logs, faults, _))) if logs.is_empty() && faults.is_empty() => {}
                Ok((None, _)) => picture.strangers.push(epoch_directory(number)),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(picture)
    }

    fn shelf<'a>(&'a self, directory: &'a Path, is_flat: bool) -> Shelf<'a> {
        let writes = self.is_held && !is_flat;
        let (keys, remembered, is_brief) = (&self.keys, Some(&self.remembered), self.is_brief);
        Shelf { directory, keys, writes, remembered, is_flat, is_brief }
    }

    /// What lies in the root.
    fn shelves(&self) -> Result<Shelves, ArchiveError> {
        let root = &self.root;
        let mut shelves = Shelves::default();
        for entry in fs::read_dir(root).map_err(FsError::on("read directory", root))? {
            let entry = entry.map_err(FsError::on("read directory", root))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            match epoch_number(&name).filter(|number| *number > 0 && is_directory) {
                Some(number) => shelves.epochs.push(number),
                None if is_directory => shelves.strangers.push(format!("{name}/")),
                None => shelves.has_flat = true,
            }
        }
        shelves.epochs.sort_unstable();
        shelves.strangers.sort();
        Ok(shelves)
    }

    /// The record of an epoch; none where it was begun and not gone on with.
    fn record(&self, number: EpochNumber) -> Result<Option<EpochRecord>, ArchiveError> {
        let path = self.directory(number).join(EPOCH);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FsError::on("read", &path)(error).into()),
        };
        record_of(number, &text).map(Some).map_err(|reason| ArchiveError::record(&path, reason))
    }
}

/// Reads what is written of an epoch.
pub(crate) fn record_of(number: EpochNumber, text: &[u8]) -> Result<EpochRecord, String> {
    let record: EpochRecord = from_text(text).map_err(|reason| {
        format!("{reason}; put a copy of this file in its place, if there is one elsewhere")
    })?;
    if record.number == number {
        Ok(record)
    } else {
        Err(format!("it is about epoch {}; give its directory the name it had", record.number))
    }
}

/// What lies in the root of an archive.
#[derive(Default)]
struct Shelves {
    epochs: Vec<EpochNumber>,
    has_flat: bool,
    strangers: Vec<String>,
}

/// What can be told of logs that lie in the archive itself.
fn flat_record(logs: &[LogEntry]) -> EpochRecord {
    let first = logs.first();
    let version = first.and_then(|log| log.server_version.clone()).unwrap_or_default();
    let begun = first.and_then(|log| log.begun).unwrap_or_default();
    let server = EpochServer {
        address: String::new(),
        flavor: Flavor::of(&version, ""),
        version,
        server_id: first.and_then(|log| log.server_id).unwrap_or_default(),
        uuid: None,
    };
    let begun = DateTime::from_timestamp(begun.into(), 0).unwrap_or_default();
    EpochRecord { number: 0, begun, server, beginning: Beginning::First }
}

impl Logs for ArchiveView {
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let directory = self.directory(epoch);
        if epoch > 0 {
            return open_log(&directory, log, &self.keys);
        }
        match open_events(&directory.join(log.to_string())) {
            Err(error) if error.is_missing() => Err(ArchiveError::NoLog { directory, log: log.clone() }),
            other => other,
        }
    }
}

/// An archive that this process alone adds to. Looks as everybody else does, and writes down what it finds out.
#[derive(Debug)]
pub struct BinlogArchive {
    view: ArchiveView,
    /// Held as long as the archive is.
    _lock: File,
}

impl Deref for BinlogArchive {
    type Target = ArchiveView;

    fn deref(&self) -> &ArchiveView {
        &self.view
    }
}

impl BinlogArchive {
    /// Opens an archive for adding to it. It is created when it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::InUse`], which names the process to stop; [`ArchiveError::Fs`].
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let root = root.into();
        create_dir_private(&root)?;
        let lock = lock_directory(&root)?;
        let view = ArchiveView { is_held: true, ..Self::look(root) };
        Ok(BinlogArchive { view, _lock: lock })
    }

    /// Looks at an archive, whoever adds to it. One that is not there is empty.
    #[must_use]
    pub fn look(root: impl Into<PathBuf>) -> ArchiveView {
        ArchiveView {
            root: root.into(),
            keys: Keys::default(),
            is_held: false,
            is_brief: false,
            remembered: Remembered::default(),
        }
    }

    /// The same with keys for logs that are encrypted.
    #[must_use]
    pub fn with_keys(self, keys: Keys) -> Self {
        BinlogArchive { view: self.view.with_keys(keys), ..self }
    }

    /// The newest epoch, for going on with it.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn newest(&self) -> Result<Option<(EpochRecord, EpochDirectory)>, ArchiveError> {
        for number in self.shelves()?.epochs.into_iter().rev() {
            if let Some(record) = self.record(number)? {
                return Ok(Some((record, EpochDirectory::open(self.directory(number))?)));
            }
        }
        Ok(None)
    }

    /// Begins an epoch behind all others, and behind that of the number `taken`, which a copy of an archive that
    /// is lost may have; 0 where none has.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin_epoch(
        &self,
        taken: EpochNumber,
        server: EpochServer,
        beginning: Beginning,
        now: DateTime<Utc>,
    ) -> Result<(EpochRecord, EpochDirectory), ArchiveError> {
        let mut number = taken + 1;
        for there in self.shelves()?.epochs {
            let directory = self.directory(there);
            let is_dead = !directory.join(EPOCH).exists() && is_empty(&directory)?;
            if is_dead {
                // Nobody ever saw it.
                fs::remove_dir_all(&directory).map_err(FsError::on("remove", &directory))?;
            } else {
                number = number.max(there + 1);
            }
        }
        let directory = self.directory(number);
        create_dir_private(&directory)?;
        sync_dir(&self.root)?;
        let record = EpochRecord { number, begun: now, server, beginning };
        let path = directory.join(EPOCH);
        let text = to_text(&record).map_err(|error| ArchiveError::record(&path, error.to_string()))?;
        write_atomic(&path, text.as_bytes())?;
        Ok((record, EpochDirectory::open(directory)?))
    }
}

/// Whether a directory has nothing but what was in the making.
fn is_empty(directory: &Path) -> Result<bool, FsError> {
    for entry in fs::read_dir(directory).map_err(FsError::on("read directory", directory))? {
        let name = entry.map_err(FsError::on("read directory", directory))?.file_name();
        if name.to_str().and_then(known) != Some(Known::Temporary) {
            return Ok(false);
        }
    }
    Ok(true)
}

//! A directory of binary logs: complete files under the server's names, and one that is being written.
//!
//! * `<name>` is complete: as long as the server's, and equal to it but for the in-use flag.
//! * `<name>.partial` is the newest one, as far as it has come.
//! * `<name>.torn-<offset>` is what an earlier run left behind the last whole event. Nobody needs it; it is
//!   kept because nothing is thrown away unseen.
//! * `server-uuid` says whose logs they are, where the server has a UUID.
//!
//! An archive is of one server and one epoch: a server that begins its logs anew gets another directory.

mod entry;
mod epoch;
mod error;
mod partial;
mod picture;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use xb_core::{BinlogCoord, BinlogName};
use xb_formats::binlog::{FileFacts, FileReader};
use xb_pipeline::fs::{FsError, create_dir_private, write_atomic};

pub use entry::{LogEntry, LogGtids, LogState, StoredForm};
pub use epoch::{Beginning, Epoch, EpochNumber, EpochRecord, EpochServer, LogFault, Place};
pub use error::ArchiveError;
pub use partial::{LastEvent, Partial};
pub use picture::{Logs, Picture};

/// The file with the UUID of the server.
const OWNER: &str = "server-uuid";

/// A directory of binary logs that this process alone adds to.
#[derive(Debug)]
pub struct EpochDirectory {
    directory: PathBuf,
    /// Held as long as the archive is.
    _lock: File,
}

/// Where an archive ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveEnd {
    /// Where the next event belongs.
    pub next: BinlogCoord,
    /// The last event of that file, if it has one.
    pub last: Option<LastEvent>,
    /// Whether the file is complete. The next event is the first one of the file behind it then.
    pub is_complete: bool,
}

impl EpochDirectory {
    /// Opens an archive, which is created when it is not there.
    ///
    /// # Errors
    /// [`ArchiveError::InUse`], [`ArchiveError::Fs`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let directory = directory.into();
        create_dir_private(&directory)?;
        let lock = File::open(&directory).map_err(FsError::on("open", &directory))?;
        match lock.try_lock() {
            Ok(()) => Ok(EpochDirectory { directory, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(ArchiveError::InUse { directory }),
            Err(TryLockError::Error(source)) => Err(FsError::on("lock", &directory)(source).into()),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Notes whose logs these are, unless it was noted before. Gives what is noted.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`].
    pub fn claim(&self, uuid: &str) -> Result<String, ArchiveError> {
        let path = self.directory.join(OWNER);
        match fs::read_to_string(&path) {
            Ok(noted) => Ok(noted.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                write_atomic(&path, format!("{uuid}\n").as_bytes())?;
                Ok(uuid.to_owned())
            }
            Err(error) => Err(FsError::on("read", &path)(error).into()),
        }
    }

    /// The complete files, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError::Mixed`] when there are logs of several names, [`ArchiveError::Fs`].
    pub fn complete(&self) -> Result<Vec<BinlogName>, ArchiveError> {
        let is_complete = |name: &str| name.parse::<BinlogName>().ok();
        self.names(is_complete)
    }

    /// Files whose names `read` makes logs of, oldest first.
    fn names(&self, read: impl Fn(&str) -> Option<BinlogName>) -> Result<Vec<BinlogName>, ArchiveError> {
        let entries =
            fs::read_dir(&self.directory).map_err(FsError::on("read directory", &self.directory))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(FsError::on("read directory", &self.directory))?;
            names.extend(entry.file_name().to_str().and_then(&read));
        }
        let mixed =
            names.iter().find(|name| names.first().is_some_and(|first| first.prefix() != name.prefix()));
        if let (Some(first), Some(second)) = (names.first(), mixed) {
            let (first, second) = (first.clone(), second.clone());
            return Err(ArchiveError::Mixed { directory: self.directory.clone(), first, second });
        }
        names.sort_by_key(BinlogName::number);
        Ok(names)
    }

    /// The file that is not complete, if there is one, open for more. Damage at its end is cut off.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn partial(&self) -> Result<Option<Partial>, ArchiveError> {
        let partials = self.names(|name| name.strip_suffix(".partial")?.parse().ok())?;
        match partials.as_slice() {
            [] => Ok(None),
            [name] => Partial::open(&self.directory, name.clone()).map(Some),
            [first, second, ..] => {
                let path = |name| partial::partial_path(&self.directory, name);
                Err(ArchiveError::TwoPartials { first: path(first), second: path(second) })
            }
        }
    }

    /// The end of the newest complete file, if there is one.
    ///
    /// # Errors
    /// [`ArchiveError`], also when the file is not whole any more.
    pub fn newest(&self) -> Result<Option<(ArchiveEnd, FileFacts)>, ArchiveError> {
        let Some(name) = self.complete()?.pop() else { return Ok(None) };
        let path = self.directory.join(name.to_string());
        let file = File::open(&path).map_err(FsError::on("open", &path))?;
        let mut reader = FileReader::new(file);
        let mut last = None;
        for event in reader.by_ref() {
            let event = event.map_err(|source| ArchiveError::Read { path: path.clone(), source })?;
            last = Some(LastEvent::of(event.offset, &event.bytes));
        }
        let (check, facts) = reader.into_parts();
        let next = BinlogCoord { file: name, position: check.position() };
        Ok(Some((ArchiveEnd { next, last, is_complete: true }, facts)))
    }

    /// Begins a new file.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`] when there is a complete one of this name, [`ArchiveError::Fs`].
    pub fn begin(&self, name: BinlogName) -> Result<Partial, ArchiveError> {
        let path = self.directory.join(name.to_string());
        if path.exists() {
            return Err(ArchiveError::Exists { path });
        }
        if let Some(first) = self.complete()?.first().filter(|first| first.prefix() != name.prefix()) {
            let (directory, first) = (self.directory.clone(), first.clone());
            return Err(ArchiveError::Mixed { directory, first, second: name });
        }
        Partial::create(&self.directory, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_remembers_whose_logs_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let archive = EpochDirectory::open(dir.path().join("archive")).unwrap();
        assert_eq!(archive.claim("one").unwrap(), "one");
        assert_eq!(archive.claim("two").unwrap(), "one");
        assert!(archive.complete().unwrap().is_empty());
    }

    #[test]
    fn logs_of_two_names_and_two_that_are_not_complete_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let archive = EpochDirectory::open(dir.path()).unwrap();
        for name in ["a.000010", "a.000009", "a.999999", "a.1000000"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = archive.complete().unwrap().iter().map(BinlogName::to_string).collect();
        assert_eq!(names, ["a.000009", "a.000010", "a.999999", "a.1000000"]);
        let refused = archive.begin("b.000001".parse().unwrap());
        assert!(matches!(refused, Err(ArchiveError::Mixed { .. })), "{refused:?}");
        let refused = archive.begin("a.000009".parse().unwrap());
        assert!(matches!(refused, Err(ArchiveError::Exists { .. })), "{refused:?}");
        archive.begin("a.1000001".parse().unwrap()).unwrap();
        archive.begin("a.1000002".parse().unwrap()).unwrap();
        let refused = archive.partial();
        assert!(matches!(refused, Err(ArchiveError::TwoPartials { .. })), "{refused:?}");
    }
}

//! The directory of an epoch, for the one who adds to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use xb_core::{BinlogCoord, BinlogName};
use xb_pipeline::fs::{FsError, create_dir_private, write_atomic};
use xb_pipeline::keys::Keys;

use super::entry::LogEntry;
use super::error::ArchiveError;
use super::last::LastEvent;
use super::listing::Listing;
use super::lock::lock_directory;
use super::names::{OWNER, log_file, partial_file};
use super::partial::Partial;
use super::repair::repair;
use super::shelf::{Found, Shelf};

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
    /// Opens an archive, which is created when it is not there. What a crash left half done is done.
    ///
    /// # Errors
    /// [`ArchiveError::InUse`], [`ArchiveError::Fs`].
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ArchiveError> {
        let directory = directory.into();
        create_dir_private(&directory)?;
        let lock = lock_directory(&directory)?;
        repair(&directory)?;
        Ok(EpochDirectory { directory, _lock: lock })
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

    /// The complete files, in whatever form, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError::Mixed`] when there are logs of several names, [`ArchiveError::Fs`].
    pub fn complete(&self) -> Result<Vec<BinlogName>, ArchiveError> {
        self.of_one_name(Listing::read(&self.directory)?.closed().map(|files| files.name.clone()).collect())
    }

    fn of_one_name(&self, names: Vec<BinlogName>) -> Result<Vec<BinlogName>, ArchiveError> {
        let mixed =
            names.iter().find(|name| names.first().is_some_and(|first| first.prefix() != name.prefix()));
        if let (Some(first), Some(second)) = (names.first(), mixed) {
            let (first, second) = (first.clone(), second.clone());
            return Err(ArchiveError::Mixed { directory: self.directory.clone(), first, second });
        }
        Ok(names)
    }

    /// The file that is not complete, if there is one, open for more. Damage at its end is cut off.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn partial(&self) -> Result<Option<Partial>, ArchiveError> {
        let listing = Listing::read(&self.directory)?;
        let partials = listing.logs().filter(|files| files.has_partial);
        let partials = self.of_one_name(partials.map(|files| files.name.clone()).collect())?;
        match partials.as_slice() {
            [] => Ok(None),
            [name] => Partial::open(&self.directory, name.clone()).map(Some),
            [first, second, ..] => {
                let path = |name| self.directory.join(partial_file(name));
                Err(ArchiveError::TwoPartials { first: path(first), second: path(second) })
            }
        }
    }

    /// The end of the newest complete file, if there is one, and what is known of it. It is read only where
    /// nothing is.
    ///
    /// # Errors
    /// [`ArchiveError`], also when the file is not whole any more.
    pub fn newest(&self) -> Result<Option<(ArchiveEnd, LogEntry)>, ArchiveError> {
        self.complete()?;
        let listing = Listing::read(&self.directory)?;
        let Some(files) = listing.closed().next_back() else { return Ok(None) };
        let path = || self.directory.join(files.name.to_string());
        let entry = match self.shelf(&Keys::default()).closed(files) {
            Found::Log(entry) => *entry,
            Found::Fault(fault) => return Err(ArchiveError::Unfit { path: path(), reason: fault.reason }),
            Found::Moved => {
                return Err(FsError::on("open", &path())(std::io::ErrorKind::NotFound.into()).into());
            }
        };
        let next = BinlogCoord { file: entry.name.clone(), position: entry.size_bytes };
        Ok(Some((ArchiveEnd { next, last: entry.last, is_complete: true }, entry)))
    }

    fn shelf<'a>(&'a self, keys: &'a Keys) -> Shelf<'a> {
        Shelf {
            directory: &self.directory,
            keys,
            writes: true,
            remembered: None,
            is_flat: false,
            is_brief: false,
        }
    }

    /// Begins a new file.
    ///
    /// # Errors
    /// [`ArchiveError::Exists`] when there is a complete one of this name, [`ArchiveError::Fs`].
    pub fn begin(&self, name: BinlogName) -> Result<Partial, ArchiveError> {
        let listing = Listing::read(&self.directory)?;
        if let Some(form) = listing.log(&name).and_then(|files| files.forms.first()) {
            return Err(ArchiveError::Exists { path: self.directory.join(log_file(&name, *form)) });
        }
        let first = listing.closed().map(|files| &files.name).find(|first| first.prefix() != name.prefix());
        if let Some(first) = first {
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
        for name in ["a.000010", "a.000009.zst.age", "a.999999", "a.1000000.gz"] {
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

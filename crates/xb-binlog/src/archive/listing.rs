//! What is in the directory of an epoch, by log, wherever that directory is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use xb_core::BinlogName;
use xb_pipeline::fs::FsError;
use xb_pipeline::single::FileForm;

use super::names::{Known, Piece, Role, known};

/// Orders logs: by what is before the number, then by number.
pub(crate) type LogKey = (String, u64, String);

/// Where a log stands among others.
pub(crate) fn key(log: &BinlogName) -> LogKey {
    (log.prefix().to_owned(), log.number(), log.to_string())
}

/// The files of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFiles {
    /// Its name.
    pub(crate) name: BinlogName,
    /// The forms in which it is there, closed.
    pub(crate) forms: Vec<FileForm>,
    /// Whether it is written down what is known of it.
    pub(crate) has_entry: bool,
    /// Whether it is there as far as it has come.
    pub(crate) has_partial: bool,
    /// Pieces of it.
    pub(crate) pieces: Vec<Piece>,
    /// What crashes left of it.
    pub(crate) torn: Vec<String>,
}

/// All files of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    logs: BTreeMap<LogKey, LogFiles>,
    /// What is not known.
    pub(crate) strangers: Vec<String>,
}

impl Listing {
    /// Sorts names of files.
    pub(crate) fn of(names: impl IntoIterator<Item = String>) -> Self {
        let mut listing = Listing::default();
        for name in names {
            match known(&name) {
                Some(Known::OfLog(log, role)) => listing.add(log, role, name),
                Some(Known::OfEpoch | Known::Temporary) => {}
                None => listing.strangers.push(name),
            }
        }
        listing.strangers.sort();
        listing.logs.values_mut().for_each(|files| {
            files.torn.sort();
            // The bare file first; the rest in the order of their names.
            files.forms.sort_by_key(|form| form.suffix());
            files.pieces.sort_by_key(|piece| (piece.from, std::cmp::Reverse(piece.to)));
        });
        listing
    }

    /// Reads a directory. Directories in it are left out.
    ///
    /// # Errors
    /// [`FsError`].
    pub(crate) fn read(directory: &Path) -> Result<Self, FsError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory).map_err(FsError::on("read directory", directory))? {
            let entry = entry.map_err(FsError::on("read directory", directory))?;
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(Listing::of(names))
    }

    fn add(&mut self, log: BinlogName, role: Role, file: String) {
        let files = self.logs.entry(key(&log)).or_insert_with(|| LogFiles {
            name: log,
            forms: Vec::new(),
            has_entry: false,
            has_partial: false,
            pieces: Vec::new(),
            torn: Vec::new(),
        });
        match role {
            Role::Log(form) => files.forms.push(form),
            Role::Entry => files.has_entry = true,
            Role::Partial => files.has_partial = true,
            Role::Piece(piece) => files.pieces.push(piece),
            Role::Torn => files.torn.push(file),
        }
    }

    /// The logs, oldest first within a name.
    pub(crate) fn logs(&self) -> impl DoubleEndedIterator<Item = &LogFiles> {
        self.logs.values()
    }

    /// The files of one log.
    pub(crate) fn log(&self, name: &BinlogName) -> Option<&LogFiles> {
        self.logs.get(&key(name))
    }

    /// Names of logs that are closed here, oldest first.
    pub(crate) fn closed(&self) -> impl DoubleEndedIterator<Item = &LogFiles> {
        self.logs().filter(|files| !files.forms.is_empty())
    }
}

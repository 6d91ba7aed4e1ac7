//! The logs of one epoch, or those without one, as they lie in their directory.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xb_core::BinlogName;
use xb_formats::binlog::{End, FileFacts, FileReader, ReadError};
use xb_pipeline::digest_file;
use xb_pipeline::fs::FsError;
use xb_pipeline::keys::Keys;
use xb_pipeline::single::FileForm;

use super::describe::{closed_log, fault_of, open_log};
use super::entry::{LogEntry, LogState, StoredForm};
use super::epoch::LogFault;
use super::error::ArchiveError;
use super::listing::{Listing, LogFiles};
use super::lock::Keeper;
use super::names::{Piece, entry_file, log_file, partial_file};
use super::pieces;
use super::read::unpacked;
use super::seal::{from_text, write_entry};

/// Logs, faults, and names that are not known.
pub(crate) type Logs = (Vec<LogEntry>, Vec<LogFault>, Vec<String>);

/// What was found out by reading a log, as long as its file stays the same.
#[derive(Debug, Default)]
pub(crate) struct Remembered(Mutex<HashMap<PathBuf, (Stamp, Found)>>);

/// Logs that were looked at: with which files, and whether as the last of their name.
type Looked = HashMap<BinlogName, (LogFiles, bool, Found)>;

/// How often to look again at what changes. Every time only at that, so it is enough for any streamer.
const MOST_LOOKS: usize = 100;

/// What changes whenever a file does.
type Stamp = (u64, u64, i64, i64);

fn stamp(meta: &Metadata) -> Stamp {
    (meta.len(), meta.ino(), meta.mtime(), meta.mtime_nsec())
}

/// What a log turned out to be.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// It can be used.
    Log(Box<LogEntry>),
    /// It cannot.
    Fault(LogFault),
    /// A file that was there a moment ago is not. Look again.
    Moved,
}

impl Found {
    fn log(entry: LogEntry) -> Self {
        Found::Log(Box::new(entry))
    }

    fn fault(name: &BinlogName, reason: impl Into<String>) -> Self {
        Found::Fault(LogFault { name: name.clone(), reason: reason.into() })
    }

    fn failed(name: &BinlogName, error: &ArchiveError) -> Self {
        if error.is_missing() { Found::Moved } else { Found::fault(name, error.to_string()) }
    }
}

/// What is written down of a closed log. Nothing where there is nothing, or what is there cannot be believed.
///
/// # Errors
/// [`ArchiveError::Record`] in the latter case.
pub(crate) fn read_entry(directory: &Path, name: &BinlogName) -> Result<Option<LogEntry>, ArchiveError> {
    let path = directory.join(entry_file(name));
    match fs::read(&path) {
        Ok(text) => entry_of(name, &text).map(Some).map_err(|reason| ArchiveError::record(&path, reason)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ArchiveError::record(&path, error.to_string())),
    }
}

/// Reads what is known of a closed log.
pub(crate) fn entry_of(name: &BinlogName, text: &[u8]) -> Result<LogEntry, String> {
    let entry: LogEntry = from_text(text)?;
    if entry.name != *name || entry.state != LogState::Closed || entry.digest.is_none() {
        return Err(format!("it is not about {name} as a closed log"));
    }
    Ok(entry)
}

/// A directory of logs, for looking.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shelf<'a> {
    /// Where it is.
    pub(crate) directory: &'a Path,
    /// What opens logs that are encrypted.
    pub(crate) keys: &'a Keys,
    /// Whether what was found out may be written down.
    pub(crate) writes: bool,
    /// What was found out before.
    pub(crate) remembered: Option<&'a Remembered>,
    /// Whether logs have no entries, and the newest is written under its own name.
    pub(crate) is_flat: bool,
    /// Whether of logs of which nothing is written down only name and length are told, and of the one that is written
    /// how it begins, instead of reading them.
    pub(crate) is_brief: bool,
}

impl Shelf<'_> {
    /// All logs. What other processes do meanwhile is seen either before or behind, never in between.
    ///
    /// # Errors
    /// [`ArchiveError::Fs`] when the directory cannot be read.
    pub(crate) fn logs(&self) -> Result<Logs, ArchiveError> {
        let mut looked = Looked::new();
        let mut listing = Listing::read(self.directory)?;
        for look in 1.. {
            let is_settled = self.look(&listing, &mut looked);
            let again = Listing::read(self.directory)?;
            if look >= MOST_LOOKS || (is_settled && again == listing) {
                break;
            }
            listing = again;
        }
        Ok(self.sorted_out(&listing, &mut looked))
    }

    /// Looks at every log whose files are others than when it was looked at before; false if one of them was gone.
    fn look(&self, listing: &Listing, looked: &mut Looked) -> bool {
        let mut is_settled = true;
        let mut all = listing.logs().filter(|files| self.is_log(files)).peekable();
        while let Some(files) = all.next() {
            let is_last = all.peek().is_none_or(|next| next.name.prefix() != files.name.prefix());
            let known = looked.get(&files.name).is_some_and(|(seen, was_last, found)| {
                seen == files && *was_last == is_last && !matches!(found, Found::Moved)
            });
            if !known {
                let found = self.log(files, is_last);
                is_settled &= !matches!(found, Found::Moved);
                looked.insert(files.name.clone(), (files.clone(), is_last, found));
            }
        }
        is_settled
    }

    fn sorted_out(&self, listing: &Listing, looked: &mut Looked) -> Logs {
        let (mut logs, mut faults) = (Vec::new(), Vec::new());
        for files in listing.logs() {
            match looked.remove(&files.name).map(|(_, _, found)| found) {
                Some(Found::Log(entry)) => logs.push(*entry),
                Some(Found::Fault(fault)) => faults.push(fault),
                Some(Found::Moved) => {
                    faults.push(LogFault { name: files.name.clone(), reason: "its file is gone".to_owned() });
                }
                None => {}
            }
        }
        name_neighbours(&mut logs);
        (logs, faults, listing.strangers.clone())
    }

    fn is_log(&self, files: &LogFiles) -> bool {
        if self.is_flat {
            return files.forms.contains(&FileForm::default());
        }
        !files.forms.is_empty() || files.has_entry || files.has_partial || !files.pieces.is_empty()
    }

    fn log(&self, files: &LogFiles, is_last: bool) -> Found {
        if self.is_flat {
            return self.flat(&files.name, is_last);
        }
        let has_pieces = !files.pieces.is_empty() && !files.has_entry;
        if files.forms.is_empty() && (files.has_partial || has_pieces) {
            return if is_last {
                self.partial(files)
            } else {
                Found::fault(&files.name, "it is not complete, and there are logs behind it")
            };
        }
        self.closed(files)
    }

    /// A closed log.
    pub(crate) fn closed(&self, files: &LogFiles) -> Found {
        let name = &files.name;
        match read_entry(self.directory, name) {
            Ok(Some(entry)) if files.forms.is_empty() => {
                let file = log_file(name, entry.form());
                // It may have come or gone since the directory was read.
                if self.directory.join(&file).exists() { Found::Moved } else { gone(name, &file) }
            }
            Ok(Some(entry)) => self.stored(files, entry),
            Ok(None) if files.forms.is_empty() => Found::Moved,
            Err(error) if files.forms.is_empty() => Found::fault(name, error.to_string()),
            Ok(None) | Err(_) => self.remember(files),
        }
    }

    /// A log of which is known what it must be.
    fn stored(&self, files: &LogFiles, entry: LogEntry) -> Found {
        let form = entry.form();
        if !files.forms.contains(&form) {
            return self.in_another_form(files, entry);
        }
        let file = log_file(&entry.name, form);
        match fs::metadata(self.directory.join(&file)) {
            Ok(meta) if meta.len() == entry.stored_bytes() => Found::log(entry),
            Ok(meta) => Found::fault(
                &entry.name,
                format!("{file} has {} bytes, and should have {}", meta.len(), entry.stored_bytes()),
            ),
            Err(_) => Found::Moved,
        }
    }

    /// A log that somebody packed or unpacked by hand.
    fn in_another_form(&self, files: &LogFiles, entry: LogEntry) -> Found {
        let Some(form) = files.forms.first().copied() else { return Found::Moved };
        let written_down = self.directory.join(log_file(&entry.name, entry.form()));
        // Somebody gives it another form just now, and has come further than the directory when it was read.
        if written_down.exists() {
            return Found::Moved;
        }
        let path = self.directory.join(log_file(&entry.name, form));
        let found = match stored_form(&path, form) {
            Ok(stored) => LogEntry { stored, ..entry },
            Err(error) => return Found::failed(&files.name, &error),
        };
        match fs::metadata(&path) {
            Err(_) => return Found::Moved,
            Ok(meta) if meta.len() != found.stored_bytes() => {
                return Found::fault(
                    &found.name,
                    format!("{} has another length than the log", path.display()),
                );
            }
            Ok(_) => {}
        }
        // Not over what somebody else writes at this moment.
        if let Ok(Some(_keeper)) = Keeper::now(self.directory)
            && path.exists()
            && !written_down.exists()
        {
            self.write_down(&found);
        }
        Found::log(found)
    }

    /// Reads a log of which nothing is known, unless it was read before.
    fn remember(&self, files: &LogFiles) -> Found {
        let Some(form) = files.forms.first().copied() else { return Found::Moved };
        let path = self.directory.join(log_file(&files.name, form));
        let found = self.once(&files.name, &path, || match self.read_closed(&files.name, &path, form) {
            Ok(entry) => Found::log(entry),
            Err(error) => Found::failed(&files.name, &error),
        });
        if let Found::Log(entry) = &found {
            self.write_down(entry);
        }
        found
    }

    fn once(&self, name: &BinlogName, path: &Path, look: impl FnOnce() -> Found) -> Found {
        let before = match fs::metadata(path).map_err(FsError::on("look at", path)) {
            Ok(meta) => stamp(&meta),
            Err(error) => return Found::failed(name, &error.into()),
        };
        let Some(remembered) = self.remembered else { return look() };
        let known = remembered.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if let Some((_, found)) = known.filter(|(stamp, _)| *stamp == before) {
            return found;
        }
        let found = look();
        let mut known = remembered.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(found, Found::Moved) {
            known.insert(path.to_owned(), (before, found.clone()));
        }
        found
    }

    /// Finds out by reading what a closed log is.
    ///
    /// # Errors
    /// [`ArchiveError`], also when it is not whole.
    pub(crate) fn read_closed(
        &self,
        name: &BinlogName,
        path: &Path,
        form: FileForm,
    ) -> Result<LogEntry, ArchiveError> {
        let file = File::open(path).map_err(FsError::on("open", path))?;
        let reader = unpacked(file, path.to_owned(), form, self.keys, None)?;
        let (entry, end) = closed_log(name, reader).map_err(|error| read_error(path, error))?;
        if let Some(reason) = fault_of(end) {
            return Err(ArchiveError::Unfit { path: path.to_owned(), reason });
        }
        Ok(LogEntry { stored: stored_form(path, form)?, ..entry })
    }

    /// Where it fails, the next one finds out again.
    fn write_down(&self, entry: &LogEntry) {
        if self.writes {
            let _ = write_entry(self.directory, entry);
        }
    }

    /// The log that is being written.
    fn partial(&self, files: &LogFiles) -> Found {
        let name = &files.name;
        if let Some(chain) = pieces::further(self.directory, files) {
            return self.in_pieces(files, chain);
        }
        if !files.has_partial {
            return Found::fault(name, "only pieces of it are there, without the first");
        }
        let path = self.directory.join(partial_file(name));
        if self.is_brief {
            return unread(name, &path, LogState::Open);
        }
        self.once(name, &path, || match read_open(name, &path) {
            Ok((entry, _)) => Found::log(entry),
            Err(error) => Found::failed(name, &error),
        })
    }

    fn in_pieces(&self, files: &LogFiles, chain: Vec<Piece>) -> Found {
        let size_bytes = chain.last().map_or(0, |last| last.to);
        let log = pieces::in_directory(self.directory, files, chain, self.keys);
        if self.is_brief {
            return Found::log(LogEntry { size_bytes, ..begun(&files.name, log) });
        }
        match open_log(&files.name, log) {
            Ok((entry, _)) => Found::log(entry),
            Err(error) => Found::failed(&files.name, &read_error(self.directory, ReadError::Io(error))),
        }
    }

    /// A log that was put here without anything. The newest may still be written.
    fn flat(&self, name: &BinlogName, is_last: bool) -> Found {
        let path = self.directory.join(log_file(name, FileForm::default()));
        if self.is_brief {
            return unread(name, &path, if is_last { LogState::Open } else { LogState::Closed });
        }
        self.once(name, &path, || {
            if is_last {
                match read_open(name, &path) {
                    Ok((_, Some(End::Closed(_) | End::Encrypted { .. }))) => {}
                    Ok((entry, _)) => return Found::log(entry),
                    Err(error) => return Found::failed(name, &error),
                }
            }
            match self.read_closed(name, &path, FileForm::default()) {
                Ok(entry) => Found::log(entry),
                Err(error) => Found::failed(name, &error),
            }
        })
    }
}

/// A log of which only its file is looked at. Of one that is written the first event is read too: nobody has written
/// down yet when it was begun, and by which server.
fn unread(name: &BinlogName, path: &Path, state: LogState) -> Found {
    match fs::metadata(path) {
        Ok(meta) => {
            let entry = match (state, File::open(path)) {
                (LogState::Open, Ok(file)) => begun(name, file),
                _ => LogEntry::of(name.clone(), state, &FileFacts::default(), None),
            };
            Found::log(LogEntry { size_bytes: meta.len(), ..entry })
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Found::Moved,
        Err(error) => Found::fault(name, format!("{}: {error}", path.display())),
    }
}

/// What the first event of a log that is written says: when it was begun and by which server. Nothing where that is
/// not there or not good.
fn begun(name: &BinlogName, log: impl Read) -> LogEntry {
    let mut reader = FileReader::new(log);
    let is_good = reader.next().is_some_and(|event| event.is_ok());
    let facts = if is_good { reader.facts().clone() } else { FileFacts::default() };
    let entry = LogEntry::of(name.clone(), LogState::Open, &FileFacts::default(), None);
    LogEntry { begun: facts.begun, server_id: facts.server_id, ..entry }
}

fn gone(name: &BinlogName, file: &str) -> Found {
    Found::fault(name, format!("{file} is gone, only what is known of it is there"))
}

fn read_open(name: &BinlogName, path: &Path) -> Result<(LogEntry, Option<End>), ArchiveError> {
    let file = File::open(path).map_err(FsError::on("open", path))?;
    Ok(open_log(name, file).map_err(FsError::on("read", path))?)
}

/// An error of reading, as what it was.
pub(crate) fn read_error(path: &Path, error: ReadError) -> ArchiveError {
    match error {
        ReadError::Io(error) => match ArchiveError::from_io(error) {
            Ok(error) => error,
            Err(error) => FsError::on("read", path)(error).into(),
        },
        source => ArchiveError::Read { path: path.to_owned(), source },
    }
}

/// How a file is stored; nothing for a bare one.
pub(crate) fn stored_form(path: &Path, form: FileForm) -> Result<Option<StoredForm>, ArchiveError> {
    if form.is_bare() {
        return Ok(None);
    }
    let (size_bytes, digest) = digest_file(path)?;
    Ok(Some(StoredForm { suffix: form.suffix(), size_bytes, digest }))
}

/// Says of each log which one is before it.
pub(crate) fn name_neighbours(logs: &mut [LogEntry]) {
    let mut before: Option<BinlogName> = None;
    for log in logs {
        log.previous = before.take().filter(|before| before.prefix() == log.name.prefix());
        before = Some(log.name.clone());
    }
}

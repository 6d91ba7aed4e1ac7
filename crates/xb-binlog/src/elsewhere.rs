//! An archive in a store: the way back of [`push`](crate::push).

use std::io::Read;
use std::sync::Arc;

use xb_core::BinlogName;
use xb_pipeline::keys::Keys;
use xb_pipeline::store::{Removal, Store, StorePath};

use crate::archive::describe::open_log;
use crate::archive::listing::{Listing, LogFiles};
use crate::archive::names::{EPOCH, Known, Role, entry_file, epoch_directory, known, log_file, piece_file};
use crate::archive::pieces::{chain, joined};
use crate::archive::read::{Expected, unpacked};
use crate::archive::root::record_of;
use crate::archive::shelf::{entry_of, name_neighbours};
use crate::archive::{ArchiveError, Epoch, EpochNumber, LogEntry, LogFault, Logs, Picture};
use crate::prune::PrunePlan;
use crate::push::ENTRY_LIMIT;
use crate::push::index::{Index, path_of, place_of};

/// An archive in a store, as it was when the store was listed.
#[derive(Debug)]
pub struct Elsewhere {
    store: Arc<dyn Store>,
    keys: Keys,
    index: Index,
}

impl Elsewhere {
    /// Lists a store. `keys` open what is encrypted.
    ///
    /// # Errors
    /// [`ArchiveError::Store`].
    pub fn look(store: Arc<dyn Store>, keys: Keys) -> Result<Self, ArchiveError> {
        let index = Index::read(&*store)?;
        Ok(Elsewhere { store, keys, index })
    }

    /// The number of its newest epoch; 0 where there is none.
    #[must_use]
    pub fn newest(&self) -> EpochNumber {
        self.index.epochs().max().unwrap_or_default()
    }

    /// All that counts there. Of logs only the one that is in pieces is read.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]; [`ArchiveError::Record`] when it cannot be told whose logs an epoch has.
    pub fn picture(&self) -> Result<Picture, ArchiveError> {
        let mut picture = Picture { strangers: self.index.strangers.clone(), ..Picture::default() };
        for number in self.index.epochs() {
            let directory = epoch_directory(number);
            if self.index.bytes(number, EPOCH).is_none() {
                picture.strangers.push(directory);
                continue;
            }
            let path = path_of(&*self.store, number, EPOCH)?;
            let text = self.small(std::slice::from_ref(&path))?.pop().flatten().unwrap_or_default();
            let record = record_of(number, &text)
                .map_err(|reason| ArchiveError::record(&place_of(&*self.store, &path), reason))?;
            let listing = self.index.listing(number);
            picture.strangers.extend(listing.strangers.iter().map(|name| format!("{directory}/{name}")));
            let (logs, faults) = self.logs(number, &listing)?;
            picture.epochs.push(Epoch { record, logs, faults });
        }
        Ok(picture)
    }

    fn small(&self, paths: &[StorePath]) -> Result<Vec<Option<Vec<u8>>>, ArchiveError> {
        Ok(self.store.read_small(paths, ENTRY_LIMIT)?)
    }

    fn logs(
        &self,
        epoch: EpochNumber,
        listing: &Listing,
    ) -> Result<(Vec<LogEntry>, Vec<LogFault>), ArchiveError> {
        let sealed: Vec<&LogFiles> = listing.logs().filter(|files| files.has_entry).collect();
        let paths: Result<Vec<StorePath>, _> =
            sealed.iter().map(|files| path_of(&*self.store, epoch, &entry_file(&files.name))).collect();
        let texts = if sealed.is_empty() { Vec::new() } else { self.small(&paths?)? };
        let mut found: Vec<Result<LogEntry, LogFault>> = Vec::new();
        let mut texts = texts.into_iter();
        let mut counting =
            listing.logs().filter(|files| files.has_entry || !files.pieces.is_empty()).peekable();
        while let Some(files) = counting.next() {
            let is_last = counting.peek().is_none();
            let log = if files.has_entry {
                self.closed(epoch, &files.name, texts.next().flatten())
            } else if is_last {
                self.in_pieces(epoch, files)
            } else {
                Err("only its beginning is there, in pieces, and there are logs behind it".to_owned())
            };
            found.push(log.map_err(|reason| LogFault { name: files.name.clone(), reason }));
        }
        let (mut logs, mut faults) = (Vec::new(), Vec::new());
        for log in found {
            match log {
                Ok(log) => logs.push(log),
                Err(fault) => faults.push(fault),
            }
        }
        name_neighbours(&mut logs);
        Ok((logs, faults))
    }

    fn closed(
        &self,
        epoch: EpochNumber,
        name: &BinlogName,
        text: Option<Vec<u8>>,
    ) -> Result<LogEntry, String> {
        let text = text.ok_or("what was known of it is gone")?;
        let entry = entry_of(name, &text).map_err(|reason| format!("{}: {reason}", entry_file(name)))?;
        let file = log_file(name, entry.form());
        match self.index.bytes(epoch, &file) {
            Some(bytes) if bytes == entry.stored_bytes() => Ok(entry),
            Some(bytes) => Err(format!("{file} has {bytes} bytes, and should have {}", entry.stored_bytes())),
            None => Err(format!("{file} is gone, only what is known of it is there")),
        }
    }

    fn in_pieces(&self, epoch: EpochNumber, files: &LogFiles) -> Result<LogEntry, String> {
        let log = self.pieces(epoch, files).map_err(|error| error.to_string())?;
        open_log(&files.name, log).map(|(entry, _)| entry).map_err(|error| error.to_string())
    }

    fn pieces(&self, epoch: EpochNumber, files: &LogFiles) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let chain = chain(&files.pieces);
        if chain.is_empty() {
            return Err(self.no_log(epoch, &files.name));
        }
        let (store, keys, name) = (self.store.clone(), self.keys.clone(), files.name.clone());
        Ok(joined(chain, move |piece| {
            let path = path_of(&*store, epoch, &piece_file(&name, piece))?;
            let expected = Some(Expected::length(piece.to - piece.from));
            unpacked(store.read(&path, 0)?, place_of(&*store, &path), piece.form, &keys, expected)
        }))
    }

    fn no_log(&self, epoch: EpochNumber, log: &BinlogName) -> ArchiveError {
        let directory = format!("{}/binlogs/{}", self.store.address(), epoch_directory(epoch));
        ArchiveError::NoLog { directory: directory.into(), log: log.clone() }
    }

    /// Removes there what a plan says that was made of [`Elsewhere::picture`], in its order. Gives what the store
    /// keeps for now, with its reason; nothing behind that is removed.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]; what was removed before is gone, and what stays is without a hole.
    pub fn prune(&self, plan: &PrunePlan) -> Result<Option<String>, ArchiveError> {
        for log in &plan.logs {
            let files = self.index.of_log(log.epoch, &log.name);
            let is_own = |name: &&String| match known(name) {
                Some(Known::OfLog(of, _)) => of == log.name,
                other => other == Some(Known::Temporary),
            };
            let is_entry = |name: &String| matches!(known(name), Some(Known::OfLog(_, Role::Entry)));
            // What makes it count goes first.
            let (entry, rest): (Vec<String>, Vec<String>) =
                files.iter().filter(is_own).cloned().partition(is_entry);
            for names in [entry, rest] {
                if let Some(kept) = self.remove(log.epoch, &names)? {
                    return Ok(Some(kept));
                }
            }
        }
        for epoch in &plan.epochs {
            let known_files = self.index.bytes(*epoch, EPOCH).map(|_| EPOCH.to_owned());
            if let Some(kept) = self.remove(*epoch, known_files.as_slice())? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    fn remove(&self, epoch: EpochNumber, names: &[String]) -> Result<Option<String>, ArchiveError> {
        if names.is_empty() {
            return Ok(None);
        }
        let paths: Result<Vec<_>, _> = names.iter().map(|name| path_of(&*self.store, epoch, name)).collect();
        let paths = paths?;
        let removed = self.store.remove(&paths)?;
        Ok(paths.iter().zip(removed).find_map(|(path, removal)| match removal {
            Removal::Deferred(reason) => {
                Some(format!("{} stays for now: {reason}", place_of(&*self.store, path).display()))
            }
            Removal::Removed | Removal::Missing => None,
        }))
    }
}

impl Logs for Elsewhere {
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let listing = self.index.listing(epoch);
        let files = listing.log(log).ok_or_else(|| self.no_log(epoch, log))?;
        if !files.has_entry {
            return self.pieces(epoch, files);
        }
        let path = path_of(&*self.store, epoch, &entry_file(log))?;
        let text = self.small(std::slice::from_ref(&path))?.pop().flatten();
        let text = text.ok_or_else(|| self.no_log(epoch, log))?;
        let entry = entry_of(log, &text)
            .map_err(|reason| ArchiveError::record(&place_of(&*self.store, &path), reason))?;
        let path = path_of(&*self.store, epoch, &log_file(log, entry.form()))?;
        let object = self.store.read(&path, 0)?;
        let place = place_of(&*self.store, &path);
        unpacked(object, place, entry.form(), &self.keys, Some(Expected::of(&entry)))
    }
}

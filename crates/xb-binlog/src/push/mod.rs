//! Bringing an archive to a store elsewhere.
//!
//! An epoch has the same files there as here, in the same form, below `binlogs/`. A closed log is put there first and
//! `<name>.json` behind it; from then on it counts. The log that is still written may go before it is closed, in
//! pieces `<name>.part-<from>-<to>` of whole events, which go away once the closed one is there. That of an epoch
//! behind which another one was begun is never closed, and goes like this, too.

pub(crate) mod index;
pub(crate) mod pieces;
mod send;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use xb_pipeline::Packing;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::store::Store;

use crate::archive::names::{EPOCH, Known, Role, entry_file, known, log_file};
use crate::archive::root::record_of;
use crate::archive::seal::{entry_text, to_text};
use crate::archive::shelf::{entry_of, read_entry};
use crate::archive::{
    ArchiveError, ArchiveView, Epoch, EpochNumber, LogEntry, LogFault, LogState, Picture, Place,
};
use index::{Index, path_of};

/// More bytes than this no file has that says what is known of a log, however many servers its GTIDs are of.
pub(crate) const ENTRY_LIMIT: u64 = 64 * 1024 * 1024;

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Logs that count there from now on.
    pub logs: u64,
    /// Pieces of the log that is written.
    pub pieces: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Logs that could not be sent because they are damaged here.
    pub damaged: Vec<(EpochNumber, LogFault)>,
}

/// Brings logs to a store. One at a time for an archive.
#[derive(Debug)]
pub struct Pusher {
    store: Arc<dyn Store>,
    /// What is there. None before it was listed, and after something went wrong.
    index: Option<Index>,
    /// Epochs that are the same there.
    agreed: BTreeSet<EpochNumber>,
    /// Epochs that are all there, with the log that was never closed.
    ended: BTreeSet<EpochNumber>,
}

/// What of logs that are not closed is brought.
#[derive(Clone, Copy, Debug)]
pub struct Unclosed<'u> {
    /// How pieces are packed.
    pub packing: &'u Packing,
    /// How far the log that is written goes: a place that was synced. None leaves it out.
    pub synced: Option<&'u Place>,
}

impl Pusher {
    /// For a store, in which nothing is looked at yet.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Pusher { store, index: None, agreed: BTreeSet::new(), ended: BTreeSet::new() }
    }

    /// Brings what is closed and not there yet, and of what is not closed what `unclosed` says.
    ///
    /// # Errors
    /// [`ArchiveError::Store`]: the next call goes on. [`ArchiveError::OtherArchive`], [`ArchiveError::OtherLog`]:
    /// what is there is something else, and stays.
    pub fn push(
        &mut self,
        archive: &ArchiveView,
        picture: &Picture,
        unclosed: Unclosed<'_>,
        cancel: &CancelToken,
    ) -> Result<Pushed, ArchiveError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => {
                self.agreed.clear();
                self.ended.clear();
                Index::read(&*self.store)?
            }
        };
        let mut pushed = Pushed::default();
        let mut push = Push { store: &*self.store, index: &mut index, archive, cancel, pushed: &mut pushed };
        let newest = picture.epochs.last().map(|epoch| epoch.record.number);
        for epoch in &picture.epochs {
            if self.agreed.insert(epoch.record.number) {
                push.agree(epoch)?;
            }
            for log in epoch.logs.iter().filter(|log| log.state == LogState::Closed) {
                cancel.check().map_err(|cancelled| ArchiveError::Packed {
                    path: epoch_path(epoch.record.number),
                    source: cancelled.into(),
                })?;
                push.closed(epoch.record.number, log)?;
            }
            let number = epoch.record.number;
            if let Some(place) = unclosed.synced.filter(|place| place.epoch == number) {
                push.open(epoch, place, unclosed.packing)?;
            } else if number > 0 && Some(number) < newest && self.ended.insert(number) {
                push.ended(epoch, unclosed.packing)?;
            }
        }
        // Kept only if all went well: else nobody knows what is there.
        self.index = Some(index);
        Ok(pushed)
    }
}

fn epoch_path(epoch: EpochNumber) -> std::path::PathBuf {
    Path::new(&crate::archive::names::epoch_directory(epoch)).to_owned()
}

/// One push.
struct Push<'p> {
    store: &'p dyn Store,
    index: &'p mut Index,
    archive: &'p ArchiveView,
    cancel: &'p CancelToken,
    pushed: &'p mut Pushed,
}

impl Push<'_> {
    /// Writes whose an epoch is, or sees that it is the same one there.
    fn agree(&mut self, epoch: &Epoch) -> Result<(), ArchiveError> {
        let number = epoch.record.number;
        let path = path_of(self.store, number, EPOCH)?;
        let place = || format!("{}/{path}", self.store.address());
        if self.index.bytes(number, EPOCH).is_none() {
            let text = to_text(&epoch.record)
                .map_err(|error| ArchiveError::record(Path::new(&place()), error.to_string()))?;
            self.store.put(&path, text.as_bytes())?;
            self.index.add(number, EPOCH.to_owned(), text.len() as u64);
            return Ok(());
        }
        let there = self.store.read_small(std::slice::from_ref(&path), ENTRY_LIMIT)?;
        let text = there.into_iter().next().flatten().unwrap_or_default();
        let there =
            record_of(number, &text).map_err(|reason| ArchiveError::record(Path::new(&place()), reason))?;
        // What is told of logs without an epoch changes with them.
        if there == epoch.record || number == 0 {
            return Ok(());
        }
        Err(ArchiveError::OtherArchive { place: place(), epoch: number })
    }

    /// Sees that a closed log is there.
    fn closed(&mut self, epoch: EpochNumber, entry: &LogEntry) -> Result<(), ArchiveError> {
        let sent = match self.try_closed(epoch, entry) {
            Err(error) if error.is_missing() && !matches!(error, ArchiveError::Store(_)) => {
                // It got another form meanwhile, or was removed.
                match read_entry(&self.archive.directory(epoch), &entry.name).unwrap_or_default() {
                    Some(current) if current.form() != entry.form() => self.try_closed(epoch, &current),
                    _ => Ok(()),
                }
            }
            other => other,
        };
        match sent {
            Err(
                error @ (ArchiveError::Digest { .. }
                | ArchiveError::Length { .. }
                | ArchiveError::Read { .. }
                | ArchiveError::Unfit { .. }),
            ) => {
                let fault = LogFault { name: entry.name.clone(), reason: error.to_string() };
                self.pushed.damaged.push((epoch, fault));
                Ok(())
            }
            other => other,
        }
    }

    fn try_closed(&mut self, epoch: EpochNumber, entry: &LogEntry) -> Result<(), ArchiveError> {
        let name = log_file(&entry.name, entry.form());
        let is_sealed = self.index.bytes(epoch, &entry_file(&entry.name)).is_some();
        let is_there = self.index.bytes(epoch, &name) == Some(entry.stored_bytes());
        if is_sealed && (is_there || self.is_there_otherwise(epoch, entry)?) {
            return self.clear_away(epoch, entry, is_there);
        }
        if !is_there || !self.has_digest(epoch, entry)? {
            self.send(epoch, entry)?;
        }
        let text = entry_text(entry)
            .map_err(|error| ArchiveError::record(&epoch_path(epoch).join(&name), error.to_string()))?;
        self.store.put(&path_of(self.store, epoch, &entry_file(&entry.name))?, text.as_bytes())?;
        self.index.add(epoch, entry_file(&entry.name), text.len() as u64);
        self.pushed.logs += 1;
        self.clear_away(epoch, entry, true)
    }

    /// Whether a log is there in another form than here.
    fn is_there_otherwise(&self, epoch: EpochNumber, entry: &LogEntry) -> Result<bool, ArchiveError> {
        let path = path_of(self.store, epoch, &entry_file(&entry.name))?;
        let found = self.store.read_small(std::slice::from_ref(&path), ENTRY_LIMIT)?;
        let text = found.into_iter().next().flatten().unwrap_or_default();
        // What cannot be believed is written anew, with the log.
        let Ok(there) = entry_of(&entry.name, &text) else { return Ok(false) };
        if let (Some(expected), Some(found)) = (entry.digest, there.digest)
            && expected != found
        {
            let place = format!("{}/{path}", self.store.address());
            return Err(ArchiveError::OtherLog { place, log: entry.name.clone(), expected, found });
        }
        let name = log_file(&there.name, there.form());
        Ok(self.index.bytes(epoch, &name) == Some(there.stored_bytes()))
    }

    /// Removes what a log that counts has no use for: pieces, what was left of uploads, and other forms of it if the
    /// one here is there.
    fn clear_away(
        &mut self,
        epoch: EpochNumber,
        entry: &LogEntry,
        is_only: bool,
    ) -> Result<(), ArchiveError> {
        let is_waste = |name: &String| match known(name) {
            Some(Known::OfLog(log, Role::Piece(_))) => log == entry.name,
            Some(Known::OfLog(log, Role::Log(form))) => is_only && log == entry.name && form != entry.form(),
            Some(Known::Temporary) => true,
            _ => false,
        };
        let waste: Vec<String> = self.index.of_log(epoch, &entry.name).into_iter().filter(is_waste).collect();
        if waste.is_empty() {
            return Ok(());
        }
        let paths: Result<Vec<_>, _> = waste.iter().map(|name| path_of(self.store, epoch, name)).collect();
        self.store.remove(&paths?)?;
        // What the store keeps for now does no harm; it is tried again when the store is listed again.
        waste.iter().for_each(|name| self.index.remove(epoch, name));
        Ok(())
    }
}

#[cfg(test)]
mod tests;

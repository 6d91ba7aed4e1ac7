//! An archive and copies of it, as one: what the one has lost, another may have.

use std::collections::BTreeMap;
use std::io::Read;

use xb_core::BinlogName;

use crate::archive::listing::{LogKey, key};
use crate::archive::shelf::name_neighbours;
use crate::archive::{ArchiveError, Epoch, EpochNumber, LogState, Logs, Picture};

/// Who has a log, by its epoch and name.
type Origins = BTreeMap<(EpochNumber, LogKey), usize>;

/// Archives that are copies of one another, all of them or parts. What several have is read from the first that
/// was added.
#[derive(Default)]
pub struct Union {
    sources: Vec<Box<dyn Logs>>,
    picture: Picture,
    origins: Origins,
}

impl Union {
    /// One archive.
    #[must_use]
    pub fn of(picture: Picture, logs: impl Logs + 'static) -> Self {
        let mut union = Union::default();
        union.add(picture, logs);
        union
    }

    /// Adds an archive, and says whether it has anything the others have not. An epoch that is another one than
    /// that of the same number here is left out: it is of an archive that has nothing to do with this one.
    pub fn add(&mut self, picture: Picture, logs: impl Logs + 'static) -> bool {
        let source = self.sources.len();
        self.sources.push(Box::new(logs));
        let mut has_more = false;
        for epoch in picture.epochs {
            let number = epoch.record.number;
            has_more |= match self.picture.epochs.iter_mut().find(|own| own.record.number == number) {
                Some(own) if own.record == epoch.record => merge(own, epoch, source, &mut self.origins),
                Some(_) => false,
                None => {
                    self.origins.extend(epoch.logs.iter().map(|log| ((number, key(&log.name)), source)));
                    self.picture.epochs.push(epoch);
                    true
                }
            };
        }
        self.picture.epochs.sort_by_key(|epoch| epoch.record.number);
        has_more
    }

    /// All that they have.
    #[must_use]
    pub fn picture(&self) -> &Picture {
        &self.picture
    }
}

/// Takes what is missing in an epoch, is damaged, or goes on further; whether there was any.
fn merge(own: &mut Epoch, other: Epoch, source: usize, origins: &mut Origins) -> bool {
    let mut has_more = false;
    for log in other.logs {
        match own.logs.iter_mut().find(|had| had.name == log.name) {
            Some(had) if had.state == LogState::Closed || had.size_bytes >= log.size_bytes => continue,
            Some(had) => *had = log.clone(),
            None => own.logs.push(log.clone()),
        }
        // What is there in the copy makes up for what is damaged here.
        own.faults.retain(|fault| fault.name != log.name);
        origins.insert((own.record.number, key(&log.name)), source);
        has_more = true;
    }
    own.logs.sort_by_cached_key(|log| key(&log.name));
    name_neighbours(&mut own.logs);
    has_more
}

impl Logs for Union {
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        let source = self.origins.get(&(epoch, key(log))).and_then(|source| self.sources.get(*source));
        match source {
            Some(source) => source.read(epoch, log),
            None => Err(ArchiveError::NoLog { directory: Default::default(), log: log.clone() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use xb_pipeline::cancel::CancelToken;
    use xb_pipeline::keys::Keys;

    use super::*;
    use crate::archive::{ArchiveView, Beginning, BinlogArchive, EpochServer};
    use crate::elsewhere::Elsewhere;
    use crate::push::{Pusher, Unclosed};
    use crate::testing::{Place, bare, close, log, open, read, server, time_of};

    /// An archive with three closed logs and an open one, and its copy.
    fn with_copy() -> (Place, Elsewhere) {
        let place = Place::with_logs(1..=3);
        let store = place.store();
        let picture = place.archive.picture().unwrap();
        let (packing, cancel) = (bare(), CancelToken::new());
        let unclosed = Unclosed { packing: &packing, synced: None };
        Pusher::new(store.clone()).push(&place.archive, &picture, unclosed, &cancel).unwrap();
        (place, Elsewhere::look(store, Keys::default()).unwrap())
    }

    fn here(place: &Place) -> (Picture, ArchiveView) {
        let view = BinlogArchive::look(place.archive.root());
        (view.picture().unwrap(), view)
    }

    fn union(place: &Place, copy: Elsewhere) -> (Union, bool) {
        let (picture, logs) = here(place);
        let mut union = Union::of(picture, logs);
        let has_more = union.add(copy.picture().unwrap(), copy);
        (union, has_more)
    }

    #[test]
    fn a_copy_of_all_adds_nothing() {
        let (place, copy) = with_copy();
        let (union, has_more) = union(&place, copy);
        assert!(!has_more);
        assert_eq!(*union.picture(), here(&place).0);
    }

    #[test]
    fn what_is_lost_or_damaged_here_comes_from_the_copy() {
        let (place, copy) = with_copy();
        let before = here(&place).0;
        let content = read(&here(&place).1, 1, &log(2)).unwrap();
        let directory = place.epoch(1);
        for name in ["b.000002", "b.000002.json"] {
            std::fs::remove_file(directory.join(name)).unwrap();
        }
        let length = std::fs::metadata(directory.join("b.000001")).unwrap().len();
        let first = std::fs::OpenOptions::new().write(true).open(directory.join("b.000001")).unwrap();
        first.set_len(length - 1).unwrap();
        assert_eq!(here(&place).0.epochs[0].faults.len(), 1);
        let (union, has_more) = union(&place, copy);
        assert!(has_more);
        assert_eq!(*union.picture(), before);
        assert!(read(&union, 1, &log(2)).unwrap() == content);
        for log in &before.epochs[0].logs {
            let bytes = read(&union, 1, &log.name).unwrap();
            assert_eq!(bytes.len() as u64, log.size_bytes);
        }
    }

    #[test]
    fn of_a_log_that_is_written_the_longer_part_is_taken() {
        let (place, copy) = with_copy();
        std::fs::remove_file(place.epoch(1).join("b.000003")).unwrap();
        std::fs::remove_file(place.epoch(1).join("b.000003.json")).unwrap();
        std::fs::remove_file(place.epoch(1).join("b.000004.partial")).unwrap();
        let epoch = place.archive.newest().unwrap().unwrap().1;
        let size = open(&epoch, 3, time_of(3));
        let (union, has_more) = union(&place, copy);
        let third = union.picture().epochs[0].log(&log(3)).unwrap();
        assert!(has_more && third.state == LogState::Closed && third.size_bytes > size);
        assert_eq!(read(&union, 1, &log(3)).unwrap().len() as u64, third.size_bytes);
    }

    #[test]
    fn another_archive_is_not_mixed_in() {
        let (_first, copy) = with_copy();
        let other = Place::new();
        let epoch = other.archive.begin_epoch(
            0,
            EpochServer { server_id: 7, ..server() },
            Beginning::First,
            chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        );
        close(&epoch.unwrap().1, 9, 9);
        let (union, has_more) = union(&other, copy);
        assert!(!has_more);
        assert_eq!(*union.picture(), here(&other).0);
    }
}

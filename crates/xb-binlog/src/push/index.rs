//! What of an archive is in a store, as it was listed and has changed since.

use std::collections::BTreeMap;
use std::path::PathBuf;

use xb_core::BinlogName;
use xb_pipeline::store::{Store, StoreError, StoreErrorKind, StorePath, StorePathError};

use crate::archive::EpochNumber;
use crate::archive::listing::Listing;
use crate::archive::names::{epoch_directory, epoch_number};

/// Where archives are in stores.
const ROOT: &str = "binlogs";

/// The files of each epoch, and their lengths in bytes.
#[derive(Debug, Default)]
pub(crate) struct Index {
    epochs: BTreeMap<EpochNumber, BTreeMap<String, u64>>,
    /// What is not known, below the root.
    pub(crate) strangers: Vec<String>,
}

impl Index {
    /// Lists a store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let mut index = Index::default();
        for entry in store.list()? {
            let Some(below) = entry.path.as_str().strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('/'))
            else {
                continue;
            };
            match below.split_once('/').and_then(|(directory, name)| Some((epoch_number(directory)?, name))) {
                Some((epoch, name)) => index.add(epoch, name.to_owned(), entry.bytes),
                None => index.strangers.push(below.to_owned()),
            }
        }
        Ok(index)
    }

    pub(crate) fn epochs(&self) -> impl Iterator<Item = EpochNumber> {
        self.epochs.keys().copied()
    }

    pub(crate) fn listing(&self, epoch: EpochNumber) -> Listing {
        self.epochs.get(&epoch).map(|files| Listing::of(files.keys().cloned())).unwrap_or_default()
    }

    /// The length of a file, if it is there.
    pub(crate) fn bytes(&self, epoch: EpochNumber, name: &str) -> Option<u64> {
        self.epochs.get(&epoch)?.get(name).copied()
    }

    /// Every file that begins with the name of a log, and what is left of uploads of one.
    pub(crate) fn of_log(&self, epoch: EpochNumber, log: &BinlogName) -> Vec<String> {
        let Some(files) = self.epochs.get(&epoch) else { return Vec::new() };
        let begins = |start: String| {
            files
                .range(start.clone()..)
                .map(|(name, _)| name)
                .take_while(move |name| name.starts_with(&start))
        };
        begins(log.to_string()).chain(begins(format!(".{log}."))).cloned().collect()
    }

    pub(crate) fn add(&mut self, epoch: EpochNumber, name: String, bytes: u64) {
        self.epochs.entry(epoch).or_default().insert(name, bytes);
    }

    pub(crate) fn remove(&mut self, epoch: EpochNumber, name: &str) {
        if let Some(files) = self.epochs.get_mut(&epoch) {
            files.remove(name);
        }
    }
}

/// The path of a file of an epoch.
///
/// # Errors
/// [`StoreErrorKind::Unsupported`] for a name that is too long.
pub(crate) fn path_of(store: &dyn Store, epoch: EpochNumber, name: &str) -> Result<StorePath, StoreError> {
    StorePath::parse(&format!("{ROOT}/{}/{name}", epoch_directory(epoch))).map_err(|error: StorePathError| {
        StoreError {
            kind: StoreErrorKind::Unsupported,
            store: store.address().to_owned(),
            action: "name",
            path: Some(error.path),
            reason: error.reason.to_owned(),
        }
    })
}

/// An object, for messages.
pub(crate) fn place_of(store: &dyn Store, path: &StorePath) -> PathBuf {
    PathBuf::from(format!("{}/{path}", store.address()))
}

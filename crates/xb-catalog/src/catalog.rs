//! The picture of a store at one moment. Made by looking, changed by nobody.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Serialize;
use xb_core::{BackupId, BinlogName};
use xb_pipeline::fs::FsError;

use crate::layout::{DIRECTORIES, PARTIAL_SUFFIX, Place};
use crate::read::read_record;
use crate::record::BackupRecord;
use crate::set::{BackupSet, ChainError};

/// What an interrupted run left, or a running one is making.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partial {
    /// Which backup it was to be.
    #[serde(flatten)]
    pub place: Place,
    /// Its directory.
    pub directory: PathBuf,
}

/// What is in a store.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Catalog {
    /// The store.
    pub root: PathBuf,
    /// Every set, oldest first.
    pub sets: Vec<BackupSet>,
    /// Half-written backups.
    pub partials: Vec<Partial>,
    /// Names below `weekly`, oldest first.
    pub weekly: Vec<String>,
    /// Names below `monthly`, oldest first.
    pub monthly: Vec<String>,
    /// Archived binary logs, in order.
    pub binlogs: Vec<BinlogName>,
    /// What is not ours. Left alone.
    pub strays: Vec<PathBuf>,
}

impl Catalog {
    /// Looks at the store at `root`. Directories that are missing hold nothing.
    ///
    /// # Errors
    /// [`FsError`] when a directory cannot be read. A backup that cannot be read is an entry that says so.
    pub fn scan(root: &Path) -> Result<Self, FsError> {
        fs::metadata(root).map_err(FsError::on("open the store", root))?;
        let mut scan =
            Scan { catalog: Catalog { root: root.to_owned(), ..Catalog::default() }, sets: BTreeMap::new() };
        scan.fulls()?;
        scan.incrementals()?;
        scan.others()?;
        Ok(scan.finish())
    }

    /// Every backup, oldest set first, the full one of each first.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = &BackupRecord> {
        self.sets.iter().flat_map(BackupSet::members)
    }

    /// The newest backup that counts, with or without a chain that does.
    #[must_use]
    pub fn newest(&self) -> Option<&BackupRecord> {
        self.records().filter(|record| record.is_complete()).max_by_key(|record| record.id())
    }

    /// The greatest name in the store, whole or not: the next backup's must be greater.
    #[must_use]
    pub fn newest_name(&self) -> Option<BackupId> {
        let whole = self.records().map(BackupRecord::id);
        whole.chain(self.partials.iter().map(|partial| partial.place.id)).max()
    }

    /// What a restore of `target` needs, full backup first; without a target, of the newest that has all.
    ///
    /// # Errors
    /// [`ChainError`], also when the store holds nothing that can be restored.
    pub fn chain(&self, target: BackupId) -> Result<Vec<&BackupRecord>, ChainError> {
        let set = self.sets.iter().find(|set| set.members().any(|member| member.id() == target));
        set.ok_or(ChainError::NoSuchBackup { target })?.chain(target)
    }

    /// The newest backup after `chosen`, which was passed over, with the reason why it cannot be restored.
    #[must_use]
    pub fn passed_over(&self, chosen: BackupId) -> Option<ChainError> {
        let newest = self.records().map(BackupRecord::id).filter(|id| *id > chosen).max()?;
        self.chain(newest).err()
    }

    /// The chain of the newest backup that can be restored.
    #[must_use]
    pub fn newest_restorable(&self) -> Option<Vec<&BackupRecord>> {
        self.sets.iter().rev().find_map(BackupSet::newest_restorable)
    }
}

struct Scan {
    catalog: Catalog,
    sets: BTreeMap<BackupId, BackupSet>,
}

impl Scan {
    fn fulls(&mut self) -> Result<(), FsError> {
        for (name, path) in list(&self.catalog.root.join("full"))? {
            match entry(&name, None) {
                Some(Entry::Whole(place)) => {
                    let record = read_record(place, &path);
                    self.set(place.set).full = Some(record);
                }
                Some(Entry::Partial(place)) => self.partial(place, path),
                None => self.catalog.strays.push(path),
            }
        }
        Ok(())
    }

    fn incrementals(&mut self) -> Result<(), FsError> {
        for (set_name, set_path) in list(&self.catalog.root.join("incr"))? {
            let Ok(set) = set_name.parse::<BackupId>() else {
                self.catalog.strays.push(set_path);
                continue;
            };
            for (name, path) in list(&set_path)? {
                match entry(&name, Some(set)) {
                    Some(Entry::Whole(place)) => {
                        let record = read_record(place, &path);
                        self.set(set).incrementals.push(record);
                    }
                    Some(Entry::Partial(place)) => self.partial(place, path),
                    None => self.catalog.strays.push(path),
                }
            }
        }
        Ok(())
    }

    fn others(&mut self) -> Result<(), FsError> {
        let root = self.catalog.root.clone();
        let names = |directory: &str| -> Result<Vec<String>, FsError> {
            let entries = list(&root.join(directory))?.into_iter();
            Ok(entries.map(|(name, _)| name).filter(|name| name.parse::<BackupId>().is_ok()).collect())
        };
        self.catalog.weekly = names("weekly")?;
        self.catalog.monthly = names("monthly")?;
        let binlogs = list(&root.join("binlogs"))?.into_iter();
        self.catalog.binlogs = binlogs.filter_map(|(name, _)| name.parse().ok()).collect();
        self.catalog.binlogs.sort_by(|a, b| (a.prefix(), a.number()).cmp(&(b.prefix(), b.number())));
        let ours = |name: &str| {
            DIRECTORIES.contains(&name) || name.starts_with(".pyxbackup") || name.starts_with("pyxbackup")
        };
        let strays = list(&root)?.into_iter().filter(|(name, _)| !ours(name)).map(|(_, path)| path);
        self.catalog.strays.extend(strays);
        Ok(())
    }

    fn set(&mut self, id: BackupId) -> &mut BackupSet {
        self.sets.entry(id).or_insert_with(|| BackupSet { id, full: None, incrementals: Vec::new() })
    }

    fn partial(&mut self, place: Place, directory: PathBuf) {
        self.catalog.partials.push(Partial { place, directory });
    }

    fn finish(mut self) -> Catalog {
        self.sets.values_mut().for_each(|set| set.incrementals.sort_by_key(BackupRecord::id));
        self.catalog.sets = self.sets.into_values().collect();
        self.catalog
    }
}

enum Entry {
    Whole(Place),
    Partial(Place),
}

fn entry(name: &str, set: Option<BackupId>) -> Option<Entry> {
    let place = |id: BackupId| Place { set: set.unwrap_or(id), id };
    match name.strip_suffix(PARTIAL_SUFFIX) {
        Some(name) => name.parse().ok().map(|id| Entry::Partial(place(id))),
        None => name.parse().ok().map(|id| Entry::Whole(place(id))),
    }
}

/// Names and paths in a directory, sorted; nothing when it is not there. Names that are not UTF-8 are shown
/// with replacement characters and so never taken for ours.
fn list(directory: &Path) -> Result<Vec<(String, PathBuf)>, FsError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        // A file of the name of a directory is a stray of whoever listed the directory above.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(FsError::on("read directory", directory)(error)),
    };
    let named = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.map_err(FsError::on("read directory", directory))?;
        Ok((entry.file_name().to_string_lossy().into_owned(), entry.path()))
    };
    let mut names = entries.map(named).collect::<Result<Vec<_>, FsError>>()?;
    names.sort();
    Ok(names)
}

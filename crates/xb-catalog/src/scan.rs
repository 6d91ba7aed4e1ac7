//! Looking at a store. Backups are read on several threads: what takes the time is the system's, file by file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use xb_core::BackupId;
use xb_pipeline::fs::FsError;

use crate::catalog::{Catalog, Partial};
use crate::directory::{Directory, Entries, View};
use crate::layout::{DIRECTORIES, Place, Shelf};
use crate::name::Named;
use crate::pins::read_pins;
use crate::read::Reader;
use crate::record::BackupRecord;
use crate::set::BackupSet;

mod shelf;

pub(crate) use shelf::read_shelved;

/// More threads than this wait for each other.
const MOST_THREADS: usize = 8;
/// For fewer sets a thread is not worth its start.
const SETS_PER_THREAD: usize = 8;

/// What was found in a store, or in what is laid out as one.
#[derive(Default)]
struct Found {
    sets: Vec<BackupSet>,
    partials: Vec<Partial>,
    strays: Vec<PathBuf>,
}

impl Found {
    fn add(&mut self, other: Found) {
        self.sets.extend(other.sets);
        self.partials.extend(other.partials);
        self.strays.extend(other.strays);
    }
}

/// The picture of the store at `root`, a directory of this machine.
pub(crate) fn scan(root: &Path) -> Result<Catalog, FsError> {
    fs::metadata(root).map_err(FsError::on("open the store", root))?;
    look(&View::Disk, root)
}

/// The picture of a store at `root`, which is there.
pub(crate) fn look(view: &View, root: &Path) -> Result<Catalog, FsError> {
    let mut found = small_store(view, root, Shelf::Current)?;
    let weekly = shelf::shelf(view, root, Shelf::Weekly, &mut found)?;
    let monthly = shelf::shelf(view, root, Shelf::Monthly, &mut found)?;
    let yearly = shelf::shelf(view, root, Shelf::Yearly, &mut found)?;
    let is_ours = |name: &str| {
        let known = DIRECTORIES.contains(&name) || Shelf::Yearly.directory() == Some(name);
        known || name.starts_with(".pyxbackup") || name.starts_with("pyxbackup")
    };
    let top = view.entries(root)?;
    let others =
        top.others.iter().filter(|name| !is_ours(&name.to_string_lossy())).map(|name| root.join(name));
    found.strays.extend(others);
    found.strays.extend(top.ours.iter().filter_map(|named| named.file_name()).map(|name| root.join(name)));
    let binlogs = view.entries(&root.join("binlogs"))?.others;
    let mut binlogs: Vec<xb_core::BinlogName> =
        binlogs.iter().filter_map(|name| name.to_string_lossy().parse().ok()).collect();
    binlogs.sort_by(|a, b| (a.prefix(), a.number()).cmp(&(b.prefix(), b.number())));
    let (pins, pins_unreadable) = match read_pins(view, root) {
        Ok(pins) => (pins, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    Ok(Catalog {
        root: root.to_owned(),
        sets: found.sets,
        partials: found.partials,
        weekly,
        monthly,
        yearly,
        pins,
        pins_unreadable,
        binlogs,
        strays: found.strays,
        listing: match view {
            View::Disk => None,
            View::Listed(listing) => Some(listing.clone()),
        },
    })
}

/// `full` and `incr` of what is laid out as a store.
fn small_store(view: &View, root: &Path, shelf: Shelf) -> Result<Found, FsError> {
    let mut found = Found::default();
    let (full, incr) = (root.join("full"), root.join("incr"));
    let Entries { ours, others } = view.entries(&incr)?;
    found.strays.extend(others.iter().map(|name| incr.join(name)));
    let mut with_incrementals = BTreeSet::new();
    for named in ours {
        match named {
            Named::Whole(set) => drop(with_incrementals.insert(set)),
            // There is no set in the making: only backups are made.
            Named::Partial(_) | Named::Other => {
                found.strays.extend(named.file_name().map(|name| incr.join(name)))
            }
        }
    }
    let mut jobs: BTreeMap<BackupId, bool> = with_incrementals.iter().map(|set| (*set, false)).collect();
    let full = view.open(&full)?;
    let Entries { ours, others } =
        full.as_ref().map_or_else(|| Ok(Entries::default()), Directory::entries)?;
    if let Some(full) = &full {
        found.strays.extend(others.iter().map(|name| full.path().join(name)));
        for named in ours {
            match named {
                Named::Whole(id) if full.is_draft(&id.to_string()) => {
                    found.partials.push(draft(full, Place::full(id), shelf));
                }
                Named::Whole(id) => drop(jobs.insert(id, true)),
                Named::Partial(id) => found.partials.push(partial(full, Place::full(id), shelf)),
                Named::Other => (),
            }
        }
    }
    let jobs: Vec<(BackupId, bool)> = jobs.into_iter().collect();
    let work = |reader: &mut Reader, (set, has_full): (BackupId, bool)| {
        let full = full.as_ref().filter(|_| has_full);
        let full = full.map(|full| reader.entry(full, Place::full(set)));
        let path = with_incrementals.contains(&set).then(|| incr.join(set.to_string()));
        read_set(view, reader, set, full, path, shelf)
    };
    for part in on_threads(&jobs, work) {
        found.add(part?);
    }
    Ok(found)
}

/// A set with the incrementals in the directory `incrementals`.
fn read_set(
    view: &View,
    reader: &mut Reader,
    set: BackupId,
    full: Option<BackupRecord>,
    incrementals: Option<PathBuf>,
    shelf: Shelf,
) -> Result<Found, FsError> {
    let mut found = Found::default();
    let mut members = Vec::new();
    let directory = incrementals.as_deref().map(|path| view.open(path)).transpose()?.flatten();
    if let Some(directory) = directory {
        let Entries { ours, others } = directory.entries()?;
        found.strays.extend(others.iter().map(|name| directory.path().join(name)));
        members.reserve_exact(ours.len());
        for named in ours {
            match named {
                // What has the name of the set is its full backup, and that does not stand here.
                Named::Whole(id) if id == set => found.strays.push(directory.path().join(id.to_string())),
                Named::Whole(id) if directory.is_draft(&id.to_string()) => {
                    found.partials.push(draft(&directory, Place { set, id }, shelf));
                }
                Named::Whole(id) => members.push(reader.entry(&directory, Place { set, id })),
                Named::Partial(id) => found.partials.push(partial(&directory, Place { set, id }, shelf)),
                Named::Other => (),
            }
        }
    }
    if full.is_some() || !members.is_empty() {
        found.sets.push(BackupSet { id: set, full, incrementals: members });
    }
    Ok(found)
}

fn partial(parent: &Directory, place: Place, shelf: Shelf) -> Partial {
    let directory = parent.path().join(format!("{}{}", place.id, crate::layout::PARTIAL_SUFFIX));
    Partial { place, shelf, directory }
}

/// What is being made under its own name.
fn draft(parent: &Directory, place: Place, shelf: Shelf) -> Partial {
    Partial { place, shelf, directory: parent.path().join(place.id.to_string()) }
}

/// Does every job on as many threads as help; the results stand in the order of the jobs.
fn on_threads<J: Copy + Sync, R: Send>(jobs: &[J], work: impl Fn(&mut Reader, J) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    let threads = processors.min(jobs.len() / SETS_PER_THREAD).max(1);
    let next = AtomicUsize::new(0);
    let run = || {
        let mut reader = Reader::default();
        let mut done = Vec::with_capacity(jobs.len() / threads + 1);
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(index) else { return done };
            done.push((index, work(&mut reader, *job)));
        }
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let mut results = run();
        for other in others {
            match other.join() {
                Ok(done) => results.extend(done),
                Err(payload) => std::panic::resume_unwind(payload),
            }
        }
        results
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests;

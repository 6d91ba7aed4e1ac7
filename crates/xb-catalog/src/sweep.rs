//! Removing what stands in a store elsewhere: sets that are no longer kept, and what dead runs left.
//!
//! A backup is withdrawn before anything of it goes, the newest of a set first, so that what is listed at any moment
//! is whole. A store may refuse to give something up, by a lock on its objects or for want of a right: then it stays,
//! with all that it builds on, and the next prune tries again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use xb_core::BackupId;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::fs::FsError;
use xb_pipeline::store::{Entry, Removal, StoreError, StoreErrorKind, StorePath};

use crate::catalog::{Catalog, Partial};
use crate::commit::{BACKUP_META_NAME, remove_partials};
use crate::listing::Listing;
use crate::manifest::MANIFEST_NAME;
use crate::read::META_LIMIT;
use crate::record::{BackupRecord, Origin};
use crate::remove::{Outcome, RemoveError, leftovers};
use crate::repository::Remote;
use crate::runs::{FoundMark, RunMark, UploadMark};
use crate::set::BackupSet;

/// What a dead run left, and how to be rid of it.
#[derive(Clone, Debug)]
pub struct Remnant {
    /// Where it stands, as it is shown.
    pub path: PathBuf,
    /// Bytes of its objects, as far as they can be seen.
    pub bytes: u64,
    backup: Option<BackupId>,
    job: Job,
}

#[derive(Clone, Debug)]
enum Job {
    Here(Partial),
    Elsewhere {
        objects: Vec<StorePath>,
        uploads: Vec<UploadMark>,
        /// The mark it has; without one, that of a run that began meanwhile, and the seal of one that ended.
        mark: Mark,
    },
}

#[derive(Clone, Debug)]
enum Mark {
    None,
    Found(StorePath),
    Unseen(Vec<StorePath>),
}

impl Remnant {
    /// The backup it was to be, as far as that is known.
    #[must_use]
    pub fn backup(&self) -> Option<BackupId> {
        self.backup
    }

    pub(crate) fn remove_here(&self) -> Result<Outcome, RemoveError> {
        if let Job::Here(partial) = &self.job {
            remove_partials(std::slice::from_ref(partial))?;
        }
        Ok(Outcome::Removed)
    }

    pub(crate) fn remove_elsewhere(&self, remote: &Remote) -> Result<Outcome, RemoveError> {
        if let Job::Elsewhere { objects, uploads, mark } = &self.job {
            if let Mark::Unseen(paths) = mark
                && remote.store.read_small(paths, u64::from(META_LIMIT))?.iter().any(Option::is_some)
            {
                return Ok(Outcome::Deferred("a run has begun or ended there meanwhile".to_owned()));
            }
            for upload in uploads {
                let path = StorePath::parse(&upload.path)
                    .map_err(|error| remote.error("abort", &upload.path, &error))?;
                match remote.store.abort(&path, &upload.token) {
                    Err(error) if error.kind == StoreErrorKind::Denied => {
                        return Ok(Outcome::Deferred(error.reason));
                    }
                    done => done?,
                }
            }
            let mark = if let Mark::Found(path) = mark { Some(path) } else { None };
            // It goes last: while it is there, somebody knows that there is more to remove.
            let all: Vec<StorePath> = objects.iter().chain(mark).cloned().collect();
            return Ok(remove_objects(remote, &all)?);
        }
        Ok(Outcome::Removed)
    }

    /// Gives up what was being sent, and leaves the objects for one that goes on with it.
    pub(crate) fn release(&self, remote: &Remote) -> Result<Outcome, RemoveError> {
        match &self.job {
            Job::Here(_) => Ok(Outcome::Removed),
            Job::Elsewhere { uploads, mark, .. } => {
                let job =
                    Job::Elsewhere { objects: Vec::new(), uploads: uploads.clone(), mark: mark.clone() };
                Remnant { job, ..self.clone() }.remove_elsewhere(remote)
            }
        }
    }
}

/// What dead runs left in a directory of this machine.
pub(crate) fn here(catalog: &Catalog, now: DateTime<Utc>) -> Result<Vec<Remnant>, FsError> {
    let remnant = |left: crate::remove::Leftover| Remnant {
        path: left.partial.directory.clone(),
        bytes: left.bytes,
        backup: Some(left.partial.place.id),
        job: Job::Here(left.partial),
    };
    // A copy that somebody makes in this directory as a store has a mark, as it has elsewhere.
    let is_marked = |left: &crate::remove::Leftover| {
        let mark = catalog.root.join(RunMark::path(left.partial.place.id));
        let age = std::fs::metadata(mark).and_then(|meta| meta.modified()).ok().map(DateTime::<Utc>::from);
        age.is_some_and(|written| now - written < FoundMark::believed_for())
    };
    Ok(leftovers(catalog)?.into_iter().filter(|left| !is_marked(left)).map(remnant).collect())
}

/// What dead runs left in a store elsewhere: first what was being made, then what else nobody will ever finish.
pub(crate) fn elsewhere(remote: &Remote, catalog: &Catalog, now: DateTime<Utc>) -> Vec<Remnant> {
    let Some(listing) = &catalog.listing else { return Vec::new() };
    let marks = FoundMark::all(listing);
    let (over, living): (Vec<_>, Vec<_>) =
        marks.into_iter().partition(|mark| mark.is_over(&remote.owner, now));
    let mut remnants = Vec::new();
    let mut marked = BTreeSet::new();
    for found in &over {
        let place = found.mark.as_ref().map(RunMark::place);
        let partial = catalog.partials.iter().find(|partial| Some(partial.place) == place);
        marked.extend(partial.map(|partial| partial.place));
        // Of a backup that exists every upload came to its end.
        let exists = place.is_some_and(|place| catalog.records().any(|record| record.place == place));
        let uploads = found.mark.as_ref().filter(|_| !exists).map(|mark| mark.uploads.clone());
        let uploads = uploads.unwrap_or_default();
        let shown = match partial {
            Some(partial) => partial.directory.clone(),
            None => remote.root.join(found.path.as_str()),
        };
        let objects = objects_of(remote, listing, partial);
        let remnant = of_objects(shown, objects, Mark::Found(found.path.clone()), uploads);
        remnants.push(Remnant { backup: place.map(|place| place.id), ..remnant });
    }
    let is_alive = |partial: &&Partial| {
        living.iter().any(|found| found.mark.as_ref().is_none_or(|mark| mark.place() == partial.place))
    };
    let unmarked = catalog.partials.iter().filter(|partial| !marked.contains(&partial.place));
    for partial in unmarked.filter(|partial| !is_alive(partial)) {
        let objects = objects_of(remote, listing, Some(partial));
        let mark = remote.path_of(Path::new(&RunMark::path(partial.place.id)));
        let seal = remote.path_of(&partial.directory.join(MANIFEST_NAME));
        let in_place = |seal: &StorePath| seal.parent().is_some_and(|at| remote.store.draft(&at) == at);
        let unseen = mark.into_iter().chain(seal.ok().filter(in_place)).collect();
        let mark = Mark::Unseen(unseen);
        let remnant = of_objects(partial.directory.clone(), objects, mark, Vec::new());
        remnants.push(Remnant { backup: Some(partial.place.id), ..remnant });
    }
    if living.is_empty() {
        let known: BTreeSet<StorePath> = remnants.iter().flat_map(Remnant::objects).cloned().collect();
        let torn = listing.entries().iter().filter(|entry| is_torn(entry) && !known.contains(&entry.path));
        remnants.extend(torn.map(|entry| {
            of_objects(remote.root.join(entry.path.as_str()), vec![entry], Mark::None, Vec::new())
        }));
    }
    remnants
}

impl Remnant {
    fn objects(&self) -> &[StorePath] {
        match &self.job {
            Job::Here(_) => &[],
            Job::Elsewhere { objects, .. } => objects,
        }
    }
}

fn objects_of<'a>(remote: &Remote, listing: &'a Listing, partial: Option<&Partial>) -> Vec<&'a Entry> {
    let path = partial.and_then(|partial| remote.path_of(&partial.directory).ok());
    path.map(|path| listing.below(&path).iter().collect()).unwrap_or_default()
}

fn of_objects(path: PathBuf, entries: Vec<&Entry>, mark: Mark, uploads: Vec<UploadMark>) -> Remnant {
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    let objects = entries.into_iter().map(|entry| entry.path.clone()).collect();
    Remnant { path, bytes, backup: None, job: Job::Elsewhere { objects, uploads, mark } }
}

/// Whether an object has the name that one has while it is being written, in stores that write so
/// ([`xb_pipeline::store::Upload`]).
fn is_torn(entry: &Entry) -> bool {
    let name = entry.path.name();
    name.starts_with('.') && name.ends_with(".upload")
}

/// Removes a set, newest member first.
pub(crate) fn remove_set(
    remote: &Remote,
    catalog: &Catalog,
    set: &BackupSet,
    cancel: &CancelToken,
) -> Result<Outcome, RemoveError> {
    let Some(listing) = &catalog.listing else { return Ok(Outcome::Removed) };
    for record in set.incrementals.iter().rev().chain(set.full.iter()) {
        cancel.check()?;
        if let Outcome::Deferred(reason) = remove_backup(remote, listing, record)? {
            return Ok(Outcome::Deferred(reason));
        }
    }
    Ok(Outcome::Removed)
}

/// Removes one backup.
pub(crate) fn remove_one(
    remote: &Remote,
    catalog: &Catalog,
    record: &BackupRecord,
) -> Result<Outcome, RemoveError> {
    match &catalog.listing {
        Some(listing) => Ok(remove_backup(remote, listing, record)?),
        None => Ok(Outcome::Removed),
    }
}

fn remove_backup(remote: &Remote, listing: &Listing, record: &BackupRecord) -> Result<Outcome, StoreError> {
    let directory = remote.path_of(&record.directory)?;
    let seal = if record.origin == Origin::Native { MANIFEST_NAME } else { BACKUP_META_NAME };
    if let Removal::Deferred(reason) = remote.store.withdraw(&directory, seal)? {
        return Ok(Outcome::Deferred(reason));
    }
    let draft = remote.store.draft(&directory);
    let moved = |entry: &Entry| draft.join(entry.path.below(&directory)?).ok();
    let left: Vec<StorePath> = listing.below(&directory).iter().filter_map(moved).collect();
    remove_objects(remote, &left)
}

/// What a store keeps of objects that nobody takes for a backup any more is removed by a later prune.
fn remove_objects(remote: &Remote, objects: &[StorePath]) -> Result<Outcome, StoreError> {
    let removals = remote.store.remove(objects)?;
    let deferred = removals.into_iter().find_map(|removal| match removal {
        Removal::Deferred(reason) => Some(reason),
        Removal::Removed | Removal::Missing => None,
    });
    Ok(deferred.map_or(Outcome::Removed, Outcome::Deferred))
}

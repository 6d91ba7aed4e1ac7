//! Looking at a shelf: one directory for each set, laid out as a small store or as the original tool left it.

use std::path::Path;

use xb_core::BackupId;
use xb_pipeline::fs::FsError;

use super::{Found, partial, small_store};
use crate::catalog::ShelvedSet;
use crate::directory::{Directory, View};
use crate::layout::{Place, Shelf};
use crate::name::Named;
use crate::original::{is_backup, read_backup_meta, without_an_end};
use crate::read::{Reader, unknown};
use crate::record::{BackupRecord, BackupState, Origin};
use crate::set::BackupSet;

/// The sets on a shelf, oldest first. What is no set there is added to `found`.
pub(super) fn shelf(
    view: &View,
    root: &Path,
    shelf: Shelf,
    found: &mut Found,
) -> Result<Vec<ShelvedSet>, FsError> {
    let Some(name) = shelf.directory() else { return Ok(Vec::new()) };
    let Some(directory) = view.open(&root.join(name))? else { return Ok(Vec::new()) };
    let listed = directory.entries()?;
    found.strays.extend(listed.others.iter().map(|name| directory.path().join(name)));
    let mut sets = Vec::new();
    for named in listed.ours {
        match named {
            Named::Whole(name) => {
                let path = directory.path().join(name.to_string());
                match shelved(view, &path, name, shelf, found) {
                    Ok(set) => sets.extend(set),
                    // One set that cannot be looked at keeps nobody from the others.
                    Err(error) => sets.push(unreadable(&path, name, &error)),
                }
            }
            Named::Partial(id) => found.partials.push(partial(&directory, Place::full(id), shelf)),
            Named::Other => (),
        }
    }
    sets.sort_by_key(|shelved| (shelved.set.id, shelved.name));
    Ok(sets)
}

/// A set of which nothing is known but that it is there.
fn unreadable(path: &Path, name: BackupId, error: &FsError) -> ShelvedSet {
    let state = BackupState::Unreadable(error.to_string());
    let full = unknown(Place::full(name), path, Origin::Native, state);
    ShelvedSet { name, directory: path.to_owned(), set: alone(full) }
}

/// The set in a directory that is laid out as that of a set on a shelf; nothing when it holds several.
pub(crate) fn read_shelved(path: &Path, name: BackupId) -> Result<Option<BackupSet>, FsError> {
    // Which shelf matters for what is left over only, and that is not asked for.
    Ok(shelved(&View::Disk, path, name, Shelf::Weekly, &mut Found::default())?.map(|shelved| shelved.set))
}

/// The set in a directory of a shelf. Whoever puts several there has another order in mind than we: such a
/// directory is a stray.
fn shelved(
    view: &View,
    path: &Path,
    name: BackupId,
    shelf: Shelf,
    found: &mut Found,
) -> Result<Option<ShelvedSet>, FsError> {
    let top = view.entries(path)?;
    let others =
        top.others.iter().filter(|name| *name != "full" && *name != "incr").map(|name| path.join(name));
    found.strays.extend(others);
    found.strays.extend(top.ours.iter().filter_map(|named| named.file_name()).map(|name| path.join(name)));
    let set = match of_the_original(view, path, name)? {
        Some(set) => set,
        None => {
            let mut inside = small_store(view, path, shelf)?;
            let mut sets = std::mem::take(&mut inside.sets);
            found.add(inside);
            match (sets.pop(), sets.is_empty()) {
                (Some(set), true) => set,
                (None, _) => BackupSet { id: name, full: None, incrementals: Vec::new() },
                (Some(_), false) => {
                    found.strays.push(path.to_owned());
                    return Ok(None);
                }
            }
        }
    };
    Ok(Some(ShelvedSet { name, directory: path.to_owned(), set }))
}

/// The original's form: the files of the full backup in `full` itself, the incrementals in `incr/<id>`.
fn of_the_original(view: &View, path: &Path, name: BackupId) -> Result<Option<BackupSet>, FsError> {
    let (full, incr) = (path.join("full"), path.join("incr"));
    let reader = &mut Reader::default();
    let full = view.open(&full)?.filter(|full| is_backup(view, full.path()));
    let full = full.map(|full| read_full(reader, &full, name));
    let Some(directory) = view.open(&incr)? else { return Ok(full.map(alone)) };
    let mut set = full.map(alone);
    for named in directory.entries()?.ours {
        let Named::Whole(id) = named else { continue };
        if !is_backup(view, &incr.join(id.to_string())) {
            continue;
        }
        let incrementals_of = set.get_or_insert_with(|| {
            let meta = read_backup_meta(view, &incr.join(id.to_string())).ok().flatten();
            let set = meta.and_then(|meta| meta.full).unwrap_or(name);
            BackupSet { id: set, full: None, incrementals: Vec::new() }
        });
        let place = Place { set: incrementals_of.id, id };
        incrementals_of.incrementals.push(reader.entry(&directory, place));
    }
    Ok(set)
}

fn alone(full: BackupRecord) -> BackupSet {
    BackupSet { id: full.place.set, full: Some(full), incrementals: Vec::new() }
}

/// Its name stands in its `backup.meta` only.
fn read_full(reader: &mut Reader, full: &Directory, name: BackupId) -> BackupRecord {
    let state = match read_backup_meta(&full.view(), full.path()) {
        Ok(Some(meta)) => return reader.directory(full, Place::full(meta.backup)),
        Ok(None) => without_an_end(),
        Err(reason) => BackupState::Unreadable(reason),
    };
    unknown(Place::full(name), full.path(), Origin::Original, state)
}

//! What a store elsewhere holds, as it was listed once: every object with its length, and the content of those that
//! say what the backups are. Looking at the store then asks nobody any more.
//!
//! The contents are kept in a file of this machine, so that each is fetched once in its life: a manifest never
//! changes, and when it does all the same its version does.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xb_core::ErrorClass;
use xb_formats::meta::backup_meta::FILE_NAMES;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::fs::write_atomic;
use xb_pipeline::store::{Entry, Store, StoreError, StorePath};

use crate::manifest::MANIFEST_NAME;
use crate::pins::PINS_DIRECTORY;
use crate::read::META_LIMIT;
use crate::runs::RUNS_DIRECTORY;

/// What a store holds.
pub struct Listing {
    root: PathBuf,
    entries: Vec<Entry>,
    contents: HashMap<StorePath, Vec<u8>>,
    drafts_in_place: bool,
}

impl fmt::Debug for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} objects of {}", self.entries.len(), self.root.display())
    }
}

/// The content of an object, as it was when it had this version.
#[derive(Serialize, Deserialize)]
struct Kept {
    path: String,
    version: String,
    content: String,
}

impl Listing {
    /// Lists a store, whose root is shown as `root`. `cache` is the file with what was fetched before; one that
    /// cannot be read or written costs time only.
    pub(crate) fn take(
        store: &dyn Store,
        root: &Path,
        cache: Option<&Path>,
    ) -> Result<Arc<Self>, StoreError> {
        let entries = store.list()?;
        let drafts_in_place = StorePath::parse("full/x").is_ok_and(|path| store.draft(&path) == path);
        let wanted: Vec<&Entry> = entries.iter().filter(|entry| is_wanted(&entries, entry)).collect();
        let kept = cache.map(read_cache).unwrap_or_default();
        let count = kept.len();
        let mut contents = HashMap::with_capacity(wanted.len());
        let mut missing = Vec::new();
        for entry in &wanted {
            match kept.get(entry.path.as_str()) {
                Some((version, content)) if *version == entry.version => {
                    contents.insert(entry.path.clone(), content.clone().into_bytes());
                }
                _ => missing.push(entry.path.clone()),
            }
        }
        let fetched = match missing.as_slice() {
            [] => Vec::new(),
            missing => read_all(store, missing)?,
        };
        let is_new = !missing.is_empty() || count != wanted.len();
        let fetched = missing.into_iter().zip(fetched);
        contents.extend(fetched.filter_map(|(path, content)| Some((path, content?))));
        if let Some(cache) = cache.filter(|_| is_new) {
            write_cache(cache, &wanted, &contents);
        }
        Ok(Arc::new(Listing { root: root.to_owned(), entries, contents, drafts_in_place }))
    }

    /// The path in the store of what is shown as `path`; the root itself has none.
    pub(crate) fn path_of(&self, path: &Path) -> Option<StorePath> {
        StorePath::try_from(path.strip_prefix(&self.root).ok()?).ok()
    }

    /// The directory shown as `path`, if something stands in it: `Some(None)` is the root.
    pub(crate) fn directory(&self, path: &Path) -> Option<Option<StorePath>> {
        if path == self.root {
            return Some(None);
        }
        let path = self.path_of(path)?;
        (!self.below(&path).is_empty()).then_some(Some(path))
    }

    /// Every object below a directory.
    pub(crate) fn below(&self, directory: &StorePath) -> &[Entry] {
        let prefix = format!("{directory}/");
        let from = self.entries.partition_point(|entry| entry.path.as_str() < prefix.as_str());
        let rest = self.entries.get(from..).unwrap_or_default();
        let count = rest.partition_point(|entry| entry.path.as_str().starts_with(&prefix));
        rest.get(..count).unwrap_or_default()
    }

    /// The names in a directory, sorted as the store sorts, each once.
    pub(crate) fn names(&self, directory: Option<&StorePath>) -> impl Iterator<Item = &str> {
        let (entries, skip) = match directory {
            Some(directory) => (self.below(directory), directory.as_str().len() + 1),
            None => (self.entries.as_slice(), 0),
        };
        let name = move |entry: &'_ Entry| -> usize {
            let rest = entry.path.as_str().get(skip..).unwrap_or_default();
            rest.find('/').unwrap_or(rest.len())
        };
        let mut last: Option<&str> = None;
        entries.iter().filter_map(move |entry| {
            let text = entry.path.as_str().get(skip..skip + name(entry))?;
            let is_new = last != Some(text);
            last = Some(text);
            is_new.then_some(text)
        })
    }

    /// The object shown as `path`.
    pub(crate) fn entry(&self, path: &Path) -> Option<&Entry> {
        let path = self.path_of(path)?;
        let at = self.entries.binary_search_by(|entry| entry.path.cmp(&path)).ok()?;
        self.entries.get(at)
    }

    pub(crate) fn length(&self, path: &Path) -> Option<u64> {
        self.entry(path).map(|entry| entry.bytes)
    }

    /// The content of an object that tells of backups.
    pub(crate) fn content(&self, path: &Path) -> Option<&[u8]> {
        self.contents.get(&self.path_of(path)?).map(Vec::as_slice)
    }

    /// The same by its path in the store.
    pub(crate) fn content_at(&self, path: &StorePath) -> Option<&[u8]> {
        self.contents.get(path).map(Vec::as_slice)
    }

    /// Whether the directory shown as `path` is one that nobody published.
    pub(crate) fn is_draft(&self, path: &Path) -> bool {
        let seals = [MANIFEST_NAME].into_iter().chain(FILE_NAMES);
        self.drafts_in_place && seals.into_iter().all(|name| self.length(&path.join(name)).is_none())
    }

    /// Every object.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// The contents of all; of none that cannot be read where others can: one bad object keeps nobody from the rest.
fn read_all(store: &dyn Store, paths: &[StorePath]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
    let read = |paths: &[StorePath]| store.read_small(paths, u64::from(META_LIMIT));
    let error = match read(paths) {
        Err(error) if error.class() == ErrorClass::Permanent => error,
        other => return other,
    };
    let one = |path: &StorePath| match read(std::slice::from_ref(path)) {
        Ok(mut found) => Ok(found.pop().flatten()),
        Err(error) if error.class() == ErrorClass::Permanent => Ok(None),
        Err(error) => Err(error),
    };
    let found = paths.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    if found.iter().all(Option::is_none) { Err(error) } else { Ok(found) }
}

/// Whether the content of an object has to be known: manifests, pins, marks of runs, and what the original left
/// where there is no manifest.
fn is_wanted(entries: &[Entry], entry: &Entry) -> bool {
    let (path, name) = (entry.path.as_str(), entry.path.name());
    if name == MANIFEST_NAME {
        return true;
    }
    let above = path.split('/').next().unwrap_or_default();
    if above == PINS_DIRECTORY || above == RUNS_DIRECTORY {
        return true;
    }
    let is_metadata = FILE_NAMES.contains(&name)
        || MetaKind::Checkpoints.names().contains(&name)
        || MetaKind::BinlogInfo.names().contains(&name);
    let manifest = entry.path.parent().and_then(|parent| parent.join(MANIFEST_NAME).ok());
    is_metadata
        && manifest
            .is_some_and(|manifest| entries.binary_search_by(|entry| entry.path.cmp(&manifest)).is_err())
}

fn read_cache(cache: &Path) -> HashMap<String, (String, String)> {
    let kept: Vec<Kept> =
        std::fs::read(cache).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    kept.into_iter().map(|kept| (kept.path, (kept.version, kept.content))).collect()
}

fn write_cache(cache: &Path, wanted: &[&Entry], contents: &HashMap<StorePath, Vec<u8>>) {
    let keep = |entry: &&Entry| {
        let content = String::from_utf8(contents.get(&entry.path)?.clone()).ok()?;
        Some(Kept { path: entry.path.to_string(), version: entry.version.clone(), content })
    };
    let kept: Vec<Kept> = wanted.iter().filter_map(keep).collect();
    if let Ok(text) = serde_json::to_vec(&kept) {
        // Whoever may not write there asks the store again next time.
        let _ = write_atomic(cache, &text);
    }
}

//! One entry of a store, read: by its manifest, or by what the original left.
//!
//! A backup is broken only if that is proven. What cannot be read at the moment, or not by this version, is
//! unreadable: it may be whole, and nothing is removed on the strength of an error.

use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use xb_formats::archive::Archive;
use xb_pipeline::ObjectReceipt;

use crate::directory::{Directory, View};
use crate::layout::Place;
use crate::lean::{Facts, Shared, facts};
use crate::manifest::{MANIFEST_FORMAT, MANIFEST_NAME, Manifest, ManifestError, is_inside};
use crate::name::push_name;
use crate::original::original;
use crate::record::{BackupRecord, BackupState, Moment, Origin};

/// Metadata larger than this is not what it claims to be: a manifest has about 150 bytes a file.
pub(crate) const META_LIMIT: u32 = 1024 * 1024 * 1024;

/// Reads entries one after the other, with what need not be made anew for each.
#[derive(Default)]
pub(crate) struct Reader {
    text: Vec<u8>,
    name: String,
    path: String,
    shared: Shared,
}

impl Reader {
    /// The entry `place` in `parent`, where it has its own name. Whatever is wrong with it is part of the answer.
    pub(crate) fn entry(&mut self, parent: &Directory, place: Place) -> BackupRecord {
        let mut name = std::mem::take(&mut self.name);
        name.clear();
        push_name(&mut name, place.id);
        let record = self.read(parent, Some(&name), place, parent.path().join(&name));
        self.name = name;
        record
    }

    /// The backup `place` whose files stand in `directory` itself.
    pub(crate) fn directory(&mut self, directory: &Directory, place: Place) -> BackupRecord {
        self.read(directory, None, place, directory.path().to_owned())
    }

    fn read(&mut self, at: &Directory, below: Option<&str>, place: Place, path: PathBuf) -> BackupRecord {
        self.go_to(below, MANIFEST_NAME);
        let length = match at.read(&self.path, &mut self.text, META_LIMIT as usize) {
            Ok(Some(length)) => length,
            Ok(None) if matches!(at.view(), View::Disk) && is_dangling(&path) => {
                let reason = "it is a link to something that is not there; is its disk mounted?".to_owned();
                return unknown(place, &path, Origin::Native, BackupState::Unreadable(reason));
            }
            Ok(None) => return original(&at.view(), place, &path),
            Err(error) => return unknown(place, &path, Origin::Native, cannot_read(MANIFEST_NAME, &error)),
        };
        let facts = match facts(&self.text[..length], &mut self.shared) {
            Some(facts) => facts,
            None => match slowly(&at.view(), &path) {
                Ok(manifest) => manifest.into(),
                Err(state) => return unknown(place, &path, Origin::Native, state),
            },
        };
        let state = self.check(at, below, place, &facts).err().unwrap_or(BackupState::Complete);
        native(place, path, facts, state)
    }

    fn go_to(&mut self, below: Option<&str>, file: &str) {
        self.path.clear();
        if let Some(below) = below {
            self.path.push_str(below);
            self.path.push('/');
        }
        self.path.push_str(file);
    }

    fn check(
        &mut self,
        at: &Directory,
        below: Option<&str>,
        place: Place,
        facts: &Facts,
    ) -> Result<(), BackupState> {
        if (facts.id, facts.set) != (place.id, place.set) {
            let (id, set) = (facts.id, facts.set);
            let reason = format!("its manifest is that of {id} of set {set}: the directory was moved");
            return Err(BackupState::Broken(reason));
        }
        for (name, had) in &facts.objects {
            self.go_to(below, name);
            let has = at.length(&self.path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => BackupState::Broken(format!("{name} is missing: {error}")),
                _ => cannot_read(name, &error),
            })?;
            if has != *had {
                let reason = format!("{name} has {has} bytes, the manifest says {had}");
                return Err(BackupState::Broken(reason));
            }
        }
        let form = facts.archive.as_str();
        if form != Manifest::DIRECTORY && Archive::of(form).is_none() {
            return Err(unknown_form(form));
        }
        Ok(())
    }
}

fn is_dangling(path: &Path) -> bool {
    path.is_symlink() && !path.exists()
}

/// A manifest that could not be read the fast way.
fn slowly(view: &View, path: &Path) -> Result<Manifest, BackupState> {
    let text = view.small(&path.join(MANIFEST_NAME)).map_err(|error| cannot_read(MANIFEST_NAME, &error))?;
    let text = text.ok_or_else(|| cannot_read(MANIFEST_NAME, &io::ErrorKind::NotFound.into()))?;
    Manifest::parse(&text).map_err(|error| judged(&error))
}

/// What a manifest that cannot be used tells of its backup. A newer version may have written what is JSON but is
/// not understood, and nobody can have written what is none.
fn judged(error: &ManifestError) -> BackupState {
    let reason = error.to_string();
    match error {
        ManifestError::Format { .. } => BackupState::Unreadable(reason),
        ManifestError::Syntax(error) if error.is_data() => BackupState::Unreadable(reason),
        ManifestError::Syntax(_) | ManifestError::Path { .. } => BackupState::Broken(reason),
    }
}

/// The state of a backup of which a file is there that does not let itself be read.
pub(crate) fn cannot_read(file: &str, error: &io::Error) -> BackupState {
    BackupState::Unreadable(format!("cannot read {file}: {error}"))
}

/// The state of a backup in an archive of a form that is not known.
pub(crate) fn unknown_form(archive: &str) -> BackupState {
    BackupState::Unreadable(format!(
        "{archive} is no form of archive that this version knows: use a newer pyxbackup"
    ))
}

/// An entry of which nothing is known but where it stands.
pub(crate) fn unknown(place: Place, path: &Path, origin: Origin, state: BackupState) -> BackupRecord {
    BackupRecord {
        place,
        kind: place.kind(),
        origin,
        state,
        directory: path.to_owned(),
        base: None,
        lsns: None,
        started: Moment::Local(place.id.local_time()),
        ended: None,
        archive: None,
        sizes: None,
        binlog: None,
        replica_of: Vec::new(),
        server: None,
        engine: None,
        engine_version: None,
        archive_digest: None,
    }
}

fn native(place: Place, directory: PathBuf, facts: Facts, state: BackupState) -> BackupRecord {
    let is_archive = facts.archive != Manifest::DIRECTORY;
    BackupRecord {
        place,
        kind: place.kind(),
        origin: Origin::Native,
        state,
        directory,
        base: facts.base,
        lsns: Some(facts.lsns),
        started: Moment::Exact(facts.started),
        ended: Some(Moment::Exact(facts.ended)),
        archive: if is_archive { Archive::of(&facts.archive) } else { Some(Archive::Directory) },
        sizes: Some(facts.sizes),
        binlog: facts.binlog,
        replica_of: facts.replica_of,
        engine_version: Some(facts.engine.version),
        server: Some(facts.server),
        engine: Some(facts.engine),
        archive_digest: facts.digest.filter(|_| is_archive),
    }
}

/// The files of a native backup that hold the server's data, in full. Read anew: a catalog does not keep the
/// lists of all backups.
///
/// # Errors
/// What is wrong with the manifest, in words.
pub fn read_objects(directory: &Path) -> Result<Vec<ObjectReceipt>, String> {
    read_files(directory).map(|files| files.objects)
}

/// The whole manifest of the native backup in a directory.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_manifest(directory: &Path) -> Result<Manifest, String> {
    let text = View::Disk.small(&directory.join(MANIFEST_NAME)).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("{MANIFEST_NAME} is missing"))?;
    Manifest::parse(&text).map_err(|error| error.to_string())
}

/// The files a manifest names. The rest of it is skipped, as where a store is listed.
#[derive(Deserialize)]
pub(crate) struct Files {
    format: u32,
    pub(crate) objects: Vec<ObjectReceipt>,
    pub(crate) beside: Vec<ObjectReceipt>,
}

pub(crate) fn read_files(directory: &Path) -> Result<Files, String> {
    let text = View::Disk.small(&directory.join(MANIFEST_NAME)).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("{MANIFEST_NAME} is missing"))?;
    let files: Files = match serde_json::from_slice(&text) {
        Ok(files) => files,
        // Says which format it has, if that is what is wrong.
        Err(error) => {
            return Err(Manifest::parse(&text).map_or_else(|e| e.to_string(), |_| error.to_string()));
        }
    };
    if files.format > MANIFEST_FORMAT {
        return Err(ManifestError::Format { found: files.format }.to_string());
    }
    let outside = files.objects.iter().chain(&files.beside).find(|file| !is_inside(&file.path));
    outside.map_or(Ok(()), |file| Err(ManifestError::Path { path: file.path.clone() }.to_string()))?;
    Ok(files)
}

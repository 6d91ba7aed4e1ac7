//! One entry of a store, read: by its manifest, or by what the original left.

use std::fs;
use std::io;
use std::path::Path;

use xb_core::BackupKind;
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::{BackupMeta, FILE_NAMES};
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::names::MetaKind;

use xb_pipeline::ObjectReceipt;

use crate::layout::Place;
use crate::manifest::{BinlogPoint, MANIFEST_NAME, Manifest};
use crate::record::{BackupRecord, BackupState, Moment, Origin};

/// So many files of a backup are looked for when a store is listed: an archive has one, a directory may have
/// a hundred thousand. A restore looks at all of them.
const OBJECTS_LOOKED_AT: usize = 64;
/// Metadata larger than this is not what it claims to be: a manifest has about 150 bytes a file.
const META_LIMIT: u64 = 1024 * 1024 * 1024;

/// The entry at `path`. Whatever is wrong with it is part of the answer.
pub(crate) fn read_record(place: Place, path: &Path) -> BackupRecord {
    match read_small(&path.join(MANIFEST_NAME)) {
        Ok(Some(text)) => match Manifest::parse(&text) {
            Ok(manifest) => native(place, path, manifest),
            Err(error) => broken(place, path, Origin::Native, error.to_string()),
        },
        Ok(None) => original(place, path),
        Err(error) => broken(place, path, Origin::Native, format!("cannot read {MANIFEST_NAME}: {error}")),
    }
}

fn read_small(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::metadata(path) {
        Ok(meta) if meta.len() > META_LIMIT => Err(io::Error::other("it is too large")),
        Ok(_) => fs::read(path).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn unknown(place: Place, path: &Path, origin: Origin, state: BackupState) -> BackupRecord {
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

fn broken(place: Place, path: &Path, origin: Origin, reason: String) -> BackupRecord {
    unknown(place, path, origin, BackupState::Broken(reason))
}

fn native(place: Place, path: &Path, manifest: Manifest) -> BackupRecord {
    let is_archive = manifest.archive != Manifest::DIRECTORY;
    let state =
        check_native(place, path, &manifest).map_or_else(BackupState::Broken, |()| BackupState::Complete);
    BackupRecord {
        base: manifest.base.map(|base| base.id),
        lsns: Some(manifest.lsns),
        started: Moment::Exact(manifest.started),
        ended: Some(Moment::Exact(manifest.ended)),
        archive: archive_named(&manifest.archive),
        sizes: Some(manifest.sizes),
        binlog: manifest.binlog,
        replica_of: manifest.replica_of,
        server: Some(manifest.server),
        engine_version: Some(manifest.engine.version),
        engine: Some(manifest.engine),
        archive_digest: manifest.objects.first().filter(|_| is_archive).map(|object| object.blake3),
        ..unknown(place, path, Origin::Native, state)
    }
}

/// The form that a manifest names.
fn archive_named(name: &str) -> Option<Archive> {
    if name == Manifest::DIRECTORY { Some(Archive::Directory) } else { Archive::of(name) }
}

fn check_native(place: Place, path: &Path, manifest: &Manifest) -> Result<(), String> {
    if (manifest.id, manifest.set) != (place.id, place.set) {
        return Err(format!(
            "its manifest is that of {} of set {}: the directory was moved",
            manifest.id, manifest.set
        ));
    }
    for object in manifest.objects.iter().take(OBJECTS_LOOKED_AT) {
        let found = fs::metadata(path.join(&object.path));
        let found = found.map_err(|error| format!("{} is missing: {error}", object.path.display()))?;
        if found.len() != object.size {
            let (name, has, had) = (object.path.display(), found.len(), object.size);
            return Err(format!("{name} has {has} bytes, the manifest says {had}"));
        }
    }
    Ok(())
}

/// The files of a native backup that hold the server's data, in full. Read anew: a catalog does not keep the
/// lists of all backups.
///
/// # Errors
/// What is wrong with the manifest, in words.
pub fn read_objects(directory: &Path) -> Result<Vec<ObjectReceipt>, String> {
    Ok(read_manifest(directory)?.objects)
}

/// The whole manifest of the native backup in a directory.
///
/// # Errors
/// What is wrong with it, in words.
pub fn read_manifest(directory: &Path) -> Result<Manifest, String> {
    let text = read_small(&directory.join(MANIFEST_NAME)).map_err(|error| error.to_string())?;
    let text = text.ok_or_else(|| format!("{MANIFEST_NAME} is missing"))?;
    Manifest::parse(&text).map_err(|error| error.to_string())
}

/// What the original left: a directory counts for it when checkpoints are there, but those are written
/// early; here it counts when its end was written down as well, and its data is there.
fn original(place: Place, path: &Path) -> BackupRecord {
    match read_original(place, path) {
        Ok(record) => record,
        Err(reason) => broken(place, path, Origin::Original, reason),
    }
}

fn read_original(place: Place, path: &Path) -> Result<BackupRecord, String> {
    let checkpoints = read_meta(path, MetaKind::Checkpoints)?;
    let checkpoints = checkpoints.ok_or("half-written: it has neither a manifest nor checkpoints")?;
    let checkpoints = Checkpoints::parse(&checkpoints).map_err(|error| error.to_string())?;
    let meta = FILE_NAMES.iter().find_map(|name| read_text(&path.join(name)).transpose()).transpose()?;
    let meta = meta.ok_or("half-written: it has no backup.meta, so its run did not end")?;
    let meta = BackupMeta::parse(&meta).map_err(|error| error.to_string())?;
    let ended = meta.end_backup.ok_or("half-written: backup.meta tells no end")?;
    if meta.backup != place.id || meta.kind() != place.kind() {
        return Err(format!("its backup.meta is that of {} {}", meta.kind(), meta.backup));
    }
    check_type(place, &checkpoints)?;
    let archive = find_archive(path)?;
    let binlog = read_meta(path, MetaKind::BinlogInfo)?.and_then(|text| BinlogInfo::parse(&text).ok());
    Ok(BackupRecord {
        lsns: Some(checkpoints.lsns),
        ended: Some(Moment::Local(ended)),
        archive: Some(archive),
        binlog: binlog.map(|info| BinlogPoint { coord: info.coord, gtid: info.gtid }),
        engine_version: meta.source_version.and_then(|text| text.parse().ok()),
        ..unknown(place, path, Origin::Original, BackupState::Complete)
    })
}

/// What was prepared for good takes no incremental, and what stands in the wrong place is not what it seems.
fn check_type(place: Place, checkpoints: &Checkpoints) -> Result<(), String> {
    let wanted = match place.kind() {
        BackupKind::Full => BackupType::FullBackuped,
        BackupKind::Incremental => BackupType::Incremental,
    };
    let found = checkpoints.backup_type;
    if found == wanted {
        Ok(())
    } else {
        Err(format!("its checkpoints say {}, not {}", found.as_str(), wanted.as_str()))
    }
}

/// The archive in a directory of the original; without one the directory itself is the backup.
fn find_archive(path: &Path) -> Result<Archive, String> {
    let entries = fs::read_dir(path).map_err(|error| error.to_string())?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let archives: Vec<String> =
        names.filter(|name| name.starts_with("backup.") && name != FILE_NAMES[0]).collect();
    match archives.as_slice() {
        [] => Ok(Archive::Directory),
        [one] => Archive::of(one).ok_or_else(|| format!("{one} is no form of archive that is known")),
        several => Err(format!("it has more than one archive: {}", several.join(", "))),
    }
}

/// The text of a metadata file under either of its names; both with different content is an error.
pub(crate) fn read_meta(path: &Path, kind: MetaKind) -> Result<Option<String>, String> {
    let [old, new] = kind.names();
    match (read_text(&path.join(old))?, read_text(&path.join(new))?) {
        (Some(a), Some(b)) if a != b => Err(format!("{old} and {new} are both there and differ")),
        (a, b) => Ok(b.or(a)),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, String> {
    let bytes = read_small(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

//! What the original tool left, read: a backup without a manifest.

use std::fs;
use std::path::Path;

use xb_core::BackupKind;
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::{BackupMeta, FILE_NAMES};
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::names::MetaKind;

use crate::layout::Place;
use crate::manifest::{BinlogPoint, MANIFEST_NAME};
use crate::read::{broken, read_small, unknown};
use crate::record::{BackupRecord, BackupState, Moment, Origin};

/// What the original left: a directory counts for it when checkpoints are there, but those are written
/// early; here it counts when its end was written down as well, and its data is there.
pub(crate) fn original(place: Place, path: &Path) -> BackupRecord {
    match read_original(place, path) {
        Ok(record) => record,
        Err(reason) => broken(place, path, Origin::Original, reason),
    }
}

fn read_original(place: Place, path: &Path) -> Result<BackupRecord, String> {
    let checkpoints = read_meta(path, MetaKind::Checkpoints)?;
    let checkpoints = checkpoints.ok_or("half-written: it has neither a manifest nor checkpoints")?;
    let checkpoints = Checkpoints::parse(&checkpoints).map_err(|error| error.to_string())?;
    let meta =
        read_backup_meta(path)?.ok_or("half-written: it has no backup.meta, so its run did not end")?;
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

/// What the original notes about the backup in a directory; nothing when it noted nothing.
pub(crate) fn read_backup_meta(path: &Path) -> Result<Option<BackupMeta>, String> {
    let text = FILE_NAMES.iter().find_map(|name| read_text(&path.join(name)).transpose()).transpose()?;
    text.map(|text| BackupMeta::parse(&text).map_err(|error| error.to_string())).transpose()
}

/// Whether a directory holds the files of a backup itself.
pub(crate) fn is_backup(path: &Path) -> bool {
    let checkpoints = MetaKind::Checkpoints.names();
    let names = checkpoints.iter().chain(&FILE_NAMES).chain(&[MANIFEST_NAME]);
    names.into_iter().any(|name| path.join(name).symlink_metadata().is_ok())
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
fn read_meta(path: &Path, kind: MetaKind) -> Result<Option<String>, String> {
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

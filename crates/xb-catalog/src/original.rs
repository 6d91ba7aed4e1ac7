//! What the original tool left, read: a backup without a manifest.
//!
//! It is broken when its run did not end or it is that of another place. What is merely not understood may be of
//! use to somebody: it is unreadable.

use std::path::Path;

use xb_core::BackupKind;
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::{BackupMeta, FILE_NAMES};
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::names::MetaKind;

use crate::directory::View;
use crate::layout::Place;
use crate::manifest::{BinlogPoint, MANIFEST_NAME};
use crate::read::{cannot_read, unknown, unknown_form};
use crate::record::{BackupRecord, BackupState, Moment, Origin};

/// What the original left: a directory counts for it when checkpoints are there, but those are written
/// early; here it counts when its end was written down as well, and its data is there.
pub(crate) fn original(view: &View, place: Place, path: &Path) -> BackupRecord {
    match read_original(view, place, path) {
        Ok(record) => record,
        Err(state) => unknown(place, path, Origin::Original, state),
    }
}

/// Without `backup.meta`.
pub(crate) fn without_an_end() -> BackupState {
    half_written("it has no backup.meta, so its run did not end")
}

fn half_written(reason: &str) -> BackupState {
    BackupState::Broken(format!("half-written: {reason}"))
}

fn read_original(view: &View, place: Place, path: &Path) -> Result<BackupRecord, BackupState> {
    let checkpoints = read_meta(view, path, MetaKind::Checkpoints).map_err(BackupState::Unreadable)?;
    let checkpoints = checkpoints.ok_or_else(|| half_written("it has neither a manifest nor checkpoints"))?;
    let checkpoints =
        Checkpoints::parse(&checkpoints).map_err(|error| BackupState::Unreadable(error.to_string()))?;
    let meta = read_backup_meta(view, path).map_err(BackupState::Unreadable)?.ok_or_else(without_an_end)?;
    let ended = meta.end_backup.ok_or_else(|| half_written("backup.meta tells no end"))?;
    if meta.backup != place.id || meta.kind() != place.kind() {
        let reason = format!("its backup.meta is that of {} {}", meta.kind(), meta.backup);
        return Err(BackupState::Broken(reason));
    }
    check_type(place, &checkpoints).map_err(BackupState::Unreadable)?;
    let archive = find_archive(view, path)?;
    let binlog = read_meta(view, path, MetaKind::BinlogInfo).map_err(BackupState::Unreadable)?;
    let binlog = binlog.and_then(|text| BinlogInfo::parse(&text).ok());
    Ok(BackupRecord {
        lsns: Some(checkpoints.lsns),
        ended: Some(Moment::Local(ended)),
        archive: Some(archive),
        binlog: binlog.map(|info| BinlogPoint { coord: info.coord, gtid: info.gtid }),
        engine_version: meta.source_version.and_then(|text| text.parse().ok()),
        ..unknown(place, path, Origin::Original, BackupState::Complete)
    })
}

/// What the original notes about the backup in a directory; nothing when it noted nothing. Why that cannot be
/// told, if it cannot.
pub(crate) fn read_backup_meta(view: &View, path: &Path) -> Result<Option<BackupMeta>, String> {
    let text =
        FILE_NAMES.iter().find_map(|name| read_text(view, &path.join(name)).transpose()).transpose()?;
    text.map(|text| BackupMeta::parse(&text).map_err(|error| error.to_string())).transpose()
}

/// Whether a directory holds the files of a backup itself. Where nobody can tell it does, and reading it says why
/// it cannot be read.
pub(crate) fn is_backup(view: &View, path: &Path) -> bool {
    let checkpoints = MetaKind::Checkpoints.names();
    let mut names = checkpoints.iter().chain(&FILE_NAMES).chain(&[MANIFEST_NAME]);
    names.any(|name| view.may_have(&path.join(name)))
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
fn find_archive(view: &View, path: &Path) -> Result<Archive, BackupState> {
    let entries = view.entries(path).map_err(|error| cannot_read("its directory", &error.source))?;
    let names = entries.others.iter().map(|name| name.to_string_lossy().into_owned());
    let archives: Vec<String> =
        names.filter(|name| name.starts_with("backup.") && name != FILE_NAMES[0]).collect();
    match archives.as_slice() {
        [] => Ok(Archive::Directory),
        [one] => Archive::of(one).ok_or_else(|| unknown_form(one)),
        several => {
            let reason = format!("it has more than one archive: {}", several.join(", "));
            Err(BackupState::Unreadable(reason))
        }
    }
}

/// The text of a metadata file under either of its names; both with different content is an error.
fn read_meta(view: &View, path: &Path, kind: MetaKind) -> Result<Option<String>, String> {
    let [old, new] = kind.names();
    match (read_text(view, &path.join(old))?, read_text(view, &path.join(new))?) {
        (Some(a), Some(b)) if a != b => Err(format!("{old} and {new} are both there and differ")),
        (a, b) => Ok(b.or(a)),
    }
}

fn read_text(view: &View, path: &Path) -> Result<Option<String>, String> {
    let bytes = view.small(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_can_tell_there_is_a_backup() {
        let is_backup = |path: &str| is_backup(&View::Disk, Path::new(path));
        assert!(is_backup("no name of a directory\0"), "asking for it is an error");
        assert!(!is_backup("/nonexistent") && !is_backup("/etc/passwd"));
    }
}

//! Stores for tests, made as a run makes them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use tempfile::TempDir;
use xb_core::{BackupId, BackupKind, Flavor, Lsn, LsnRange, Version};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::write_object;

use crate::layout::Place;
use crate::manifest::{Base, EngineRecord, Manifest, OptionsRecord, ServerIdentity, ServerRecord, Sizes};
use crate::{BackupRecord, BackupState, Draft, Origin, prepare_store};

/// A whole name, or the time of one on a Sunday.
pub(crate) fn id(text: &str) -> BackupId {
    text.parse().unwrap_or_else(|_| format!("2026_11_22-{text}").parse().unwrap())
}

pub(crate) fn store() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    prepare_store(dir.path()).unwrap();
    dir
}

fn manifest(place: Place, base: Option<Base>, lsns: LsnRange) -> Manifest {
    let at = DateTime::parse_from_rfc3339("2026-11-22T14:00:00+01:00").unwrap();
    let version = Version::new(10, 11, 19);
    let identity = ServerIdentity {
        server_uuid: None,
        aria_uuid: None,
        hostname: "db1".into(),
        datadir: "/data".into(),
        data_file: None,
        server_id: 1,
    };
    let tool = "mariadb-backup".into();
    Manifest {
        format: 1,
        written_by: "test".into(),
        id: place.id,
        kind: place.kind(),
        set: place.set,
        base,
        started: at,
        ended: at,
        lsns,
        binlog: None,
        replica_of: Vec::new(),
        galera: None,
        server: ServerRecord { flavor: Flavor::MariaDb, version_text: String::new(), version, identity },
        server_settings: None,
        engine: EngineRecord { tool, version, version_text: String::new(), mismatch_allowed: None },
        options: OptionsRecord { command: Vec::new(), engine_parallel: 1, settings: BTreeMap::new() },
        phases: Vec::new(),
        sizes: Sizes { datadir_bytes: None, stream_bytes: 100, stored_bytes: 4 },
        archive: Manifest::DIRECTORY.into(),
        objects: Vec::new(),
        beside: Vec::new(),
    }
}

pub(crate) fn meta(place: Place) -> BackupMeta {
    BackupMeta {
        backup: place.id,
        full: (place.kind() == BackupKind::Incremental).then_some(place.set),
        start_backup: Some(place.id.local_time()),
        end_backup: Some(place.id.local_time()),
        start_prepare: None,
        end_prepare: None,
        compress: None,
        compress_with: None,
        log_bin: None,
        master_log_bin: None,
        last_lsn: None,
        source_version: Some("10.11.19".into()),
        source_server: None,
        rest: Vec::new(),
    }
}

/// Commits a backup as files, one of them in a directory and one directory without any.
pub(crate) fn add(store: &Path, set: &str, name: &str, base: Option<&str>) -> PathBuf {
    let place = Place { set: id(set), id: id(name) };
    fs::create_dir_all(store.join(place.parent())).unwrap();
    let draft = Draft::begin(store, place).unwrap();
    fs::create_dir_all(draft.directory().join("empty")).unwrap();
    fs::create_dir_all(draft.directory().join("shop")).unwrap();
    let write = |name: &str, text: &str| write_object(&draft.directory(), name, text.as_bytes()).unwrap();
    let objects = vec![write("ibdata1", "data"), write("shop/t.ibd", "rows")];
    let number = |id: BackupId| u64::try_from(id.local_time().and_utc().timestamp()).unwrap();
    let from = base.map_or(0, |base| number(id(base)));
    let lsns = LsnRange { from: Lsn(from), to: Lsn(number(place.id)), last: Lsn(number(place.id)) };
    let base = base.map(|base| Base { id: id(base), to_lsn: lsns.from });
    draft.commit(&Manifest { objects, ..manifest(place, base, lsns) }, &meta(place)).unwrap()
}

/// A set of a full backup and two incrementals, and a newer one.
pub(crate) fn store_with_sets() -> TempDir {
    let dir = store();
    add(dir.path(), "10_00_00", "10_00_00", None);
    add(dir.path(), "10_00_00", "11_00_00", Some("10_00_00"));
    add(dir.path(), "10_00_00", "12_00_00", Some("11_00_00"));
    add(dir.path(), "20_00_00", "20_00_00", None);
    dir
}

/// Puts what the original tool leaves in a directory.
pub(crate) fn leave_as_the_original(directory: &Path, place: Place, from: u64, to: u64) {
    fs::create_dir_all(directory).unwrap();
    let kind = if place.kind() == BackupKind::Full { "full-backuped" } else { "incremental" };
    let checkpoints = format!("backup_type = {kind}\nfrom_lsn = {from}\nto_lsn = {to}\nlast_lsn = {to}\n");
    fs::write(directory.join("xtrabackup_checkpoints"), checkpoints).unwrap();
    fs::write(directory.join("backup.meta"), meta(place).render()).unwrap();
    fs::write(directory.join("ibdata1"), "data").unwrap();
}

/// A backup that was never on a disk.
pub(crate) fn unread(place: Place) -> BackupRecord {
    crate::read::unknown(place, &place.directory(), Origin::Native, BackupState::Complete)
}

//! Metadata files and logs of real backups.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

use std::path::{Path, PathBuf};

use xb_core::{BackupKind, ErrorClass, Lsn};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_formats::meta::binlog_info::BinlogInfo;
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::galera_info::GaleraInfo;
use xb_formats::meta::info::Info;
use xb_formats::meta::log::{KnownFailure, binlog_position, completed_ok, latest_checkpoint};
use xb_formats::meta::slave_info;

/// The directories of test data in which a file of this name stands, with its text.
fn files(name: &str) -> Vec<(PathBuf, String)> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/meta");
    let entries = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.filter_map(|dir| Some((dir.clone(), std::fs::read_to_string(dir.join(name)).ok()?)));
    let found: Vec<_> = found.collect();
    assert!(!found.is_empty(), "no {name}");
    found
}

#[test]
fn what_the_original_wrote_comes_back_byte_for_byte() {
    let all = files("backup.meta");
    assert!(all.len() >= 15, "{}", all.len());
    for (dir, text) in all {
        let meta = BackupMeta::parse(&text).unwrap();
        assert_eq!(meta.render(), text, "{}", dir.display());
        let name = dir.file_name().unwrap().to_str().unwrap();
        assert!(name.ends_with(&meta.backup.to_string()), "{name}");
        assert_eq!(meta.kind() == BackupKind::Full, name.contains("-full-"), "{name}");
        assert_eq!(meta.source_version.as_deref(), Some("2.2.10"));
        assert_eq!(
            meta.start_prepare.is_some(),
            ["tar_gz-", "qp-", "qp_xbcrypt-"].iter().any(|f| name.starts_with(f))
        );
    }
}

#[test]
fn the_files_of_one_backup_agree() {
    for (dir, text) in files("xtrabackup_checkpoints") {
        let checkpoints = Checkpoints::parse(&text).unwrap();
        assert_eq!(checkpoints.render(), text);
        let read = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        let info = Info::parse(&read("xtrabackup_info"));
        let incremental = checkpoints.backup_type == BackupType::Incremental;
        assert_eq!(info.incremental, Some(incremental));
        assert_eq!(info.innodb_from_lsn, Some(checkpoints.lsns.from));
        assert_eq!(info.innodb_to_lsn, Some(checkpoints.lsns.to));
        assert_eq!(info.server_version.as_deref(), Some("5.6.24-log"));
        assert_eq!((info.encrypted, info.partial), (Some(false), Some(false)));
        let binlog = BinlogInfo::parse(&read("xtrabackup_binlog_info")).unwrap();
        assert!(binlog.coord.is_some());
        assert_eq!(info.binlog_pos, Some(binlog.clone()));
        let meta = BackupMeta::parse(&read("backup.meta")).unwrap();
        assert_eq!(meta.last_lsn, Some(checkpoints.lsns.last));
        assert_eq!(meta.log_bin, binlog.coord.map(|c| c.file.to_string()));
    }
}

#[test]
fn logs_of_real_runs_tell_success_position_and_checkpoint() {
    for (dir, text) in files("innobackupex-backup.log") {
        assert_eq!(text.lines().filter(|line| completed_ok(line)).count(), 1, "{}", dir.display());
        assert!(completed_ok(text.lines().last().unwrap()));
        assert_eq!(text.lines().filter_map(KnownFailure::recognise).next(), None);
        let meta = BackupMeta::parse(&std::fs::read_to_string(dir.join("backup.meta")).unwrap()).unwrap();
        let coord = binlog_position(&text).and_then(|info| info.coord).unwrap();
        assert_eq!(Some(coord.file.to_string()), meta.log_bin);
        let checkpoints: Vec<Lsn> = text.lines().filter_map(latest_checkpoint).collect();
        assert_eq!(checkpoints, [meta.last_lsn.unwrap()]);
    }
}

#[test]
fn a_time_in_another_shape_is_not_taken_for_the_time_it_resembles() {
    let meta = |time: &str| format!("backup = 2026_11_22-14_28_13\ntype = full\nend_backup = {time}\n");
    for time in ["-026_11_22-14_28_17", "2026_11_22-14_ 8_17"] {
        assert!(BackupMeta::parse(&meta(time)).is_err(), "{time}");
    }
    let leap = BackupMeta::parse(&meta("2016_12_31-23_59_60")).unwrap();
    assert_eq!(BackupMeta::parse(&leap.render()), Ok(leap));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(
        text in "([ -~\n\té']|CHANGE |SET GLOBAL |FOR CHANNEL |'|;|filename '|GTID of the last change '|b\\.000001\t|= ){0,60}",
    ) {
        let _ = Info::parse(&text);
        let _ = binlog_position(&format!("MySQL binlog position: {text}"));
        let _ = completed_ok(&format!("{text}completed OK!"));
        let _ = (latest_checkpoint(&text), KnownFailure::recognise(&text));
        let errors = [
            Checkpoints::parse(&text).err(),
            BinlogInfo::parse(&text).err(),
            GaleraInfo::parse(&text).err(),
            BackupMeta::parse(&text).err(),
            slave_info::parse(&text).err(),
        ];
        for error in errors.into_iter().flatten() {
            assert_eq!(error.class(), ErrorClass::Permanent);
        }
    }
}

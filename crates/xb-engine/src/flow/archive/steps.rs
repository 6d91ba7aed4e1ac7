//! What to do with a backup that was unpacked by hand. Pure.

use std::path::Path;

use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::info::Info;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::MetaFile;
use xb_pipeline::process::quote;

use crate::report::NextStep;

/// Who can prepare a backup.
const ENGINES: [&str; 2] = ["mariadb-backup", "xtrabackup"];

/// The steps for what is in `directory`, told by the engine's own files; none where it is no backup.
pub(super) fn next_steps(metadata: &[MetaFile], directory: &Path) -> Vec<NextStep> {
    let text = |kind| {
        let file = metadata.iter().find(|file| file.kind == kind)?;
        Some(String::from_utf8_lossy(&file.content).into_owned())
    };
    let Some(kind) = text(MetaKind::Checkpoints).and_then(|text| Checkpoints::parse(&text).ok()) else {
        return Vec::new();
    };
    let is_maria = || metadata.iter().any(|file| file.name.starts_with("mariadb_"));
    let engines = match text(MetaKind::Info).and_then(|text| Info::parse(&text).server_version) {
        Some(version) if version.to_lowercase().contains("mariadb") => &ENGINES[..1],
        _ if is_maria() => &ENGINES[..1],
        Some(_) => &ENGINES[1..],
        None => &ENGINES,
    };
    let directory = quote(&directory.display().to_string());
    let (purpose, rest) = match kind.backup_type {
        BackupType::FullBackuped => {
            ("prepare it before a server starts on it", format!("--prepare --target-dir={directory}"))
        }
        BackupType::Incremental => (
            "it is an incremental: apply it to its full backup, prepared so far as to take it",
            format!("--prepare --target-dir=FULL --incremental-dir={directory}"),
        ),
        BackupType::LogApplied | BackupType::FullPrepared => {
            let lines = vec![format!("chown -R mysql:mysql {directory}")];
            let purpose = "it is prepared: give the files to the server's account and start a server on them";
            return vec![NextStep { purpose: purpose.to_owned(), lines }];
        }
    };
    let lines = engines.iter().map(|engine| format!("{engine} {rest}")).collect();
    vec![NextStep { purpose: purpose.to_owned(), lines }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, content: &str) -> MetaFile {
        let kind = MetaKind::of(name.as_bytes()).unwrap().kind;
        MetaFile { name: name.to_owned(), kind, content: content.as_bytes().to_vec() }
    }

    fn checkpoints(kind: &str) -> MetaFile {
        let text = format!("backup_type = {kind}\nfrom_lsn = 0\nto_lsn = 5\nlast_lsn = 5\n");
        file("xtrabackup_checkpoints", &text)
    }

    fn lines(metadata: &[MetaFile]) -> Vec<String> {
        next_steps(metadata, Path::new("/my data")).into_iter().flat_map(|step| step.lines).collect()
    }

    #[test]
    fn a_backup_is_prepared_by_the_engine_that_fits_the_server() {
        let info = |version: &str| file("xtrabackup_info", &format!("server_version = {version}\n"));
        let full = || checkpoints("full-backuped");
        let maria = ["mariadb-backup --prepare --target-dir='/my data'"];
        assert_eq!(lines(&[full(), info("10.11.14-MariaDB-log")]), maria);
        assert_eq!(lines(&[full(), info("8.0.36")]), ["xtrabackup --prepare --target-dir='/my data'"]);
        assert_eq!(lines(&[full(), file("mariadb_backup_binlog_info", "b.1\t4\n")]), maria);
        assert_eq!(lines(&[full()]).len(), 2);
    }

    #[test]
    fn what_comes_next_depends_on_what_it_is() {
        assert!(lines(&[checkpoints("incremental")])[0].contains("--incremental-dir='/my data'"));
        assert_eq!(lines(&[checkpoints("full-prepared")]), ["chown -R mysql:mysql '/my data'"]);
        assert!(lines(&[]).is_empty() && lines(&[checkpoints("other")]).is_empty());
    }
}

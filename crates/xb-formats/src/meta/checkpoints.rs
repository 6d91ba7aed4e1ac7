//! `xtrabackup_checkpoints`: the kind of a backup and its LSNs.

use std::fmt;

use xb_core::{Lsn, LsnRange};

use super::{MetaError, pairs};

const FILE: &str = "xtrabackup_checkpoints";

/// What the engine says the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackupType {
    /// A full backup as it was taken.
    FullBackuped,
    /// An incremental backup as it was taken.
    Incremental,
    /// Prepared, and incremental backups can still be applied. MariaDB writes this after any preparation.
    LogApplied,
    /// Prepared for good.
    FullPrepared,
}

impl BackupType {
    const ALL: [BackupType; 4] =
        [BackupType::FullBackuped, BackupType::Incremental, BackupType::LogApplied, BackupType::FullPrepared];

    /// The word in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            BackupType::FullBackuped => "full-backuped",
            BackupType::Incremental => "incremental",
            BackupType::LogApplied => "log-applied",
            BackupType::FullPrepared => "full-prepared",
        }
    }
}

impl fmt::Display for BackupType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoints {
    /// What the directory is.
    pub backup_type: BackupType,
    /// What it covers. Where the file has no `last_lsn`, `last` is `to`.
    pub lsns: LsnRange,
    /// All other keys with their values, in their order: `compact` (2.x), `recover_binlog_info` (2.4,
    /// MariaDB), `flushed_lsn`, `redo_memory`, `redo_frames` (8.0), and what is to come.
    pub rest: Vec<(String, String)>,
}

impl Checkpoints {
    /// Reads the file.
    ///
    /// # Errors
    /// When the type or one of the LSNs a chain is built on is missing, stands twice or is not understood.
    pub fn parse(text: &str) -> Result<Self, MetaError> {
        let (mut kind, mut from, mut to, mut last) = (None, None, None, None);
        let mut rest = Vec::new();
        for (line, (key, value)) in pairs::read(text) {
            match key.as_str() {
                "backup_type" => set(&mut kind, line, &value, |v| {
                    BackupType::ALL.into_iter().find(|kind| kind.as_str() == v)
                })?,
                "from_lsn" => set(&mut from, line, &value, lsn)?,
                "to_lsn" => set(&mut to, line, &value, lsn)?,
                "last_lsn" => set(&mut last, line, &value, lsn)?,
                _ => rest.push((key, value)),
            }
        }
        let missing = |key, problem| MetaError::new(FILE, 0, key, problem);
        let backup_type = kind.ok_or_else(|| missing("backup_type", "the key is missing"))?;
        let from = from.ok_or_else(|| missing("from_lsn", "the key is missing"))?;
        let to = to.ok_or_else(|| missing("to_lsn", "the key is missing"))?;
        Ok(Checkpoints { backup_type, lsns: LsnRange { from, to, last: last.unwrap_or(to) }, rest })
    }

    /// The file as the engines write it.
    #[must_use]
    pub fn render(&self) -> String {
        let LsnRange { from, to, last } = self.lsns;
        let mut text = format!(
            "backup_type = {}\nfrom_lsn = {from}\nto_lsn = {to}\nlast_lsn = {last}\n",
            self.backup_type
        );
        for (key, value) in &self.rest {
            text.push_str(&format!("{key} = {value}\n"));
        }
        text
    }
}

fn lsn(value: &str) -> Option<Lsn> {
    value.parse().ok()
}

fn set<T>(
    slot: &mut Option<T>,
    line: usize,
    value: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<(), MetaError> {
    if slot.is_some() {
        return Err(MetaError::new(FILE, line, value, "the key stands twice"));
    }
    *slot = read(value);
    if slot.is_none() {
        return Err(MetaError::new(FILE, line, value, "the value is not one that engines write"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const V80: &str = "backup_type = incremental\nfrom_lsn = 18\nto_lsn = 20\nlast_lsn = 25\n\
                       flushed_lsn = 24\nredo_memory = 0\nredo_frames = 0\n";

    #[test]
    fn files_of_all_versions_come_back_as_they_were() {
        let v22 =
            "backup_type = full-backuped\nfrom_lsn = 0\nto_lsn = 1657600\nlast_lsn = 1657600\ncompact = 0\n";
        for text in [V80, v22] {
            assert_eq!(Checkpoints::parse(text).unwrap().render(), text);
        }
        let read = Checkpoints::parse(V80).unwrap();
        assert_eq!(read.backup_type, BackupType::Incremental);
        assert_eq!(read.lsns, LsnRange { from: Lsn(18), to: Lsn(20), last: Lsn(25) });
        assert_eq!(read.rest.len(), 3);
    }

    #[test]
    fn every_type_is_known() {
        for kind in BackupType::ALL {
            let read = Checkpoints::parse(&format!("backup_type = {kind}\nfrom_lsn = 0\nto_lsn = 1\n"));
            assert_eq!(read.map(|r| (r.backup_type, r.lsns.last)), Ok((kind, Lsn(1))));
        }
    }

    #[test]
    fn lsns_that_cannot_be_relied_on_are_refused() {
        for (wrong, line) in [
            ("", 0),
            ("backup_type = full-backuped\nfrom_lsn = 0\n", 0),
            ("backup_type = compact\nfrom_lsn = 0\nto_lsn = 1\n", 1),
            ("backup_type = incremental\nfrom_lsn = 0\nto_lsn = -1\n", 3),
            ("backup_type = incremental\nfrom_lsn = 0\nto_lsn = 1\nto_lsn = 2\n", 4),
            ("backup_type = incremental\nfrom_lsn = 0\nto_lsn = 1\nlast_lsn =\n", 4),
        ] {
            assert_eq!(Checkpoints::parse(wrong).map_err(|e| e.line), Err(line), "{wrong:?}");
        }
    }
}

//! The names of the metadata files, under both namings.
//!
//! MariaDB renamed them from `xtrabackup_*` to `mariadb_backup_*` in 11.1 and reads both. Both are accepted
//! everywhere, the new one is preferred; when both stand in one backup they must say the same.

use crate::archive::MemberLayers;

/// What a metadata file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetaKind {
    /// The kind of the backup and its LSNs.
    Checkpoints,
    /// Everything about the run: tool, server, times, options.
    Info,
    /// Where the server's binary log stood.
    BinlogInfo,
    /// Where the replica's source stood.
    SlaveInfo,
    /// Where the Galera cluster stood.
    GaleraInfo,
}

/// Who named a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `xtrabackup_*`: XtraBackup, and MariaDB up to 11.0.
    XtraBackup,
    /// `mariadb_backup_*`: MariaDB from 11.1 on.
    MariaDbBackup,
}

/// A metadata file, recognised by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MetaFile {
    /// What it is about.
    pub kind: MetaKind,
    /// Who named it.
    pub naming: Naming,
    /// The layers to undo before it can be read.
    pub layers: MemberLayers,
}

impl MetaFile {
    /// Whether it is compressed or encrypted.
    #[must_use]
    pub fn is_wrapped(&self) -> bool {
        self.layers.any()
    }
}

impl MetaKind {
    /// Every kind.
    pub const ALL: [MetaKind; 5] = [
        MetaKind::Checkpoints,
        MetaKind::Info,
        MetaKind::BinlogInfo,
        MetaKind::SlaveInfo,
        MetaKind::GaleraInfo,
    ];

    /// Its names, the preferred (newer) one first.
    #[must_use]
    pub fn names(self) -> [&'static str; 2] {
        match self {
            MetaKind::Checkpoints => ["mariadb_backup_checkpoints", "xtrabackup_checkpoints"],
            MetaKind::Info => ["mariadb_backup_info", "xtrabackup_info"],
            MetaKind::BinlogInfo => ["mariadb_backup_binlog_info", "xtrabackup_binlog_info"],
            MetaKind::SlaveInfo => ["mariadb_backup_slave_info", "xtrabackup_slave_info"],
            MetaKind::GaleraInfo => ["mariadb_backup_galera_info", "xtrabackup_galera_info"],
        }
    }

    /// Recognises a file by its name without directories, with or without the suffixes of compression and
    /// encryption.
    #[must_use]
    pub fn of(file_name: &[u8]) -> Option<MetaFile> {
        let (name, layers) = MemberLayers::split(file_name);
        MetaKind::ALL.into_iter().find_map(|kind| {
            let [newer, older] = kind.names();
            let naming = match name {
                name if name == newer.as_bytes() => Naming::MariaDbBackup,
                name if name == older.as_bytes() => Naming::XtraBackup,
                _ => return None,
            };
            Some(MetaFile { kind, naming, layers })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::MemberCompression;

    #[test]
    fn files_are_recognised_under_both_namings() {
        for kind in MetaKind::ALL {
            for (name, naming) in kind.names().iter().zip([Naming::MariaDbBackup, Naming::XtraBackup]) {
                let found = MetaKind::of(name.as_bytes()).unwrap();
                assert_eq!((found.kind, found.naming, found.is_wrapped()), (kind, naming, false));
            }
        }
        for other in ["xtrabackup_binlog_pos_innodb", "xtrabackup_logfile", "checkpoints", "", "info.qp"] {
            assert_eq!(MetaKind::of(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn wrapped_files_are_recognised_with_their_layers() {
        let found = MetaKind::of(b"xtrabackup_info.zst.xbcrypt").unwrap();
        assert_eq!(found.kind, MetaKind::Info);
        let layers = MemberLayers { compression: Some(MemberCompression::Zstd), encrypted: true };
        assert_eq!((found.layers, found.is_wrapped()), (layers, true));
    }
}

//! Where the programs of a MariaDB installation are.

use std::path::PathBuf;

use xb_pipeline::process::find_program;

use crate::error::{MissingProgram, SandboxError};

/// Searched after the directories given. Debian puts the server where an ordinary user's search path does
/// not lead.
const USUAL: [&str; 7] = [
    "/usr/sbin",
    "/usr/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/libexec",
    "/usr/local/mysql/bin",
    "/opt/mariadb/bin",
];

/// The programs a private server needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// `mariadbd`, the server.
    pub server: PathBuf,
    /// `mariadb-install-db`, which fills an empty data directory.
    pub install_db: PathBuf,
    /// `mariadb`, the client.
    pub client: PathBuf,
    /// `mariadb-binlog`, which prints binary logs as SQL.
    pub binlog: PathBuf,
    /// `mariadb-backup`, the backup engine. Not used here; whoever wants a server wants backups of it.
    pub backup: PathBuf,
    /// `setpriv` (util-linux), which binds a server's life to ours. Without it a server outlives an owner
    /// that is killed.
    pub setpriv: Option<PathBuf>,
}

impl Binaries {
    /// Looks in the directories given, then in the usual ones.
    ///
    /// # Errors
    /// [`SandboxError::Missing`], which names everything that is missing and the packages it is in.
    pub fn find(directories: &[PathBuf]) -> Result<Binaries, SandboxError> {
        let searched: Vec<PathBuf> =
            directories.iter().cloned().chain(USUAL.into_iter().map(PathBuf::from)).collect();
        Self::find_only_in(searched)
    }

    fn find_only_in(searched: Vec<PathBuf>) -> Result<Binaries, SandboxError> {
        let mut missing = Vec::new();
        let mut find = |program: &'static str, package: &'static str| {
            find_program(program, &searched).unwrap_or_else(|| {
                missing.push(MissingProgram { program, package });
                PathBuf::new()
            })
        };
        let binaries = Binaries {
            server: find("mariadbd", "mariadb-server"),
            install_db: find("mariadb-install-db", "mariadb-server"),
            client: find("mariadb", "mariadb-client"),
            binlog: find("mariadb-binlog", "mariadb-client"),
            backup: find("mariadb-backup", "mariadb-backup"),
            setpriv: find_program("setpriv", &searched),
        };
        if missing.is_empty() { Ok(binaries) } else { Err(SandboxError::Missing { missing, searched }) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn everything_missing_is_named_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let client = dir.path().join("mariadb");
        std::fs::write(&client, "").unwrap();
        std::fs::set_permissions(&client, PermissionsExt::from_mode(0o755)).unwrap();
        let error = Binaries::find_only_in(vec![dir.path().to_owned()]).unwrap_err().to_string();
        assert!(error.contains("mariadbd, mariadb-install-db, mariadb-binlog, mariadb-backup;"), "{error}");
        assert!(error.ends_with("apt-get install mariadb-backup mariadb-client mariadb-server"), "{error}");
    }

    #[test]
    fn the_directories_given_come_first() {
        let dir = tempfile::tempdir().unwrap();
        let own = dir.path().join("mariadb-backup");
        std::os::unix::fs::symlink("/bin/true", &own).unwrap();
        let found = Binaries::find(&[dir.path().to_owned()]).unwrap();
        assert_eq!(found.backup, own);
        assert_ne!(found.server.parent(), Some(dir.path()));
    }
}

//! Where the programs of a server are, and whose server it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xb_core::{Flavor, Version};
use xb_pipeline::process::{Invocation, find_program};

use crate::error::{MissingProgram, SandboxError, tail};

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
/// How long a server may take to say its version.
const VERSION_LIMIT: Duration = Duration::from_secs(30);

/// The programs a private server needs.
///
/// A program that [`Binaries::of_server`] did not find is there by its name alone, without a directory. It is
/// missed when it is needed, with [`SandboxError::Missing`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binaries {
    /// Whose server it is.
    pub flavor: Flavor,
    /// The server's version.
    pub version: Version,
    /// `mariadbd` or `mysqld`, the server.
    pub server: PathBuf,
    /// `mariadb-install-db`, which fills an empty data directory. MySQL's servers do that themselves.
    pub install_db: PathBuf,
    /// `mariadb` or `mysql`, the client.
    pub client: PathBuf,
    /// `mariadb-binlog` or `mysqlbinlog`, which prints binary logs as SQL.
    pub binlog: PathBuf,
    /// `mariadb-backup` or `xtrabackup`, the backup engine. Not used here; whoever wants a server wants
    /// backups of it.
    pub backup: PathBuf,
    /// `setpriv` (util-linux), which binds a server's life to ours. Without it a server outlives an owner
    /// that is killed.
    pub setpriv: Option<PathBuf>,
}

/// The names a kind of server has for a program, the likeliest first, and the package of that.
struct Names(&'static [&'static str], &'static str);

/// The programs beside a server: install script, client, printer of logs, backup engine.
const MARIADB: [Names; 4] = [
    Names(&["mariadb-install-db", "mysql_install_db"], "mariadb-server"),
    Names(&["mariadb", "mysql"], "mariadb-client"),
    Names(&["mariadb-binlog", "mysqlbinlog"], "mariadb-client"),
    Names(&["mariadb-backup", "mariabackup"], "mariadb-backup"),
];
/// MariaDB's client speaks to these servers too, but its printer of logs does not know all they write.
const MYSQL: [Names; 4] = [
    Names(&["mysql_install_db"], "mysql-server"),
    Names(&["mysql", "mariadb"], "mysql-client"),
    Names(&["mysqlbinlog"], "mysql-client"),
    Names(&["xtrabackup"], "percona-xtrabackup"),
];

impl Binaries {
    /// Looks for MariaDB's in the directories given, then in the usual ones.
    ///
    /// # Errors
    /// [`SandboxError::Missing`], which names everything that is missing and the packages it is in; what
    /// kept the server from saying its version.
    pub fn find(directories: &[PathBuf]) -> Result<Binaries, SandboxError> {
        Self::find_only_in(directories.iter().cloned().chain(usual()).collect())
    }

    fn find_only_in(searched: Vec<PathBuf>) -> Result<Binaries, SandboxError> {
        let mut missing = Vec::new();
        let mut find = |program: &'static str, package: &'static str| {
            find_program(program, &searched).unwrap_or_else(|| {
                missing.push(MissingProgram { program, package });
                PathBuf::new()
            })
        };
        let server = find("mariadbd", "mariadb-server");
        let [install_db, client, binlog, backup] =
            MARIADB.map(|Names(names, package)| find(names[0], package));
        if !missing.is_empty() {
            return Err(SandboxError::Missing { missing, searched });
        }
        let (flavor, version) = identify(&server)?;
        let setpriv = find_program("setpriv", &searched);
        Ok(Binaries { flavor, version, server, install_db, client, binlog, backup, setpriv })
    }

    /// A server of any kind, by the path of `mysqld` or `mariadbd`; the other programs from beside it, else
    /// from the usual places.
    ///
    /// # Errors
    /// What kept the server from saying its version; [`SandboxError::Unknown`] when it did not say one.
    pub fn of_server(server: impl Into<PathBuf>) -> Result<Binaries, SandboxError> {
        let server = server.into();
        let (flavor, version) = identify(&server)?;
        let searched = around(&server);
        let names = if flavor == Flavor::MariaDb { MARIADB } else { MYSQL };
        let [install_db, client, binlog, backup] = names.map(|Names(names, _)| {
            let found = names.iter().find_map(|name| find_program(name, &searched));
            found.unwrap_or_else(|| PathBuf::from(names[0]))
        });
        let setpriv = find_program("setpriv", &searched);
        Ok(Binaries { flavor, version, server, install_db, client, binlog, backup, setpriv })
    }

    /// # Errors
    /// [`SandboxError::Missing`] when the program was not found.
    pub(crate) fn need(&self, program: &Path) -> Result<(), SandboxError> {
        if program.parent().is_some_and(|directory| !directory.as_os_str().is_empty()) {
            return Ok(());
        }
        let known = if self.flavor == Flavor::MariaDb { MARIADB } else { MYSQL };
        let missing = known.iter().filter(|Names(names, _)| Path::new(names[0]) == program);
        let missing = missing.map(|Names(names, package)| MissingProgram { program: names[0], package });
        Err(SandboxError::Missing { missing: missing.collect(), searched: around(&self.server) })
    }

    /// Whether it is a MySQL or one made of it, of this version at least.
    pub(crate) fn is_mysql_from(&self, major: u32, minor: u32, patch: u32) -> bool {
        self.flavor != Flavor::MariaDb && self.version >= Version::new(major, minor, patch)
    }
}

fn usual() -> impl Iterator<Item = PathBuf> {
    USUAL.into_iter().map(PathBuf::from)
}

/// Where the programs of a server are: beside it, also where a link to it leads, and in the usual places.
fn around(server: &Path) -> Vec<PathBuf> {
    let real = server.canonicalize().ok();
    let homes = [Some(server), real.as_deref()].into_iter().flatten().filter_map(Path::parent);
    let beside = homes.flat_map(|home| [home.to_owned(), home.join("../bin"), home.join("../scripts")]);
    beside.filter(|directory| directory.is_dir()).chain(usual()).collect()
}

/// Asks a server what it is: `mysqld  Ver 8.0.35-27 for Linux on x86_64 (Percona Server (GPL), Release 27)`.
fn identify(server: &Path) -> Result<(Flavor, Version), SandboxError> {
    let output = Invocation::new(server).args(["--no-defaults", "--version"]).output(VERSION_LIMIT)?;
    let told = parse_version(&output.stdout).filter(|_| output.status.success());
    told.ok_or_else(|| SandboxError::Unknown {
        program: server.to_owned(),
        said: tail(&format!("{}{}", output.stdout, output.stderr)),
    })
}

fn parse_version(text: &str) -> Option<(Flavor, Version)> {
    let (_, behind) = text.split_once(" Ver ")?;
    let (version, rest) = behind.trim_start().split_once(' ')?;
    let comment = rest.split_once('(').map_or("", |(_, comment)| comment);
    Some((Flavor::of(version, comment), version.parse().ok()?))
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

    #[test]
    fn servers_are_told_apart_by_what_they_say() {
        for (text, flavor, version) in [
            (
                "mariadbd  Ver 10.11.14-MariaDB-0+deb12u2 for debian-linux-gnu on x86_64 (Debian 12)",
                Flavor::MariaDb,
                "10.11.14",
            ),
            (
                "/s/mysqld  Ver 5.6.24 for linux-glibc2.5 on x86_64 (MySQL Community Server (GPL))",
                Flavor::MySql,
                "5.6.24",
            ),
            (
                "mysqld  Ver 8.0.35-27 for Linux on x86_64 (Percona Server (GPL), Release 27)",
                Flavor::Percona,
                "8.0.35-27",
            ),
        ] {
            assert_eq!(parse_version(text), Some((flavor, version.parse().unwrap())));
        }
        assert_eq!(parse_version("tar (GNU tar) 1.34"), None);
    }

    #[test]
    fn what_is_not_there_is_missed_when_it_is_needed() {
        let dir = tempfile::tempdir().unwrap();
        let server = dir.path().join("mysqld");
        std::fs::write(&server, "#!/bin/sh\necho 'mysqld  Ver 9.7.4-2 for Linux on x86_64 ((Debian))'\n")
            .unwrap();
        std::fs::set_permissions(&server, PermissionsExt::from_mode(0o755)).unwrap();
        let own = dir.path().join("mysql");
        std::os::unix::fs::symlink("/bin/true", &own).unwrap();
        let binaries = Binaries::of_server(&server).unwrap();
        assert_eq!((binaries.flavor, binaries.version.series()), (Flavor::MySql, (9, 7)));
        assert_eq!(binaries.client, own);
        binaries.need(&binaries.client).unwrap();
        assert_eq!(binaries.backup, Path::new("xtrabackup"));
        let error = binaries.need(&binaries.backup).unwrap_err().to_string();
        assert!(error.contains("xtrabackup; install with: apt-get install percona-xtrabackup"), "{error}");
    }
}

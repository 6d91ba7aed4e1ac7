//! The account a replay works as.
//!
//! The passwords of a restored server are not known, and a server that does not look at its accounts
//! (`skip-grant-tables`) cannot create events. So the private server creates an account for the replay when
//! it starts, by its `init-file`, and the account is removed again before the data directory is given away.
//! Nothing of that is in the server's log.

use std::path::{Path, PathBuf};

use xb_core::{Flavor, Version};
use xb_pipeline::fs::write_atomic;

use super::error::ReplayError;

const USER: &str = "pyxbackup_replay";

/// An account of the private server, and the files that make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayAccount {
    /// What the server runs when it starts (its option `init-file`). Only the owner can read it.
    pub init_file: PathBuf,
    /// What client programs read name and password from (`--defaults-file`). Only the owner can read it.
    pub defaults_file: PathBuf,
}

impl ReplayAccount {
    /// Writes the files into a directory, with another password each time. The server has to be started
    /// after that.
    ///
    /// # Errors
    /// [`ReplayError::File`], [`ReplayError::System`].
    pub fn create(scratch: &Path, flavor: Flavor, version: Version) -> Result<Self, ReplayError> {
        let account = ReplayAccount {
            init_file: scratch.join("account.sql"),
            defaults_file: scratch.join("account.cnf"),
        };
        let password = password()?;
        write_atomic(&account.init_file, statements(flavor, version, &password).as_bytes())?;
        let login = format!("[client]\nuser={USER}\npassword={password}\n");
        write_atomic(&account.defaults_file, login.as_bytes())?;
        Ok(account)
    }
}

/// A server reads one statement a line.
fn statements(flavor: Flavor, version: Version, password: &str) -> String {
    let name = format!("'{USER}'@'localhost'");
    let create = match flavor {
        Flavor::MariaDb => format!("CREATE OR REPLACE USER {name} IDENTIFIED BY '{password}';\n"),
        _ if version < Version::new(5, 7, 6) => {
            format!("GRANT USAGE ON *.* TO {name} IDENTIFIED BY '{password}';\n")
        }
        _ => format!("DROP USER IF EXISTS {name};\nCREATE USER {name} IDENTIFIED BY '{password}';\n"),
    };
    format!(
        "SET SESSION sql_log_bin = 0;\n{create}GRANT ALL PRIVILEGES ON *.* TO {name} WITH GRANT OPTION;\n"
    )
}

/// What removes the account.
pub(super) fn removal() -> String {
    format!("SET SESSION sql_log_bin = 0;\nDROP USER '{USER}'@'localhost';\n")
}

/// Random, and of every kind of character that a server may ask for.
fn password() -> Result<String, ReplayError> {
    let mut bytes = [0; 24];
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .map_err(|errno| ReplayError::System { what: "random numbers", source: errno.into() })?;
    let hexadecimal: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("Xb-1_{hexadecimal}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_can_read_the_password_and_it_is_another_one_each_time() {
        let dir = tempfile::tempdir().unwrap();
        let read = || {
            let account =
                ReplayAccount::create(dir.path(), Flavor::MariaDb, Version::new(10, 11, 0)).unwrap();
            for path in [&account.init_file, &account.defaults_file] {
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
            }
            std::fs::read_to_string(account.defaults_file).unwrap()
        };
        assert_ne!(read(), read());
    }

    #[test]
    fn old_servers_get_the_statements_they_know() {
        let of = |flavor, major, minor| statements(flavor, Version::new(major, minor, 20), "p");
        assert!(of(Flavor::MySql, 5, 6).contains("GRANT USAGE"));
        assert!(of(Flavor::MySql, 8, 0).contains("DROP USER IF EXISTS"));
        assert!(of(Flavor::MariaDb, 10, 11).contains("CREATE OR REPLACE"));
    }
}

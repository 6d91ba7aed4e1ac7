//! Configuration files: where they are sought, and reading them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use xb_core::settings::{Layer, cnf, toml};

use crate::env;
use crate::error::CliError;

/// Where the file of a machine lies.
const SYSTEM_DIR: &str = "/etc";
/// Its names, one for each form.
const NAMES: [&str; 2] = ["pyxbackup.cnf", "pyxbackup.toml"];
/// The bits of a file's mode that let users of other groups read it.
const READABLE_BY_OTHERS: u32 = 0o004;

/// A configuration file that was read.
pub(crate) struct ConfigFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it sets.
    pub(crate) layer: Layer,
    /// What is wrong with the file itself.
    pub(crate) warning: Option<String>,
}

/// Reads the file named by `--config`, else the first of `/etc` and the program's own directory that has
/// one. `None` when there is none.
pub(crate) fn read(explicit: Option<&Path>, section: &str) -> Result<Option<ConfigFile>, CliError> {
    let path = match explicit {
        Some(path) => Some(path.to_owned()),
        None => find(&[Some(PathBuf::from(SYSTEM_DIR)), env::program_dir()])?,
    };
    path.map(|path| read_one(path, section)).transpose()
}

/// The configuration file of the first directory that has one. Two forms side by side are refused: nobody
/// could tell which one counts.
fn find(dirs: &[Option<PathBuf>]) -> Result<Option<PathBuf>, CliError> {
    for dir in dirs.iter().flatten() {
        let present: Vec<PathBuf> =
            NAMES.iter().map(|name| dir.join(name)).filter(|path| path.exists()).collect();
        match present.as_slice() {
            [] => {}
            [path] => return Ok(Some(path.clone())),
            [one, other, ..] => {
                return Err(CliError::File {
                    message: format!("there are both {} and {}", one.display(), other.display()),
                    hint: "remove one of them, or name one with --config".to_owned(),
                });
            }
        }
    }
    Ok(None)
}

fn read_one(path: PathBuf, section: &str) -> Result<ConfigFile, CliError> {
    let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| CliError::File {
        message: format!("{}: not UTF-8 at byte {}", path.display(), error.utf8_error().valid_up_to()),
        hint: "save the file as UTF-8".to_owned(),
    })?;
    let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    let layer = if is_toml { toml::read(&text, &path, section) } else { cnf::read(&text, &path, section) };
    let layer = layer.map_err(|error| CliError::settings(error, Some(path.clone())))?;
    let warning = layer.holds_secret().then(|| exposure(&path)).flatten();
    Ok(ConfigFile { path, layer, warning })
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "name an existing file with --config",
        io::ErrorKind::PermissionDenied => "run as a user who may read it",
        _ => "name a readable file with --config",
    };
    CliError::File { message: format!("{}: {error}", path.display()), hint: hint.to_owned() }
}

/// A warning when everyone can read the file.
fn exposure(path: &Path) -> Option<String> {
    let mode = std::fs::metadata(path).ok()?.permissions().mode();
    (mode & READABLE_BY_OTHERS != 0).then(|| {
        format!(
            "{path}: every user can read the password in it; run `chmod 600 {path}`",
            path = path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "[pyxbackup]\nmysql_pass = p\n";

    fn dir_with(names: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(dir.path().join(name), TEXT).unwrap();
        }
        dir
    }

    #[test]
    fn the_first_directory_with_a_file_counts() {
        let (empty, toml, cnf) = (dir_with(&[]), dir_with(&["pyxbackup.toml"]), dir_with(&["pyxbackup.cnf"]));
        let dirs = [&empty, &toml, &cnf].map(|dir| Some(dir.path().to_owned()));
        assert_eq!(find(&dirs).unwrap(), Some(toml.path().join("pyxbackup.toml")));
        assert_eq!(find(&dirs[..1]).unwrap(), None);
        assert_eq!(find(&[None, dirs[2].clone()]).unwrap(), Some(cnf.path().join("pyxbackup.cnf")));
    }

    #[test]
    fn both_forms_side_by_side_are_refused_by_name() {
        let dir = dir_with(&["pyxbackup.cnf", "pyxbackup.toml"]);
        let error = find(&[Some(dir.path().to_owned())]).unwrap_err().to_string();
        assert!(error.contains("pyxbackup.cnf and ") && error.ends_with("pyxbackup.toml"), "{error}");
    }

    #[test]
    fn a_named_file_has_to_exist_and_to_be_text() {
        let dir = dir_with(&[]);
        let path = dir.path().join("other.cnf");
        assert!(read(Some(&path), "pyxbackup").is_err());
        std::fs::write(&path, b"[pyxbackup]\nmysql_user = \xff\n").unwrap();
        let error = read(Some(&path), "pyxbackup").err().unwrap().to_string();
        assert!(error.ends_with("not UTF-8 at byte 25"), "{error}");
        assert!(read(Some(dir.path()), "pyxbackup").is_err());
    }

    #[test]
    fn a_password_that_everyone_can_read_is_warned_about() {
        let dir = dir_with(&["a.cnf"]);
        let path = dir.path().join("a.cnf");
        for (mode, is_warned) in [(0o644, true), (0o640, false), (0o600, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let file = read(Some(&path), "pyxbackup").unwrap().unwrap();
            assert_eq!(file.warning.is_some(), is_warned, "{mode:o}");
        }
    }
}

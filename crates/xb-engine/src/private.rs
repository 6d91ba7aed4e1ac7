//! A run's private directory in `work_dir`: the engine's option file with the password, and room for the
//! engine's own files. It goes with the run in every case; what a killed run left goes with the next.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use xb_core::Secret;
use xb_pipeline::fs::{FsError, create_new_dir_private, create_private, remove_tree};

use crate::option_file::quote;

/// What the names of such directories begin with.
const PREFIX: &str = ".pyxbackup-run-";

/// A directory that only we can enter, gone when dropped.
#[derive(Debug)]
pub(crate) struct PrivateDir {
    path: PathBuf,
}

impl PrivateDir {
    /// Makes one, after removing those that dead runs left. For the holder of the lock only.
    pub(crate) fn create(work_dir: &Path) -> Result<Self, FsError> {
        remove_left_behind(work_dir)?;
        let path = work_dir.join(format!("{PREFIX}{}", std::process::id()));
        create_new_dir_private(&path)?;
        let made = PrivateDir { path };
        create_new_dir_private(&made.scratch())?;
        Ok(made)
    }

    /// An empty directory for the engine.
    pub(crate) fn scratch(&self) -> PathBuf {
        self.path.join("scratch")
    }

    /// Where the engine's messages are kept while it runs.
    pub(crate) fn engine_log(&self) -> PathBuf {
        self.path.join("engine.log")
    }

    /// Writes an option file that reads `includes` first and then sets the password.
    pub(crate) fn option_file(&self, includes: &[PathBuf], password: &Secret) -> Result<PathBuf, FsError> {
        let path = self.path.join("engine.cnf");
        let mut text = String::new();
        for included in includes.iter().filter(|path| path.exists()) {
            let absolute = fs::canonicalize(included).map_err(FsError::on("find", included))?;
            text.push_str(&format!("!include {}\n", absolute.display()));
        }
        // Every engine reads the first group, clients in scripts around it read the second.
        for group in ["xtrabackup", "client"] {
            text.push_str(&format!("[{group}]\npassword={}\n", quote(password.expose())));
        }
        let mut file = create_private(&path)?;
        file.write_all(text.as_bytes()).map_err(FsError::on("write", &path))?;
        Ok(path)
    }
}

impl Drop for PrivateDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next run.
        let _ = remove_tree(&self.path);
    }
}

fn remove_left_behind(work_dir: &Path) -> Result<(), FsError> {
    left_behind(work_dir)?.iter().try_for_each(|path| remove_tree(path))
}

/// The directories that dead runs left. Only the holder of the lock can tell.
///
/// # Errors
/// [`FsError`].
pub(crate) fn left_behind(work_dir: &Path) -> Result<Vec<PathBuf>, FsError> {
    let entries = fs::read_dir(work_dir).map_err(FsError::on("read directory", work_dir))?;
    let ours = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(PREFIX));
    Ok(ours.map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_password_stands_in_a_private_file_that_goes_with_the_run() {
        let work = tempfile::tempdir().unwrap();
        fs::create_dir(work.path().join(".pyxbackup-run-1")).unwrap();
        let included = work.path().join("my.cnf");
        fs::write(&included, "[mysqld]\n").unwrap();
        let private = PrivateDir::create(work.path()).unwrap();
        let file =
            private.option_file(&[included.clone(), "/nowhere/my.cnf".into()], &Secret::new("a\"b")).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let include = format!("!include {}\n", fs::canonicalize(included).unwrap().display());
        assert_eq!(
            text,
            format!("{include}[xtrabackup]\npassword=\"a\\\"b\"\n[client]\npassword=\"a\\\"b\"\n")
        );
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        drop(private);
        assert_eq!(fs::read_dir(work.path()).unwrap().count(), 1, "only my.cnf stays");
    }
}

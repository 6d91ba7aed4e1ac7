//! The logs that runs leave in `work_dir`, each in a file of its own under the name the Python tool gave it. They
//! go with the backups they tell of.

use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use xb_core::BackupId;
use xb_pipeline::fs::FsError;

/// The name of the log of a run that begins at `now`; `attempt`, from 1, tells apart those of one second.
#[must_use]
pub fn log_name(now: DateTime<FixedOffset>, attempt: u32) -> String {
    let suffix = if attempt == 1 { String::new() } else { format!("-{attempt}") };
    format!("{}-pyxbackup{suffix}.log", now.format("%Y_%m_%d-%H_%M_%S"))
}

/// When a log of this name was begun.
fn begun(name: &str) -> Option<BackupId> {
    let (stamp, rest) = name.split_at_checked("2026_01_01-00_00_00".len())?;
    let number = rest.strip_prefix("-pyxbackup")?.strip_suffix(".log")?;
    let is_ours = number.is_empty() || number.strip_prefix('-')?.bytes().all(|byte| byte.is_ascii_digit());
    stamp.parse().ok().filter(|_| is_ours)
}

/// The logs in `work_dir` of runs that began before `moment`, by name.
///
/// # Errors
/// [`FsError`] when the directory cannot be read.
pub(crate) fn logs_before(work_dir: &Path, moment: BackupId) -> Result<Vec<PathBuf>, FsError> {
    let entries = std::fs::read_dir(work_dir).map_err(FsError::on("read directory", work_dir))?;
    let is_old = |entry: &std::fs::DirEntry| {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file && begun(&entry.file_name().to_string_lossy()).is_some_and(|begun| begun < moment)
    };
    let mut logs: Vec<PathBuf> = entries.flatten().filter(is_old).map(|entry| entry.path()).collect();
    logs.sort();
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_logs_of_runs_before_the_moment_are_found() {
        let work = tempfile::tempdir().unwrap();
        let now = DateTime::parse_from_rfc3339("2026-11-22T14:28:37+02:00").unwrap();
        let names = [
            log_name(now, 1),
            log_name(now, 2),
            "2026_11_22-14_28_37-pyxbackup-x.log".to_owned(),
            "2026_11_22-14_28_37-mine.log".to_owned(),
            "2026_11_23-00_00_00-pyxbackup.log".to_owned(),
        ];
        names.iter().for_each(|name| std::fs::write(work.path().join(name), "").unwrap());
        let found = logs_before(work.path(), "2026_11_22-14_28_38".parse().unwrap()).unwrap();
        assert_eq!(found, [work.path().join(&names[1]), work.path().join(&names[0])]);
        assert!(logs_before(work.path(), "2026_11_22-14_28_37".parse().unwrap()).unwrap().is_empty());
    }
}

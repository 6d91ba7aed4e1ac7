//! The prepared copy: `P_<set>` in `work_dir`, a full backup with the incrementals of its set applied to it as
//! they were taken. One owner: everything that reads or writes such a directory asks here.

mod plan;
mod state;

use std::path::{Path, PathBuf};

use xb_core::BackupId;
use xb_pipeline::fs::{FsError, remove_tree};

pub(crate) use plan::{ApplyPlan, Found, is_prefix, plan_apply};
pub(crate) use state::{Applied, Fingerprint, STATE_NAME, State, Step};

/// What the names of directories begin with that nobody but a run that applies has to do with: restores into
/// `work_dir` have names of their own.
const STAGING: &str = ".pyxbackup-staging-";

/// The directory of a set's copy.
pub(crate) fn directory(work_dir: &Path, set: BackupId) -> PathBuf {
    work_dir.join(format!("P_{set}"))
}

/// Where files of a backup are put before they are part of a copy; also where a copy is made.
pub(crate) fn workplace(work_dir: &Path, id: BackupId) -> PathBuf {
    work_dir.join(format!("{STAGING}{id}"))
}

/// Looks at the copy of a set. Its files are held against how they were left.
///
/// # Errors
/// [`FsError`] when it cannot be looked at.
pub(crate) fn find(work_dir: &Path, store: &Path, set: BackupId) -> Result<Found, FsError> {
    let directory = directory(work_dir, set);
    if directory.symlink_metadata().is_err() {
        return Ok(Found::Nothing);
    }
    if !directory.join(STATE_NAME).exists() {
        return Ok(Found::Foreign);
    }
    let state = match State::read(&directory) {
        Ok(state) => state,
        Err(reason) => return Ok(Found::Unusable(reason)),
    };
    if state.store != store {
        return Ok(Found::Foreign);
    }
    Ok(match &state.step {
        _ if state.set != set => Found::Unusable(format!("it says that it is of set {}", state.set)),
        Step::Applying { backup } => Found::Unusable(format!("a run that applied {backup} did not finish")),
        Step::Ready { files } if *files != Fingerprint::of(&directory)? => {
            Found::Unusable("somebody has changed its files".to_owned())
        }
        Step::Ready { .. } => Found::Usable(state),
    })
}

/// The copies of other sets of the store, and whatever dead runs left. What is not ours is not among them.
///
/// # Errors
/// [`FsError`].
pub(crate) fn others(work_dir: &Path, store: &Path, keep: Option<BackupId>) -> Result<Vec<PathBuf>, FsError> {
    let entries = std::fs::read_dir(work_dir).map_err(FsError::on("read directory", work_dir))?;
    let is_other = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_of_another_set = || set_of(path).is_some_and(|set| Some(set) != keep);
        let is_of_this_store = || State::read(path).is_ok_and(|state| state.store == store);
        name.starts_with(STAGING) || is_of_another_set() && is_of_this_store()
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_other).collect();
    paths.sort();
    Ok(paths)
}

/// The set of a copy, by its name; none for what is on the way into one.
pub(crate) fn set_of(path: &Path) -> Option<BackupId> {
    path.file_name()?.to_str()?.strip_prefix("P_")?.parse().ok()
}

/// Removes a copy, or what was on the way into one. It loses its name first: what a crash leaves of it is nobody's
/// copy.
///
/// # Errors
/// [`FsError`].
pub(crate) fn remove(directory: &Path) -> Result<(), FsError> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(STAGING) || directory.symlink_metadata().is_err() {
        return remove_tree(directory);
    }
    let going = directory.with_file_name(format!("{STAGING}{name}"));
    remove_tree(&going)?;
    xb_pipeline::fs::rename(directory, &going)?;
    remove_tree(&going)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn id(text: &str) -> BackupId {
        text.parse().unwrap()
    }

    const STORE: &str = "/backups/store";

    fn full(id: BackupId) -> Applied {
        Applied { id, to_lsn: None, mark: "07".repeat(32).try_into().unwrap() }
    }

    fn found(work: &Path, set: BackupId) -> Found {
        find(work, Path::new(STORE), set).unwrap()
    }

    /// A copy that was left in order.
    fn copy(work: &Path) -> (BackupId, PathBuf) {
        let set = id("2026_11_22-10_00_00");
        let directory = directory(work, set);
        fs::create_dir_all(directory.join("shop")).unwrap();
        fs::write(directory.join("shop/t.ibd"), "data").unwrap();
        let state = State::applying(Path::new(STORE), set, Vec::new(), set);
        state.ready(full(set), Fingerprint::of(&directory).unwrap()).write(&directory).unwrap();
        (set, directory)
    }

    #[test]
    fn a_copy_left_in_order_is_built_upon() {
        let work = tempfile::tempdir().unwrap();
        let (set, _) = copy(work.path());
        let Found::Usable(state) = found(work.path(), set) else { panic!("not usable") };
        assert_eq!(state.applied, [full(set)]);
        let other = find(work.path(), Path::new("/backups/other"), set).unwrap();
        assert!(matches!(other, Found::Foreign), "it is another store's");
        assert!(matches!(found(work.path(), id("2026_11_22-10_00_01")), Found::Nothing));
    }

    #[test]
    fn a_copy_that_somebody_changed_is_not_built_upon() {
        let changes: [&dyn Fn(&Path); 4] = [
            &|copy| fs::write(copy.join("shop/t.ibd"), "dat4").unwrap(),
            &|copy| fs::write(copy.join("ib_logfile0"), "").unwrap(),
            &|copy| fs::remove_file(copy.join("shop/t.ibd")).unwrap(),
            &|copy| fs::write(copy.join(STATE_NAME), "{").unwrap(),
        ];
        for change in changes {
            let work = tempfile::tempdir().unwrap();
            let (set, directory) = copy(work.path());
            change(&directory);
            assert!(matches!(found(work.path(), set), Found::Unusable(_)));
        }
    }

    #[test]
    fn a_copy_in_the_middle_of_a_step_is_not_built_upon() {
        let work = tempfile::tempdir().unwrap();
        let (set, directory) = copy(work.path());
        let next = id("2026_11_22-11_00_00");
        State::applying(Path::new(STORE), set, vec![full(set)], next).write(&directory).unwrap();
        let Found::Unusable(reason) = found(work.path(), set) else { panic!("built upon") };
        assert_eq!(reason, "a run that applied 2026_11_22-11_00_00 did not finish");
    }

    #[test]
    fn only_directories_of_ours_are_removed() {
        let work = tempfile::tempdir().unwrap();
        let (set, own) = copy(work.path());
        let make = |name: &str| {
            fs::create_dir(work.path().join(name)).unwrap();
            work.path().join(name)
        };
        make("P_2026_01_01-00_00_00");
        make("P_shop");
        make("P_2026_01_02-00_00_00.partial");
        let left = make(".pyxbackup-staging-2026_01_02-00_00_00");
        let others = |keep| others(work.path(), Path::new(STORE), keep).unwrap();
        assert_eq!(others(Some(set)), std::slice::from_ref(&left));
        assert_eq!(others(None), [left, own.clone()]);
        assert!(super::others(work.path(), Path::new("/backups/other"), None).unwrap().len() == 1);
        remove(&own).unwrap();
        assert!(!own.exists() && fs::read_dir(work.path()).unwrap().count() == 4);
    }
}

//! `wipeout`: every backup goes, and all that belongs to them. First it is said what; then only what is ours is
//! removed, file by file where something else stands between.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use xb_catalog::manifest::MANIFEST_NAME;
use xb_catalog::pins::PINS_DIRECTORY;
use xb_catalog::remove::remove_backup;
use xb_catalog::{BACKUP_META_NAME, BackupRecord, Catalog, Origin, read_manifest};
use xb_core::{BackupId, BinlogName};
use xb_formats::archive::Archive;
use xb_formats::meta::backup_meta::FILE_NAMES;
use xb_formats::meta::names::MetaKind;
use xb_pipeline::copy::list_tree;
use xb_pipeline::fs::{FsError, remove_tree, tree_bytes};
use xb_pipeline::monitor::Phase;

use super::backup::{LOG_NAME, create_lock_directories};
use super::binlogs;
use crate::context::{Context, Phases};
use crate::error::EngineError;
use crate::lock::RunLock;
use crate::notify::MAIL_MARK;
use crate::prepared;
use crate::private;
use crate::readers::{self, ReadersLock};
use crate::report::{WipeItem, WipeReport};
use crate::runlogs::logs_before;

/// Tells what would go.
pub(crate) fn look(context: &Context) -> Result<WipeReport, EngineError> {
    Ok(plan(context, &Catalog::scan(&here(context)?)?, context.work_dir()?)?.1)
}

/// Removes everything, if `i_am_absolutely_sure_wipeout` is set.
pub(crate) fn run(context: &Context) -> Result<WipeReport, EngineError> {
    let (store, work_dir) = (&here(context)?, context.work_dir()?);
    if !context.settings.i_am_absolutely_sure_wipeout {
        return Err(EngineError::NotSet { key: "i_am_absolutely_sure_wipeout" });
    }
    create_lock_directories(&context.repository()?, work_dir)?;
    let _lock = RunLock::acquire(work_dir, Some(store))?;
    let reading = ReadersLock::try_exclusive(&store.join(readers::STORE))?;
    let _reading = reading.ok_or_else(|| EngineError::RestoreRunning { path: store.to_owned() })?;
    let _copying = ReadersLock::exclusive(context, &work_dir.join(readers::PREPARED))?;
    let mut phases = Phases::new(context);
    phases.begin(Phase::Prune, "every backup", None);
    let catalog = Catalog::scan(store)?;
    let (steps, mut report) = plan(context, &catalog, work_dir)?;
    context.monitor().warn(&format!(
        "removing {} of {} in {}",
        count(report.removes.len(), "item"),
        count(catalog.all_sets().count(), "set"),
        store.display()
    ));
    for step in steps {
        context.cancel().check()?;
        step.carry_out(context)?;
    }
    remove_emptied(store);
    report.done = true;
    Ok(report)
}

/// The store as a directory.
fn here(context: &Context) -> Result<PathBuf, EngineError> {
    let home = context.repository()?;
    let store = || home.root().display().to_string();
    home.directory()
        .map(Path::to_owned)
        .ok_or_else(|| EngineError::OnlyHere { what: "wipeout", store: store() })
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// One thing that goes.
enum Step<'a> {
    /// A backup in which everything is ours.
    Backup(&'a BackupRecord),
    /// The files of ours in a directory in which something else stands too.
    Files(PathBuf, Vec<PathBuf>),
    /// A directory, or a file.
    Path(PathBuf),
}

impl Step<'_> {
    fn carry_out(&self, context: &Context) -> Result<(), EngineError> {
        match self {
            Step::Backup(record) => Ok(remove_backup(record, context.cancel())?),
            Step::Files(directory, files) => {
                Ok(files.iter().try_for_each(|file| remove_file(&directory.join(file)))?)
            }
            Step::Path(path) if path.is_dir() => Ok(remove_tree(path)?),
            Step::Path(path) => Ok(remove_file(path)?),
        }
    }
}

fn remove_file(path: &Path) -> Result<(), FsError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(FsError::on("remove", path)(error)),
        _ => Ok(()),
    }
}

fn plan<'a>(
    context: &Context,
    catalog: &'a Catalog,
    work_dir: &Path,
) -> Result<(Vec<Step<'a>>, WipeReport), EngineError> {
    let mut planned = Planned::default();
    // What builds on others goes before them.
    for record in catalog.all_sets().flat_map(|(_, set)| set.members()).rev() {
        planned.backup(record)?;
    }
    for partial in &catalog.partials {
        planned.path(&partial.directory, "left by a run that did not finish");
    }
    let logs = catalog.binlogs.iter().filter(|name| is_of_a_server(name));
    for log in
        logs.map(|name| catalog.root.join("binlogs").join(name.to_string())).filter(|path| path.is_file())
    {
        planned.path(&log, "a binary log");
    }
    for path in binlogs::of_ours(&catalog.root.join("binlogs")) {
        planned.path(&path, "binary logs");
    }
    for pin in &catalog.pins {
        planned.path(&catalog.root.join(PINS_DIRECTORY).join(pin.id.to_string()), "a pin");
    }
    let mark = catalog.root.join(MAIL_MARK);
    if mark.is_file() {
        planned.path(&mark, "the mark of the test mail");
    }
    for path in prepared::others(work_dir, &context.store_name()?, None)? {
        planned.path(&path, "a prepared copy");
    }
    for path in private::left_behind(work_dir)? {
        planned.path(&path, "the private directory of a dead run");
    }
    // That of this run has the same second in its name, or a later one.
    for log in logs_before(work_dir, BackupId::at(context.now().naive_local()))? {
        planned.path(&log, "the log of a run");
    }
    planned.leaves.extend(catalog.strays.iter().cloned());
    let frees_bytes = planned.removes.iter().map(|item| item.bytes).sum();
    let Planned { steps, removes, leaves } = planned;
    Ok((steps, WipeReport { store: catalog.root.clone(), removes, leaves, frees_bytes, done: false }))
}

/// Servers number their logs with six digits at least; `archive.2024` is none.
fn is_of_a_server(name: &BinlogName) -> bool {
    name.to_string().rsplit('.').next().is_some_and(|number| number.len() >= 6)
}

#[derive(Default)]
struct Planned<'a> {
    steps: Vec<Step<'a>>,
    removes: Vec<WipeItem>,
    leaves: Vec<PathBuf>,
}

impl<'a> Planned<'a> {
    fn path(&mut self, path: &Path, what: &str) {
        let bytes = match path.metadata() {
            Ok(meta) if meta.is_file() => meta.len(),
            _ => tree_bytes(path).unwrap_or(0),
        };
        self.removes.push(WipeItem { path: path.to_owned(), what: what.to_owned(), bytes });
        self.steps.push(Step::Path(path.to_owned()));
    }

    fn backup(&mut self, record: &'a BackupRecord) -> Result<(), FsError> {
        if record.is_unreadable() {
            // Without its list nobody can say what of it is ours.
            self.leaves.push(record.directory.clone());
            return Ok(());
        }
        self.path(&record.directory, &format!("{} backup {}", record.kind, record.id()));
        self.steps.pop();
        let Some(ours) = files_of(record) else {
            self.steps.push(Step::Backup(record));
            return Ok(());
        };
        let (ours, foreign): (Vec<_>, Vec<_>) =
            list_tree(&record.directory)?.into_iter().partition(|path| ours.contains(path));
        if foreign.is_empty() {
            self.steps.push(Step::Backup(record));
        } else {
            self.leaves.extend(foreign.iter().map(|path| record.directory.join(path)));
            self.steps.push(Step::Files(record.directory.clone(), ours));
        }
        Ok(())
    }
}

/// The files that are known to belong to a backup; `None` where all there is does, because nobody wrote a list.
fn files_of(record: &BackupRecord) -> Option<BTreeSet<PathBuf>> {
    let mut known: BTreeSet<PathBuf> = [MANIFEST_NAME, BACKUP_META_NAME, LOG_NAME].map(PathBuf::from).into();
    match (record.origin, record.archive) {
        (Origin::Native, _) => {
            let manifest = read_manifest(&record.directory).ok();
            let objects =
                manifest.into_iter().flat_map(|manifest| [manifest.objects, manifest.beside]).flatten();
            known.extend(objects.map(|object| object.path));
        }
        (Origin::Original, Some(archive @ Archive::File(_))) => {
            known.extend(archive.file_name().map(PathBuf::from));
            known.extend(FILE_NAMES.map(PathBuf::from));
            known.extend(MetaKind::ALL.iter().flat_map(|kind| kind.names()).map(PathBuf::from));
        }
        (Origin::Original, _) => return None,
    }
    Some(known)
}

/// Directories of sets and shelves that hold nothing any more; others do not go by this.
fn remove_emptied(store: &Path) {
    for shelf in ["weekly", "monthly", "yearly"] {
        for set in subdirectories(&store.join(shelf)) {
            subdirectories(&set.join("incr")).iter().for_each(|path| drop(std::fs::remove_dir(path)));
            ["full", "incr"].iter().for_each(|name| drop(std::fs::remove_dir(set.join(name))));
            let _ = std::fs::remove_dir(&set);
        }
    }
    let _ = std::fs::remove_dir(store.join(PINS_DIRECTORY));
    subdirectories(&store.join("incr")).iter().for_each(|path| drop(std::fs::remove_dir(path)));
}

fn subdirectories(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

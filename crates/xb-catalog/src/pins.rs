//! Pins: backups that are to stay whatever the policy says.
//!
//! A pin is a small file `.pyxbackup.pins/<name of the backup>` in the store. That it is there is all that
//! counts; when it was set, and why, is for people. A pin stays when its backup is gone, and is shown then.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use chrono::{DateTime, FixedOffset};
use serde::{Deserialize, Serialize};
use xb_core::BackupId;
use xb_pipeline::fs::{FsError, create_dir_private, give_to_owner_of_parent, sync_dir, write_atomic};

use crate::directory::View;
use crate::name::Named;

/// The directory of the pins within a store.
pub const PINS_DIRECTORY: &str = ".pyxbackup.pins";
/// A pin that is longer was not written by us.
const NOTE_LIMIT: usize = 64 * 1024;

/// A backup that is to stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The backup.
    pub id: BackupId,
    /// When it was pinned; unknown when the file cannot be read, which pins it all the same.
    pub pinned: Option<DateTime<FixedOffset>>,
    /// Why.
    pub note: Option<String>,
}

/// What is in the file of a pin.
#[derive(Serialize, Deserialize)]
struct Content {
    pinned: DateTime<FixedOffset>,
    #[serde(default)]
    note: Option<String>,
}

fn file(root: &Path, id: BackupId) -> PathBuf {
    root.join(PINS_DIRECTORY).join(id.to_string())
}

/// Pins a backup of the store at `root`, or writes the pin anew. Whether there is such a backup is not asked.
///
/// # Errors
/// [`FsError`].
pub fn pin(
    root: &Path,
    id: BackupId,
    when: DateTime<FixedOffset>,
    note: Option<&str>,
) -> Result<(), FsError> {
    let path = file(root, id);
    let text =
        render(when, note).map_err(|error| FsError::on("write", &path)(std::io::Error::other(error)))?;
    let directory = root.join(PINS_DIRECTORY);
    create_dir_private(&directory)?;
    give_to_owner_of_parent(&directory);
    write_atomic(&path, &text)?;
    give_to_owner_of_parent(&path);
    sync_dir(root)
}

/// The content of a pin.
pub(crate) fn render(when: DateTime<FixedOffset>, note: Option<&str>) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec(&Content { pinned: when, note: note.map(str::to_owned) })?;
    text.push(b'\n');
    Ok(text)
}

/// Whether there is a pin.
pub(crate) fn is_pinned(root: &Path, id: BackupId) -> bool {
    file(root, id).exists()
}

/// Removes a pin; tells whether there was one.
///
/// # Errors
/// [`FsError`].
pub fn unpin(root: &Path, id: BackupId) -> Result<bool, FsError> {
    let path = file(root, id);
    match std::fs::remove_file(&path) {
        Ok(()) => sync_dir(&root.join(PINS_DIRECTORY)).map(|()| true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FsError::on("remove", &path)(error)),
    }
}

/// Every pin of a store, oldest backup first.
pub(crate) fn read_pins(view: &View, root: &Path) -> Result<Vec<Pin>, FsError> {
    let Some(directory) = view.open(&root.join(PINS_DIRECTORY))? else { return Ok(Vec::new()) };
    let mut text = Vec::new();
    let mut pin = |named: &Named| {
        let Named::Whole(id) = named else { return None };
        let length = directory.read(&id.to_string(), &mut text, NOTE_LIMIT).ok().flatten().unwrap_or(0);
        let content: Option<Content> = serde_json::from_slice(&text[..length]).ok();
        let (pinned, note) = content.map_or((None, None), |content| (Some(content.pinned), content.note));
        Some(Pin { id: *id, pinned, note })
    };
    Ok(directory.entries()?.ours.iter().filter_map(&mut pin).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalog;
    use crate::sample::{id, store};

    #[test]
    fn a_pin_is_seen_until_it_is_taken_away_and_counts_whatever_is_in_it() {
        let dir = store();
        let when = DateTime::parse_from_rfc3339("2026-11-22T14:00:00+01:00").unwrap();
        pin(dir.path(), id("10_00_00"), when, Some("before the migration")).unwrap();
        std::fs::write(file(dir.path(), id("11_00_00")), "").unwrap();
        std::fs::write(dir.path().join(PINS_DIRECTORY).join("notes"), "").unwrap();
        let pins = Catalog::scan(dir.path()).unwrap().pins;
        let first = Pin { id: id("10_00_00"), pinned: Some(when), note: Some("before the migration".into()) };
        assert_eq!(pins, [first, Pin { id: id("11_00_00"), pinned: None, note: None }]);
        assert!(unpin(dir.path(), id("10_00_00")).unwrap());
        assert!(!unpin(dir.path(), id("10_00_00")).unwrap());
        assert_eq!(Catalog::scan(dir.path()).unwrap().pins.len(), 1);
    }

    #[test]
    fn a_pin_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let dir = store();
        let when = DateTime::parse_from_rfc3339("2026-11-22T14:00:00+01:00").unwrap();
        pin(dir.path(), id("10_00_00"), when, None).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let path = file(dir.path(), id("10_00_00"));
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
    }
}

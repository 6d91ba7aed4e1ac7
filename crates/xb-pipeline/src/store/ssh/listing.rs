//! What `ls` at the other end says of the objects there.

use std::sync::Arc;

use chrono::DateTime;

use super::session::{Session, Task};
use super::{scripts, words};
use crate::store::{Entry, StoreError, StoreErrorKind, StorePath};

/// Answers are no longer, in bytes: that is some millions of objects.
const MOST: u64 = 1 << 30;

/// Every object below the root, sorted; also those that are being written, by which what was left behind is found.
pub(super) fn list(session: &Arc<Session>) -> Result<Vec<Entry>, StoreError> {
    let task = Task::all("list");
    let text = answer(session, &task, scripts::LIST)?;
    let mut directory = None;
    let mut entries = Vec::new();
    for line in text.lines() {
        if line.starts_with('"') {
            directory = heading(line);
        } else if let (Some(directory), Some(file)) = (&directory, File::parse(line)) {
            let path = String::from_utf8(file.name).ok().map(|name| format!("{directory}{name}"));
            let Some(path) = path.and_then(|path| StorePath::parse(&path).ok()) else { continue };
            let modified = DateTime::from_timestamp(file.seconds, file.nanoseconds);
            let version = format!("{}-{}-{}.{:09}", file.inode, file.bytes, file.seconds, file.nanoseconds);
            entries.push(Entry { path, bytes: file.bytes, modified, version });
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// The directories below the root that hold something, sorted.
pub(super) fn prefixes(session: &Arc<Session>) -> Result<Vec<String>, StoreError> {
    let task = Task::all("list");
    let text = answer(session, &task, scripts::PREFIXES)?;
    let mut directory = String::new();
    let mut found = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match heading(line) {
            Some(name) => name.strip_suffix('/').unwrap_or_default().clone_into(&mut directory),
            None if !directory.is_empty() => found.push(std::mem::take(&mut directory)),
            None => (),
        }
    }
    found.sort();
    Ok(found)
}

/// The answer of an `ls` that saw all there is. What vanishes under its eyes is as good as not there, and where file
/// systems keep what was lost is no part of a store.
fn answer(session: &Arc<Session>, task: &Task, script: &str) -> Result<String, StoreError> {
    session.again(task, || {
        let (bytes, messages) = session.call(task, script)?.all(MOST)?;
        let matters = |line: &&String| {
            line.contains("ls: ")
                && !line.contains("No such file or directory")
                && !line.contains("lost+found")
        };
        if let Some(line) = messages.iter().find(matters) {
            let denied = line.contains("Permission denied");
            let kind = if denied { StoreErrorKind::Denied } else { StoreErrorKind::Other };
            return Err(session.error(kind, task, line.clone()));
        }
        // In this form of `ls` all that is not ASCII is escaped. Without the last line it is not all there.
        let text = String::from_utf8(bytes).ok();
        let whole = text.as_deref().and_then(|text| text.strip_suffix("xb:done\n"));
        whole
            .map(str::to_owned)
            .ok_or_else(|| session.error(StoreErrorKind::Damaged, task, "the host's list is not understood"))
    })
}

/// The directory whose content follows, without the leading `./`, with a slash behind it unless it is the root.
fn heading(line: &str) -> Option<String> {
    let (name, rest) = words::unquote(line)?;
    let name = String::from_utf8(name).ok().filter(|_| rest == ":")?;
    match name.strip_prefix("./") {
        Some(name) => Some(format!("{}/", name.trim_end_matches('/'))),
        None => (name == ".").then(String::new),
    }
}

/// A line of `ls -ligG` about a file.
#[derive(Debug, PartialEq, Eq)]
struct File {
    inode: u64,
    bytes: u64,
    seconds: i64,
    nanoseconds: u32,
    name: Vec<u8>,
}

impl File {
    /// `None` for whatever is no regular file.
    fn parse(line: &str) -> Option<File> {
        let (fields, _) = line.split_once('"')?;
        let (name, _) = words::unquote(&line[fields.len()..])?;
        let mut fields = fields.split_whitespace();
        let inode = fields.next()?.parse().ok()?;
        fields.next().filter(|mode| mode.starts_with('-'))?;
        let _links = fields.next()?;
        let bytes = fields.next()?.parse().ok()?;
        let (seconds, nanoseconds) = fields.next()?.split_once('.')?;
        Some(File {
            inode,
            bytes,
            seconds: seconds.parse().ok()?,
            nanoseconds: nanoseconds.parse().ok()?,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_all_else() {
        let file = File::parse(r#" 12 -rw-------+ 1  345 1763856000.012345678 "a \"b""#).unwrap();
        assert_eq!(
            (file.inode, file.bytes, file.seconds, file.nanoseconds),
            (12, 345, 1_763_856_000, 12_345_678)
        );
        assert_eq!(file.name, b"a \"b");
        for other in [
            r#"12 drwx------ 2 4096 1763856000.0 "a""#,
            r#"12 lrwxrwxrwx 1 4 1763856000.0 "a" -> "b""#,
            r#"12 crw------- 1 1, 3 1763856000.0 "a""#,
            r#" ? -????????? ? ? ? "a""#,
            "total 12",
            "",
        ] {
            assert_eq!(File::parse(other), None, "{other}");
        }
    }

    #[test]
    fn directories_are_named_below_the_root() {
        assert_eq!(heading(r#"".":"#).as_deref(), Some(""));
        assert_eq!(heading(r#""./full/a b":"#).as_deref(), Some("full/a b/"));
        assert_eq!(heading(r#""./full/":"#).as_deref(), Some("full/"));
        assert_eq!(heading(r#""name""#), None);
    }
}

//! A manifest read for a list: what a [`BackupRecord`](crate::BackupRecord) holds, without the rest of it.
//!
//! Most of a manifest is of no interest to a list, and what a server and an engine say of themselves is the same
//! text in one backup after the other. What is skipped here is only seen to be JSON; what this cannot read is for
//! [`Manifest::parse`] to judge.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset, NaiveDate};
use serde::de::DeserializeOwned;
use xb_core::{BackupId, BinlogCoord, GtidSet, Lsn, LsnRange};
use xb_pipeline::Digest;

use crate::json::Cursor;
use crate::manifest::{
    BinlogPoint, EngineRecord, MANIFEST_FORMAT, Manifest, ServerRecord, Sizes, SourcePoint, is_inside,
};
use crate::name::{backup_id, digits};

/// So many files of a backup are looked for when a store is listed: an archive has one, a directory may have
/// a hundred thousand. A restore looks at all of them.
const OBJECTS_LOOKED_AT: usize = 64;

/// What a list needs to know of a manifest.
pub(crate) struct Facts {
    pub(crate) id: BackupId,
    pub(crate) set: BackupId,
    pub(crate) base: Option<BackupId>,
    pub(crate) started: DateTime<FixedOffset>,
    pub(crate) ended: DateTime<FixedOffset>,
    pub(crate) lsns: LsnRange,
    pub(crate) binlog: Option<BinlogPoint>,
    pub(crate) replica_of: Vec<SourcePoint>,
    pub(crate) server: Arc<ServerRecord>,
    pub(crate) engine: Arc<EngineRecord>,
    pub(crate) sizes: Sizes,
    pub(crate) archive: String,
    /// Path and size of the first files.
    pub(crate) objects: Vec<(String, u64)>,
    /// The digest of the first file.
    pub(crate) digest: Option<Digest>,
}

impl From<Manifest> for Facts {
    fn from(manifest: Manifest) -> Self {
        let first = manifest.objects.iter().take(OBJECTS_LOOKED_AT);
        Facts {
            id: manifest.id,
            set: manifest.set,
            base: manifest.base.map(|base| base.id),
            started: manifest.started,
            ended: manifest.ended,
            lsns: manifest.lsns,
            binlog: manifest.binlog,
            replica_of: manifest.replica_of,
            server: Arc::new(manifest.server),
            engine: Arc::new(manifest.engine),
            sizes: manifest.sizes,
            archive: manifest.archive,
            objects: first.map(|object| (object.path.to_string_lossy().into_owned(), object.size)).collect(),
            digest: manifest.objects.first().map(|object| object.blake3),
        }
    }
}

/// What the last manifest said of server and engine.
#[derive(Default)]
pub(crate) struct Shared {
    server: Known<ServerRecord>,
    engine: Known<EngineRecord>,
}

/// A value with its text.
struct Known<T>(Option<(Box<[u8]>, Arc<T>)>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known(None)
    }
}

impl<T: DeserializeOwned> Known<T> {
    fn value(&mut self, cursor: &mut Cursor<'_>) -> Option<Arc<T>> {
        if let Some((_, value)) = self.0.as_ref().filter(|(known, _)| cursor.passes(known)) {
            return Some(value.clone());
        }
        let text = cursor.value()?;
        let value: Arc<T> = Arc::new(serde_json::from_str(text).ok()?);
        self.0 = Some((text.as_bytes().into(), value.clone()));
        Some(value)
    }
}

/// What the text of a manifest says; nothing when it is not one that this can read.
pub(crate) fn facts(text: &[u8], shared: &mut Shared) -> Option<Facts> {
    let mut found = Found::default();
    let mut cursor = Cursor::new(text)?;
    cursor.object(|cursor, key| found.field(cursor, key, shared))?;
    cursor.end()?;
    found.finish()
}

/// The fields of a manifest, as far as they were met.
#[derive(Default)]
struct Found<'t> {
    format: Option<u64>,
    id: Option<&'t str>,
    set: Option<&'t str>,
    base: Option<Option<BackupId>>,
    started: Option<&'t str>,
    ended: Option<&'t str>,
    lsns: Option<LsnRange>,
    binlog: Option<Option<BinlogPoint>>,
    replica_of: Option<Vec<SourcePoint>>,
    server: Option<Arc<ServerRecord>>,
    engine: Option<Arc<EngineRecord>>,
    sizes: Option<Sizes>,
    archive: Option<&'t str>,
    objects: Option<Files<'t>>,
    beside: Option<Files<'t>>,
}

/// Takes a value that was not there before: two of a name are no manifest.
fn once<T>(slot: &mut Option<T>, value: Option<T>) -> Option<()> {
    let is_first = slot.is_none();
    *slot = value;
    (is_first && slot.is_some()).then_some(())
}

impl<'t> Found<'t> {
    fn field(&mut self, cursor: &mut Cursor<'t>, key: &str, shared: &mut Shared) -> Option<()> {
        match key {
            "format" => once(&mut self.format, cursor.number()),
            "id" => once(&mut self.id, cursor.string()),
            "set" => once(&mut self.set, cursor.string()),
            "base" => once(&mut self.base, nullable(cursor, base)),
            "started" => once(&mut self.started, cursor.string()),
            "ended" => once(&mut self.ended, cursor.string()),
            "lsns" => once(&mut self.lsns, lsns(cursor)),
            "binlog" => once(&mut self.binlog, nullable(cursor, point)),
            "replica_of" => once(&mut self.replica_of, serde_json::from_str(cursor.value()?).ok()),
            "server" => once(&mut self.server, shared.server.value(cursor)),
            "engine" => once(&mut self.engine, shared.engine.value(cursor)),
            "sizes" => once(&mut self.sizes, sizes(cursor)),
            "archive" => once(&mut self.archive, cursor.string()),
            "objects" => once(&mut self.objects, files(cursor, OBJECTS_LOOKED_AT)),
            "beside" => once(&mut self.beside, files(cursor, 0)),
            _ => cursor.value().map(drop),
        }
    }

    fn finish(self) -> Option<Facts> {
        let (objects, _) = (self.objects?, self.beside?);
        if self.format? > u64::from(MANIFEST_FORMAT) {
            return None;
        }
        let digest = match objects.digest {
            Some(text) => Some(Digest::try_from(text.to_owned()).ok()?),
            None => None,
        };
        Some(Facts {
            id: backup_id(self.id?.as_bytes())?,
            set: backup_id(self.set?.as_bytes())?,
            // serde takes a field that is missing for none.
            base: self.base.flatten(),
            started: instant(self.started?)?,
            ended: instant(self.ended?)?,
            lsns: self.lsns?,
            binlog: self.binlog.flatten(),
            replica_of: self.replica_of.unwrap_or_default(),
            server: self.server?,
            engine: self.engine?,
            sizes: self.sizes?,
            archive: self.archive?.to_owned(),
            objects: objects.first,
            digest,
        })
    }
}

/// Nothing for `null`, else what `read` makes of it.
fn nullable<'t, T>(
    cursor: &mut Cursor<'t>,
    read: impl FnOnce(&mut Cursor<'t>) -> Option<T>,
) -> Option<Option<T>> {
    if cursor.null() { Some(None) } else { read(cursor).map(Some) }
}

fn base(cursor: &mut Cursor<'_>) -> Option<BackupId> {
    let (mut id, mut to_lsn) = (None, None);
    cursor.object(|cursor, key| match key {
        "id" => once(&mut id, cursor.string()),
        "to_lsn" => once(&mut to_lsn, cursor.number()),
        _ => cursor.value().map(drop),
    })?;
    to_lsn.and(backup_id(id?.as_bytes()))
}

fn lsns(cursor: &mut Cursor<'_>) -> Option<LsnRange> {
    let (mut from, mut to, mut last) = (None, None, None);
    cursor.object(|cursor, key| match key {
        "from" => once(&mut from, cursor.number()),
        "to" => once(&mut to, cursor.number()),
        "last" => once(&mut last, cursor.number()),
        _ => cursor.value().map(drop),
    })?;
    Some(LsnRange { from: Lsn(from?), to: Lsn(to?), last: Lsn(last?) })
}

fn point(cursor: &mut Cursor<'_>) -> Option<BinlogPoint> {
    let (mut file, mut position, mut gtid) = (None, None, None);
    cursor.object(|cursor, key| match key {
        "file" => once(&mut file, cursor.string()),
        "position" => once(&mut position, cursor.number()),
        "gtid" => once(&mut gtid, gtid_set(cursor)),
        _ => cursor.value().map(drop),
    })?;
    let coord = match (file, position) {
        (Some(file), Some(position)) => Some(BinlogCoord { file: file.parse().ok()?, position }),
        (None, None) => None,
        // Half of a place: what that means, serde may say.
        _ => return None,
    };
    Some(BinlogPoint { coord, gtid })
}

fn gtid_set(cursor: &mut Cursor<'_>) -> Option<GtidSet> {
    let (mut flavor, mut set) = (None, None);
    cursor.object(|cursor, key| match key {
        "flavor" => once(&mut flavor, cursor.string()),
        "set" => once(&mut set, cursor.string()),
        _ => cursor.value().map(drop),
    })?;
    match flavor? {
        "mysql" => set?.parse().ok().map(GtidSet::MySql),
        "mariadb" => set?.parse().ok().map(GtidSet::MariaDb),
        _ => None,
    }
}

fn sizes(cursor: &mut Cursor<'_>) -> Option<Sizes> {
    let (mut datadir, mut stream, mut stored) = (None, None, None);
    cursor.object(|cursor, key| match key {
        "datadir_bytes" => once(&mut datadir, nullable(cursor, Cursor::number)),
        "stream_bytes" => once(&mut stream, cursor.number()),
        "stored_bytes" => once(&mut stored, cursor.number()),
        _ => cursor.value().map(drop),
    })?;
    Some(Sizes { datadir_bytes: datadir.flatten(), stream_bytes: stream?, stored_bytes: stored? })
}

/// The first files of a list.
struct Files<'t> {
    first: Vec<(String, u64)>,
    digest: Option<&'t str>,
}

/// A list of files, the paths of all of which stay within the backup; the first `count` are given.
fn files<'t>(cursor: &mut Cursor<'t>, count: usize) -> Option<Files<'t>> {
    let mut files = Files { first: Vec::new(), digest: None };
    cursor.array(|cursor| {
        let (mut path, mut size, mut digest) = (None, None, None);
        cursor.object(|cursor, key| match key {
            "path" => once(&mut path, cursor.string()),
            "size" => once(&mut size, cursor.number()),
            "blake3" => once(&mut digest, cursor.string()),
            _ => cursor.value().map(drop),
        })?;
        let (path, size, digest): (&str, u64, &str) = (path?, size?, digest?);
        files.digest = files.digest.or(Some(digest));
        if files.first.len() < count {
            files.first.push((path.to_owned(), size));
        }
        is_inside(Path::new(path)).then_some(())
    })?;
    Some(files)
}

/// An instant as we write it, `2026-11-22T14:00:00.5+01:00`; other forms take chrono longer.
fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    ours(text.as_bytes()).or_else(|| text.parse().ok())
}

fn ours(text: &[u8]) -> Option<DateTime<FixedOffset>> {
    let has = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let fraction =
        if has(19, b'.') { text.get(20..)?.iter().take_while(|b| b.is_ascii_digit()).count() } else { 0 };
    let zone = if fraction > 0 { 20 + fraction } else { 19 };
    let is_shaped = has(4, b'-') && has(7, b'-') && has(10, b'T') && has(13, b':') && has(16, b':');
    if !is_shaped || fraction > 9 || text.len() != zone + 6 || !has(zone + 3, b':') {
        return None;
    }
    let number = |at: usize, length: usize| digits(text.get(at..at + length)?);
    let nanos =
        if fraction > 0 { number(20, fraction)? * 10_u32.pow(9 - u32::try_from(fraction).ok()?) } else { 0 };
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 2)?, number(8, 2)?)?;
    let local = date.and_hms_nano_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?, nanos)?;
    let (hours, minutes) = (number(zone + 1, 2)?, number(zone + 4, 2)?);
    let east = i32::try_from(hours * 3600 + minutes * 60).ok().filter(|_| hours < 24 && minutes < 60)?;
    let offset = match text.get(zone)? {
        b'+' => FixedOffset::east_opt(east)?,
        b'-' => FixedOffset::west_opt(east)?,
        _ => return None,
    };
    local.and_local_timezone(offset).single()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{add, id, store};

    /// A manifest with something in every field.
    fn text() -> Vec<u8> {
        let dir = store();
        add(dir.path(), "10_00_00", "10_00_00", None);
        let full = add(dir.path(), "10_00_00", "11_00_00", Some("10_00_00"));
        let mut manifest = Manifest::parse(&std::fs::read(full.join("manifest.json")).unwrap()).unwrap();
        manifest.binlog = Some(BinlogPoint {
            coord: Some(BinlogCoord { file: "mysql-bin.000042".parse().unwrap(), position: 1337 }),
            gtid: Some("0-1-4711".parse().unwrap()),
        });
        let channel = Some("north".to_owned());
        let point = manifest.binlog.clone().unwrap();
        manifest.replica_of = vec![SourcePoint { channel, point, statement: "CHANGE \"x\"".into() }];
        manifest.beside = manifest.objects.clone();
        manifest.started = "2026-11-22T14:00:00.123456789-03:30".parse().unwrap();
        manifest.render().unwrap()
    }

    fn shown(facts: &Facts) -> String {
        let Facts { id, set, base, started, ended, lsns, binlog, replica_of, server, engine, sizes, .. } =
            facts;
        let Facts { archive, objects, digest, .. } = facts;
        let first = format!("{id} {set} {base:?} {started} {ended} {lsns:?} {binlog:?} {replica_of:?}");
        format!("{first} {server:?} {engine:?} {sizes:?} {archive} {objects:?} {digest:?}")
    }

    #[test]
    fn what_is_read_fast_is_what_is_read_slowly() {
        let text = text();
        let mut plain = String::from_utf8(text.clone()).unwrap();
        plain = plain.replace("\\\"", "'");
        let compact: serde_json::Value = serde_json::from_str(&plain).unwrap();
        for text in [plain.into_bytes(), serde_json::to_vec(&compact).unwrap()] {
            let fast = facts(&text, &mut Shared::default()).unwrap();
            let slow = Facts::from(Manifest::parse(&text).unwrap());
            assert_eq!(shown(&fast), shown(&slow));
            assert_eq!(fast.id, id("11_00_00"));
        }
        assert!(facts(&text, &mut Shared::default()).is_none(), "escapes are left to serde");
    }

    #[test]
    fn a_manifest_with_a_wrong_byte_is_never_read_as_another_than_serde_reads() {
        let text = String::from_utf8(text()).unwrap().replace("\\\"", "'").into_bytes();
        let mut shared = Shared::default();
        let mut read = 0;
        for at in 0..text.len() {
            for wrong in [text[at] ^ 1, text[at] ^ 0x10, b'"', b'0', b'}', b' '] {
                let mut text = text.clone();
                text[at] = wrong;
                let (Some(fast), Ok(slow)) = (facts(&text, &mut shared), Manifest::parse(&text)) else {
                    continue;
                };
                read += 1;
                assert_eq!(shown(&fast), shown(&slow.into()), "{}", String::from_utf8_lossy(&text));
            }
        }
        assert!(read > 1000, "{read}");
    }

    #[test]
    fn what_was_said_before_is_shared_and_what_differs_is_not() {
        let text = String::from_utf8(text()).unwrap().replace("\\\"", "'");
        let mut shared = Shared::default();
        let mut read = |text: &str| facts(text.as_bytes(), &mut shared).unwrap();
        let (first, second) = (read(&text), read(&text));
        assert!(Arc::ptr_eq(&first.server, &second.server) && Arc::ptr_eq(&first.engine, &second.engine));
        let other = read(&text.replace("\"db1\"", "\"db2\""));
        assert_eq!(other.server.identity.hostname, "db2");
    }

    #[test]
    fn paths_that_lead_outside_and_newer_formats_are_not_read() {
        let text = String::from_utf8(text()).unwrap().replace("\\\"", "'");
        for (from, to) in [("\"ibdata1\"", "\"../ibdata1\""), ("\"format\": 1", "\"format\": 2")] {
            assert!(facts(text.replace(from, to).as_bytes(), &mut Shared::default()).is_none(), "{to}");
        }
        let last = text.rfind("\"ibdata1\"").unwrap();
        let beside = format!("{}\"/etc\"{}", &text[..last], &text[last + 9..]);
        assert!(facts(beside.as_bytes(), &mut Shared::default()).is_none());
    }
}

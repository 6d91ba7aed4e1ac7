//! A manifest read for a list: what a [`BackupRecord`](crate::BackupRecord) holds, without the rest of it.
//!
//! Most of a manifest is of no interest to a list, and what a server and an engine say of themselves is the same
//! text in one backup after the other. What is skipped here is only seen to be JSON; what this cannot read is for
//! [`Manifest::parse`] to judge.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, FixedOffset};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use xb_core::{BackupId, BinlogCoord, GtidSet, Lsn, LsnRange};
use xb_pipeline::Digest;

use crate::manifest::{
    BinlogPoint, EngineRecord, MANIFEST_FORMAT, Manifest, ServerRecord, Sizes, SourcePoint, is_inside,
};
use crate::name::backup_id;

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
struct Known<T>(Option<(Box<str>, Arc<T>)>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Known(None)
    }
}

impl<T: DeserializeOwned> Known<T> {
    fn value(&mut self, raw: &RawValue) -> Option<Arc<T>> {
        if let Some((_, value)) = self.0.as_ref().filter(|(known, _)| **known == *raw.get()) {
            return Some(value.clone());
        }
        let value: Arc<T> = Arc::new(serde_json::from_str(raw.get()).ok()?);
        self.0 = Some((raw.get().into(), value.clone()));
        Some(value)
    }
}

/// The fields of a manifest that are of interest, as far as possible where they stand in its text.
#[derive(Deserialize)]
struct Lean<'t> {
    format: u32,
    #[serde(deserialize_with = "id")]
    id: BackupId,
    #[serde(deserialize_with = "id")]
    set: BackupId,
    base: Option<LeanBase>,
    #[serde(borrow)]
    started: Cow<'t, str>,
    #[serde(borrow)]
    ended: Cow<'t, str>,
    lsns: LsnRange,
    #[serde(borrow)]
    binlog: Option<LeanPoint<'t>>,
    #[serde(default)]
    replica_of: Vec<SourcePoint>,
    #[serde(borrow)]
    server: &'t RawValue,
    #[serde(borrow)]
    engine: &'t RawValue,
    sizes: Sizes,
    archive: String,
    #[serde(borrow)]
    objects: Vec<LeanFile<'t>>,
    #[serde(borrow)]
    beside: Vec<LeanFile<'t>>,
}

/// What an incremental builds on.
#[derive(Deserialize)]
struct LeanBase {
    #[serde(deserialize_with = "id")]
    id: BackupId,
    #[serde(rename = "to_lsn")]
    _to_lsn: Lsn,
}

/// A [`BinlogPoint`], which serde reads twice because part of it is flattened.
#[derive(Deserialize)]
struct LeanPoint<'t> {
    #[serde(borrow)]
    file: Option<Cow<'t, str>>,
    position: Option<u64>,
    gtid: Option<GtidSet>,
}

impl LeanPoint<'_> {
    fn point(self) -> Option<BinlogPoint> {
        let coord = match (self.file, self.position) {
            (Some(file), Some(position)) => Some(BinlogCoord { file: file.parse().ok()?, position }),
            (None, None) => None,
            // Half of a place: what that means, the slow way may say.
            _ => return None,
        };
        Some(BinlogPoint { coord, gtid: self.gtid })
    }
}

/// A file of a backup.
#[derive(Deserialize)]
struct LeanFile<'t> {
    #[serde(borrow)]
    path: Cow<'t, str>,
    size: u64,
    #[serde(borrow)]
    blake3: Cow<'t, str>,
}

/// What the text of a manifest says; nothing when it is not one that this can read.
pub(crate) fn facts(text: &[u8], shared: &mut Shared) -> Option<Facts> {
    // That it is UTF-8 is seen faster at once than text by text.
    let lean: Lean<'_> = serde_json::from_str(std::str::from_utf8(text).ok()?).ok()?;
    let is_outside = |file: &LeanFile<'_>| !is_inside(Path::new(&*file.path));
    if lean.format > MANIFEST_FORMAT || lean.objects.iter().chain(&lean.beside).any(is_outside) {
        return None;
    }
    let digest = lean.objects.first().map(|file| Digest::try_from(file.blake3.to_string()));
    let first = lean.objects.into_iter().take(OBJECTS_LOOKED_AT);
    Some(Facts {
        id: lean.id,
        set: lean.set,
        base: lean.base.map(|base| base.id),
        started: instant(&lean.started)?,
        ended: instant(&lean.ended)?,
        lsns: lean.lsns,
        binlog: match lean.binlog {
            Some(point) => Some(point.point()?),
            None => None,
        },
        replica_of: lean.replica_of,
        server: shared.server.value(lean.server)?,
        engine: shared.engine.value(lean.engine)?,
        sizes: lean.sizes,
        archive: lean.archive,
        objects: first.map(|file| (file.path.into_owned(), file.size)).collect(),
        digest: digest.transpose().ok()?,
    })
}

/// A name, read without what makes that slow.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BackupId, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    backup_id(text.as_bytes()).ok_or_else(|| D::Error::custom("not the name of a backup"))
}

/// An instant as we write it; other forms take chrono longer.
fn instant(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text).ok().or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{add, id as name, store};

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
        let text = String::from_utf8(text()).unwrap();
        let compact: serde_json::Value = serde_json::from_str(&text).unwrap();
        let compact = serde_json::to_string(&compact).unwrap();
        let escaped =
            text.replace("ibdata1", "ibd\\u0061ta1\\\"").replace("14:00:00.123", "14:0\\u0030:00.123");
        let other_instant = text.replace("T14:00:00.123456789-03:30", " 14:00:00.5 -03:30");
        for text in [text, compact, escaped, other_instant] {
            let fast = facts(text.as_bytes(), &mut Shared::default()).unwrap();
            let slow = Facts::from(Manifest::parse(text.as_bytes()).unwrap());
            assert_eq!(shown(&fast), shown(&slow));
            assert_eq!(fast.id, name("11_00_00"));
        }
    }

    #[test]
    fn half_of_a_place_and_a_name_with_escapes_are_left_to_the_slow_way() {
        let text = String::from_utf8(text()).unwrap();
        let first_only = |from: &str, to: &str| text.replacen(from, to, 1);
        for text in [first_only("\"position\": 1337,", ""), first_only("2026_11_22", "2026\\u005f11_22")] {
            assert!(facts(text.as_bytes(), &mut Shared::default()).is_none(), "{text}");
            assert!(Manifest::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_manifest_with_a_wrong_byte_is_never_read_as_another_than_serde_reads() {
        let text = text();
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
        let text = String::from_utf8(text()).unwrap();
        let mut shared = Shared::default();
        let mut read = |text: &str| facts(text.as_bytes(), &mut shared).unwrap();
        let (first, second) = (read(&text), read(&text));
        assert!(Arc::ptr_eq(&first.server, &second.server) && Arc::ptr_eq(&first.engine, &second.engine));
        let other = read(&text.replace("\"db1\"", "\"db2\""));
        assert_eq!(other.server.identity.hostname, "db2");
    }

    #[test]
    fn paths_that_lead_outside_and_newer_formats_are_not_read() {
        let text = String::from_utf8(text()).unwrap();
        for (from, to) in [("\"ibdata1\"", "\"../ibdata1\""), ("\"format\": 1", "\"format\": 2")] {
            assert!(facts(text.replace(from, to).as_bytes(), &mut Shared::default()).is_none(), "{to}");
        }
        let last = text.rfind("\"ibdata1\"").unwrap();
        let beside = format!("{}\"/etc\"{}", &text[..last], &text[last + 9..]);
        assert!(facts(beside.as_bytes(), &mut Shared::default()).is_none());
    }

    #[test]
    fn of_many_files_the_first_are_kept_and_all_are_checked() {
        let mut manifest = Manifest::parse(&text()).unwrap();
        let file = manifest.objects[0].clone();
        manifest.objects = (0..OBJECTS_LOOKED_AT + 6)
            .map(|number| xb_pipeline::ObjectReceipt {
                path: format!("t{number}.ibd").into(),
                ..file.clone()
            })
            .collect();
        let text = String::from_utf8(manifest.render().unwrap()).unwrap();
        let read = |text: &str| facts(text.as_bytes(), &mut Shared::default());
        assert_eq!(read(&text).unwrap().objects.len(), OBJECTS_LOOKED_AT);
        assert!(read(&text.replace("t69.ibd", "../t69.ibd")).is_none());
    }
}

//! Streams of real tools, and damaged and hostile ones.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

mod support;

use std::collections::BTreeMap;

use support::manifest::{self, Vector, digest};
use support::{extract, extract_as};
use xb_formats::archive::{Layer, sniff};
use xb_formats::meta::checkpoints::{BackupType, Checkpoints};
use xb_formats::meta::info::Info;
use xb_formats::meta::names::MetaKind;
use xb_formats::xbstream::Dialect;

fn vectors(expect: &str) -> Vec<(Vector, Vec<u8>)> {
    manifest::vectors("xbstream", expect)
}

#[test]
fn streams_of_real_tools_decode_to_their_digests() {
    let vectors = vectors("ok");
    assert!(vectors.len() >= 20, "only {} vectors found", vectors.len());
    for (vector, stream) in vectors {
        assert_eq!(sniff(&stream), Some(Layer::Xbstream), "{}", vector.id);
        let (got, summary) = extract(stream.chunks(65_521)).unwrap_or_else(|e| panic!("{}: {e}", vector.id));
        let digests: BTreeMap<_, _> = got.tree.iter().map(|(path, b)| (path.clone(), digest(b))).collect();
        let wanted: BTreeMap<_, _> =
            vector.content.iter().map(|c| (c.path.clone(), c.sha256.clone())).collect();
        assert_eq!(digests, wanted, "{}", vector.id);
        for content in &vector.content {
            let size = got.tree[&content.path].len();
            assert_eq!(size, content.size.unwrap_or(size), "{} {}", vector.id, content.path);
        }
        assert_eq!(summary.stream_bytes, stream.len() as u64);
    }
}

#[test]
fn damaged_and_hostile_streams_are_refused_with_their_verdict() {
    let vectors = vectors("reject");
    assert!(vectors.len() >= 29, "only {} vectors found", vectors.len());
    for (vector, stream) in vectors {
        let error = extract([stream.as_slice()]).err().unwrap_or_else(|| panic!("{} was taken", vector.id));
        assert_eq!(Some(error.verdict()), vector.verdict.as_deref(), "{}: {error}", vector.id);
        let bytewise = extract(stream.chunks(1)).err();
        assert_eq!(bytewise, Some(error.clone()), "{}: the cut changes the error", vector.id);
        assert!(!error.to_string().bytes().any(|b| b.is_ascii_control()), "{}: {error:?}", vector.id);
    }
}

#[test]
fn small_streams_decode_alike_however_they_are_cut() {
    for (vector, stream) in vectors("ok").into_iter().filter(|(_, stream)| stream.len() < 500_000) {
        let (whole, summary) = extract([stream.as_slice()]).unwrap();
        for size in [1, 7, 34, 1000] {
            let (cut, cut_summary) = extract(stream.chunks(size)).unwrap();
            assert_eq!(whole.tree, cut.tree, "{} in pieces of {size}", vector.id);
            assert_eq!((summary, whole.chunk_ends), (cut_summary, cut.chunk_ends), "{}", vector.id);
        }
    }
}

#[test]
fn removals_renames_and_rewrites_of_mariadb_are_told() {
    let all = vectors("ok");
    let told = |id: &str| {
        let (got, _) = extract([all.iter().find(|(v, _)| v.id == id).unwrap().1.as_slice()]).unwrap();
        (got.renames, got.removals, got.rewrites)
    };
    // The real stream removes only files it never sent: nothing is told of those.
    assert_eq!(told("mariabackup-ddl"), (2, 0, 7));
    assert_eq!(told("hand-rewrite-rename-remove"), (1, 1, 1));
}

#[test]
fn the_letter_s_is_read_as_the_dialect_says() {
    let all = vectors("ok");
    let named = |id: &str| &all.iter().find(|(v, _)| v.id == id).unwrap().1;
    let (seek, sparse) = (named("hand-seek"), named("hand-sparse"));
    for (stream, right, wrong) in
        [(seek, Dialect::MariaDb, Dialect::Percona), (sparse, Dialect::Percona, Dialect::MariaDb)]
    {
        let told = extract([stream.as_slice()]).unwrap().0.tree;
        assert_eq!(extract_as([stream.as_slice()], right).unwrap().0.tree, told);
        assert!(extract_as([stream.as_slice()], wrong).is_err());
    }
}

#[test]
fn metadata_inside_real_streams_is_found_and_understood() {
    let mut read = 0;
    for (vector, stream) in vectors("ok").into_iter().filter(|(v, _)| v.content.len() > 2) {
        let (got, _) = extract([stream.as_slice()]).unwrap();
        for (path, content) in &got.tree {
            let Some(found) = MetaKind::of(path.as_bytes()).filter(|found| !found.is_wrapped()) else {
                continue;
            };
            let text = std::str::from_utf8(content).unwrap();
            match found.kind {
                MetaKind::Checkpoints => {
                    let checkpoints = Checkpoints::parse(text).unwrap();
                    assert_eq!(checkpoints.backup_type, BackupType::FullBackuped, "{}", vector.id);
                    assert_eq!(checkpoints.render(), text, "{}", vector.id);
                }
                MetaKind::Info => {
                    let info = Info::parse(text);
                    assert!(info.start_time <= info.end_time && info.start_time.is_some());
                    assert!(info.innodb_to_lsn.is_some());
                }
                _ => continue,
            }
            read += 1;
        }
    }
    assert!(read >= 4, "only {read} metadata files found");
}

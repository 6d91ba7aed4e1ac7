//! What every store does alike, as one test for each property: `conforms!(name, make)` makes a module of them.
//!
//! `make` gives a [`Fresh`] store: one that is empty and nobody else's.

mod lists;
mod objects;
mod sets;

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::ops::Deref;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use chrono::{TimeDelta, Utc};
use sha2::Digest as _;
use xb_pipeline::Digest;
use xb_pipeline::clock::{Clock, SystemClock};
use xb_pipeline::store::{
    About, Entry, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath, Upload,
};

/// A store for one test, with what has to live as long: a directory, a server.
pub(crate) struct Fresh {
    store: Box<dyn Store>,
    // Goes after the store.
    _held: Box<dyn Any>,
}

impl Fresh {
    /// `held` is dropped after the store.
    pub(crate) fn new(store: impl Store + 'static, held: impl Any) -> Self {
        Fresh { store: Box::new(store), _held: Box::new(held) }
    }
}

impl Deref for Fresh {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

/// A module `$name` with a test for each property; `$make` is called once in each and gives a [`Fresh`].
macro_rules! conforms {
    ($name:ident, $make:expr) => {
        $crate::conformance::conforms!(@with $name, $make, [odd_names_are_names_like_others,]);
    };
    // For a server that makes names of files of its keys, where some of the odd names are too long.
    (@short_names $name:ident, $make:expr) => {
        $crate::conformance::conforms!(@with $name, $make, []);
    };
    (@with $name:ident, $make:expr, [$($more:ident,)*]) => {
        $crate::conformance::conforms!(@each $name, $make, [
            $($more,)*
            what_is_written_is_read_again,
            a_wrong_guess_of_the_length_does_no_harm,
            an_upload_that_is_dropped_leaves_nothing,
            an_upload_replaces_what_is_there,
            of_two_uploads_at_once_the_last_to_finish_stays_whole,
            the_token_of_an_upload_can_be_aborted_more_than_once,
            reading_begins_where_it_is_told,
            what_is_missing_is_told_as_missing,
            small_objects_come_in_the_order_asked,
            more_than_the_limit_is_an_error,
            put_replaces_and_readers_see_it_whole,
            put_new_does_not_replace,
            of_many_that_put_the_same_new_object_one_succeeds,
            what_is_published_comes_to_exist_with_its_seal,
            publishing_twice_keeps_the_first,
            of_many_that_publish_the_same_directory_one_succeeds,
            what_is_withdrawn_stands_in_its_draft,
            a_name_can_be_published_again_after_it_was_withdrawn,
            many_objects_are_listed_read_and_removed,
            the_version_changes_with_the_content,
            prefixes_are_the_first_names_that_hold_something,
            a_directory_with_an_odd_name_is_published_and_withdrawn,
            a_digest_is_that_of_the_content,
            a_list_is_whole_while_others_write,
            errors_say_which_store_and_which_object,
        ]);
    };
    (@each $name:ident, $make:expr, [$($property:ident,)*]) => {
        mod $name {
            #[allow(unused_imports, reason = "for names in the expression that makes a store")]
            use super::*;

            $(
                #[test]
                fn $property() {
                    let fresh: $crate::conformance::Fresh = ($make)();
                    $crate::conformance::$property(&*fresh);
                }
            )*
        }
    };
}
pub(crate) use conforms;
pub(crate) use lists::*;
pub(crate) use objects::*;
pub(crate) use sets::*;

/// How many try the same at once.
const RIVALS: usize = 8;
/// More than a store lists, or removes, with one request.
const MANY: usize = 2500;
const SEAL: &str = "seal";

/// Names that a shell, a URL, a pattern or a list with one name in each line would take for something else.
const ODD: [&str; 38] = [
    "a b",
    " leading and trailing ",
    "it's",
    "\"quoted\"",
    "$(touch x)",
    "`touch y`",
    "$HOME",
    "${IFS}",
    "~",
    "~root",
    "new\nline",
    "\nline",
    "line\n",
    "tab\tand\rreturn",
    "-rf",
    "--help",
    "-",
    "%2F",
    "%",
    "%00",
    "100%25",
    "#?&",
    "a?b=c&d#e",
    "a+b",
    "back\\slash",
    "\\",
    "*",
    "[a-z]",
    "{a,b}",
    "<&amp;>",
    "a;b|c>d",
    "!!",
    "...",
    "..a",
    "trailing.",
    "grün",
    "備份 🗄",
    "seal@:=,",
];

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn paths<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Vec<StorePath> {
    texts.into_iter().map(|text| path(text.as_ref())).collect()
}

/// Bytes that nothing can make smaller, always the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    };
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Writes in pieces that are no multiple of anything.
fn write_in_pieces(upload: &mut dyn Upload, mut content: &[u8]) {
    for length in [1, 4095, 65_537, 1_000_003, 13, 300_007].into_iter().cycle() {
        if content.is_empty() {
            break;
        }
        let (piece, rest) = content.split_at(length.min(content.len()));
        upload.write_all(piece).unwrap();
        content = rest;
    }
    upload.flush().unwrap();
}

#[track_caller]
fn upload(store: &dyn Store, at: &str, content: &[u8]) {
    let about = About { expected_bytes: Some(content.len() as u64), digest: None };
    let mut upload = store.create(&path(at), about).unwrap();
    write_in_pieces(&mut *upload, content);
    assert_eq!(upload.finish().unwrap(), content.len() as u64, "the confirmed length of {at:?}");
}

fn try_read(store: &dyn Store, at: &str, from: u64) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::new();
    let mut reader = store.read(&path(at), from)?;
    reader.read_to_end(&mut content).map_err(|error| StoreError::from_io(error, store.address(), "read"))?;
    Ok(content)
}

#[track_caller]
fn assert_content(store: &dyn Store, at: &str, expected: &[u8]) {
    let content = try_read(store, at, 0).unwrap();
    assert!(content == expected, "{at:?} has {} bytes, not the {} expected", content.len(), expected.len());
}

fn small(store: &dyn Store, at: &str) -> Option<Vec<u8>> {
    store.read_small(&[path(at)], 1 << 20).unwrap().pop().unwrap()
}

fn listed(store: &dyn Store) -> Vec<String> {
    store.list().unwrap().into_iter().map(|entry| entry.path.as_str().to_owned()).collect()
}

/// What is listed below a directory, without the directory.
fn listed_below(store: &dyn Store, directory: &StorePath) -> Vec<String> {
    let entries = store.list().unwrap();
    entries.iter().filter_map(|entry| entry.path.below(directory)).map(str::to_owned).collect()
}

fn entry(store: &dyn Store, at: &str) -> Entry {
    store.list().unwrap().into_iter().find(|entry| entry.path.as_str() == at).unwrap()
}

/// What is gone, or was not there: not every store can tell one from the other.
#[track_caller]
fn assert_gone(removals: &[Removal]) {
    let kept: Vec<_> = removals.iter().filter(|removal| matches!(removal, Removal::Deferred(_))).collect();
    assert!(kept.is_empty(), "{kept:?}");
}

#[track_caller]
fn remove_all_listed(store: &dyn Store) {
    let all: Vec<StorePath> = store.list().unwrap().into_iter().map(|entry| entry.path).collect();
    assert_gone(&store.remove(&all).unwrap());
    assert_eq!(listed(store), Vec::<String>::new());
    assert_eq!(store.prefixes().unwrap(), Vec::<String>::new());
}

fn blake3(content: &[u8]) -> Digest {
    let dir = tempfile::tempdir().unwrap();
    xb_pipeline::write_object(dir.path(), "content", content).unwrap().blake3
}

/// Puts objects from several threads, as one after the other takes long where each is a journey.
fn put_all(store: &dyn Store, objects: &[(StorePath, Vec<u8>)]) {
    thread::scope(|scope| {
        for share in objects.chunks(objects.len().div_ceil(RIVALS)) {
            scope.spawn(move || share.iter().for_each(|(path, content)| store.put(path, content).unwrap()));
        }
    });
}

/// What becomes of `what` when [`RIVALS`] threads do it at the same time; each is given its number.
fn race<T: Send>(what: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(RIVALS);
    let run = |number| {
        start.wait();
        what(number)
    };
    let run = &run;
    thread::scope(|scope| {
        let threads: Vec<_> = (0..RIVALS).map(|number| scope.spawn(move || run(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// The number of the only one that succeeded; the others were told that it is there.
#[track_caller]
fn only_winner(results: Vec<Result<(), StoreError>>) -> usize {
    let winners: Vec<usize> = (0..results.len()).filter(|number| results[*number].is_ok()).collect();
    for error in results.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    winners[0]
}

//! Several layers around the same files, as engines write them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

mod support;

use std::collections::BTreeMap;

use support::extract;
use support::layers::{decrypt, key_of, unpack_as};
use support::manifest::{Vector, digest, vectors};
use xb_formats::archive::{Layer, MemberCompression, MemberLayers, sniff};
use xb_formats::qpress::{Limits, Shape};
use xb_formats::xbcrypt::Key;

/// Files by path, all layers undone that their names and first bytes tell of.
fn undo(name: &str, bytes: &[u8], key: Option<&Key>) -> BTreeMap<String, Vec<u8>> {
    let layer = sniff(bytes);
    let (inner, layers) = MemberLayers::split(name.as_bytes());
    let inner = std::str::from_utf8(inner).unwrap();
    if layer == Some(Layer::Xbcrypt) {
        let key = key.expect("a key for what is encrypted");
        let (plain, _) = decrypt(bytes.chunks(4099), key).unwrap();
        return undo(name.trim_end_matches(".xbcrypt"), &plain, Some(key));
    }
    if layer == Some(Layer::Xbstream) {
        let (got, _) = extract(bytes.chunks(65_521)).unwrap();
        return got.tree.iter().flat_map(|(path, content)| undo(path, content, key)).collect();
    }
    if layers.compression == Some(MemberCompression::Qpress) {
        assert_eq!(layer, Some(Layer::Qpress), "{name}");
        let got = unpack_as([bytes], Limits::default(), Shape::Single).unwrap();
        let (stored, content) = got.files.into_iter().next().unwrap();
        assert!(inner.ends_with(&stored), "{name} holds {stored}");
        return BTreeMap::from([(inner.to_owned(), content)]);
    }
    BTreeMap::from([(inner.to_owned(), bytes.to_vec())])
}

fn file_name(vector: &Vector) -> &str {
    vector.file.trim_start_matches("../xbstream/").trim_end_matches(".gz")
}

#[test]
fn every_stack_of_layers_comes_down_to_the_digests_of_its_files() {
    let vectors = vectors("stack", "ok");
    assert_eq!(vectors.len(), 7);
    for (vector, bytes) in vectors {
        assert_eq!(
            sniff(&bytes).map(|layer| layer.to_string()).as_deref(),
            vector.layers.first().map(String::as_str)
        );
        let key = vector.key.is_some().then(|| key_of(&vector));
        let files = undo(file_name(&vector), &bytes, key.as_ref());
        let digests: BTreeMap<_, _> = files.iter().map(|(path, b)| (path.clone(), digest(b))).collect();
        let wanted: BTreeMap<_, _> =
            vector.content.iter().map(|c| (c.path.clone(), c.sha256.clone())).collect();
        assert_eq!(digests, wanted, "{}", vector.id);
    }
}

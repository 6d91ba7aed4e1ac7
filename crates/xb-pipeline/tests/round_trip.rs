//! What is written here is read here.

#![expect(clippy::panic, reason = "these are tests")]

mod support;

use std::path::Path;

use proptest::prelude::*;
use support::forms::{self, all_keys, archive_of, converted, key, keys_with, plain};
use support::{Tree, extracted, noise, options, text, tree};
use xb_formats::archive::{Archive, Container, Layer};
use xb_formats::path::StreamPath;
use xb_pipeline::archive::{Conversion, Origin, cat, convert, list};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::Wanted;
use xb_pipeline::keys::Keys;
use xb_pipeline::{Compression, Encryption};

fn assert_round_trip(tree: &Tree, name: &str, form: &Conversion, keys: &Keys) -> Vec<u8> {
    let archive = archive_of(tree, form);
    let got = extracted(&archive, keys).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_same(&got, tree, name);
    archive
}

/// Names first: contents are long.
fn assert_same(got: &Tree, wanted: &Tree, name: &str) {
    let sizes = |tree: &Tree| -> Vec<(String, usize)> {
        tree.iter().map(|(path, content)| (path.escape_ascii().to_string(), content.len())).collect()
    };
    assert_eq!(sizes(got), sizes(wanted), "{name}");
    assert!(got == wanted, "{name}: the content of a file is another");
}

/// Sizes at which chunks and blocks begin and end, and one byte around them.
const CHUNKS: [usize; 5] = [0, 1, 65_535, 65_536, 65_537];
const BLOCKS: [usize; 4] = [(1 << 20) - 1, 1 << 20, (1 << 20) + 1, 2_300_000];

fn borders(sizes: &[usize]) -> Tree {
    let mut files: Tree = sizes.iter().map(|n| (format!("text-{n}").into_bytes(), text(*n))).collect();
    files.insert(b"noise".to_vec(), noise(sizes[3], 3));
    files.insert(b"zeros".to_vec(), vec![0; sizes[3]]);
    files
}

/// Names and places that trouble others.
fn names() -> Tree {
    let deep = ["d"; 40].join("/") + "/file";
    let long = format!("{}/{}", "x".repeat(250), "y".repeat(240));
    let mut files =
        tree([("a b\n\"'$", text(5)), (".hidden", text(7)), (&deep, text(100)), (&long, text(20))]);
    files.insert(b"no utf-8 \xff\xfe/\xc3(".to_vec(), text(9));
    files.insert([&[b'z'; 90][..], b"/", &[b'w'; 120], b".ibd"].concat(), text(1000));
    for number in 0..90 {
        files.insert(format!("db{}/t{number}.frm", number % 7).into_bytes(), text(number % 90));
    }
    files
}

#[test]
fn every_form_gives_back_files_of_every_size() {
    let (keys, files) = (all_keys(), borders(&CHUNKS));
    for (name, form) in forms::all() {
        assert_round_trip(&files, &name, &form, &keys);
    }
}

/// Each layer alone, and some around one another: the sizes are those of single layers.
#[test]
fn layers_give_back_files_of_several_blocks() {
    let (keys, files) = (all_keys(), borders(&BLOCKS));
    let some = ["xbs", "tar.gz", "xbs.zst.age", "tar.lz4", "qp.xbcrypt", "xbs(qp.xbcrypt)"];
    let forms: Vec<_> = forms::all().into_iter().filter(|(name, _)| some.contains(&name.as_str())).collect();
    assert_eq!(forms.len(), some.len());
    for (name, form) in forms {
        assert_round_trip(&files, &name, &form, &keys);
    }
}

#[test]
fn every_form_gives_back_every_name() {
    let (keys, files) = (all_keys(), names());
    for (name, form) in forms::all() {
        assert_round_trip(&files, &name, &form, &keys);
    }
}

/// The length of the key chooses the cipher.
#[test]
fn keys_of_all_lengths_encrypt_the_whole_and_single_files() {
    let files = support::small_tree();
    for length in [16, 24, 32] {
        let keys = keys_with(key(length));
        let whole =
            forms::conversion(Container::Tar, Compression::Lz4, Some(Encryption::Xbcrypt(key(length))));
        assert_round_trip(&files, "tar.lz4.xbcrypt", &whole, &keys);
        assert_round_trip(&files, "(qp.xbcrypt)", &forms::members(Some(key(length))), &keys);
    }
}

#[test]
fn the_levels_of_compression_are_all_read() {
    let (keys, files) = (Keys::default(), support::small_tree());
    for compression in
        [-7, 1, 9, 19].map(Compression::Zstd).into_iter().chain([1, 6, 12].map(Compression::Gzip))
    {
        let form = forms::conversion(Container::Xbstream, compression, None);
        assert_round_trip(&files, &compression.to_string(), &form, &keys);
    }
}

/// All of them would otherwise have to be tried with all others: each goes to the next, and back to where it began.
#[test]
fn every_form_becomes_every_other_one() {
    let (keys, files) = (all_keys(), support::small_tree());
    let forms = forms::all();
    let mut archive = archive_of(&files, &forms.last().unwrap().1);
    for (name, form) in forms.iter().chain(forms.iter().rev()).chain(forms.iter().step_by(5)) {
        archive = converted(archive, form, &keys);
        assert_same(&extracted(&archive, &keys).unwrap(), &files, name);
    }
}

#[test]
fn lists_and_single_files_say_what_is_extracted() {
    let (keys, cancel, files) = (all_keys(), CancelToken::new(), names());
    let options = options(&keys, &cancel);
    for (name, form) in forms::all().into_iter().step_by(4) {
        let archive = archive_of(&files, &form);
        let listing = list(&archive[..], Path::new("a"), &Wanted::default(), &options).unwrap();
        let sizes: Vec<u64> = listing.members.iter().map(|member| member.size_bytes).collect();
        let wanted: Vec<u64> = files.values().map(|content| content.len() as u64).collect();
        assert_eq!(sizes, wanted, "{name}");
        assert_eq!(listing.layers.last().map(ToString::to_string), Some(name_of(form.container).to_string()));
        for (path, content) in files.iter().step_by(15) {
            let mut out = Vec::new();
            let path = StreamPath::new(path).unwrap();
            let length = cat(&archive[..], Path::new("a"), &path, false, &mut out, &options).unwrap();
            assert_eq!((length, &out), (content.len() as u64, content), "{name}");
        }
    }
}

fn name_of(container: Container) -> Layer {
    match container {
        Container::Xbstream => Layer::Xbstream,
        Container::Tar => Layer::Tar,
        Container::Qpress => Layer::Qpress,
    }
}

#[test]
fn single_files_can_be_had_as_they_are_stored() {
    let (keys, cancel, files) = (all_keys(), CancelToken::new(), support::small_tree());
    let (archive, options) = (archive_of(&files, &forms::members(Some(key(32)))), options(&keys, &cancel));
    let as_stored = Wanted { as_stored: true, ..Wanted::default() };
    let listing = list(&archive[..], Path::new("a"), &as_stored, &options).unwrap();
    let names: Vec<&str> = listing.members.iter().map(|member| member.path.as_str()).collect();
    assert_eq!(names, ["ibdata1.qp.xbcrypt", "shop/db.opt.qp.xbcrypt", "shop/t.ibd.qp.xbcrypt"]);
    let unpacked = list(&archive[..], Path::new("a"), &Wanted::default(), &options).unwrap();
    for (stored, unpacked) in listing.members.iter().zip(&unpacked.members) {
        assert_eq!(stored.size_bytes, unpacked.stored_bytes);
    }
    let (mut out, path) = (Vec::new(), StreamPath::new(b"shop/db.opt.qp.xbcrypt").unwrap());
    cat(&archive[..], Path::new("a"), &path, true, &mut out, &options).unwrap();
    assert!(out.starts_with(b"XBCRYP03"));
}

/// Only what was asked for is written, and the rest is read and checked all the same.
#[test]
fn a_choice_of_files_is_extracted() {
    let (keys, files) = (all_keys(), support::small_tree());
    let in_shop = |path: &StreamPath| path.as_bytes().starts_with(b"shop/");
    let wanted = Wanted { files: Some(&in_shop), ..Wanted::default() };
    let kept: Tree = files
        .iter()
        .filter(|(path, _)| path.starts_with(b"shop"))
        .map(|(p, c)| (p.clone(), c.clone()))
        .collect();
    for (name, form) in forms::all() {
        let target = support::scratch();
        support::extract_into(&archive_of(&files, &form), target.path(), &keys, &wanted).unwrap();
        assert_same(&support::read_tree(target.path()), &kept, &name);
    }
}

/// Of an archive without files nothing would be left in most forms: no bytes, as of a file that was lost.
#[test]
fn nothing_is_made_of_a_directory_without_files() {
    let (keys, cancel, empty, target) =
        (Keys::default(), CancelToken::new(), support::scratch(), support::scratch());
    std::fs::create_dir(empty.path().join("only a directory")).unwrap();
    for (name, form) in forms::all() {
        let to = target.path().join("archive");
        let made = convert(Origin::Directory, empty.path(), &to, &form, &options(&keys, &cancel));
        let message = made.unwrap_err().to_string();
        assert!(message.contains("there is no file in it"), "{name}: {message}");
        assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "{name}");
    }
}

/// An xbstream has no directories, and a server makes its own; the other two keep them.
#[test]
fn empty_directories_are_kept_where_the_container_has_any() {
    let directory = support::tree_on_disk(&support::small_tree());
    std::fs::create_dir(directory.path().join("test")).unwrap();
    for (container, kept) in [(Container::Tar, true), (Container::Qpress, true), (Container::Xbstream, false)]
    {
        let (archive, target) =
            (forms::archive_of_directory(directory.path(), &plain(container)), support::scratch());
        support::extract_into(&archive, target.path(), &Keys::default(), &Wanted::default()).unwrap();
        assert_eq!(target.path().join("test").is_dir(), kept, "{container:?}");
    }
}

/// A file with a hole in it is a file with zeros in it, and its end may be one.
#[test]
fn holes_come_out_as_zeros() {
    let directory = support::scratch();
    let file = std::fs::File::create(directory.path().join("t.ibd")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"in the middle", 1_500_000).unwrap();
    file.set_len(3_000_001).unwrap();
    let (keys, files) = (all_keys(), support::read_tree(directory.path()));
    for (name, form) in forms::all().into_iter().step_by(3) {
        let archive = forms::archive_of_directory(directory.path(), &form);
        assert_same(&extracted(&archive, &keys).unwrap(), &files, &name);
    }
}

/// The name that is promised is the form that comes out.
#[test]
fn names_promise_what_the_bytes_say() {
    let (keys, cancel, files) = (all_keys(), CancelToken::new(), support::small_tree());
    for (name, form) in forms::all() {
        let Archive::File(layers) = form.archive() else { panic!("{name}") };
        let listing = list(
            &archive_of(&files, &form)[..],
            Path::new("a"),
            &Wanted::default(),
            &options(&keys, &cancel),
        );
        let found = listing.unwrap().layers;
        let expected = usize::from(layers.encryption != Default::default())
            + usize::from(layers.compression != Default::default())
            + 1;
        assert_eq!(found.len(), expected, "{name}: {found:?}");
    }
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let name = "[a-c]{1,3}(/[d-f]{1,2}){0,2}";
    let content = prop_oneof![
        3 => (0_usize..3000).prop_map(text),
        2 => (0_usize..3000, any::<u64>()).prop_map(|(length, seed)| noise(length, seed)),
        1 => (65_000_usize..140_000).prop_map(text),
        1 => (0_usize..300_000).prop_map(|length| vec![0; length]),
    ];
    proptest::collection::btree_map(name, content, 1..8).prop_map(|files| {
        // What is a directory of another cannot be a file.
        let names: Vec<String> = files.keys().cloned().collect();
        let is_free = |name: &String| !names.iter().any(|other| other.starts_with(&format!("{name}/")));
        files
            .into_iter()
            .filter(|(name, _)| is_free(name))
            .map(|(name, content)| (name.into_bytes(), content))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_files_come_back_from_any_form(files in any_tree(), first in 0..48_usize, second in 0..48_usize) {
        let (keys, forms) = (all_keys(), forms::all());
        let (name, form) = &forms[first % forms.len()];
        let archive = assert_round_trip(&files, name, form, &keys);
        let (name, form) = &forms[second % forms.len()];
        assert_same(&extracted(&converted(archive, form, &keys), &keys).unwrap(), &files, name);
    }
}

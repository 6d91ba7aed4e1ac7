//! Bits of small archives of all forms are flipped, one at a time, and every archive is cut at every place.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::build::{self, LZ4, Lz4};
use support::damage::{Counts, Outcome, Subject};
use support::forms::{self, all_keys, archive_of, plain};
use support::{Tree, extracted, small_tree, text, tree};
use xb_formats::archive::Container;
use xb_formats::xbstream::{Decoder, Dialect, Limits, XbstreamError};
use xb_pipeline::archive::Conversion;
use xb_pipeline::extract::Wanted;
use xb_pipeline::keys::Keys;
use xb_pipeline::{Compression, Digest, Packing};

/// What a form protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Covers {
    /// Each bit that matters is under a checksum.
    All,
    /// Contents, but not the heads of an xbstream or qpress archive, which have the names.
    Contents,
    /// Nothing that can be relied on: a tar archive has a checksum for its headers only.
    Nothing,
}

struct Form {
    name: String,
    archive: Vec<u8>,
    tree: Tree,
    covers: Covers,
}

fn form(name: impl Into<String>, archive: Vec<u8>, tree: &Tree, covers: Covers) -> Form {
    Form { name: name.into(), archive, tree: tree.clone(), covers }
}

/// Of one file where each takes much room: tar fills blocks of 512 bytes, and layers of single files have heads.
fn tree_for(form: &Conversion) -> Tree {
    match form.container {
        Container::Tar => tree([("db.opt", b"default-collation=utf8\n".to_vec())]),
        Container::Xbstream if form.qpress_members => one_file(),
        Container::Xbstream | Container::Qpress => small_tree(),
    }
}

fn one_file() -> Tree {
    tree([("shop/t.ibd", text(160))])
}

/// All forms that are written.
fn written() -> Vec<Form> {
    let make = |(name, conversion): (String, Conversion)| {
        let Packing { compression, encryption, .. } = &conversion.packing;
        let covers = match (compression, encryption, conversion.container) {
            (Compression::None, None, Container::Tar) => Covers::Nothing,
            (Compression::None, None, _) => Covers::Contents,
            _ => Covers::All,
        };
        let tree = tree_for(&conversion);
        form(name, archive_of(&tree, &conversion), &tree, covers)
    };
    forms::all().into_iter().map(make).collect()
}

/// Forms that others write.
fn foreign() -> Vec<Form> {
    let (small, one, single) = (small_tree(), tree_for(&plain(Container::Tar)), one_file());
    let (xbs, tar) =
        (archive_of(&small, &plain(Container::Xbstream)), archive_of(&one, &plain(Container::Tar)));
    let qp = archive_of(&small, &plain(Container::Qpress));
    let (left, right) = xbs.split_at(xbs.len() / 2);
    let gzips = [build::gzip(left, 9), build::gzip(right, 1)].concat();
    let padded = [build::gzip(&xbs, 6), vec![0; 40]].concat();
    let unchecked = Lz4 { content_checksum: false, size: false, ..LZ4 };
    let linked = Lz4 { linked: true, block_checksums: true, content_checksum: true, size: false };
    let per_file = |suffix: &str, wrap: &dyn Fn(&[u8]) -> Vec<u8>| build::xbstream_of(&single, suffix, wrap);
    vec![
        form("xbs in gzip -6", build::gzip(&xbs, 6), &small, Covers::All),
        form("xbs in two members of gzip", gzips, &small, Covers::All),
        form("xbs in gzip with padding", padded, &small, Covers::All),
        form("tar in gzip -9", build::gzip(&tar, 9), &one, Covers::All),
        form("xbs in a zstd stream", build::zstd_stream(&xbs, true), &small, Covers::All),
        form("tar in a zstd stream without checksum", build::zstd_stream(&tar, false), &one, Covers::Nothing),
        form("xbs in lz4 frames", build::lz4_frames(&xbs, 200), &small, Covers::All),
        form("xbs in linked lz4 blocks", build::lz4(&xbs, linked), &small, Covers::All),
        form(
            "tar in linked lz4 blocks",
            build::lz4(&tar, Lz4 { block_checksums: false, ..linked }),
            &one,
            Covers::All,
        ),
        form("tar in lz4 without checksum", build::lz4(&tar, unchecked), &one, Covers::Nothing),
        form("xbs in xbcrypt 1", build::encrypted(&xbs, 1, 300), &small, Covers::All),
        form("xbs in xbcrypt 2", build::encrypted(&xbs, 2, 300), &small, Covers::All),
        form("qp in xbcrypt 2", build::encrypted(&qp, 2, 65_536), &small, Covers::All),
        form(
            "xbs of .zst",
            per_file(".zst", &|plain| build::zstd_frames(plain, 100)),
            &single,
            Covers::Contents,
        ),
        form(
            "xbs of .lz4",
            per_file(".lz4", &|plain| build::lz4_frames(plain, 100)),
            &single,
            Covers::Contents,
        ),
        form(
            "xbs of .zst.xbcrypt",
            per_file(".zst.xbcrypt", &|plain| build::encrypted(&build::zstd_frames(plain, 100), 3, 90)),
            &single,
            Covers::Contents,
        ),
        form(
            "xbs of .lz4.xbcrypt 2",
            per_file(".lz4.xbcrypt", &|plain| build::encrypted(&build::lz4_frames(plain, 100), 2, 90)),
            &single,
            Covers::Contents,
        ),
        form(
            "xbs of .xbcrypt",
            per_file(".xbcrypt", &|plain| build::encrypted(plain, 3, 90)),
            &single,
            Covers::Contents,
        ),
    ]
}

fn subject<'a>(form: &'a Form, keys: &'a Keys, wanted: Wanted<'a>) -> Subject<'a> {
    Subject {
        archive: &form.archive,
        tree: &form.tree,
        keys,
        wanted,
        is_checked: form.covers != Covers::Nothing,
    }
}

/// Flips bits: all of those of the forms whose name `all` takes, of others one of each byte.
fn check_bits(forms: Vec<Form>, all: impl Fn(&str) -> bool) {
    let keys = all_keys();
    println!(
        "{:44} {:>6} {:>8} {:>8} {:>10} {:>7}",
        "form", "bytes", "refused", "harmless", "other name", "changed"
    );
    for form in forms {
        assert_eq!(extracted(&form.archive, &keys).unwrap(), form.tree, "{}", form.name);
        // A manifest has the digest of every archive, which catches what its own checksums do not.
        let digest = Some(Digest::from(blake3::hash(&form.archive)));
        let told = subject(&form, &keys, Wanted { digest, ..Wanted::default() });
        let target = std::sync::Mutex::new(support::scratch());
        let on_taken = |damaged: &[u8]| {
            let outcome = told.outcome(damaged, target.lock().unwrap().path());
            assert_eq!(outcome, Outcome::Refused, "{}", form.name);
        };
        let every = all(&form.name);
        let counts = subject(&form, &keys, Wanted::default()).flip_bits(every, on_taken);
        let Counts { refused, same, other_name, changed } = counts;
        println!(
            "{:44} {:6} {refused:8} {same:8} {other_name:10} {changed:7}",
            form.name,
            form.archive.len()
        );
        assert_eq!(refused + same + other_name + changed, form.archive.len() * if every { 8 } else { 1 });
        assert!(changed == 0 || form.covers == Covers::Nothing, "{}: {changed} changed", form.name);
        assert!(
            other_name == 0 || form.covers != Covers::All,
            "{}: {other_name} with another name",
            form.name
        );
    }
}

/// Every layer by itself, and one of each kind around another. Where more stand around one another, the outermost
/// decides, and one bit of each byte does.
const EVERY_BIT: [&str; 15] = [
    "xbs",
    "xbs.gz",
    "xbs.zst",
    "xbs.lz4",
    "xbs.xbcrypt",
    "xbs.gz.age",
    "tar",
    "tar.gz",
    "tar.zst.age",
    "tar.lz4.xbcrypt",
    "qp",
    "qp.zst",
    "qp.xbcrypt",
    "xbs(qp)",
    "xbs(qp.xbcrypt)",
];

#[test]
fn no_flipped_bit_changes_a_file_of_what_is_written_here() {
    let forms = written();
    assert_eq!(forms.iter().filter(|form| EVERY_BIT.contains(&form.name.as_str())).count(), EVERY_BIT.len());
    check_bits(forms, |name| EVERY_BIT.contains(&name));
}

#[test]
fn no_flipped_bit_changes_a_file_of_what_others_write() {
    check_bits(foreign(), |_| true);
}

/// Where an xbstream could end, too: it has neither a head nor an end.
fn ends_of_xbstream(archive: &[u8]) -> Vec<usize> {
    let whole = |length: &usize| {
        let mut decoder = Decoder::new(Limits::default(), Dialect::Auto);
        decoder.feed::<XbstreamError>(&archive[..*length], &mut |_| Ok(())).is_ok()
            && decoder.finish().is_ok()
    };
    (1..archive.len()).filter(whole).collect()
}

/// A qpress archive can end behind every file outside of a directory.
fn ends_of_qpress(archive: &[u8]) -> Vec<usize> {
    let whole = |length: &usize| {
        let (limits, shape) = (xb_formats::qpress::Limits::default(), xb_formats::qpress::Shape::Any);
        let mut decoder = xb_formats::qpress::Decoder::new(limits, shape);
        let fed = decoder.feed::<xb_formats::qpress::QpressError>(&archive[..*length], &mut |_| Ok(()));
        fed.is_ok() && decoder.finish().is_ok_and(|held| held.files > 0)
    };
    (1..archive.len()).filter(whole).collect()
}

/// The places where a form may be cut without a trace, because the format has no end. All others are told.
fn silent_ends(form: &Form) -> Vec<usize> {
    match form.name.as_str() {
        "xbs" | "xbs(qp)" | "xbs(qp.xbcrypt)" => ends_of_xbstream(&form.archive),
        name if name.starts_with("xbs of ") => ends_of_xbstream(&form.archive),
        "qp" => ends_of_qpress(&form.archive),
        // Within the zeros behind the last member; the member itself is whole.
        "xbs in gzip with padding" => (form.archive.len() - 40..form.archive.len()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn an_archive_that_was_cut_is_refused_where_the_format_has_an_end() {
    let keys = all_keys();
    let others = foreign();
    let all = |name: &str| EVERY_BIT.contains(&name) || others.iter().any(|form| form.name == name);
    for form in written().into_iter().chain(foreign()) {
        // Where more layers stand around one another, some places do.
        let step = if all(&form.name) || !silent_ends(&form).is_empty() { 1 } else { 11 };
        let taken = subject(&form, &keys, Wanted::default()).cut_at_each(step);
        let lengths: Vec<usize> = taken.iter().map(|(length, _)| *length).collect();
        assert_eq!(lengths, silent_ends(&form), "{}", form.name);
        if !lengths.is_empty() {
            println!(
                "{}: {} of {} bytes can be cut off without a trace",
                form.name,
                lengths.len(),
                form.archive.len()
            );
            let digest = Some(Digest::from(blake3::hash(&form.archive)));
            let told = subject(&form, &keys, Wanted { digest, ..Wanted::default() });
            assert_eq!(told.cut_at_each(1), [], "{}", form.name);
        }
        for (length, outcome) in taken {
            // What comes out is the first files, whole.
            let left = extracted(&form.archive[..length], &keys).unwrap();
            assert!(
                left.iter().all(|(path, content)| form.tree.get(path) == Some(content)),
                "{} at {length}",
                form.name
            );
            assert!(matches!(outcome, Outcome::Changed | Outcome::Same | Outcome::OtherName));
        }
    }
}

/// With more than one chunk or member, an encrypted or compressed stream can be cut between two of them. What is in
/// it has an end of its own, or is one of the forms above.
#[test]
fn an_xbstream_in_parts_is_refused_between_them_unless_its_files_end_there() {
    let files = tree([("a", text(400)), ("b", text(300))]);
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    let border = ends_of_xbstream(&xbs)[0];
    let keys = all_keys();
    for (at, is_taken) in [(border, true), (border - 1, false), (border + 1, false)] {
        let first = &xbs[..at];
        for cut in [
            build::encrypted(first, 3, 90),
            build::encrypted(first, 2, 90),
            build::gzip(first, 6),
            build::zstd_frames(first, 100),
            build::lz4_frames(first, 100),
        ] {
            assert_eq!(extracted(&cut, &keys).is_ok(), is_taken, "cut at {at}, files end at {border}");
        }
    }
}

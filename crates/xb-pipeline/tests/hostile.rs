//! Archives that somebody made to do harm: they write nothing outside of the target, and nothing over what is there.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use support::build::{self, TAR_END, tar_entry};
use support::forms::{all_keys, archive_of, key, members, plain};
use support::{extract_into, extracted, read_tree, scratch, text, tree};
use tar::EntryType;
use xb_formats::archive::Container;
use xb_pipeline::extract::{ExtractError, Wanted};
use xb_pipeline::keys::Keys;

/// A chunk of an xbstream of any type, with any name.
fn xbs_chunk(kind: u8, path: &[u8], rest: &[u8]) -> Vec<u8> {
    [b"XBSTCK01\0", &[kind][..], &(path.len() as u32).to_le_bytes(), path, rest].concat()
}

/// A file of an xbstream, with any name.
fn xbs_file(path: &[u8]) -> Vec<u8> {
    let mut head = 4_u64.to_le_bytes().to_vec();
    head.extend([0; 8]);
    head.extend(libdeflater::crc32(b"evil").to_le_bytes());
    head.extend(b"evil");
    [xbs_chunk(b'P', path, &head), xbs_chunk(b'E', path, b"")].concat()
}

/// A file of a qpress archive, with any name and no content.
fn qpress_file(kind: u8, name: &[u8]) -> Vec<u8> {
    let trailer: &[u8] = if kind == b'F' { b"ENDSENDS\0\0\0\0\0\0\0\0" } else { b"U" };
    let head =
        [b"qpress10", &65_536_u64.to_le_bytes()[..], &[kind], &(name.len() as u32).to_le_bytes()].concat();
    [&head, name, b"\0", trailer].concat()
}

fn tar_file(name: &[u8]) -> Vec<u8> {
    [tar_entry(name, EntryType::Regular, b"evil", |_| {}), TAR_END.to_vec()].concat()
}

/// Refused, with nothing written. Gives the message.
fn refused(archive: &[u8]) -> String {
    let target = scratch();
    let inside = target.path().join("a/b");
    fs::create_dir_all(&inside).unwrap();
    let error = extract_into(archive, &inside, &all_keys(), &Wanted::default()).unwrap_err();
    assert!(read_tree(target.path()).is_empty(), "{error}: {:?}", read_tree(target.path()));
    error.to_string()
}

#[test]
fn names_that_lead_out_of_the_target_are_refused() {
    for name in
        [&b"../evil"[..], b"/tmp/pyxbackup-evil", b"a/../../evil", b"..", b"a/./b", b"a//b", b"x\0y", b"a/"]
    {
        let messages = [refused(&xbs_file(name)), refused(&xbs_chunk(b'E', name, b""))];
        assert!(messages.iter().all(|message| message.contains("the path")), "{messages:?}");
    }
    for name in [&b"../evil"[..], b"/tmp/pyxbackup-evil", b"..", b".", b"a\\b", b"x\0y", b"a/b"] {
        for kind in [b'F', b'D'] {
            let message = refused(&qpress_file(kind, name));
            assert!(message.contains("the name") || message.contains("the path"), "{message}");
        }
    }
    for name in [&b"../evil"[..], b"/tmp/pyxbackup-evil", b"a/../../evil", b"..", b"a//b"] {
        let message = refused(&tar_file(name));
        assert!(message.contains("the path \""), "{message}");
    }
    assert!(!Path::new("/tmp/pyxbackup-evil").exists());
}

#[test]
fn names_that_are_too_long_are_refused() {
    for length in [256, 512, 5000] {
        let name = vec![b'n'; length];
        assert!(refused(&xbs_file(&name)).contains(" bytes"));
        let long = [tar_entry(b"long", EntryType::GNULongName, &name, |_| {}), tar_file(b"short")].concat();
        assert!(refused(&long).contains(" bytes"));
    }
    assert!(refused(&qpress_file(b'F', &[b'n'; 256])).contains("256 bytes"));
}

/// A name in a header of its own, which is as much a name as any other.
#[test]
fn names_in_extensions_of_tar_are_checked_as_well() {
    for name in [&b"../evil"[..], b"/tmp/pyxbackup-evil", b"a/../../evil"] {
        let long = [tar_entry(b"long", EntryType::GNULongName, name, |_| {}), tar_file(b"short")].concat();
        assert!(refused(&long).contains("the path"));
        let mut record = format!(" path={}\n", name.escape_ascii());
        record.insert_str(0, &(record.len() + 2).to_string());
        let pax =
            [tar_entry(b"pax", EntryType::XHeader, record.as_bytes(), |_| {}), tar_file(b"short")].concat();
        assert!(refused(&pax).contains("the path"), "{}", refused(&pax));
    }
}

/// Links in the target stand for whatever they lead to, which is not the target.
#[test]
fn no_link_in_the_target_is_followed() {
    for container in [Container::Xbstream, Container::Tar, Container::Qpress] {
        for (link, is_directory) in [("shop", true), ("shop/t.ibd", false), ("shop/deep", true)] {
            let files = tree([("shop/t.ibd", text(9)), ("shop/deep/t.ibd", text(7))]);
            let (target, outside) = (scratch(), scratch());
            fs::create_dir_all(target.path().join(link).parent().unwrap()).unwrap();
            let to = if is_directory { outside.path().to_owned() } else { outside.path().join("new") };
            symlink(to, target.path().join(link)).unwrap();
            let archive = archive_of(&files, &plain(container));
            let error =
                extract_into(&archive, target.path(), &Keys::default(), &Wanted::default()).unwrap_err();
            assert!(matches!(error, ExtractError::Fs(_)), "{error}");
            assert!(error.to_string().contains(link), "{error}");
            assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0, "{container:?} through {link}");
            assert!(target.path().join(link).is_symlink());
        }
    }
}

/// The target itself is the user's choice.
#[test]
fn the_target_may_be_reached_by_a_link() {
    let (target, beside) = (scratch(), scratch());
    symlink(target.path(), beside.path().join("link")).unwrap();
    let archive = archive_of(&support::small_tree(), &plain(Container::Xbstream));
    extract_into(&archive, &beside.path().join("link"), &Keys::default(), &Wanted::default()).unwrap();
    assert_eq!(read_tree(target.path()), support::small_tree());
}

#[test]
fn no_file_that_is_there_is_replaced() {
    for container in [Container::Xbstream, Container::Tar, Container::Qpress] {
        let target = scratch();
        fs::write(target.path().join("ibdata1"), "precious").unwrap();
        let archive = archive_of(&tree([("ibdata1", text(9))]), &plain(container));
        let error = extract_into(&archive, target.path(), &Keys::default(), &Wanted::default()).unwrap_err();
        assert!(error.to_string().contains("ibdata1"), "{error}");
        assert_eq!(fs::read(target.path().join("ibdata1")).unwrap(), b"precious");
    }
}

/// What MariaDB can ask for, removing and renaming, is for files of the archive only.
#[test]
fn files_that_are_not_of_the_archive_are_neither_removed_nor_renamed() {
    let target = scratch();
    fs::write(target.path().join("precious"), "1").unwrap();
    fs::write(target.path().join("other"), "2").unwrap();
    let rename = |to: &[u8]| [&(to.len() as u32).to_le_bytes()[..], to].concat();
    let harmless = [
        xbs_chunk(b'D', b"precious", b""),
        xbs_chunk(b'R', b"precious", &rename(b"stolen")),
        xbs_file(b"mine"),
    ]
    .concat();
    extract_into(&harmless, target.path(), &Keys::default(), &Wanted::default()).unwrap();
    let onto = [xbs_file(b"a"), xbs_chunk(b'R', b"a", &rename(b"precious"))].concat();
    let error = extract_into(&onto, target.path(), &Keys::default(), &Wanted::default()).unwrap_err();
    assert!(error.to_string().contains("precious"), "{error}");
    let left = read_tree(target.path());
    assert_eq!((&left[&b"precious"[..]], &left[&b"other"[..]]), (&b"1".to_vec(), &b"2".to_vec()));
    assert_eq!(left.len(), 4, "{left:?}");
}

#[test]
fn a_file_that_stands_in_an_archive_twice_is_refused() {
    let twice = [xbs_file(b"a"), xbs_file(b"a")].concat();
    assert!(extracted(&twice, &all_keys()).unwrap_err().to_string().contains("twice"));
    let dotted = [xbs_file(b"a"), xbs_file(b"./a")].concat();
    assert!(extracted(&dotted, &all_keys()).unwrap_err().to_string().contains("twice"));
    let qp = [qpress_file(b'F', b"a"), qpress_file(b'F', b"a")[16..].to_vec()].concat();
    assert!(extracted(&qp, &all_keys()).unwrap_err().to_string().contains("twice"));
    let tar = [tar_entry(b"a", EntryType::Regular, b"1", |_| {}), tar_file(b"./a")].concat();
    assert!(extracted(&tar, &all_keys()).unwrap_err().to_string().contains("twice"));
    let suffixed = build::xbstream([("a", text(3)), ("a.qp", build::qpress_single(b"a", b"other", 65_536))]);
    let target = scratch();
    let error = extract_into(&suffixed, target.path(), &all_keys(), &Wanted::default()).unwrap_err();
    assert!(error.to_string().contains("twice"), "{error}");
    assert_eq!(read_tree(target.path()), tree([("a", text(3))]));
}

#[test]
fn what_is_neither_file_nor_directory_is_refused() {
    let kinds = [
        (EntryType::Symlink, "a symbolic link"),
        (EntryType::Link, "a link"),
        (EntryType::Char, "a device"),
        (EntryType::Block, "a device"),
        (EntryType::Fifo, "a pipe"),
        (EntryType::new(b'Z'), "of a kind that is not known"),
    ];
    for (kind, what) in kinds {
        let entry = tar_entry(b"shop/x", kind, b"", |header| header.set_link_name("/etc/passwd").unwrap());
        let message = refused(&[entry, tar_file(b"shop/x/t.ibd")].concat());
        assert!(message.contains(&format!("shop/x is {what}")), "{message}");
    }
}

#[test]
fn headers_of_tar_that_lie_are_refused() {
    let file = |change: fn(&mut tar::Header)| {
        [tar_entry(b"t", EntryType::Regular, b"evil", change), TAR_END.to_vec()].concat()
    };
    let longer = file(|header| header.set_size(5000));
    let endless = file(|header| header.set_size(u64::MAX / 2));
    let sparse = file(|header| {
        header.set_entry_type(EntryType::GNUSparse);
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(1 << 60);
        gnu.sparse[0].set_offset(1 << 59);
        gnu.sparse[0].set_length(4);
    });
    let unmarked = tar_entry(b"t", EntryType::Regular, b"evil", |_| {});
    let half_marked = [&unmarked[..], &[0; 512]].concat();
    let joined = [tar_file(b"t"), tar_file(b"u")].concat();
    let mut checksum = tar_file(b"t");
    checksum[0] = b'u';
    for (archive, reason) in [
        (longer, "it ends inside t, of which it has 5000 bytes"),
        (endless, "it ends inside t"),
        (sparse, "a part of a sparse file lies behind its end"),
        (unmarked, "it ends before its end mark"),
        (half_marked, "it ends inside its end mark"),
        (joined, "something follows its end mark"),
        (checksum, "the checksum of the header is wrong"),
    ] {
        let message = extracted(&archive, &Keys::default()).unwrap_err().to_string();
        assert!(
            message.contains(reason) && message.contains("tar, at byte "),
            "{reason:?} not in {message:?}"
        );
    }
}

#[test]
fn lengths_and_places_that_lie_are_refused() {
    let head =
        |length: u64, offset: u64| [&length.to_le_bytes()[..], &offset.to_le_bytes(), &[0; 4]].concat();
    for (archive, reason) in [
        (xbs_chunk(b'P', b"t", &head(1 << 62, 0)), "above the limit"),
        (xbs_chunk(b'P', b"t", &head(10, u64::MAX - 3)), "above the limit"),
        (xbs_chunk(b'P', b"t", &head(10, 7)), "offset 7 where offset 0 is due"),
        (xbs_chunk(b'P', b"t", &head(1000, 0)), "inside a chunk"),
    ] {
        let message = refused(&archive);
        assert!(message.contains(reason) && message.contains("file t"), "{reason:?} not in {message:?}");
    }
    let chunk = build::encrypted(b"plain", 3, 100);
    let mut long = chunk.clone();
    long[16..32].copy_from_slice(&[u64::MAX.to_le_bytes(), u64::MAX.to_le_bytes()].concat());
    assert!(refused(&long).contains("above the limit"));
    // 2 GiB are declared and nothing follows: nothing is reserved for them.
    let mut claimed = chunk;
    claimed[16..32].copy_from_slice(&[(60_u64 << 20).to_le_bytes(), (60_u64 << 20).to_le_bytes()].concat());
    assert!(refused(&claimed).contains("inside a chunk"));
}

/// A chunk of no bytes makes no progress in the file, but does so in the archive.
#[test]
fn empty_chunks_are_passed_over() {
    let nothing = xbs_chunk(b'P', b"t", &[0; 20]);
    let xbs = [nothing.repeat(3000), xbs_file(b"t")].concat();
    assert_eq!(extracted(&xbs, &all_keys()).unwrap(), tree([("t", b"evil".to_vec())]));
    let mut empty = b"XBCRYP02".to_vec();
    empty.resize(36, 0);
    empty.extend(16_u64.to_le_bytes());
    empty.extend([1; 16]);
    let whole = [empty.repeat(3000), build::encrypted(&xbs, 2, 100_000), empty].concat();
    assert_eq!(extracted(&whole, &all_keys()).unwrap(), tree([("t", b"evil".to_vec())]));
}

#[test]
fn layers_around_layers_have_an_end() {
    let xbs = archive_of(&support::small_tree(), &plain(Container::Xbstream));
    let nested = |depth: usize| (0..depth).fold(xbs.clone(), |inner, _| build::gzip(&inner, 1));
    assert_eq!(extracted(&nested(7), &all_keys()).unwrap(), support::small_tree());
    assert!(refused(&nested(8)).contains("more than 8 layers"));
    assert!(refused(&nested(100)).contains("more than 8 layers"));
}

/// A file cannot be what others are in, nor the other way round.
#[test]
fn a_file_that_is_also_a_directory_is_refused() {
    let file_first = [xbs_file(b"a"), xbs_file(b"a/b")].concat();
    let message = extracted(&file_first, &all_keys()).unwrap_err().to_string();
    assert!(message.contains("where the archive has a directory"), "{message}");
    let directory_first = [xbs_file(b"a/b"), xbs_file(b"a")].concat();
    assert!(extracted(&directory_first, &all_keys()).unwrap_err().to_string().contains("cannot create"));
}

/// The first bytes are looked at, whatever the name says.
#[test]
fn a_name_that_promises_a_layer_that_is_not_there_is_refused() {
    for name in ["a.qp", "a.zst", "a.lz4", "a.xbcrypt", "a.qp.xbcrypt"] {
        let message = refused(&build::xbstream([(name, b"this is plain text".to_vec())]));
        assert!(message.contains(&format!("in {}", name)) && message.contains("first bytes"), "{message}");
    }
    // Of nothing, frames and encryption make nothing, and qpress an archive.
    assert!(refused(&build::xbstream([("a.qp", vec![])])).contains("in a.qp"));
    for name in ["a.zst", "a.lz4", "a.xbcrypt", "a.zst.xbcrypt"] {
        assert_eq!(
            extracted(&build::xbstream([(name, vec![])]), &all_keys()).unwrap(),
            tree([("a", vec![])])
        );
    }
    // A name that is nothing but the suffix is a name.
    let named = build::xbstream([(".qp", b"this is plain text".to_vec())]);
    assert_eq!(extracted(&named, &all_keys()).unwrap(), tree([(".qp", b"this is plain text".to_vec())]));
}

#[test]
fn what_is_no_archive_is_told_as_such() {
    for (bytes, reason) in [
        (&b""[..], "there is nothing"),
        (b"\x1f", "begins no format of backups"),
        (b"[client]\nuser = root\n", "begins no format of backups"),
        (&[0; 4096], "begins no format of backups"),
    ] {
        assert!(refused(bytes).contains(reason), "{}", refused(bytes));
    }
    let inside = build::gzip(b"just a text", 6);
    assert!(refused(&inside).contains("\"just a t\" in the gzip layer"), "{}", refused(&inside));
    let archive = archive_of(&support::small_tree(), &members(Some(key(32))));
    assert!(refused(&archive[..40]).contains("byte"), "{}", refused(&archive[..40]));
}

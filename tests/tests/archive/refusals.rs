//! What must not be done, and what is said instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rstest::rstest;
use xb_tests::files;

use crate::Place;

#[test]
fn nothing_that_exists_is_replaced() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.gz"]).good();
    fs::create_dir_all(place.path("to/shop")).unwrap();
    fs::write(place.path("to/shop/orders.ibd"), "mine").unwrap();
    place
        .run(&["extract", "a.xbs.gz", "--to", "to"])
        .refused(128, &["cannot create ", "to/shop/orders.ibd", "nothing that exists is replaced"]);
    assert_eq!(fs::read(place.path("to/shop/orders.ibd")).unwrap(), b"mine");
    let before = files::digests(&place.path("a.xbs.gz"));
    for to in ["a.xbs.gz", "files", "to/", "to"] {
        place
            .run(&["convert", "a.xbs.gz", to])
            .refused(128, &[&format!("{to} exists already"), "choose another name"]);
    }
    assert_eq!(files::digests(&place.path("a.xbs.gz")), before);
    // Another run may be at work on it.
    fs::write(place.path("b.xbs.partial"), "mine").unwrap();
    place.run(&["convert", "a.xbs.gz", "b.xbs"]).refused(128, &["remove b.xbs.partial"]);
    assert_eq!(fs::read(place.path("b.xbs.partial")).unwrap(), b"mine");
    fs::write(place.path("file"), "mine").unwrap();
    place.run(&["extract", "a.xbs.gz", "--to", "file"]).refused(128, &["file"]);
    place.run(&["extract", "a.xbs.gz", "--to", "no/such/parent"]).refused(128, &["no/such/parent"]);
    assert!(!place.path("no").exists());
}

#[test]
fn no_link_that_stands_in_the_target_is_followed() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.tar"]).good();
    fs::create_dir_all(place.path("elsewhere")).unwrap();
    fs::create_dir_all(place.path("to")).unwrap();
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("to/shop")).unwrap();
    place.run(&["extract", "a.tar", "--to", "to"]).refused(128, &["to/shop"]);
    assert_eq!(files::everything_below(&place.path("elsewhere")), Vec::<String>::new());
}

#[rstest]
#[case("a.xbs.xbcrypt", &[], "no key was given", "encrypt_key_file")]
#[case("a.xbs.xbcrypt", &["--encrypt-key-file", "other-key"], "not the one it was encrypted with", "look for the key")]
#[case("a.qp.xbcrypt", &["--encrypt-key-file", "other-key"], "not the one it was encrypted with", "look for the key")]
#[case("a.xbs.xbcrypt", &["--encrypt-key-file", "no-key"], "cannot read no-key", "right path")]
#[case("a.xbs.xbcrypt", &["--encrypt-key-file", "empty.cnf"], "empty.cnf: ", "16, 24 or 32 bytes")]
fn without_the_right_key_nothing_is_written(
    #[case] archive: &str,
    #[case] options: &[&str],
    #[case] message: &str,
    #[case] hint: &str,
) {
    let place = Place::with_files();
    place.run_with_key(&["convert", "files", archive]).good();
    for args in [
        &["list", archive][..],
        &["cat", archive, "ibdata1"],
        &["extract", archive, "--to", "to"],
        &["extract", archive, "--to", "to", "shop"],
        &["convert", archive, "b.xbs"],
        &["convert", archive, "b.qp"],
        &["convert", archive, "b"],
    ] {
        place.run(&[args, options].concat()).refused(32, &[message, hint]);
        assert_eq!(place.left(), [archive], "{args:?}");
    }
    let stdin = fs::File::open(place.path(archive)).unwrap();
    place
        .run_on(stdin.into(), &[&["extract", "-", "--to", "to"], options].concat())
        .refused(32, &[message, hint]);
    assert_eq!(place.left(), [archive]);
}

#[test]
fn files_encrypted_one_by_one_need_the_key_too() {
    let place = Place::with_files();
    place.run_with_key(&["convert", "files", "a.xbs.qp.xbcrypt", "--encrypt-members"]).good();
    for options in [&[][..], &["--encrypt-key-file", "other-key"]] {
        for args in [
            &["extract", "a.xbs.qp.xbcrypt", "--to", "to"][..],
            &["extract", "a.xbs.qp.xbcrypt", "--to", "to", "shop"],
            &["convert", "a.xbs.qp.xbcrypt", "b.tar.gz"],
        ] {
            place.run(&[args, options].concat()).refused(32, &["a.xbs.qp.xbcrypt: "]);
            assert_eq!(place.left(), ["a.xbs.qp.xbcrypt"], "{args:?}");
        }
    }
}

#[test]
fn an_identity_of_somebody_else_opens_nothing() {
    let place = Place::with_files();
    let recipient = place.identity();
    place.run(&["convert", "files", "a.tar.gz.age", "--encrypt-recipients", &recipient]).good();
    assert!(place.shell("mv identity identity-of-a && age-keygen -o identity"));
    let extract = ["extract", "a.tar.gz.age", "--to", "to"];
    let words = ["none of the identities opens it", "look for the identity"];
    place.run(&[&extract[..], &["--encrypt-identity-file", "identity"]].concat()).refused(32, &words);
    let words = ["no identity was given", "encrypt_identity_file"];
    place.run(&extract).refused(32, &words);
    assert!(!place.path("to").exists());
    place.run(&[&extract[..], &["--encrypt-identity-file", "identity-of-a"]].concat()).good();
}

#[rstest]
#[case("b.xbs.xbcrypt", &[], "encrypt_key_file is not set", "--encrypt-key-file")]
#[case("b.tar.gz.age", &[], "encrypt_recipients is not set", "--encrypt-recipients")]
#[case("b.xbs.age", &["--encrypt-recipients", "age1nobody"], "age1nobody", "age-keygen -y")]
fn what_is_to_be_encrypted_needs_a_key_before_anything_is_written(
    #[case] to: &str,
    #[case] options: &[&str],
    #[case] message: &str,
    #[case] hint: &str,
) {
    let place = Place::with_files();
    place.run(&[&["convert", "files", to], options].concat()).refused(32, &[message, hint]);
    assert_eq!(place.left(), Vec::<String>::new());
}

#[test]
fn a_key_that_others_can_read_is_told_or_refused() {
    let place = Place::with_files();
    fs::set_permissions(place.path("key"), PermissionsExt::from_mode(0o644)).unwrap();
    let said = place.run_with_key(&["convert", "files", "a.xbs.xbcrypt"]).good();
    assert_eq!(said.stderr.matches("WARN: key can be read by others").count(), 1, "{}", said.stderr);
    // Also where nothing else is told on the way.
    let said = place.run_with_key(&["cat", "a.xbs.xbcrypt", "empty"]).good();
    assert_eq!(said.stderr.lines().count(), 1, "{}", said.stderr);
    place
        .run_with_key(&["cat", "a.xbs.xbcrypt", "empty", "--strict-permissions"])
        .refused(32, &["key can be read by others", "chmod go= key"]);
    let config = "[pyxbackup]\nencrypt_key_file = key\nstrict_permissions = 1\n";
    place.write_private("empty.cnf", config.as_bytes());
    place.run(&["list", "a.xbs.xbcrypt"]).refused(32, &["key can be read by others"]);
    fs::set_permissions(place.path("key"), PermissionsExt::from_mode(0o600)).unwrap();
    place.run(&["list", "a.xbs.xbcrypt"]).good();
}

/// Where a fault is said to be.
fn has_an_offset(text: &str) -> bool {
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    words
        .windows(2)
        .any(|pair| matches!(pair[0], "byte" | "offset" | "bytes") && pair[1].parse::<u64>().is_ok())
}

#[rstest]
#[case(".xbs")]
#[case(".xbs.gz")]
#[case(".xbs.zst")]
#[case(".xbs.lz4")]
#[case(".xbs.qp")]
#[case(".qp")]
#[case(".tar.gz")]
#[case(".xbs.xbcrypt")]
fn a_damaged_archive_is_told_by_name_and_place(#[case] suffix: &str, #[values(true, false)] is_cut: bool) {
    let place = Place::with_files();
    let archive = format!("backup{suffix}");
    place.run_with_key(&["convert", "files", &archive]).good();
    if is_cut {
        let file = fs::File::options().write(true).open(place.path(&archive)).unwrap();
        file.set_len(files::size(&place.path(&archive)) - 100).unwrap();
    } else {
        files::flip_a_byte(&place.path(&archive));
    }
    let to_archive = ["convert", &archive, "b.xbs.zst"];
    let to_other = ["convert", &archive, "b.tar"];
    for args in [&["list", &archive][..], &to_archive, &to_other, &["convert", &archive, "b"]] {
        let ended = place.run_with_key(args).refused(4, &[&archive, "get it from another copy"]);
        assert!(has_an_offset(&ended.stderr), "{}", ended.stderr);
        assert_eq!(place.left(), [archive.as_str()], "{args:?}");
    }
    let json = place.run_with_key(&["list", &archive, "--json"]).ended_with(4).json();
    assert_eq!((&json["error"]["kind"], &json["error"]["exit_code"]), (&"archive".into(), &4.into()));
    // What is whole is worth keeping, and it is said where.
    let ended = place.run_with_key(&["extract", &archive, "--to", "to"]).ended_with(4);
    if place.path("to").exists() {
        assert!(ended.stderr.contains("complete by then are in"), "{}", ended.stderr);
        let whole = files::digests(&place.path("files"));
        let found = files::digests(&place.path("to"));
        assert!(!found.is_empty() && found.iter().all(|(name, digest)| whole[name] == *digest), "{found:?}");
    }
}

#[test]
fn what_is_no_archive_is_told_so() {
    let place = Place::with_files();
    fs::write(place.path("nothing"), "").unwrap();
    for (file, message) in [("files/ibdata1", "begins no format of backups"), ("nothing", "there is nothing")]
    {
        place.run(&["list", file]).refused(4, &[file, message, "an xbstream, a tar or a qpress archive"]);
        place.run(&["extract", file, "--to", "to"]).refused(4, &[file]);
        assert!(!place.path("to").exists());
    }
    place.run(&["list", "no-such"]).refused(128, &["cannot open no-such", "right path"]);
}

#[test]
fn a_directory_is_no_archive_but_may_hold_one() {
    let place = Place::with_files();
    fs::create_dir(place.path("backup")).unwrap();
    place.run(&["convert", "files", "backup/backup.xbs.zst"]).good();
    for args in [
        &["list", "backup"][..],
        &["cat", "backup", "ibdata1"],
        &["extract", "backup", "--to", "to"],
        &["convert", "backup", "b.xbs"],
        &["convert", "backup", "b"],
    ] {
        let words =
            ["backup is a directory, not an archive", "name the archive in it: backup/backup.xbs.zst"];
        place.run(args).refused(128, &words);
    }
    place.run(&["list", "files"]).refused(128, &["files is a directory", "archive convert files TO"]);
    place.run(&["convert", "files", "copy"]).refused(128, &["both directories", "copy.xbs.zst"]);
    place.run(&["convert", "files", "files/shop/a.xbs"]).refused(128, &["lies in files", "outside files"]);
    assert!(!place.path("copy").exists() && !place.path("files/shop/a.xbs").exists());
}

#[test]
fn a_name_without_a_form_is_not_taken_for_a_directory() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs"]).good();
    for to in ["b.tgz", "b.zip", "b.xbs.bz2", "backup.gz", "-"] {
        place
            .run(&["convert", "a.xbs", to])
            .refused(128, &["ends like no form", ".xbs, .tar or .qp", "slash"]);
    }
    assert_eq!(place.left(), ["a.xbs"]);
}

#[test]
fn what_backups_do_not_consist_of_is_not_packed() {
    let place = Place::with_files();
    std::os::unix::fs::symlink("ibdata1", place.path("files/link")).unwrap();
    for to in ["a.xbs.gz", "a.tar", "a.qp"] {
        place.run(&["convert", "files", to]).refused(128, &["link", "a symbolic link"]);
        assert_eq!(place.left(), Vec::<String>::new());
    }
}

#[test]
fn what_is_not_in_an_archive_is_told_with_what_is_like_it() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.qp"]).good();
    place
        .run(&["cat", "a.xbs.qp", "costumers.ibd"])
        .refused(128, &["a.xbs.qp has no costumers.ibd", "similar: shop/customers.ibd"]);
    place.run(&["cat", "a.xbs.qp", "../ibdata1"]).refused(128, &["is no path of a file"]);
    place
        .run(&["list", "a.xbs.qp", "shop", "nosuch/*"])
        .refused(128, &["has nothing that \"nosuch/*\" means", "archive list"]);
    place
        .run(&["extract", "a.xbs.qp", "--to", "to", "costumers.ibd", "shop"])
        .refused(128, &["\"costumers.ibd\"", "similar: shop/customers.ibd", "found for the others is in"]);
    assert_eq!(files::digests(&place.path("to")).len(), 3);
    place.run(&["extract", "a.xbs.qp", "--to", "none", "costumers.ibd"]).refused(128, &["similar: "]);
    assert!(!place.path("none").exists());
    place.run(&["list", "a.xbs.qp", "a["]).refused(128, &["the pattern \"a[\"", "in quotes"]);
    let json = place.run(&["cat", "a.xbs.qp", "x", "--json"]).ended_with(128).json();
    assert_eq!(json["error"]["kind"], "member");
}

//! Every form, made by `convert`, read by every command and by the programs people have.

use std::fs;

use rstest::rstest;
use xb_tests::files;

use crate::Place;

/// Ends of names, and how other programs unpack them: into the directory the line is run in, from `$A`.
const FORMS: [(&str, &str, &[&str]); 20] = [
    (".xbs", "mbstream -x <$A", &["mbstream"]),
    (".xbs.gz", "gzip -dc $A | mbstream -x", &["gzip", "mbstream"]),
    (".xbs.zst", "zstd -dc $A | mbstream -x", &["zstd", "mbstream"]),
    (".xbs.lz4", "lz4 -dc $A | mbstream -x", &["lz4", "mbstream"]),
    (".tar", "tar xf $A", &["tar"]),
    (".tar.gz", "tar xzf $A", &["tar", "gzip"]),
    (".tar.zst", "zstd -dc $A | tar xf -", &["tar", "zstd"]),
    (".tar.lz4", "lz4 -dc $A | tar xf -", &["tar", "lz4"]),
    (".xbs.age", "age -d -i $I $A | mbstream -x", &["age", "mbstream"]),
    (".xbs.gz.age", "age -d -i $I $A | gzip -dc | mbstream -x", &["age", "gzip", "mbstream"]),
    (".xbs.zst.age", "age -d -i $I $A | zstd -dc | mbstream -x", &["age", "zstd", "mbstream"]),
    (".tar.gz.age", "age -d -i $I $A | tar xzf -", &["age", "tar", "gzip"]),
    // For these there is no program to be had.
    (".xbs.qp", "", &[]),
    (".qp", "", &[]),
    (".qp.age", "", &[]),
    (".qp.xbcrypt", "", &[]),
    (".xbs.xbcrypt", "", &[]),
    (".xbs.zst.xbcrypt", "", &[]),
    (".tar.gz.xbcrypt", "", &[]),
    (".xbs.qp.xbcrypt", "", &[]),
];

/// Options that open any form.
fn opening(suffix: &str) -> &'static [&'static str] {
    match suffix {
        age if age.ends_with(".age") => &["--encrypt-identity-file", "identity"],
        key if key.ends_with(".xbcrypt") => &["--encrypt-key-file", "key"],
        _ => &[],
    }
}

#[rstest]
fn every_form_holds_the_same_files_for_every_program(#[values(0, 1, 2, 3)] quarter: usize) {
    let place = Place::with_files();
    let wanted = files::digests(&place.path("files"));
    let recipient = place.identity();
    for (suffix, line, programs) in FORMS.into_iter().skip(quarter).step_by(4) {
        let archive = format!("backup{suffix}");
        let mut args = vec!["convert", "files", &archive];
        if suffix.ends_with(".age") {
            args.extend(["--encrypt-recipients", &recipient]);
        } else {
            args.extend(opening(suffix));
        }
        place.run(&args).good();
        reads_alike(&place, &archive, opening(suffix));
        let into = format!("unpacked{suffix}");
        place.assert_extracts(&[&[archive.as_str()], opening(suffix)].concat(), &into, &wanted);
        programs.iter().for_each(|program| place.needs(program));
        if !line.is_empty() {
            let theirs =
                format!("A=$PWD/{archive}; I=$PWD/identity; mkdir theirs{suffix}; cd theirs{suffix}; {line}");
            assert!(place.shell(&theirs), "{line}");
            assert_eq!(files::digests(&place.path(&format!("theirs{suffix}"))), wanted, "{line}");
        }
    }
}

/// What `list` and `cat` say of an archive of `files`.
#[track_caller]
fn reads_alike(place: &Place, archive: &str, opening: &[&str]) {
    let wanted = files::digests(&place.path("files"));
    let listed = place.run(&[&["list", archive, "--format", "lines"], opening].concat()).good();
    assert_eq!(listed.text().lines().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{archive}");
    let json = place.run(&[&["list", archive, "--json"], opening].concat()).good().json();
    for member in json["members"].as_array().unwrap() {
        let path = place.path("files").join(member["path"].as_str().unwrap());
        assert_eq!(member["size_bytes"].as_u64(), Some(files::size(&path)), "{archive}: {member}");
    }
    assert_eq!(json["archive_bytes"].as_u64(), Some(files::size(&place.path(archive))));
    for name in ["shop/orders.ibd", "ibdata1", "empty", "shop/a b[1].frm"] {
        let printed = place.run(&[&["cat", archive, name], opening].concat()).good();
        assert!(printed.stdout == fs::read(place.path("files").join(name)).unwrap(), "{archive}: {name}");
        assert_eq!(printed.stderr, "", "{archive}");
    }
}

#[test]
fn an_archive_is_made_from_any_other() {
    let place = Place::with_files();
    let wanted = files::digests(&place.path("files"));
    let chain =
        ["a.xbs.qp", "b.tar.gz", "c.qp.xbcrypt", "d.xbs.lz4", "e.tar.zst.xbcrypt", "f.xbs.qp.xbcrypt"];
    let mut from = "files";
    for to in chain {
        let said = place.run_with_key(&["convert", from, to]).good();
        let form = to.split_once('.').unwrap().1;
        assert!(said.text().starts_with(&format!("made {to} from {from}\n  {form}, ")), "{}", said.text());
        from = to;
    }
    let said = place.run_with_key(&["convert", from, "g", "--quiet"]).good();
    assert_eq!((said.text().as_str(), said.stderr.as_str()), ("g\n", ""));
    assert_eq!(files::digests(&place.path("g")), wanted);
    let json = place.run_with_key(&["convert", from, "with.dot/", "--json"]).good().json();
    assert_eq!((&json["form"], &json["files"]), (&"directory".into(), &7.into()));
    assert_eq!(files::digests(&place.path("with.dot")), wanted);
    let left = place.left();
    assert_eq!(left.len(), chain.len() + 2, "{left:?}");
}

#[test]
fn files_can_be_encrypted_one_by_one() {
    let place = Place::with_files();
    let wanted = files::digests(&place.path("files"));
    place.run_with_key(&["convert", "files", "a.xbs.qp.xbcrypt", "--encrypt-members"]).good();
    let json = place.run_with_key(&["list", "a.xbs.qp.xbcrypt", "--json"]).good().json();
    assert_eq!(json["layers"], serde_json::json!(["xbstream"]));
    let stored = place.run(&["list", "a.xbs.qp.xbcrypt", "--as-stored", "--format=lines"]).good();
    let stored = stored.text();
    assert!(stored.lines().all(|line| line.ends_with(".qp.xbcrypt")), "{stored}");
    // Without the key a file is given as it is, and is itself an archive of one file.
    let name = "shop/customers.ibd.qp.xbcrypt";
    let one = place.run(&["cat", "a.xbs.qp.xbcrypt", name, "--as-stored"]).good();
    place.write_private("one", &one.stdout);
    let content = place.run_with_key(&["cat", "one", "customers.ibd"]).good();
    assert!(content.stdout == fs::read(place.path("files/shop/customers.ibd")).unwrap());
    place.run(&["extract", "a.xbs.qp.xbcrypt", "--as-stored", "--to", "stored", "shop/customers.ibd"]).good();
    assert_eq!(fs::read(place.path("stored").join(name)).unwrap(), one.stdout);
    place.assert_extracts(&["a.xbs.qp.xbcrypt", "--encrypt-key-file", "key"], "plain", &wanted);
    let words = ["one by one in a .xbs.qp.xbcrypt only", "--encrypt-members"];
    for to in ["b.xbs.xbcrypt", "b.xbs.qp", "b"] {
        place.run_with_key(&["convert", "files", to, "--encrypt-members"]).refused(128, &words);
    }
}

#[rstest]
#[case("a.xbs.gz", 1, 12)]
#[case("a.tar.zst", -7, 19)]
fn a_level_counts_where_there_are_levels(#[case] to: &str, #[case] fast: i32, #[case] small: i32) {
    let place = Place::with_files();
    let mut sizes = Vec::new();
    for level in [fast, small] {
        let name = format!("level{level}-{to}");
        place.run(&["convert", "files", &name, &format!("--compress-level={level}")]).good();
        sizes.push(files::size(&place.path(&name)));
    }
    assert!(sizes[0] > sizes[1], "{sizes:?}");
    place.run(&["convert", "files", "b.xbs.lz4", "--compress-level=19"]).good();
    place
        .run(&["convert", "files", "b.xbs.gz", "--compress-level=19"])
        .refused(128, &["gzip has no level 19", "from 1 to 12"]);
}

#[test]
fn patterns_choose_what_is_listed_and_extracted() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.qp"]).good();
    let lines = |patterns: &[&str]| {
        let listed = place.run(&[&["list", "a.xbs.qp", "--format=lines"], patterns].concat()).good();
        listed.text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["shop*/orders.ibd"]), ["shop/orders.ibd", "shop_old/orders.ibd"]);
    assert_eq!(lines(&["shop_old", "xtra*"]), ["shop_old/orders.ibd", "xtrabackup_checkpoints"]);
    assert_eq!(lines(&["shop/a b[1].frm"]), ["shop/a b[1].frm"]);
    let said = place.run(&["extract", "a.xbs.qp", "--to", "some", "shop", "empty"]).good();
    let found: Vec<String> = files::digests(&place.path("some")).into_keys().collect();
    assert_eq!(found, ["empty", "shop/a b[1].frm", "shop/customers.ibd", "shop/orders.ibd"]);
    assert!(said.text().contains("4 files, ") && !said.text().contains("Next:"), "{}", said.text());
}

#[test]
fn an_extraction_tells_what_it_did_and_what_comes_next() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.zst"]).good();
    let said = place.run(&["extract", "a.xbs.zst", "--to", "to"]).good();
    let directory = place.path("to").display().to_string();
    for part in [
        format!("extracted a.xbs.zst to {directory}\n  7 files, "),
        "from xbstream in zstd".to_owned(),
        format!("mariadb-backup --prepare --target-dir={directory}"),
    ] {
        assert!(said.text().contains(&part), "{part:?} is not in:\n{}", said.text());
    }
    assert!(said.stderr.contains("INFO: extract a.xbs.zst: about"), "{}", said.stderr);
    let said = place.run(&["extract", "a.xbs.zst", "--to", "quiet", "--quiet"]).good();
    assert_eq!(said.text(), format!("{}\n", place.path("quiet").display()));
    assert_eq!(said.stderr, "");
    let json = place.run(&["extract", "a.xbs.zst", "--to", "json", "--json"]).good().json();
    assert_eq!((&json["files"], &json["layers"]), (&7.into(), &serde_json::json!(["zstd", "xbstream"])));
    // A directory that is there is filled up.
    place.run(&["extract", "a.xbs.zst", "--to", "some", "shop"]).good();
    place.run(&["extract", "a.xbs.zst", "--to", "some", "shop_old"]).good();
    assert_eq!(files::digests(&place.path("some")).len(), 4);
}

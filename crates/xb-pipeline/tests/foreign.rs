//! Streams as the usual tools write them, and ours read by those tools. A tool that is not there is passed over.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use support::build::{self, LZ4, Lz4};
use support::forms::{self, AGE, all_keys, archive_of, archive_of_directory, plain};
use support::tools::run_in;
use support::{Tree, extracted, noise, read_tree, scratch, text, tree, tree_on_disk};
use xb_formats::archive::Container;
use xb_pipeline::{Compression, Packing};

/// Some megabytes, so that frames and windows end within.
fn large() -> Tree {
    tree([
        ("ibdata1", text(1_300_000)),
        ("shop/t.ibd", noise(300_000, 1)),
        ("shop/zeros", vec![0; 500_000]),
        ("e", vec![]),
    ])
}

fn assert_extracts(archive: &[u8], files: &Tree, what: &str) {
    let got = extracted(archive, &all_keys()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        got == *files,
        "{what}: {:?}",
        got.keys().map(|path| path.escape_ascii().to_string()).collect::<Vec<_>>()
    );
}

/// A stream goes through a tool, which writes `out`, and comes back.
fn through(tool: &str, plain: &[u8], files: &Tree) {
    let directory = scratch();
    std::fs::write(directory.path().join("in"), plain).unwrap();
    if run_in(directory.path(), tool).is_some() {
        assert_extracts(&std::fs::read(directory.path().join("out")).unwrap(), files, tool);
    }
}

#[test]
fn streams_of_zstd_gzip_and_lz4_are_read() {
    let files = large();
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    for tool in [
        "zstd -q < in > out",
        "zstd -q -T2 -B524288 in -o out",
        "zstd -q -3 --no-check in -o out",
        "zstd -q --long=27 in -o out",
        "zstd -q -19 --single-thread < in > out",
        "zstd -q in -o out && printf x > y && zstd -q < y > z && zstd -q -f in -o out",
        "gzip -9 < in > out",
        "gzip -1 -k in && mv in.gz out",
        "lz4 -q in out",
        "lz4 -q -BD in out",
        "lz4 -q -B4 in out",
        "lz4 -q -B4 -BD --content-size in out",
        "lz4 -q -B7 -BX in out",
        "lz4 -q --no-frame-crc in out",
        "lz4 -q -9 < in > out",
    ] {
        through(tool, &xbs, &files);
    }
}

#[test]
fn parts_joined_together_are_one_stream() {
    let files = large();
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    let (left, right) = xbs.split_at(1_234_567);
    let how = Lz4 { linked: true, size: false, ..LZ4 };
    let joined = [
        (
            "gzip members",
            [build::gzip(left, 1), build::gzip(b"", 6), build::gzip(right, 9), vec![0; 5000]].concat(),
        ),
        (
            "zstd kinds",
            [build::zstd_frames(left, 100_000), build::skippable(9), build::zstd_stream(right, true)]
                .concat(),
        ),
        ("zstd skippable at the end", [build::zstd_stream(&xbs, false), build::skippable(0)].concat()),
        (
            "lz4 kinds",
            [build::lz4_frames(left, 99_999), build::skippable(70_000), build::lz4(right, how)].concat(),
        ),
        (
            "lz4 empty frame",
            [build::lz4(b"", LZ4), build::lz4_frames(left, 300_000), build::lz4(right, LZ4)].concat(),
        ),
        ("zstd then zstd", [build::zstd_stream(left, true), build::zstd_frames(right, 300_000)].concat()),
        ("gzip empty first", [build::gzip(b"", 6), build::gzip(&xbs, 6)].concat()),
    ];
    for (what, archive) in joined {
        assert_extracts(&archive, &files, what);
    }
}

/// A stream of very many frames of few bytes takes neither memory nor time that it does not have.
#[test]
fn tiny_frames_are_read_in_linear_time() {
    let files = tree([("t.ibd", text(6000))]);
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    let tiny = Lz4 { linked: true, size: false, ..LZ4 };
    let many = [
        ("lz4", xbs.chunks(1).flat_map(|byte| build::lz4(byte, tiny)).collect::<Vec<_>>()),
        ("zstd", xbs.chunks(1).flat_map(|byte| build::zstd_stream(byte, false)).collect()),
        ("gzip", xbs.chunks(1).flat_map(|byte| build::gzip(byte, 1)).collect()),
        ("zstd frames", xbs.chunks(1).flat_map(|byte| build::zstd_frames(byte, 1)).collect()),
    ];
    for (what, archive) in many {
        assert_extracts(&archive, &files, what);
    }
}

/// How one file is packed.
type Wrap = fn(&[u8]) -> Vec<u8>;

/// What XtraBackup 8 makes of each file: a run of frames, one for each write, and xbcrypt around it.
#[test]
fn files_that_are_packed_one_by_one_are_unpacked() {
    let files = large();
    let wraps: [(&str, Wrap); 7] = [
        (".zst", |plain| build::zstd_frames(plain, 65_536)),
        (".lz4", |plain| build::lz4_frames(plain, 65_536)),
        (".zst.xbcrypt", |plain| build::encrypted(&build::zstd_frames(plain, 65_536), 3, 65_536)),
        (".lz4.xbcrypt", |plain| build::encrypted(&build::lz4_frames(plain, 65_536), 2, 10_000)),
        (".xbcrypt", |plain| build::encrypted(plain, 3, 65_536)),
        (".qp.xbcrypt", |plain| build::encrypted(&build::qpress_single(b"f", plain, 65_536), 1, 65_536)),
        (".zst", |plain| build::zstd_stream(plain, true)),
    ];
    for (suffix, wrap) in wraps {
        let xbs = build::xbstream_of(&files, suffix, wrap);
        assert_extracts(&xbs, &files, suffix);
        assert_extracts(&build::zstd_stream(&xbs, true), &files, suffix);
    }
}

/// Not all files are packed: the engines leave out some.
#[test]
fn packed_files_stand_beside_plain_ones() {
    let frames = build::zstd_frames(&text(5000), 1000);
    let qp = build::qpress_single(b"b", &text(700_000), 65_536);
    let xbs = build::xbstream([
        ("xtrabackup_checkpoints", b"lsn = 5\n".to_vec()),
        ("a.ibd.zst", frames),
        ("backup-my.cnf", text(90)),
        ("b.ibd.qp.xbcrypt", build::encrypted(&qp, 3, 65_536)),
        ("empty.qp", build::qpress_single(b"empty", b"", 65_536)),
        ("last", text(4)),
    ]);
    let files = tree([
        ("xtrabackup_checkpoints", b"lsn = 5\n".to_vec()),
        ("a.ibd", text(5000)),
        ("backup-my.cnf", text(90)),
        ("b.ibd", text(700_000)),
        ("empty", vec![]),
        ("last", text(4)),
    ]);
    assert_extracts(&xbs, &files, "mixed");
}

/// Files with long names, with a `./` before them, in all formats of GNU tar.
#[test]
fn archives_of_gnu_tar_are_read() {
    let long = format!("{}/{}/{}.ibd", "x".repeat(90), "y".repeat(120), "z".repeat(150));
    let mut files =
        tree([("ibdata1", text(100_000)), ("shop/t.ibd", noise(513, 1)), ("e", vec![]), (&long, text(700))]);
    files.insert(b"no utf-8 \xff.frm".to_vec(), text(512));
    for format in ["gnu", "pax", "oldgnu"] {
        let directory = tree_on_disk(&files);
        let make = format!("tar --format={format} -cf ../out.{format} . && mv ../out.{format} out");
        if run_in(directory.path(), &make).is_some() {
            let archive = std::fs::read(directory.path().join("out")).unwrap();
            assert_extracts(&archive, &files, format);
            assert_extracts(&build::gzip(&archive, 9), &files, format);
        }
    }
}

/// `tar -S` keeps holes, with more parts than a header has room for; they come out as holes.
#[test]
fn sparse_files_of_gnu_tar_keep_their_holes() {
    use std::os::unix::fs::{FileExt, MetadataExt};

    let directory = scratch();
    let file = std::fs::File::create(directory.path().join("t.ibd")).unwrap();
    for part in 0..40_u64 {
        file.write_all_at(&text(5000), part * 1_000_000).unwrap();
    }
    file.set_len(50_000_000).unwrap();
    std::fs::write(directory.path().join("hole"), "").unwrap();
    std::fs::OpenOptions::new()
        .write(true)
        .open(directory.path().join("hole"))
        .unwrap()
        .set_len(7777)
        .unwrap();
    let files = read_tree(directory.path());
    if run_in(directory.path(), "tar -S -cf out t.ibd hole").is_some() {
        let archive = std::fs::read(directory.path().join("out")).unwrap();
        assert!(archive.len() < 2_000_000, "{} bytes: this tar has found no holes", archive.len());
        assert_extracts(&archive, &files, "tar -S");
        let target = scratch();
        support::extract_into(&archive, target.path(), &all_keys(), &Default::default()).unwrap();
        let disk = std::fs::metadata(target.path().join("t.ibd")).unwrap().blocks() * 512;
        assert!(disk < 2_000_000, "{disk} bytes on the disk");
    }
    if run_in(directory.path(), "tar -S --format=pax -cf out t.ibd").is_some() {
        let message = extracted(&std::fs::read(directory.path().join("out")).unwrap(), &all_keys())
            .unwrap_err()
            .to_string();
        assert!(message.contains("tar --format=gnu"), "{message}");
    }
}

/// Every form that has a tool, unpacked by it.
#[test]
fn the_usual_tools_read_what_is_written_here() {
    let files = large();
    let source = tree_on_disk(&files);
    let unpack =
        [(Container::Xbstream, "mbstream -x -C tree < plain"), (Container::Tar, "tar -xf plain -C tree")];
    for (container, tool) in unpack {
        for compression in forms::COMPRESSIONS {
            let archive =
                archive_of_directory(source.path(), &forms::conversion(container, compression, None));
            let decompress = match compression {
                Compression::None => "cat archive > plain",
                Compression::Gzip(_) => "gzip -dc < archive > plain",
                Compression::Zstd(_) => "zstd -qdc < archive > plain",
                Compression::Lz4 => "lz4 -qdc < archive > plain",
            };
            assert_tools_read(&archive, &files, &[decompress, tool]);
        }
    }
    let age = Packing { compression: Compression::None, encryption: Some(forms::age()), threads: 2 };
    let form = xb_pipeline::archive::Conversion { packing: age, ..plain(Container::Tar) };
    let archive = archive_of_directory(source.path(), &form);
    assert_tools_read(&archive, &files, &["age -d -i identity -o plain archive", "tar -xf plain -C tree"]);
}

fn assert_tools_read(archive: &[u8], files: &Tree, tools: &[&str]) {
    let directory = scratch();
    std::fs::create_dir(directory.path().join("tree")).unwrap();
    std::fs::write(directory.path().join("archive"), archive).unwrap();
    std::fs::write(directory.path().join("identity"), &AGE.identity).unwrap();
    // mbstream makes one level of directories, which is all there is here.
    if tools.iter().all(|tool| run_in(directory.path(), tool).is_some()) {
        assert!(read_tree(&directory.path().join("tree")) == *files, "{tools:?}");
    }
}

/// What age writes by itself is read, too.
#[test]
fn archives_encrypted_by_age_are_read() {
    let files = large();
    let directory = scratch();
    std::fs::write(directory.path().join("in"), archive_of(&files, &plain(Container::Qpress))).unwrap();
    if run_in(directory.path(), &format!("age -r {} -o out in", AGE.recipient)).is_some() {
        assert_extracts(&std::fs::read(directory.path().join("out")).unwrap(), &files, "age");
    }
}

#[test]
fn a_passphrase_is_not_asked_for() {
    let passphrase = age::secrecy::SecretString::from("a passphrase".to_owned());
    let mut out = Vec::new();
    let mut writer = age::Encryptor::with_user_passphrase(passphrase).wrap_output(&mut out).unwrap();
    std::io::Write::write_all(&mut writer, b"secret").unwrap();
    writer.finish().unwrap();
    let message = extracted(&out, &all_keys()).unwrap_err().to_string();
    assert!(message.contains("passphrase"), "{message}");
}

/// The age header of a file with nothing in it is there; what is in it is not.
#[test]
fn encrypted_nothing_is_no_archive() {
    let recipient: age::x25519::Recipient = AGE.recipient.parse().unwrap();
    let out = age::encrypt(&recipient, b"").unwrap();
    let message = extracted(&out, &all_keys()).unwrap_err().to_string();
    assert!(message.contains("there is nothing in the age layer"), "{message}");
}

//! Keys that are missing, wrong or unusable: told as such, and nothing is written.

#![expect(clippy::unwrap_used, clippy::panic, reason = "these are tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::build;
use support::forms::{self, AGE, all_keys, archive_of, key, members, plain};
use support::{Tree, extract_into, extracted, read_tree, scratch, small_tree, text};
use xb_formats::archive::Container;
use xb_formats::xbcrypt::{Algorithm, Key};
use xb_pipeline::extract::{ExtractError, Wanted};
use xb_pipeline::keys::{KeyFault, Keys, Recipients, check_private, read_key};
use xb_pipeline::{Compression, Encryption};

/// The fault that is told; nothing is written by then.
fn fault(archive: &[u8], keys: &Keys) -> KeyFault {
    let target = scratch();
    let error = extract_into(archive, target.path(), keys, &Wanted::default()).unwrap_err();
    assert_eq!(fs::read_dir(target.path()).unwrap().count(), 0, "{error}: {:?}", read_tree(target.path()));
    match error {
        ExtractError::Key { fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn wrong() -> Keys {
    Keys::default().with_key(Key::new(&[b'w'; 32]).unwrap())
}

/// The whole of an archive, and each file of one.
fn encrypted_forms() -> Vec<(&'static str, Vec<u8>, KeyFault)> {
    let files = small_tree();
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    let gz = build::gzip(&xbs, 6);
    let qp = |plain: &[u8]| build::qpress_single(b"f", plain, 65_536);
    let per_file = |suffix: &str, version: u8, wrap: &dyn Fn(&[u8]) -> Vec<u8>| {
        build::xbstream_of(&files, suffix, |plain| build::encrypted(&wrap(plain), version, 90))
    };
    vec![
        ("xbs in version 1", build::encrypted(&xbs, 1, 300), KeyFault::Noise),
        ("xbs in version 2", build::encrypted(&xbs, 2, 300), KeyFault::Noise),
        ("xbs in version 3", build::encrypted(&xbs, 3, 300), KeyFault::WrongKey),
        ("gzip in version 1", build::encrypted(&gz, 1, 65_536), KeyFault::Noise),
        ("gzip in version 3", build::encrypted(&gz, 3, 65_536), KeyFault::WrongKey),
        (".qp in version 1", per_file(".qp.xbcrypt", 1, &qp), KeyFault::Noise),
        (".qp in version 2", per_file(".qp.xbcrypt", 2, &qp), KeyFault::Noise),
        (".qp in version 3", per_file(".qp.xbcrypt", 3, &qp), KeyFault::WrongKey),
        (
            ".zst in version 2",
            per_file(".zst.xbcrypt", 2, &|plain| build::zstd_frames(plain, 100)),
            KeyFault::Noise,
        ),
        (
            ".lz4 in version 3",
            per_file(".lz4.xbcrypt", 3, &|plain| build::lz4_frames(plain, 100)),
            KeyFault::WrongKey,
        ),
        ("files in version 3", per_file(".xbcrypt", 3, &|plain| plain.to_vec()), KeyFault::WrongKey),
        ("(qp.xbcrypt)", archive_of(&files, &members(Some(key(32)))), KeyFault::WrongKey),
    ]
}

#[test]
fn a_missing_key_is_told_before_anything_is_written() {
    for (name, archive, _) in encrypted_forms() {
        assert_eq!(fault(&archive, &Keys::default()), KeyFault::KeyNeeded, "{name}");
        assert_eq!(extracted(&archive, &all_keys()).unwrap(), small_tree(), "{name}");
    }
}

#[test]
fn a_wrong_key_is_told_before_anything_is_written() {
    for (name, archive, expected) in encrypted_forms() {
        assert_eq!(fault(&archive, &wrong()), expected, "{name}");
        // A key of another length is another key.
        assert_eq!(fault(&archive, &Keys::default().with_key(key(16))), expected, "{name}");
    }
}

#[test]
fn age_tells_a_missing_and_a_wrong_identity() {
    let directory = scratch();
    let other = directory.path().join("other");
    let identity = age::x25519::Identity::generate();
    fs::write(&other, age::secrecy::ExposeSecret::expose_secret(&identity.to_string())).unwrap();
    let other = Keys::default().with_identity_file(&other).unwrap();
    for compression in forms::COMPRESSIONS {
        let form = forms::conversion(Container::Tar, compression, Some(forms::age()));
        let archive = archive_of(&small_tree(), &form);
        assert_eq!(fault(&archive, &Keys::default()), KeyFault::IdentityNeeded);
        assert_eq!(fault(&archive, &other), KeyFault::WrongIdentity);
        assert_eq!(extracted(&archive, &all_keys()).unwrap(), small_tree());
    }
}

/// Chunks that say that they are not encrypted, read with a key: somebody put them there.
#[test]
fn what_is_not_encrypted_is_not_taken_for_encrypted() {
    let xbs = archive_of(&small_tree(), &plain(Container::Xbstream));
    let open = xb_formats::xbcrypt::encrypt_chunk(&Key::none(), [0; 16], &xbs).unwrap();
    assert_eq!(fault(&open, &all_keys()), KeyFault::NotEncrypted);
    assert_eq!(extracted(&open, &Keys::default()).unwrap(), small_tree());
}

/// Whoever has the right key and a damaged archive is not told to look for another key.
#[test]
fn damage_in_the_middle_is_not_blamed_on_the_key() {
    for version in [1, 2, 3] {
        let xbs = archive_of(&support::tree([("t", text(1000))]), &plain(Container::Xbstream));
        let mut archive = build::encrypted(&xbs, version, 300);
        let middle = archive.len() / 2;
        archive[middle] ^= 1;
        let error = extracted(&archive, &all_keys()).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, ExtractError::Archive { .. }), "{message}");
        assert!(message.contains("xbcrypt, chunk 2 at byte ") && message.contains("checksum"), "{message}");
    }
}

#[test]
fn key_files_are_read_to_the_byte() {
    let directory = scratch();
    let file = directory.path().join("key");
    let read = |content: &[u8], wanted| {
        fs::write(&file, content).unwrap();
        read_key(&file, wanted).map(|key| key.algorithm()).map_err(|error| error.to_string())
    };
    assert_eq!(read(&[1; 16], None), Ok(Algorithm::Aes128));
    assert_eq!(read(&[1; 24], Some(Algorithm::Aes192)), Ok(Algorithm::Aes192));
    assert_eq!(read(&[1; 32], None), Ok(Algorithm::Aes256));
    for (content, wanted, reason) in [
        (&[1; 31][..], None, "the key has 31 bytes"),
        (b"", None, "the key has 0 bytes"),
        (b"0123456789abcdef\n", None, "ends in a newline"),
        (&[1; 16], Some(Algorithm::Aes256), "Aes128"),
        (&[1; 2_000_000], None, "too large for a key file"),
    ] {
        let message = read(content, wanted).unwrap_err();
        assert!(message.contains(reason) && message.contains("key"), "{reason:?} not in {message:?}");
        assert!(message.contains(file.to_str().unwrap()), "{message}");
    }
    for missing in [directory.path().join("none"), directory.path().to_owned()] {
        let message = read_key(&missing, None).unwrap_err().to_string();
        assert!(message.starts_with(&format!("cannot read {}", missing.display())), "{message}");
    }
}

#[test]
fn a_key_file_that_others_can_read_is_told() {
    let directory = scratch();
    let file = directory.path().join("key");
    fs::write(&file, [1; 16]).unwrap();
    for (mode, is_private) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o666, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let checked = check_private(&file);
        assert_eq!(checked.is_ok(), is_private, "{mode:o}");
        if let Err(error) = checked {
            let message = error.to_string();
            assert!(message.contains(&format!("chmod go= {}", file.display())), "{message}");
        }
    }
    check_private(&directory.path().join("none")).unwrap();
}

#[test]
fn files_of_identities_and_recipients_say_what_is_wrong_with_them() {
    let directory = scratch();
    let file = directory.path().join("age file");
    for content in ["", "# a comment only\n", "AGE-SECRET-KEY-1QQQ\n", "no identity\n", "\u{0}\u{1}"] {
        fs::write(&file, content).unwrap();
        let message = Keys::default().with_identity_file(&file).unwrap_err().to_string();
        assert!(message.contains("age file holds no identity of age"), "{content:?}: {message}");
        assert!(!message.contains("QQQ"), "{message}");
    }
    let refused = |entries: &[&str]| Recipients::read(entries).unwrap_err().to_string();
    assert!(refused(&[]).contains("no recipient"));
    assert!(refused(&["age1wrong"]).contains("\"age1wrong\" is no recipient of age"));
    assert!(refused(&["/nowhere/recipients"]).starts_with("cannot read /nowhere/recipients"));
    fs::write(&file, format!("# ours\n{}\nage1wrong\n", AGE.recipient)).unwrap();
    let message = refused(&[file.to_str().unwrap()]);
    assert!(message.contains("line 3 of") && message.contains("is no recipient of age"), "{message}");
    assert!(!message.contains("age1wrong"), "what stands in a file is not shown: {message}");
    let identity =
        age::secrecy::ExposeSecret::expose_secret(&age::x25519::Identity::generate().to_string()).to_owned();
    fs::write(&file, format!("# created: today\n{identity}\n")).unwrap();
    for entry in [file.to_str().unwrap(), &identity, &identity.to_lowercase()] {
        let message = refused(&[entry]);
        assert!(message.contains("is an identity of age"), "{message}");
        assert!(!message.to_uppercase().contains(&identity[20..]), "the secret is shown: {message}");
    }
    fs::write(&file, "# nobody\n").unwrap();
    assert!(refused(&[file.to_str().unwrap()]).contains("no recipient"));
}

/// Each of several recipients can read.
#[test]
fn recipients_from_a_file_can_all_read() {
    let directory = scratch();
    let (file, identity) = (directory.path().join("recipients"), age::x25519::Identity::generate());
    fs::write(&file, format!("# two\n{}\n\n  {}\n", identity.to_public(), AGE.recipient)).unwrap();
    let recipients = Recipients::read(&[file.to_str().unwrap()]).unwrap();
    let form = forms::conversion(Container::Qpress, Compression::None, Some(Encryption::Age(recipients)));
    let archive = archive_of(&small_tree(), &form);
    let own = directory.path().join("identity");
    fs::write(&own, age::secrecy::ExposeSecret::expose_secret(&identity.to_string())).unwrap();
    let keys: [(Keys, &Tree); 2] =
        [(all_keys(), &small_tree()), (Keys::default().with_identity_file(&own).unwrap(), &small_tree())];
    for (keys, files) in keys {
        assert_eq!(extracted(&archive, &keys).unwrap(), *files);
    }
}

/// Nothing of a key is shown to whoever prints what has one.
#[test]
fn keys_do_not_show_themselves() {
    let shown = format!("{:?} {:?}", all_keys(), forms::xbcrypt());
    assert!(!shown.contains("kkk") && !shown.contains("AGE-SECRET"), "{shown}");
}

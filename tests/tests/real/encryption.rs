//! Encrypted backups, and the keys that open them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use xb_core::settings::EncryptWith;
use xb_pipeline::process::Invocation;
use xb_sandbox::dataset;
use xb_tests::files::{self, unpack};
use xb_tests::home::{Form, Home};
use xb_tests::{cli, server};

/// Writes a key of so many bytes.
fn key(home: &Home, name: &str, length: usize) -> PathBuf {
    let path = home.path().join(name);
    let bytes: Vec<u8> = name.bytes().cycle().take(length).collect();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// Makes an identity of age. Gives its file and its recipient.
fn identity(home: &Home, name: &str) -> (PathBuf, String) {
    let path = home.path().join(name);
    let line = format!("age-keygen -o '{}'", path.display());
    let made = Invocation::new("/bin/sh").args(["-c", &line]).output(Duration::from_secs(10)).unwrap();
    assert!(made.status.success(), "{}: install the package age", made.stderr);
    let text = fs::read_to_string(&path).unwrap();
    let recipient = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned();
    (path, recipient)
}

/// One backup of a chain: its form, how it is encrypted, and the name of its archive.
type Member = (Form, Option<EncryptWith>, &'static str);

const WITH_AGE: [Member; 4] = [
    (Form::Zstd, Some(EncryptWith::Age), "backup.xbs.zst.age"),
    (Form::Qpress, Some(EncryptWith::Aes256), "backup.xbs.qp.xbcrypt"),
    (Form::Lz4, None, "backup.xbs.lz4"),
    (Form::Directory, Some(EncryptWith::Age), "backup.xbs.age"),
];

const WITH_KEYS: [Member; 4] = [
    (Form::Qpress, None, "backup.xbs.qp"),
    (Form::Gzip, Some(EncryptWith::Aes256), "backup.xbs.gz.xbcrypt"),
    (Form::Directory, Some(EncryptWith::Aes256), "backup.xbs.xbcrypt"),
    (Form::Lz4, Some(EncryptWith::Aes256), "backup.xbs.lz4.xbcrypt"),
];

/// Somebody changes the settings from day to day, and one restore goes through all of it.
#[rstest]
fn a_chain_of_many_forms_restores(#[values(WITH_AGE, WITH_KEYS)] chain: [Member; 4]) {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Directory);
    let (identity, recipient) = identity(&home, "identity");
    home.settings.encrypt_key_file = Some(key(&home, "key", 32));
    home.settings.encrypt_recipients = vec![recipient];
    let mut newest = None;
    for (round, (form, encrypt, archive)) in (0..).zip(chain) {
        home.set_form(form);
        home.settings.encrypt = encrypt;
        let taken = if round == 0 { home.engine().full() } else { home.engine().incr() }.unwrap();
        assert_eq!(taken.manifest.archive, archive);
        assert!(taken.directory.join(archive).is_file());
        dataset::change(&source, round + 1).unwrap();
        newest = Some((taken, source.checksums().unwrap()));
    }
    let (_, changed) = newest.unwrap();
    // The state of the last backup, not what came after.
    let last = home.engine().incr().unwrap();
    home.settings.encrypt_identity_file = Some(identity);
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(restored.backup, last.manifest.id);
    assert_eq!(restored.members.len(), 5);
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), changed);
    assert_eq!(files::not_private(&home.store()), Vec::<String>::new());
}

/// A restore that must end with 32 does, and leaves nothing.
#[track_caller]
fn refused_for_its_key(home: &Home, says: &str) {
    let restored = home.restored().display().to_string();
    let ended = cli::run(home, &["restore-set", "--restore-dir", &restored]);
    assert_eq!(ended.code, Some(32), "{}", ended.text());
    assert!(ended.stderr.contains(says), "{}", ended.text());
    assert!(ended.stderr.contains("hint:"), "{}", ended.text());
    assert_eq!(files::everything_below(&home.restored()), Vec::<String>::new());
}

#[rstest]
fn a_key_that_is_missing_or_wrong_is_told_before_anything_is_written(
    #[values(Form::Directory, Form::Zstd, Form::Qpress)] form: Form,
) {
    let source = server::source(0);
    let mut home = Home::new(&source, form);
    home.settings.encrypt = Some(EncryptWith::Aes128);
    home.settings.encrypt_key_file = Some(key(&home, "right", 16));
    home.engine().full().unwrap();
    home.settings.encrypt = None;
    home.settings.encrypt_key_file = None;
    refused_for_its_key(&home, "no key was given");
    home.settings.encrypt_key_file = Some(key(&home, "wrong", 16));
    refused_for_its_key(&home, "the key is not the one");
    home.settings.encrypt_key_file = Some(key(&home, "of another length", 32));
    refused_for_its_key(&home, "the key is not the one");
    home.settings.encrypt_key_file = Some(home.path().join("nowhere"));
    refused_for_its_key(&home, "nowhere");

    home.set_form(form);
    let (ours, recipient) = identity(&home, "ours");
    let (others, _) = identity(&home, "others");
    home.settings.encrypt_key_file = Some(home.path().join("right"));
    home.settings.encrypt = Some(EncryptWith::Age);
    home.settings.encrypt_recipients = vec![recipient];
    home.engine().incr().unwrap();
    home.settings.encrypt = None;
    refused_for_its_key(&home, "no identity was given");
    home.settings.encrypt_identity_file = Some(others);
    refused_for_its_key(&home, "none of the identities opens it");
    home.settings.encrypt_identity_file = Some(home.path().join("right"));
    refused_for_its_key(&home, "holds no identity");
    home.settings.encrypt_identity_file = Some(ours);
    home.engine().restore_set().unwrap();
}

#[test]
fn a_backup_is_not_begun_with_a_key_that_is_of_no_use() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Zstd);
    home.settings.encrypt = Some(EncryptWith::Aes256);
    home.settings.encrypt_key_file = Some(key(&home, "short", 16));
    let ended = cli::run(&home, &["full"]);
    assert_eq!(ended.code, Some(32), "{}", ended.text());
    assert!(ended.stderr.contains("short"), "{}", ended.text());
    home.settings.encrypt = Some(EncryptWith::Age);
    home.settings.encrypt_recipients = vec!["age1nobody".into()];
    let ended = cli::run(&home, &["full"]);
    assert_eq!(ended.code, Some(32), "{}", ended.text());
    assert!(ended.stderr.contains("age1nobody"), "{}", ended.text());
    home.assert_empty();
}

#[test]
fn a_key_that_others_can_read_is_a_warning_or_an_error() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    let path = key(&home, "open", 32);
    fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    home.settings.encrypt = Some(EncryptWith::Aes256);
    home.settings.encrypt_key_file = Some(path);
    let ended = cli::run(&home, &["full"]).good();
    assert!(ended.stderr.contains("can be read by others"), "{}", ended.text());
    home.settings.strict_permissions = true;
    let ended = cli::run(&home, &["full"]);
    assert_eq!(ended.code, Some(32), "{}", ended.text());
    assert!(ended.stderr.contains("chmod"), "{}", ended.text());
    refused_for_its_key(&home, "can be read by others");
}

#[test]
fn what_is_encrypted_with_age_can_be_read_by_age() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    let (identity, recipient) = identity(&home, "identity");
    home.settings.encrypt = Some(EncryptWith::Age);
    home.settings.encrypt_recipients = vec![recipient];
    let full = home.engine().full().unwrap();
    let archive = full.directory.join("backup.xbs.zst.age");
    let decrypted = home.path().join("decrypted.xbs.zst");
    let [ours, theirs] = ["ours", "theirs"].map(|name| home.path().join(name));
    fs::create_dir(&ours).unwrap();
    fs::create_dir(&theirs).unwrap();
    let shown = |path: &Path| format!("'{}'", path.display());
    let line = format!(
        "age --decrypt -i {} -o {out} {} && zstd -dc {out} | mbstream -x -C {}",
        shown(&identity),
        shown(&archive),
        shown(&theirs),
        out = shown(&decrypted),
    );
    let done = Invocation::new("/bin/sh").args(["-c", &line]).output(Duration::from_secs(60)).unwrap();
    assert!(done.status.success(), "{line}: {}", done.stderr);
    unpack(&decrypted, &ours, None);
    let found = files::digests(&ours);
    assert!(found.len() > 20, "{found:?}");
    assert_eq!(found, files::digests(&theirs));
}

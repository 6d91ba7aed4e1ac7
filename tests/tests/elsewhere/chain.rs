//! Backups that are kept elsewhere only: taken, built upon, listed, pinned, pruned, read and restored from there.

use rstest::rstest;
use xb_core::settings::EncryptWith;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, server};

use crate::place::{Kind, Place};

/// Nothing of a backup is here.
fn only_metadata_is_here(home: &Home) {
    let here: u64 = [home.store(), home.work()]
        .iter()
        .flat_map(|dir| files::files_below(dir))
        .map(|file| files::size(&file))
        .sum();
    assert!(here < 300_000, "{here} bytes: {:?}", home.contents());
}

#[rstest]
#[case(Kind::Ssh, Form::Directory, None)]
#[case(Kind::Ssh, Form::Zstd, Some(EncryptWith::Aes256))]
#[case(Kind::S3, Form::Zstd, None)]
#[case(Kind::S3, Form::Qpress, Some(EncryptWith::Aes256))]
fn a_chain_is_kept_and_restored_from_afar(
    #[case] kind: Kind,
    #[case] form: Form,
    #[case] encrypt: Option<EncryptWith>,
) {
    let (place, source) = (Place::start(kind), server::source(10));
    let mut home = Home::new(&source, form);
    place.settle(&mut home);
    let key = home.path().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    home.settings.encrypt = encrypt;
    home.settings.encrypt_key_file = encrypt.map(|_| key);
    cli::run(&home, &["full"]).good();
    dataset::change(&source, 1).unwrap();
    cli::run(&home, &["incr"]).good();
    dataset::change(&source, 2).unwrap();
    let last = cli::run(&home, &["--quiet", "incr"]).good();
    let wanted = source.checksums().unwrap();
    let backups = home.backups();
    assert_eq!(backups.len(), 3);
    assert!(last.stdout.contains(&backups[2].to_string()), "{}", last.text());
    only_metadata_is_here(&home);
    let listed = cli::run(&home, &["list"]).good();
    assert!(listed.stdout.contains(&format!("# Full backup: {}", backups[0])), "{}", listed.text());
    assert_eq!(cli::run(&home, &["status"]).code, Some(0));
    let lsn = cli::run(&home, &["last-lsn"]).good();
    assert_eq!(lsn.stdout.trim(), home.catalog().newest().unwrap().lsns.unwrap().to.to_string());
    let restored = home.restored().display().to_string();
    cli::run(&home, &["restore-set", "--restore-dir", &restored]).good();
    let copy = home.restored().join(format!("P_{}", backups[2]));
    assert_eq!(server::on(&copy, &home.path().join("server")).checksums().unwrap(), wanted);
}

#[rstest]
fn an_archive_is_looked_into_where_it_is(#[values(Kind::Ssh, Kind::S3)] kind: Kind) {
    let (place, source) = (Place::start(kind), server::shared());
    let mut home = Home::new(&source, Form::Zstd);
    place.settle(&mut home);
    cli::run(&home, &["full"]).good();
    let catalog = home.catalog();
    let archive = catalog.newest().unwrap().directory.join("backup.xbs.zst").display().to_string();
    let listed = cli::run(&home, &["archive", "list", &archive, "--format", "lines"]).good();
    assert!(listed.stdout.contains("ibdata1"), "{}", listed.text());
    let printed = cli::run(&home, &["archive", "cat", &archive, "xtrabackup_checkpoints"]).good();
    assert!(printed.stdout.contains("full-backuped"), "{}", printed.text());
    let none = cli::run(&home, &["archive", "list", &archive.replace("backup.xbs", "other.xbs")]);
    assert_eq!(none.code, Some(96), "{}", none.text());
}

#[rstest]
fn sets_stay_in_place_and_go_by_retention_and_pins_hold_them(#[values(Kind::Ssh, Kind::S3)] kind: Kind) {
    let (place, source) = (Place::start(kind), server::shared());
    let mut home = Home::new(&source, Form::Zstd);
    place.settle(&mut home);
    home.settings.retention_sets = 2;
    home.settings.retention_weeks = 1;
    for day in [1, 3, 9, 16, 17] {
        let at = chrono::NaiveDate::from_ymd_opt(2026, 6, day).unwrap().and_hms_opt(3, 0, 0).unwrap();
        home.engine_at(at).full().unwrap();
        if day == 1 {
            let first = home.backups()[0].to_string();
            cli::run(&home, &["pin", &first]).good();
        }
    }
    let days = |home: &Home| -> Vec<String> {
        home.backups().iter().map(|id| id.to_string()[8..10].to_owned()).collect()
    };
    // Pinned; the last of its week; the newest two.
    assert_eq!(days(&home), ["01", "09", "16", "17"]);
    let first = home.backups()[0].to_string();
    cli::run(&home, &["unpin", &first]).good();
    let planned = cli::run(&home, &["prune", "--dry-run"]).good();
    assert!(planned.stdout.contains(&format!("remove {first}")), "{}", planned.text());
    assert_eq!(days(&home).len(), 4);
    cli::run(&home, &["prune"]).good();
    assert_eq!(days(&home), ["09", "16", "17"]);
    for object in place.objects() {
        assert!(home.backups().iter().any(|id| object.contains(&id.to_string())), "{object} was left behind");
    }
}

#[rstest]
fn the_prepared_copy_is_made_from_afar() {
    let (place, source) = (Place::start(Kind::S3), server::source(5));
    let mut home = Home::new(&source, Form::Zstd);
    place.settle(&mut home);
    home.settings.apply_log = true;
    cli::run(&home, &["full"]).good();
    dataset::change(&source, 1).unwrap();
    cli::run(&home, &["incr"]).good();
    let wanted = source.checksums().unwrap();
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(restored.members_prepared, 2);
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
}

#[test]
fn the_hosts_own_program_prunes_there_and_is_asked_whether_it_knows_the_backup() {
    let (place, source) = (Place::start(Kind::Ssh), server::shared());
    let mut home = Home::new(&source, Form::Zstd);
    place.settle(&mut home);
    home.settings.retention_sets = 1;
    let config = home.path().join("far.cnf");
    let (far, work) = (place.root(), home.path().join("far work"));
    std::fs::create_dir(&work).unwrap();
    let text = format!("[pyxbackup]\nstor_dir = {}\nwork_dir = {}\n", far.display(), work.display());
    std::fs::write(&config, text + "retention_sets = 2\n").unwrap();
    let words = [cli::program().display().to_string(), "--config".into(), config.display().to_string()];
    home.settings.remote_script = words.to_vec();
    for _ in 0..3 {
        let ended = cli::run(&home, &["full"]).good();
        assert!(!ended.stderr.contains("warning"), "{}", ended.text());
    }
    assert_eq!(home.backups().len(), 2, "by the retention of the host");
    // What the original prints: one line, values with a space between.
    let original = home.path().join("original");
    files::script(&original, "case $* in *prune*) exit 0;; *) echo 2014_01_01-00_00_00;; esac");
    home.settings.remote_script = vec![original.display().to_string()];
    let ended = cli::run(&home, &["full"]).good();
    assert!(ended.stderr.contains("tells 2014_01_01-00_00_00 as its newest backup"), "{}", ended.text());
    files::script(&original, "echo it is out of order >&2; exit 3");
    let ended = cli::run(&home, &["full"]).ended_with(96);
    assert!(
        ended.stderr.contains("is taken and committed") && ended.stderr.contains("out of order"),
        "{}",
        ended.text()
    );
    assert_eq!(home.backups().len(), 4);
}

//! Second stores: each gets every backup, has a retention of its own, and is mended by the next run.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rstest::rstest;

use xb_catalog::Catalog;
use xb_core::BackupId;
use xb_sandbox::dataset;
use xb_tests::cli;
use xb_tests::home::{Form, Home};
use xb_tests::relay::Way;
use xb_tests::{files, server, wait_until};

use crate::place::{Kind, Place};

fn ids(store: &Path) -> Vec<BackupId> {
    let catalog = Catalog::scan(store).unwrap();
    assert!(catalog.partials.is_empty() && catalog.strays.is_empty(), "{:?}", catalog.strays);
    for record in catalog.records() {
        assert!(record.is_complete(), "{:?}", record.state);
    }
    catalog.records().map(|record| record.id()).collect()
}

/// The locks are no part of a backup.
fn is_hidden(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// A home that copies to a directory with an odd name.
fn with_copy(server: &xb_sandbox::Server, form: Form) -> (Home, std::path::PathBuf) {
    let mut home = Home::new(server, form);
    let copy = home.path().join("a copy's $(touch x) \"dir\"");
    fs::create_dir(&copy).unwrap();
    home.settings.copy_to = vec![copy.display().to_string()];
    (home, copy)
}

#[test]
fn a_copy_has_the_very_bytes_and_restores() {
    let source = server::source(5);
    for (round, form) in (1..).zip([Form::Zstd, Form::Directory]) {
        let (mut home, copy) = with_copy(&source, form);
        cli::run(&home, &["full"]).good();
        dataset::change(&source, round).unwrap();
        cli::run(&home, &["incr"]).good();
        let wanted = source.checksums().unwrap();
        assert_eq!(ids(&copy), home.backups());
        for file in files::files_below(&home.store()).iter().filter(|file| !is_hidden(file)) {
            let copied = copy.join(file.strip_prefix(home.store()).unwrap());
            assert_eq!(fs::read(file).unwrap(), fs::read(&copied).unwrap(), "{}", copied.display());
        }
        home.settings.stor_dir = Some(copy);
        let restored = home.engine().restore_set().unwrap();
        let restored = server::on(&restored.directory, &home.path().join("server"));
        assert_eq!(restored.checksums().unwrap(), wanted, "{form:?}");
    }
}

#[test]
fn a_copy_that_cannot_be_made_is_a_warning_that_status_shows_and_the_next_run_mends() {
    let source = server::shared();
    let (home, copy) = with_copy(&source, Form::Zstd);
    let aside = home.path().join("aside");
    xb_pipeline::fs::rename(&copy, &aside).unwrap();
    let ended = cli::run(&home, &["full"]).good();
    assert!(
        ended.stderr.contains("no copy in") && ended.stderr.contains("the next run tries again"),
        "{}",
        ended.text()
    );
    let config = home.config();
    let status = cli::run(&home, &["status", "--status-format=nagios"]);
    assert_eq!(status.code, Some(1), "{} {}", status.text(), config.display());
    assert!(status.stdout.contains("No copy in"), "{}", status.text());
    xb_pipeline::fs::rename(&aside, &copy).unwrap();
    cli::run(&home, &["incr"]).good();
    assert_eq!(ids(&copy), home.backups());
    assert_eq!(home.backups().len(), 2);
    assert_eq!(cli::run(&home, &["status"]).code, Some(0));
}

#[test]
fn a_copy_has_a_retention_of_its_own() {
    let source = server::shared();
    let (mut home, copy) = with_copy(&source, Form::Zstd);
    home.settings.retention_sets = 1;
    home.settings.copy_retention_sets = Some(3);
    for _ in 0..4 {
        cli::run(&home, &["full"]).good();
    }
    assert_eq!((home.backups().len(), ids(&copy).len()), (1, 3));
    home.settings.copy_retention_sets = Some(2);
    let pruned = cli::run(&home, &["prune"]).good();
    assert!(pruned.stdout.contains("its own retention does not keep it"), "{}", pruned.text());
    assert_eq!((home.backups().len(), ids(&copy).len()), (1, 2));
}

#[test]
fn a_backup_is_copied_by_hand_with_all_it_builds_on_and_nothing_twice() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Zstd);
    for command in ["full", "incr", "incr", "full"] {
        cli::run(&home, &[command]).good();
    }
    let other = home.path().join("other");
    fs::create_dir(&other).unwrap();
    let to = format!("file://{}", other.display());
    let backups = home.backups();
    let copied = cli::run(&home, &["copy", &backups[1].to_string(), "--to", &to]).good();
    assert!(copied.stdout.contains(&backups[0].to_string()), "{}", copied.text());
    assert_eq!(ids(&other), backups[..2]);
    let again = cli::run(&home, &["copy", &backups[1].to_string(), "--to", &to]).good();
    assert!(again.stdout.contains("has every backup"), "{}", again.text());
    home.settings.copy_to = vec![to];
    cli::run(&home, &["copy"]).good();
    assert_eq!(ids(&other), backups);
    let ended = cli::run(&home, &["copy", "2020_01_01-00_00_00"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text());
}

#[test]
fn a_backup_that_has_changed_is_not_copied_and_a_damaged_copy_is_made_anew() {
    let source = server::shared();
    let (home, copy) = with_copy(&source, Form::Zstd);
    cli::run(&home, &["full"]).good();
    let id = home.backups()[0];
    let archive = |store: &Path| store.join(format!("full/{id}/backup.xbs.zst"));
    let whole = fs::read(archive(&home.store())).unwrap();
    fs::write(archive(&copy), &whole[1..]).unwrap();
    let mended = cli::run(&home, &["copy"]).good();
    assert!(mended.stderr.contains("is damaged and made anew"), "{}", mended.text());
    assert_eq!(fs::read(archive(&copy)).unwrap(), whole);
    fs::remove_dir_all(copy.join("full")).unwrap();
    let mut changed = whole;
    changed[100] ^= 1;
    fs::write(archive(&home.store()), changed).unwrap();
    let ended = cli::run(&home, &["copy"]);
    assert_eq!(ended.code, Some(2), "{}", ended.text());
    assert!(ended.stderr.contains("its digest is not that of the manifest"), "{}", ended.text());
    assert_eq!(ids(&copy), []);
}

#[test]
fn every_server_beside_ours_is_listed_and_judged() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Zstd);
    let fleet = home.path().join("fleet");
    for name in ["db1", "db 2", "notes"] {
        fs::create_dir_all(fleet.join(name)).unwrap();
    }
    fs::write(fleet.join("notes/todo"), "not a store").unwrap();
    for name in ["db1", "db 2"] {
        home.settings.stor_dir = Some(fleet.join(name));
        home.engine().full().unwrap();
    }
    let listed = cli::run(&home, &["list", "--all", "--format", "json"]).good();
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    let names: Vec<_> = listed["servers"].as_array().unwrap().iter().map(|server| &server["name"]).collect();
    assert_eq!(names, ["db 2", "db1"]);
    let lines = cli::run(&home, &["list", "--all"]).good();
    assert_eq!(lines.stdout.matches("Full backup").count(), 2, "{}", lines.text());
    let good = cli::run(&home, &["status", "--all", "--status-format=nagios"]);
    assert_eq!(good.code, Some(0), "{}", good.text());
    assert!(good.stdout.starts_with("OK - all 2 servers"), "{}", good.text());
    let archive = files::files_below(&fleet.join("db1"));
    let archive = archive.iter().find(|file| file.ends_with("backup.xbs.zst")).unwrap();
    fs::write(archive, "rot").unwrap();
    let bad = cli::run(&home, &["status", "--all", "--status-format=nagios"]);
    assert_eq!(bad.code, Some(2), "{}", bad.text());
    assert!(bad.stdout.starts_with("CRITICAL - 1 of 2 servers"), "{}", bad.text());
}

#[rstest]
fn a_backup_is_kept_here_and_sent_to_the_other_end(#[values(Kind::Ssh, Kind::S3)] kind: Kind) {
    let (place, source) = (Place::start(kind), server::source(5));
    for (round, form) in (1..).zip([Form::Zstd, Form::Directory]) {
        let mut home = Home::new(&source, form);
        place.receive_copies(&mut home);
        cli::run(&home, &["full"]).good();
        dataset::change(&source, round).unwrap();
        cli::run(&home, &["incr"]).good();
        let wanted = source.checksums().unwrap();
        let backups = home.backups();
        place.settle(&mut home);
        assert_eq!(home.backups(), backups, "{kind:?} {form:?}");
        let restored = home.engine().restore_set().unwrap();
        assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
        for object in place.objects() {
            std::fs::remove_file(place.root().join(object)).unwrap();
        }
    }
}

#[test]
fn a_push_that_fails_ends_with_2_and_the_backup_that_is_kept_is_good() {
    let (place, source) = (Place::start(Kind::Ssh), server::shared());
    let mut home = Home::new(&source, Form::Zstd);
    place.receive_copies(&mut home);
    let far = place.root();
    let aside = far.with_file_name("aside");
    xb_pipeline::fs::rename(&far, &aside).unwrap();
    let ended = cli::run(&home, &["full"]).ended_with(2);
    let id = home.backups()[0];
    assert!(
        ended.stderr.contains(&format!("{id} is taken and committed, but there is no copy in")),
        "{}",
        ended.text()
    );
    assert!(ended.stderr.contains("the next run copies it"), "{}", ended.text());
    xb_pipeline::fs::rename(&aside, &far).unwrap();
    cli::run(&home, &["incr"]).good();
    assert_eq!(ids(&far), home.backups());
}

#[test]
fn a_copy_that_was_killed_is_gone_on_with() {
    let (place, source) = (Place::start(Kind::Ssh), server::source(20));
    let mut home = Home::new(&source, Form::Directory);
    cli::run(&home, &["full"]).good();
    place.receive_copies(&mut home);
    let sent = || place.relay.carried(Way::There);
    let before = sent();
    let run = cli::start(&home, &["copy"]);
    wait_until("some files are there", Duration::from_secs(60), || place.objects().len() > 20);
    run.kill();
    let killed = sent() - before;
    let all: u64 = files::files_below(&home.store()).iter().map(|file| files::size(file)).sum();
    assert!(killed < all, "it was too late");
    cli::run(&home, &["copy"]).good();
    assert!(
        sent() - before < all + all / 2,
        "{} bytes of {all}: what was there was sent again",
        sent() - before
    );
    assert_eq!(ids(&place.root()), home.backups());
}

#[test]
fn netcat_carries_what_ssh_confirms_and_what_is_not_encrypted_is_warned_of() {
    let (place, source) = (Place::start(Kind::Ssh), server::source(5));
    let mut home = Home::new(&source, Form::Zstd);
    place.settle(&mut home);
    let port = xb_sandbox::free_port().unwrap();
    home.settings.remote_nc_port = Some((port.saturating_add(20).min(65_000), port.min(64_980)));
    let ended = cli::run(&home, &["full"]).good();
    assert!(ended.stderr.contains("set encrypt"), "{}", ended.text());
    let wanted = source.checksums().unwrap();
    let archive = home.catalog().newest().unwrap().sizes.unwrap().stored_bytes;
    assert!(place.relay.carried(Way::There) < archive, "it did not go through ssh");
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
}

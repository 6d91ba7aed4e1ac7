//! What is kept and what goes, on backups of a real server; the time is the test's.

use std::fs;
use std::path::Path;
use std::time::Duration;

use chrono::NaiveDateTime;
use xb_catalog::{BackupSet, ShelvedSet};
use xb_core::BackupId;
use xb_engine::{BackupReport, PruneOptions};
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, server, wait_until};

fn time(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
}

fn full_at(home: &Home, text: &str) -> BackupReport {
    home.engine_at(time(text)).full().unwrap()
}

fn incr_at(home: &Home, text: &str) -> BackupReport {
    home.engine_at(time(text)).incr().unwrap()
}

/// The days on which sets began.
fn days<'a>(sets: impl IntoIterator<Item = &'a BackupSet>) -> Vec<String> {
    sets.into_iter().map(|set| set.id.local_time().format("%m-%d").to_string()).collect()
}

fn shelved(sets: &[ShelvedSet]) -> Vec<String> {
    days(sets.iter().map(|shelved| &shelved.set))
}

#[test]
fn sets_move_from_shelf_to_shelf_as_newer_ones_come_and_restore_from_each() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    home.settings.retention_sets = 2;
    home.settings.retention_weeks = 2;
    home.settings.retention_months = 1;
    // Sundays, and what comes between.
    full_at(&home, "2026-08-23 03:00");
    full_at(&home, "2026-08-30 03:00");
    let monthly = incr_at(&home, "2026-08-31 03:00").manifest.id;
    let wanted = source.checksums().unwrap();
    dataset::change(&source, 1).unwrap();
    for day in ["2026-09-02 03:00", "2026-09-06 03:00", "2026-09-13 03:00", "2026-09-20 03:00"] {
        full_at(&home, day);
    }
    let catalog = home.catalog();
    assert_eq!(days(&catalog.sets), ["09-13", "09-20"]);
    assert_eq!(shelved(&catalog.weekly), ["08-30", "09-06"]);
    assert_eq!(shelved(&catalog.monthly), Vec::<String>::new());
    full_at(&home, "2026-09-27 03:00");
    let catalog = home.catalog();
    assert_eq!(shelved(&catalog.weekly), ["09-06", "09-13"]);
    assert_eq!(shelved(&catalog.monthly), ["08-30"]);
    assert_eq!(catalog.monthly[0].name, monthly, "named after its newest member");
    assert!(catalog.partials.is_empty());
    assert_eq!(files::not_private(&home.store()), Vec::<String>::new());

    let restored = home.restorer(Some(monthly)).restore_set().unwrap();
    assert_eq!(restored.members.len(), 2);
    let copy = server::on(&restored.directory, &home.path().join("server"));
    assert_eq!(copy.checksums().unwrap(), wanted);
    let listed = cli::run(&home, &["list", "--quiet"]).good();
    assert!(listed.stdout.contains(&format!("# Monthly list: ['{monthly}']")), "{}", listed.text());

    // The next incremental builds on a current set, and a month without backups changes nothing.
    let next = incr_at(&home, "2026-10-30 03:00");
    assert_eq!(days(&home.catalog().sets), ["09-20", "09-27"]);
    assert_eq!(next.manifest.set, home.catalog().sets[1].id);
    let again = home.engine_at(time("2027-03-01 00:00")).prune(PruneOptions::default()).unwrap();
    assert!(again.plan.is_idle() && again.leftovers.is_empty(), "{again:?}");
}

#[test]
fn a_dry_run_says_what_a_prune_then_does_and_pins_hold_it() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.prune_after_backup = false;
    let ids: Vec<BackupId> =
        (1..=4).map(|day| full_at(&home, &format!("2026-09-0{day} 03:00")).manifest.id).collect();
    let before = files::everything_below(&home.store());
    cli::run(&home, &["pin", &ids[0].to_string(), "--note", "before the \"move\""]).good();
    let pinned_store = files::everything_below(&home.store());
    let plan = cli::run(&home, &["prune", "--dry-run", "--quiet"]).good();
    let of = |id: BackupId| {
        let id = id.to_string();
        plan.stdout
            .lines()
            .find(|line| line.contains(&id))
            .unwrap_or_else(|| panic!("{}", plan.text()))
            .to_owned()
    };
    assert!(of(ids[0]).starts_with("keep") && of(ids[0]).contains("is pinned"), "{}", plan.text());
    assert!(of(ids[1]).starts_with("remove") && of(ids[1]).contains("frees"), "{}", plan.text());
    assert!(of(ids[3]).starts_with("keep") && of(ids[3]).contains("newest"), "{}", plan.text());
    assert_eq!(files::everything_below(&home.store()), pinned_store, "nothing was changed");
    assert!(pinned_store.len() > before.len());
    let json = cli::run(&home, &["prune", "--dry-run", "--format", "json"]).good();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let stored = home.catalog().sets[1].full.as_ref().unwrap().sizes.unwrap().stored_bytes;
    assert_eq!(json["plan"]["sets"][1]["frees_bytes"], stored);
    assert_eq!(json["done"], false);
    let table = cli::run(&home, &["prune", "--dry-run", "--format", "table"]).good();
    assert!(table.stdout.trim_start().starts_with("ACTION"), "{}", table.text());

    cli::run(&home, &["prune"]).good();
    assert_eq!(home.backups(), [ids[0], ids[2], ids[3]]);
    cli::run(&home, &["unpin", &ids[0].to_string()]).good();
    cli::run(&home, &["prune"]).good();
    assert_eq!(home.backups(), [ids[2], ids[3]]);
    let unknown = cli::run(&home, &["pin", "2026_09_03-03_00_01"]).ended_with(128);
    assert!(unknown.stderr.contains("nearest in time"), "{}", unknown.text());
}

#[test]
fn what_cannot_be_restored_goes_only_when_asked_for_and_proven_damaged() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.prune_after_backup = false;
    home.settings.retention_sets = 1;
    let reports: Vec<BackupReport> =
        (1..=3).map(|day| full_at(&home, &format!("2026-09-0{day} 03:00"))).collect();
    let [damaged, newer, good] = <[BackupReport; 3]>::try_from(reports).unwrap();
    fs::write(damaged.directory.join("backup.xbs.gz"), "cut").unwrap();
    let manifest = newer.directory.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap().replacen("\"format\": 1", "\"format\": 99", 1);
    fs::write(&manifest, text).unwrap();
    let there = |report: &BackupReport| report.directory.exists();
    let said = cli::run(&home, &["prune"]).good();
    assert!(said.stdout.contains("cannot be restored, left for you to look at"), "{}", said.text());
    assert!(there(&damaged) && there(&newer) && there(&good));
    cli::run(&home, &["prune", "--broken"]).good();
    assert!(!there(&damaged) && there(&newer) && there(&good));
}

#[test]
fn what_dead_runs_left_goes_and_what_is_not_ours_stays() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.retention_sets = 1;
    let old = full_at(&home, "2026-09-01 03:00").manifest.id;
    let make = |path: &str| {
        let path = home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        path
    };
    let ours = [
        format!("store/incr/{old}/2026_09_02-00_00_00.partial/backup.xbs.gz"),
        "store/weekly/2026_09_02-00_00_00.partial/full/x".to_owned(),
        "work/.pyxbackup-run-999999/engine.cnf".to_owned(),
        "work/.pyxbackup-staging-2026_09_02-00_00_00/ibdata1".to_owned(),
        "work/2026_08_31-23_59_59-pyxbackup.log".to_owned(),
    ]
    .map(|path| make(&path));
    let theirs = [
        "store/full/notes.txt",
        "store/my.sql",
        "work/P_2026_09_02-00_00_00/ibdata1",
        "work/2026_08_31-23_59_59-mine.log",
    ]
    .map(make);
    let plan = cli::run(&home, &["prune", "--dry-run"]).good();
    assert!(
        plan.stdout.contains(".pyxbackup-run-999999")
            && plan.stdout.contains("remove 2026_08_31-23_59_59-pyxbackup.log: "),
        "{}",
        plan.text()
    );
    assert!(ours.iter().all(|path| path.exists()));
    cli::run(&home, &["prune"]).good();
    let left: Vec<_> = ours.iter().filter(|path| path.exists()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(theirs.iter().all(|path| path.exists()));
    assert_eq!(home.backups(), [old]);
}

#[test]
fn a_prune_waits_for_nobody_and_does_not_take_a_living_run_for_a_dead_one() {
    let source = server::shared();
    let home = Home::new(&source, Form::Gzip);
    full_at(&home, "2026-09-01 03:00");
    files::script(&home.engines().join("mariadb-backup"), ENGINE_THAT_WAITS);
    let run = cli::start(&home, &["full"]);
    let has_begun = || files::everything_below(&home.store()).iter().any(|path| path.ends_with(".partial"));
    wait_until("a run has begun", Duration::from_secs(30), has_begun);
    cli::run(&home, &["prune"]).ended_with(75);
    let plan = cli::run(&home, &["prune", "--dry-run"]).good();
    assert!(!plan.stdout.contains(".partial"), "{}", plan.text());
    assert!(has_begun(), "it is still there");
    run.kill();
}

#[test]
fn a_set_that_is_being_restored_stays_until_it_is_done() {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.prune_after_backup = false;
    let old = full_at(&home, "2026-09-01 03:00").manifest.id;
    home.settings.retention_sets = 1;
    full_at(&home, "2026-09-02 03:00");
    let go = home.path().join("go");
    let wait =
        format!("case \"$*\" in *--prepare*) while [ ! -e '{}' ]; do sleep 0.1; done;; esac", go.display());
    let engine = format!("{wait}\nexec /usr/bin/mariadb-backup \"$@\"");
    files::script(&home.engines().join("mariadb-backup"), &engine);
    let (restored, name) = (home.restored().display().to_string(), old.to_string());
    let run = cli::start(&home, &["restore-set", "--restore-dir", &restored, "--restore-backup", &name]);
    let prepares = || files::everything_below(&home.restored()).iter().any(|path| path.ends_with("ibdata1"));
    wait_until("the restore has begun", Duration::from_secs(30), prepares);
    let told = home.path().join("told.json");
    let tell = home.path().join("tell");
    files::script(&tell, &format!("cat > '{}'", told.display()));
    home.settings.notify_command = vec![tell.display().to_string()];
    let put_off = cli::run(&home, &["prune"]).ended_with(75);
    assert!(put_off.stderr.contains("a restore reads"), "{}", put_off.text());
    assert!(told.exists() && fs::read_to_string(&told).unwrap().contains("\"result\":\"failure\""));
    home.settings.notify_command.clear();
    cli::run(&home, &["wipeout", "--i-am-absolutely-sure-wipeout"]).ended_with(75);
    assert_eq!(home.backups().len(), 2);
    fs::write(&go, "").unwrap();
    run.wait().good();
    cli::run(&home, &["prune"]).good();
    assert_eq!(home.backups().len(), 1);
}

/// Tells its version, and then keeps still.
const ENGINE_THAT_WAITS: &str =
    "case \"$*\" in *--version*) exec /usr/bin/mariadb-backup --version;; esac\nexec sleep 100";

#[test]
fn a_wipeout_says_what_goes_and_leaves_what_is_not_ours() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    home.settings.retention_sets = 1;
    home.settings.retention_weeks = 5;
    home.settings.apply_log = true;
    full_at(&home, "2026-09-01 03:00");
    let plain = {
        home.set_form(Form::Directory);
        full_at(&home, "2026-09-08 03:00").manifest.id
    };
    incr_at(&home, "2026-09-09 03:00");
    home.engine().pin(plain, None).unwrap();
    let theirs = [
        "store/my.sql".to_owned(),
        "store/full/notes.txt".to_owned(),
        format!("store/full/{plain}/shop/notes.txt"),
        "work/notes.txt".to_owned(),
    ]
    .map(|path| home.path().join(path));
    theirs.iter().for_each(|path| fs::write(path, "mine").unwrap());
    let before = files::everything_below(home.path());
    let said = cli::run(&home, &["wipeout"]).good();
    let shown = |path: &Path| said.stdout.contains(&path.display().to_string());
    assert!(
        shown(&home.store()) && shown(&home.store().join("full").join(plain.to_string())),
        "{}",
        said.text()
    );
    assert!(said.stderr.contains("--i-am-absolutely-sure-wipeout"), "{}", said.text());
    let is_theirs = |path: &String| path.starts_with("store") || path.starts_with("work");
    let kept = |paths: Vec<String>| paths.into_iter().filter(is_theirs).collect::<Vec<_>>();
    assert_eq!(kept(files::everything_below(home.path())), kept(before), "nothing was removed");

    cli::run(&home, &["wipeout", "--i-am-absolutely-sure-wipeout"]).good();
    assert!(
        theirs.iter().all(|path| fs::read(path).is_ok_and(|text| text == b"mine")),
        "what is theirs stays"
    );
    let left: Vec<String> =
        home.contents().into_iter().filter(|path| !home.path().join(path).is_dir()).collect();
    let expected = ["my.sql", "notes.txt", "notes.txt", "notes.txt", "prepared.lock"];
    assert!(left.iter().all(|path| expected.iter().any(|name| path.ends_with(name))), "{left:?}");
}

//! The prepared copy: kept with every backup, brought up later, started from, and never trusted when something
//! happened to it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rstest::rstest;
use xb_core::BackupId;
use xb_core::settings::{ApplyLogArchive, EncryptWith, PrepareMemory};
use xb_engine::ApplyReport;
use xb_pipeline::process::find_program;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, processes, server, wait_until};

/// The state that says what a copy holds.
const STATE: &str = "pyxbackup_prepared.json";

fn copy_of(home: &Home, set: BackupId) -> PathBuf {
    home.work().join(format!("P_{set}"))
}

/// The prepared copies in the work directory, and what is left of some.
fn copies(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.work()).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("P_")).collect()
}

/// A server on a copy of the prepared copy, which itself stays as it is, has these tables.
fn assert_holds(copy: &Path, home: &Home, wanted: &BTreeMap<String, Option<u64>>) {
    let look = tempfile::Builder::new().prefix("look").tempdir_in(home.path()).unwrap();
    let datadir = look.path().join("data");
    files::copy_tree(copy, &datadir);
    assert_eq!(&server::on(&datadir, &look.path().join("server")).checksums().unwrap(), wanted);
}

fn key(home: &Home) -> PathBuf {
    let path = home.path().join("key");
    fs::write(&path, [7; 32]).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    path
}

/// A form, whether it is encrypted, what of it is stored, and its name.
type Kept = (Form, bool, ApplyLogArchive, Option<&'static str>);

#[rstest]
#[case::directory((Form::Directory, false, ApplyLogArchive::Tar, None))]
#[case::gzip((Form::Gzip, false, ApplyLogArchive::Tar, Some("backup.tar.gz")))]
#[case::qpress((Form::Qpress, false, ApplyLogArchive::Tar, Some("backup.qp")))]
#[case::encrypted((Form::Qpress, true, ApplyLogArchive::Tar, Some("backup.qp.xbcrypt")))]
#[case::stream((Form::Zstd, true, ApplyLogArchive::Xbs, Some("backup.xbs.zst.xbcrypt")))]
fn each_backup_becomes_part_of_the_copy_and_stays_as_it_was(#[case] (form, encrypt, kept, archive): Kept) {
    let source = server::source(1);
    let mut home = Home::new(&source, form);
    home.settings.apply_log = true;
    home.settings.apply_log_archive = kept;
    home.settings.encrypt = encrypt.then_some(EncryptWith::Aes256);
    home.settings.encrypt_key_file = encrypt.then(|| key(&home));
    home.settings.compress = archive.is_some();
    let before = home.engine().full().unwrap();
    let full = home.engine().full().unwrap();
    assert_eq!(copies(&home), [format!("P_{}", full.manifest.id)], "a new full replaces the former copy");
    dataset::change(&source, 1).unwrap();
    home.engine().incr().unwrap();
    dataset::change(&source, 2).unwrap();
    let last = home.engine().incr().unwrap();
    let wanted = source.checksums().unwrap();
    dataset::change(&source, 3).unwrap();

    let prepared = last.prepared.clone().unwrap();
    assert_eq!((prepared.rebuilt.clone(), prepared.members.len()), (None, 3));
    assert_eq!(prepared.applied, [last.manifest.id]);
    assert_eq!(prepared.to_lsn, Some(last.manifest.lsns.to));
    assert_holds(&copy_of(&home, full.manifest.id), &home, &wanted);
    for report in [&before, &full, &last] {
        assert_eq!(report.manifest.archive, archive.unwrap_or("directory"));
        for object in &report.manifest.objects {
            let (_, digest) = xb_pipeline::digest_file(&report.directory.join(&object.path)).unwrap();
            assert_eq!(digest, object.blake3, "{} was altered", object.path.display());
        }
    }
    let mode = fs::metadata(copy_of(&home, full.manifest.id)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700, "the engine's own files in it are open to a group");

    let from_copy = home.engine().restore_set().unwrap();
    assert_eq!((from_copy.members.len(), from_copy.members_prepared), (3, 3));
    let started = server::on(&from_copy.directory, &home.path().join("from-copy"));
    assert_eq!(started.checksums().unwrap(), wanted);
    assert!(!from_copy.directory.join(STATE).exists(), "what we keep beside the data is not the server's");
    fs::remove_dir_all(copy_of(&home, full.manifest.id)).unwrap();
    drop(started);
    fs::remove_dir_all(&from_copy.directory).unwrap();
    let from_store = home.engine().restore_set().unwrap();
    assert_eq!(from_store.members_prepared, 0);
    assert_eq!(
        server::on(&from_store.directory, &home.path().join("from-store")).checksums().unwrap(),
        wanted
    );
}

#[test]
fn apply_last_brings_the_copy_up_from_wherever_it_stands() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    let full = home.engine().full().unwrap().manifest.id;
    let apply = |home: &Home| -> ApplyReport { home.engine().apply_last().unwrap() };
    let made = apply(&home);
    assert_eq!((made.applied.as_slice(), made.rebuilt), (&[full][..], None));
    dataset::change(&source, 1).unwrap();
    let first = home.engine().incr().unwrap().manifest.id;
    dataset::change(&source, 2).unwrap();
    let second = home.engine().incr().unwrap().manifest.id;
    let caught_up = apply(&home);
    assert_eq!((caught_up.applied.as_slice(), caught_up.rebuilt), (&[first, second][..], None));
    let nothing = apply(&home);
    assert_eq!((nothing.applied.len(), nothing.members.len()), (0, 3));
    assert_holds(&copy_of(&home, full), &home, &source.checksums().unwrap());

    // A restore of an earlier backup cannot start from it, one of a later backup can.
    assert_eq!(home.restorer(Some(first)).restore_set().unwrap().members_prepared, 0);
    dataset::change(&source, 3).unwrap();
    home.settings.encrypt = None;
    let third = home.engine().incr().unwrap().manifest.id;
    let restored = home.restorer(Some(third)).restore_set().unwrap();
    assert_eq!((restored.members.len(), restored.members_prepared), (4, 3));
    let copy = server::on(&restored.directory, &home.path().join("server"));
    assert_eq!(copy.checksums().unwrap(), source.checksums().unwrap());
    let said = cli::run(&home, &["apply-last"]).good();
    assert!(said.stdout.contains(&format!("applied {third}")), "{}", said.text());
}

/// What happens to prepared copies.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// A server is started on it.
    Started,
    /// A file is changed.
    Edited,
    /// Its state is damaged.
    Unreadable,
}

#[rstest]
fn a_copy_that_something_happened_to_is_made_anew_and_not_started_from(
    #[values(Mishap::Started, Mishap::Edited, Mishap::Unreadable)] mishap: Mishap,
) {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.apply_log = true;
    let full = home.engine().full().unwrap().manifest.id;
    let copy = copy_of(&home, full);
    match mishap {
        Mishap::Started => drop(server::on(&copy, &home.path().join("server"))),
        Mishap::Edited => fs::write(copy.join("ibdata1"), "gone").unwrap(),
        Mishap::Unreadable => fs::write(copy.join(STATE), "{\"format\": 1").unwrap(),
    }
    assert_eq!(home.engine().restore_set().unwrap().members_prepared, 0);
    dataset::change(&source, 1).unwrap();
    let taken = home.engine().incr().unwrap().prepared.unwrap();
    assert_eq!(taken.applied.len(), 2);
    assert!(taken.rebuilt.is_some());
    assert_holds(&copy, &home, &source.checksums().unwrap());
}

#[test]
fn a_directory_of_somebody_else_is_not_replaced() {
    let source = server::source(0);
    let home = Home::new(&source, Form::Gzip);
    let full = home.engine().full().unwrap().manifest.id;
    let foreign = copy_of(&home, full);
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("ibdata1"), "somebody's").unwrap();
    let ended = cli::run(&home, &["apply-last"]).ended_with(128);
    assert!(
        ended.stderr.contains("is not a prepared copy") && ended.stderr.contains("hint: "),
        "{}",
        ended.text()
    );
    assert_eq!(fs::read(foreign.join("ibdata1")).unwrap(), b"somebody's");
}

/// An engine in front of the real one, which does `instead` when it is to prepare.
fn wrap(home: &Home, instead: &str) {
    let real = find_program("mariadb-backup", &["/usr/bin".into(), "/usr/local/bin".into()]).unwrap();
    let path = home.engines().join("mariadb-backup");
    let script = format!(
        "#!/bin/sh\ncase \" $* \" in *' --prepare '*) echo \"$@\" >> '{}'; {instead};; esac\nexec '{}' \"$@\"\n",
        home.path().join("prepares").display(),
        real.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_run_killed_while_it_applies_leaves_a_copy_that_is_made_anew() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.apply_log = true;
    let full = home.engine().full().unwrap().manifest.id;
    dataset::change(&source, 1).unwrap();
    wrap(&home, "case \" $* \" in *incremental-dir*) sleep 60;; esac");
    let run = cli::start(&home, &["incr"]);
    let prepares = home.path().join("prepares");
    wait_until("the engine applies", Duration::from_secs(30), || prepares.exists());
    run.kill();
    let engines = || processes::mentioning(&home.work()).is_empty();
    wait_until("the engine is gone", Duration::from_secs(10), engines);
    assert_eq!(home.backups().len(), 2, "the backup was committed before");
    let state = fs::read_to_string(copy_of(&home, full).join(STATE)).unwrap();
    assert!(state.contains("applying"), "{state}");
    fs::remove_file(home.engines().join("mariadb-backup")).unwrap();
    assert_eq!(home.engine().restore_set().unwrap().members_prepared, 0, "it is not started from");

    let again = home.engine().apply_last().unwrap();
    assert!(again.rebuilt.is_some_and(|reason| reason.contains("did not finish")));
    assert_eq!(again.applied.len(), 2);
    assert_holds(&copy_of(&home, full), &home, &source.checksums().unwrap());
    assert_eq!(copies(&home), [format!("P_{full}")], "nothing of the dead run is left");
}

#[test]
fn a_backup_stays_when_it_cannot_be_applied_and_less_memory_is_given_after_a_kill() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.apply_log = true;
    home.settings.prepare_memory = PrepareMemory::Auto;
    wrap(&home, "kill -9 $$");
    let ended = cli::run(&home, &["full"]).ended_with(64);
    let full = home.backups()[0];
    assert!(ended.stderr.contains(&format!("{full} is taken and committed")), "{}", ended.text());
    assert!(
        ended.stderr.contains("want of memory") && ended.stderr.contains("apply-last"),
        "{}",
        ended.text()
    );
    assert_eq!(copies(&home), Vec::<String>::new());
    cli::run(&home, &["apply-last"]).ended_with(64);
    let json = cli::run(&home, &["full", "--json"]).ended_with(64);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["error"]["committed_backup"], home.backups()[1].to_string());
    let given: Vec<u64> =
        fs::read_to_string(home.path().join("prepares")).unwrap().lines().map(memory).collect();
    assert_eq!(given[1], given[0] / 2, "{given:?}");
    fs::remove_file(home.engines().join("mariadb-backup")).unwrap();
    cli::run(&home, &["apply-last"]).good();
    assert_holds(&copy_of(&home, home.backups()[1]), &home, &source.checksums().unwrap());
}

/// The memory on an engine's command line, in MiB.
fn memory(line: &str) -> u64 {
    let option = line.split(' ').find_map(|word| word.strip_prefix("--use-memory=")).unwrap();
    option.strip_suffix('M').unwrap().parse().unwrap()
}

/// At three in the morning many servers begin a backup of the same name.
#[test]
fn a_copy_of_another_store_is_neither_started_from_nor_built_upon_nor_removed() {
    let (one, other) = (server::source(0), server::empty());
    let mut home = Home::new(&one, Form::Directory);
    home.settings.apply_log = true;
    let time = |text: &str| chrono::NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap();
    let set = home.engine_at(time("2026-09-01 03:00")).full().unwrap().manifest.id;
    let ours = files::digests(&copy_of(&home, set));
    let mut second = Home::new(&other, Form::Directory);
    second.settings.work_dir = home.settings.work_dir.clone();
    assert_eq!(second.engine_at(time("2026-09-01 03:00")).full().unwrap().manifest.id, set);
    let restored = second.engine().restore_set().unwrap();
    assert_eq!(restored.members_prepared, 0);
    let copy = server::on(&restored.directory, &second.path().join("server"));
    assert_eq!(copy.checksums().unwrap(), other.checksums().unwrap());
    second.settings.apply_log = true;
    let error = second.engine_at(time("2026-09-01 03:00")).apply_last().unwrap_err();
    assert!(error.to_string().contains("is not a prepared copy of this store"), "{error}");
    second.engine_at(time("2026-09-02 03:00")).full().unwrap();
    assert_eq!(files::digests(&copy_of(&home, set)), ours);
}

#[test]
fn a_restore_that_cannot_go_on_from_the_copy_starts_from_the_store() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.apply_log = true;
    home.engine().full().unwrap();
    dataset::change(&source, 1).unwrap();
    home.engine().incr().unwrap();
    home.settings.apply_log = false;
    dataset::change(&source, 2).unwrap();
    home.engine().incr().unwrap();
    let once = home.path().join("once");
    wrap(&home, &format!("[ -e '{once}' ] || {{ touch '{once}'; exit 1; }}", once = once.display()));
    let restored = home.restored().display().to_string();
    let ended = cli::run(&home, &["restore-set", "--restore-dir", &restored]).good();
    assert!(ended.stderr.contains("starting from the store instead"), "{}", ended.text());
    let copy = home.restored().join(format!("P_{}", home.backups()[2]));
    assert_eq!(
        server::on(&copy, &home.path().join("server")).checksums().unwrap(),
        source.checksums().unwrap()
    );
}

#[test]
fn a_restore_into_the_work_directory_and_a_run_that_applies_leave_one_another_alone() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.engine().full().unwrap();
    dataset::change(&source, 1).unwrap();
    let last = home.engine().incr().unwrap().manifest.id;
    let go = home.path().join("go");
    let waits = format!("while [ ! -e '{}' ]; do sleep 0.1; done", go.display());
    wrap(&home, &format!("case \" $* \" in *P_{last}.partial*) {waits};; esac"));
    let work = home.work().display().to_string();
    let run = cli::start(&home, &["restore-set", "--restore-dir", &work]);
    let prepares = home.path().join("prepares");
    wait_until("the restore prepares", Duration::from_secs(30), || prepares.exists());
    let applied = home.engine().apply_last().unwrap();
    assert_eq!(applied.applied.len(), 2);
    fs::write(&go, "").unwrap();
    run.wait().good();
    let wanted = source.checksums().unwrap();
    assert_holds(&home.work().join(format!("P_{last}")), &home, &wanted);
    assert_holds(&applied.directory, &home, &wanted);
    home.settings.apply_log = true;
    home.engine().full().unwrap();
    assert!(home.work().join(format!("P_{last}")).exists(), "what was restored there is not ours to remove");
}

/// In a mount namespace of its own, which goes with it.
const ON_A_SMALL_DISK: &str =
    "mount -t tmpfs -o size=3m,mode=0700 tmpfs \"$0\" || exit 99; \"$@\"; echo \"ended: $?\"";

#[test]
fn a_work_directory_without_room_costs_the_copy_and_not_the_backup() {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    home.settings.apply_log = true;
    let work = home.work().display().to_string();
    let program = cli::program().display().to_string();
    let command = ["-m", "sh", "-c", ON_A_SMALL_DISK, &work, &program].map(str::to_owned).to_vec();
    let command = [command, cli::with_config(&home, &["full"])].concat();
    let ended = cli::run_program(&home, Path::new("unshare"), &command).good();
    assert!(ended.stdout.contains("ended: 64"), "{}", ended.text());
    assert!(ended.stderr.contains("it is stored as a stream"), "{}", ended.text());
    let catalog = home.catalog();
    let full = catalog.newest().unwrap();
    assert!(full.is_complete() && full.directory.join("backup.xbs.gz").exists());
}

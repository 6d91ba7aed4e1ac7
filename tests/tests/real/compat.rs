//! Stores of the original tool, and stores that go back to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Duration, FixedOffset, Local};
use rstest::rstest;
use xb_catalog::plan::plan_restore;
use xb_catalog::{Catalog, Origin};
use xb_core::BackupId;
use xb_engine::{Engine, Surroundings};
use xb_formats::meta::backup_meta::BackupMeta;
use xb_pipeline::clock::Clock;
use xb_sandbox::dataset;
use xb_tests::files::unpack;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, server};

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(path)
}

fn id(name: &str) -> BackupId {
    name.parse().unwrap()
}

#[test]
fn a_store_of_the_original_is_read_as_it_is() {
    let catalog = Catalog::scan(&data("catalog_only/stor")).unwrap();
    let sets: Vec<_> = catalog
        .sets
        .iter()
        .map(|set| {
            (set.id.to_string(), set.incrementals.iter().map(|i| i.id().to_string()).collect::<Vec<_>>())
        })
        .collect();
    let own = |name: &str| name.to_owned();
    assert_eq!(
        sets,
        [
            (own("2026_11_22-14_28_07"), vec![own("2026_11_22-14_28_13"), own("2026_11_22-14_28_19")]),
            (own("2026_11_22-14_28_25"), vec![own("2026_11_22-14_28_32")]),
        ]
    );
    for record in catalog.records() {
        assert!(record.is_complete(), "{record:?}");
        assert_eq!(record.origin, Origin::Original);
        assert!(
            record.server.is_none() && record.engine.is_none() && record.sizes.is_none(),
            "a guess: {record:?}"
        );
        assert!(record.binlog.is_some() && record.lsns.is_some() && record.ended.is_some());
    }
    assert!(catalog.partials.is_empty() && catalog.strays.is_empty(), "{catalog:?}");
}

#[test]
fn the_original_and_the_program_list_a_store_alike() {
    let source = server::shared();
    let home = Home::new(&source, Form::Gzip);
    files::copy_tree(&data("catalog_only/stor"), &home.store());
    let wanted: Vec<String> = fs::read_to_string(data("catalog_only/list.txt"))
        .unwrap()
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    let listed = cli::run(&home, &["list", "--quiet"]).good();
    assert_eq!(listed.stdout.lines().collect::<Vec<_>>(), wanted);
    let json = cli::run(&home, &["list", "--json"]).good();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(json.to_string().contains("2026_11_22-14_28_32"), "{json}");
}

#[test]
fn a_chain_is_planned_through_a_store_of_the_original() {
    let catalog = Catalog::scan(&data("catalog_only/stor")).unwrap();
    let plan = plan_restore(&catalog, Some(id("2026_11_22-14_28_19")), Path::new("/restored")).unwrap();
    let members: Vec<String> = plan.members.iter().map(|member| member.id().to_string()).collect();
    assert_eq!(members, ["2026_11_22-14_28_07", "2026_11_22-14_28_13", "2026_11_22-14_28_19"]);
    assert_eq!(plan.destination, Path::new("/restored/P_2026_11_22-14_28_19"));
    let newest = plan_restore(&catalog, None, Path::new("/restored")).unwrap();
    assert_eq!(newest.target, id("2026_11_22-14_28_32"));
}

#[rstest]
#[case("full/2026_11_22-14_28_38", "2026_11_22-14_28_38")]
#[case("incr/2026_11_22-14_28_38/2026_11_22-14_28_44", "2026_11_22-14_28_44")]
fn an_archive_of_the_original_unpacks_to_the_same_files(#[case] place: &str, #[case] name: &str) {
    let into = tempfile::tempdir().unwrap();
    let archive = data("xbs_gz/stor").join(place).join("backup.xbs.gz");
    unpack(&archive, into.path(), None);
    let list = fs::read_to_string(data(&format!("xbs_gz/{name}.sha256"))).unwrap();
    let wanted: BTreeMap<String, String> = list
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(digest, path)| (path.trim_start_matches("./").to_owned(), digest.to_owned()))
        .collect();
    let found = files::digests(into.path());
    assert!(found.len() > 50, "{found:?}");
    assert_eq!(found, wanted);
}

#[rstest]
fn a_backup_whose_manifest_is_gone_still_serves_as_a_base(#[values(Form::Directory, Form::Gzip)] form: Form) {
    let source = server::source(0);
    let home = Home::new(&source, form);
    let full = home.engine().full().unwrap();
    dataset::change(&source, 1).unwrap();
    let first = home.engine().incr().unwrap();
    for report in [&full, &first] {
        fs::remove_file(report.directory.join("manifest.json")).unwrap();
    }
    let catalog = home.catalog();
    assert!(catalog.records().all(|record| record.origin == Origin::Original && record.is_complete()));
    dataset::change(&source, 2).unwrap();
    let second = home.engine().incr().unwrap();
    assert_eq!(second.manifest.base.as_ref().map(|base| base.id), Some(first.manifest.id));
    let wanted = source.checksums().unwrap();
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(restored.members, [full.manifest.id, first.manifest.id, second.manifest.id]);
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
}

#[test]
fn the_original_can_read_what_is_written() {
    let source = server::source(0);
    let home = Home::new(&source, Form::Gzip);
    let full = home.engine().full().unwrap();
    let incremental = home.engine().incr().unwrap();
    assert_eq!(full.directory, home.store().join("full").join(full.manifest.id.to_string()));
    let set = home.store().join("incr").join(full.manifest.id.to_string());
    assert_eq!(incremental.directory, set.join(incremental.manifest.id.to_string()));
    for report in [&full, &incremental] {
        let text = fs::read_to_string(report.directory.join("backup.meta")).unwrap();
        let meta = BackupMeta::parse(&text).unwrap();
        assert_eq!(meta.backup, report.manifest.id);
        assert_eq!(meta.render(), text);
        assert_eq!(meta.last_lsn, Some(report.manifest.lsns.last));
        let coordinate = report.manifest.binlog.as_ref().and_then(|point| point.coord.clone()).unwrap();
        assert_eq!(meta.log_bin, Some(coordinate.file.to_string()));
        let keys: Vec<&str> =
            text.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        let original = if meta.full.is_some() {
            data("catalog_only/stor/incr/2026_11_22-14_28_25/2026_11_22-14_28_32/backup.meta")
        } else {
            data("catalog_only/stor/full/2026_11_22-14_28_25/backup.meta")
        };
        let original = fs::read_to_string(original).unwrap();
        let wanted: Vec<&str> =
            original.lines().filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect();
        assert!(keys.starts_with(&wanted), "{keys:?} against {wanted:?}");
        assert!(report.directory.join("innobackupex-backup.log").exists());
    }
    assert_eq!(files::not_private(&home.store()), Vec::<String>::new());
}

/// A clock that somebody sets back and forth.
struct SetBy(AtomicI64);

impl Clock for SetBy {
    fn now(&self) -> DateTime<FixedOffset> {
        Local::now().fixed_offset() + Duration::seconds(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn names_grow_also_when_the_clock_is_set_back() {
    let source = server::shared();
    let home = Home::new(&source, Form::Zstd);
    let clock = Arc::new(SetBy(AtomicI64::new(0)));
    let around = Surroundings { clock: clock.clone(), ..Surroundings::default() };
    let engine = Engine::with(home.settings.clone(), around);
    let full = engine.full().unwrap().manifest;
    clock.0.store(-7200, Ordering::SeqCst);
    let first = engine.incr().unwrap().manifest;
    clock.0.store(-3600, Ordering::SeqCst);
    let second = engine.incr().unwrap().manifest;
    let other = engine.full().unwrap().manifest;
    assert!(full.id < first.id && first.id < second.id && second.id < other.id);
    assert_eq!(home.backups(), [full.id, first.id, second.id, other.id]);
    let restored = home.restorer(Some(second.id)).restore_set().unwrap();
    assert_eq!(restored.members, [full.id, first.id, second.id]);
}

/// Stores of the original, one for each form it knows. They stand beside the project, not in it.
fn original_stores() -> Option<PathBuf> {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/original");
    stores.is_dir().then_some(stores)
}

/// An engine of the original's time that notes what it is given to prepare, and claims to have done it.
fn noting_engine(home: &Home) {
    files::script(
        &home.engines().join("innobackupex"),
        &format!(
            "if [ \"$1\" = --version ]; then echo 'InnoDB Backup Utility v1.5.1-xtrabackup' >&2; exit 0; fi\n\
             for word; do case $word in --incremental-dir=*) given=${{word#*=}};; esac; done\n\
             for data; do :; done\n\
             note='{}'/$(sed -n 's/^to_lsn = //p' \"${{given:-$data}}/xtrabackup_checkpoints\")\n\
             [ -e \"$note\" ] || (cd \"${{given:-$data}}\" && find . -type f -exec sha256sum {{}} + > \"$note\")\n\
             [ -z \"$given\" ] || cp \"$given/xtrabackup_checkpoints\" \"$data\"\n\
             echo '261122 16:00:01 innobackupex: completed OK!' >&2",
            home.path().join("notes").display()
        ),
    );
    let beside = "xtrabackup version 2.2.10 based on MySQL server 5.6.22 Linux (x86_64) (revision id: )";
    files::script(&home.engines().join("xtrabackup"), &format!("echo '{beside}' >&2"));
    fs::create_dir(home.path().join("notes")).unwrap();
}

/// The lines of `sha256sum`, by path.
fn sums(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once("  "));
    lines.map(|(digest, path)| (path.trim_start_matches("./").to_owned(), digest.to_owned())).collect()
}

#[rstest]
fn a_store_of_the_original_is_restored_whatever_its_form(
    #[values("xbs_gz", "tar_gz", "qp", "xbs_qp", "qp_xbcrypt", "xbs_qp_xbcrypt")] form: &str,
) {
    let Some(stores) = original_stores() else {
        println!("skipped: the original's stores are not beside the project");
        return;
    };
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    files::copy_tree(&stores.join(form).join("stor"), &home.store());
    noting_engine(&home);
    if form.contains("xbcrypt") {
        home.settings.encrypt_key_file = Some(stores.join("key32"));
    }
    let restored = home.restored().display().to_string();
    cli::run(&home, &["restore-set", "--restore-dir", &restored]).good();
    let mut seen = 0;
    for record in home.catalog().records() {
        let name = record.id().to_string();
        let wanted = fs::read_to_string(stores.join(form).join(format!("{name}.sha256"))).unwrap();
        let note = home.path().join("notes").join(record.lsns.unwrap().to.to_string());
        let found = fs::read_to_string(&note).unwrap();
        assert_eq!(sums(&found), sums(&wanted), "{name}");
        seen += sums(&found).len();
    }
    assert!(seen > 100, "there is too little in it: {seen}");
}

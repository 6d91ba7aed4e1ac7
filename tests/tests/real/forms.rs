//! The main path: full, incrementals, restore of every member, in every form, amid writing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use xb_core::{BackupId, BinlogCoord};
use xb_engine::BackupReport;
use xb_pipeline::process::{Invocation, find_program};
use xb_sandbox::{Server, Writer, dataset, oracle};
use xb_tests::files::unpack;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, server};

/// A full and two incrementals while somebody writes; every member restores to the state of its coordinate.
fn every_member_restores_to_its_coordinate(form: Form) {
    let source = server::source(1);
    let home = Home::new(&source, form);
    let writer = Writer::start(&source, Some(100)).unwrap();
    let full = home.engine().full().unwrap();
    dataset::change(&source, 1).unwrap();
    let first = home.engine().incr().unwrap();
    dataset::change(&source, 2).unwrap();
    let second = home.engine().incr().unwrap();
    assert!(writer.stop().unwrap().transactions > 0);
    dataset::change(&source, 3).unwrap();

    let ids = [&full, &first, &second].map(|report| report.manifest.id);
    assert_eq!(home.backups(), ids);
    assert_eq!(first.manifest.base.as_ref().map(|base| base.id), Some(ids[0]));
    assert_eq!(second.manifest.base.as_ref().map(|base| base.id), Some(ids[1]));
    assert_eq!(files::not_private(&home.store()), Vec::<String>::new());
    for (depth, report) in [full, first, second].iter().enumerate() {
        let restored = home.restorer(Some(report.manifest.id)).restore_set().unwrap();
        assert_eq!(restored.members, ids[..=depth]);
        let coordinate = report.manifest.binlog.as_ref().and_then(|point| point.coord.clone()).unwrap();
        assert_state(&source, &coordinate, &restored.directory, &home.path().join(format!("look-{depth}")));
        assert_readable_by_the_tools(&home, report, form);
    }
    let last = |name: &str| name.starts_with(&format!("P_{}", ids[2])) && !name.contains('/');
    let made: Vec<String> =
        files::everything_below(&home.restored()).into_iter().filter(|n| last(n)).collect();
    assert_eq!(made, [format!("P_{}", ids[2])], "nothing stands beside it");
}

/// The server started on `datadir` has the state that `source` had at the coordinate.
fn assert_state(source: &Server, coordinate: &BinlogCoord, datadir: &Path, home: &Path) {
    let logs = source.binary_logs().unwrap();
    let wanted = oracle::at(source.binaries(), &logs, coordinate, home.join("oracle")).unwrap();
    let wanted = wanted.checksums().unwrap();
    assert!(wanted.len() >= 20, "there is too little in it: {wanted:?}");
    assert_eq!(server::on(datadir, &home.join("server")).checksums().unwrap(), wanted);
}

/// `gzip` or `zstd` and `mbstream` unpack an archive to the same bytes as we do.
fn assert_readable_by_the_tools(home: &Home, report: &BackupReport, form: Form) {
    let Some(name) = form.archive() else { return };
    let archive = report.directory.join(name);
    let [ours, theirs] =
        ["ours", "theirs"].map(|name| home.path().join(format!("{name}-{}", report.manifest.id)));
    fs::create_dir_all(&ours).unwrap();
    fs::create_dir_all(&theirs).unwrap();
    let digest = report.manifest.objects[0].blake3;
    unpack(&archive, &ours, Some(digest));
    let decompressor = if form == Form::Gzip { "gzip" } else { "zstd" };
    let command =
        format!("{decompressor} -dc '{}' | mbstream -x -C '{}'", archive.display(), theirs.display());
    let unpacked = Invocation::new("/bin/sh").args(["-c", &command]).output(Duration::from_secs(60)).unwrap();
    assert!(unpacked.status.success() && unpacked.stderr.is_empty(), "{command}: {}", unpacked.stderr);
    let (ours, theirs) = (files::digests(&ours), files::digests(&theirs));
    assert!(ours.len() > 20, "{ours:?}");
    assert_eq!(ours, theirs);
}

#[test]
fn backups_kept_as_directories_restore_to_their_coordinates() {
    every_member_restores_to_its_coordinate(Form::Directory);
}

#[test]
fn backups_compressed_with_gzip_restore_to_their_coordinates() {
    every_member_restores_to_its_coordinate(Form::Gzip);
}

#[test]
fn backups_compressed_with_zstd_restore_to_their_coordinates() {
    every_member_restores_to_its_coordinate(Form::Zstd);
}

#[test]
fn the_program_does_the_same_as_its_users_type_it() {
    let source = server::source(0);
    let home = Home::new(&source, Form::Zstd);
    cli::run(&home, &["full"]).good();
    dataset::change(&source, 1).unwrap();
    cli::run(&home, &["incr"]).good();
    let wanted = source.checksums().unwrap();
    dataset::change(&source, 2).unwrap();
    let [full, incremental] = <[BackupId; 2]>::try_from(home.backups()).unwrap();
    let listed = cli::run(&home, &["list", "--quiet"]).good();
    assert_eq!(listed.stdout.trim(), format!("# Full backup: {full}, incrementals: ['{incremental}']"));
    let nagios = cli::run(&home, &["status", "--status-format", "nagios"]).good();
    assert!(
        nagios.stdout.starts_with(&format!("OK - Last backup incr from {incremental} | ")),
        "{}",
        nagios.text()
    );

    let restored = home.restored().display().to_string();
    cli::run(&home, &["restore-set", "--restore-dir", &restored, "--restore-backup", "last"]).good();
    let copy = home.restored().join(format!("P_{incremental}"));
    assert_eq!(server::on(&copy, &home.path().join("server")).checksums().unwrap(), wanted);
    assert_eq!(files::not_private(&home.work()), Vec::<String>::new());
}

#[test]
fn an_embedder_takes_and_restores_a_backup_with_the_example() {
    let source = server::source(0);
    let home = Home::new(&source, Form::Gzip);
    let example = cli::built("examples/full_and_restore");
    assert!(
        example.exists(),
        "{} is missing: run `cargo build --workspace --all-targets`",
        example.display()
    );
    let base = home.path().join("embedded");
    let args = [source.socket(), Path::new("root"), &base].map(|arg| arg.display().to_string());
    cli::run_program(&home, &example, &args).good();
    let made: Vec<_> = fs::read_dir(base.join("restored")).unwrap().flatten().collect();
    assert_eq!(made.len(), 1, "{made:?}");
    let copy = server::on(&made[0].path(), &home.path().join("server"));
    assert_eq!(copy.checksums().unwrap(), source.checksums().unwrap());
}

#[test]
fn the_tools_these_tests_compare_with_are_there() {
    let places = ["/usr/bin", "/bin", "/usr/local/bin"].map(Into::into);
    for program in ["gzip", "zstd", "mbstream", "unshare"] {
        assert!(find_program(program, &places).is_some(), "{program} is missing; install its package");
    }
}

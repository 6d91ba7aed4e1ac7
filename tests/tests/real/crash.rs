//! Our process killed at any moment: nothing half-done counts, nothing goes on without us, nothing is in the
//! way.

use std::path::Path;
use std::time::Duration;

use rstest::rstest;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, processes, server, wait_until};

const SOON: Duration = Duration::from_secs(30);

/// When a run is killed.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Its lock has a name in it.
    Announced,
    /// Its partial directory is there.
    Begun,
    /// So many bytes have arrived in it.
    Arrived(u64),
    /// Its engine has started for real.
    Copying,
}

impl Moment {
    fn has_come(self, home: &Home) -> bool {
        let partials = || {
            let all = files::everything_below(&home.store());
            all.into_iter().filter(|path| path.ends_with(".partial")).map(|path| home.store().join(path))
        };
        match self {
            Moment::Announced => files::size(&home.work().join("pyxbackup.lock")) > 0,
            Moment::Begun => partials().next().is_some(),
            Moment::Arrived(bytes) => {
                let arrived =
                    |path: &Path| files::files_below(path).iter().map(|file| files::size(file)).sum::<u64>();
                partials().any(|path| arrived(&path) >= bytes)
            }
            Moment::Copying => {
                processes::mentioning(&home.work()).iter().any(|line| line.contains("--backup"))
            }
        }
    }
}

fn kill_at(home: &Home, command: &str, moment: Moment) {
    let run = cli::start(home, &[command]);
    wait_until(&format!("{moment:?}"), SOON, || moment.has_come(home));
    run.kill();
    let config = home.path().join("pyxbackup.cnf");
    // A child that was just forked has our command line until it becomes its own program.
    wait_until("nothing of ours runs", Duration::from_secs(10), || processes::mentioning(&config).is_empty());
    wait_until("the engine is gone", Duration::from_secs(10), || {
        processes::mentioning(&home.work()).is_empty()
    });
}

#[rstest]
fn a_killed_run_leaves_no_backup_and_nothing_in_the_way(
    #[values(Form::Directory, Form::Gzip)] form: Form,
    #[values("full", "incr")] command: &str,
) {
    let source = server::source(20);
    let home = Home::new(&source, form);
    cli::run(&home, &["full"]).good();
    dataset::change(&source, 1).unwrap();
    let before = home.backups();
    let moments =
        [Moment::Announced, Moment::Begun, Moment::Copying, Moment::Arrived(1), Moment::Arrived(400_000)];
    for moment in moments {
        kill_at(&home, command, moment);
        assert_eq!(home.backups(), before, "{moment:?}");
        let listed = cli::run(&home, &["list", "--quiet"]).good();
        assert_eq!(
            listed.stdout.lines().filter(|line| line.contains("Full backup")).count(),
            1,
            "{moment:?}"
        );
    }
    let wanted = source.checksums().unwrap();
    cli::run(&home, &[command]).good();
    let all = home.backups();
    assert_eq!(all.len(), 2);
    let partial: Vec<String> = home.contents().into_iter().filter(|path| path.contains(".partial")).collect();
    assert_eq!(partial, Vec::<String>::new(), "what the dead runs left is gone");
    let work: Vec<String> = home.contents().into_iter().filter(|path| path.starts_with("work/")).collect();
    assert_eq!(work, Vec::<String>::new(), "also beside the store");
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(restored.backup, all[1]);
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
}

#[test]
fn a_killed_restore_leaves_no_result_and_nothing_in_the_way() {
    let source = server::source(5);
    let home = Home::new(&source, Form::Zstd);
    cli::run(&home, &["full"]).good();
    dataset::change(&source, 1).unwrap();
    cli::run(&home, &["incr"]).good();
    let wanted = source.checksums().unwrap();
    let target = home.restored().display().to_string();
    let command = ["restore-set", "--restore-dir", target.as_str()];
    let has = |what: &str| files::everything_below(&home.restored()).iter().any(|path| path.ends_with(what));
    let prepares =
        |word: &str| processes::mentioning(&home.restored()).iter().any(|line| line.contains(word));
    let moments: [(&str, &dyn Fn() -> bool); 4] = [
        ("it has begun", &|| has(".partial")),
        ("the first file is there", &|| has("ibdata1")),
        ("the engine prepares", &|| prepares("--prepare")),
        ("the engine applies the incremental", &|| prepares("--incremental-dir")),
    ];
    for (what, has_come) in moments {
        let run = cli::start(&home, &command);
        wait_until(what, SOON, has_come);
        run.kill();
        let gone = || processes::mentioning(&home.restored()).is_empty();
        wait_until("the engine is gone", Duration::from_secs(10), gone);
        assert!(!home.restored().join(format!("P_{}", home.backups()[1])).exists(), "{what}");
    }
    // Also a restore of another backup removes it: it is as large as a server.
    let full = home.backups()[0];
    cli::run(&home, &[&command[..], &["--restore-backup", &full.to_string()]].concat()).good();
    assert!(!has(".partial"));
    std::fs::remove_dir_all(home.restored().join(format!("P_{full}"))).unwrap();
    cli::run(&home, &command).good();
    let copy = home.restored().join(format!("P_{}", home.backups()[1]));
    let made: Vec<_> =
        std::fs::read_dir(home.restored()).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(made, std::slice::from_ref(&copy), "what the dead runs left is gone");
    assert_eq!(server::on(&copy, &home.path().join("server")).checksums().unwrap(), wanted);
}

//! Every engine's dialect against real data: scripts with the engine's name and version, and mariadb-backup
//! behind them, which does the work once the one option it does not know is left out.

use std::path::Path;

use rstest::rstest;
use xb_core::EngineChoice;
use xb_engine::EngineError;
use xb_sandbox::dataset;
use xb_tests::home::{Form, Home};
use xb_tests::{cli, files, server};

/// An engine that is none: its name, what it says of itself, and the mode mariadb-backup plays it in.
#[derive(Clone, Copy)]
struct Part {
    choice: EngineChoice,
    program: &'static str,
    banner: &'static str,
    /// The option that mariadb-backup refuses.
    dropped: &'static str,
    /// The option that makes mariadb-backup understand the rest.
    added: &'static str,
}

const INNOBACKUPEX_2_2: Part = Part {
    choice: EngineChoice::Innobackupex,
    program: "innobackupex",
    // This one does not tell; the xtrabackup beside it does.
    banner: "InnoDB Backup Utility v1.5.1-xtrabackup; Copyright 2003, 2009 Innobase Oy",
    dropped: "--redo-only",
    added: "--innobackupex",
};
const XTRABACKUP_2_4: Part = Part {
    choice: EngineChoice::Xtrabackup,
    program: "xtrabackup",
    banner: "xtrabackup version 2.4.29 based on MySQL server 5.7.44 Linux (x86_64) (revision id: 2e6c0951)",
    dropped: "--apply-log-only",
    added: "",
};
const XTRABACKUP_8_0: Part = Part {
    banner: "xtrabackup version 8.0.35-31 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 55ec21d7)",
    ..XTRABACKUP_2_4
};
const XTRABACKUP_8_4: Part = Part {
    banner: "xtrabackup version 8.4.0-6 based on MySQL server 8.4.0 Linux (x86_64) (revision id: 1234)",
    ..XTRABACKUP_2_4
};

/// A file that is there once the engine was started for anything but its version.
const STARTED: &str = "started.txt";

impl Part {
    fn put_into(self, directory: &Path) {
        let Part { program, banner, dropped, added, .. } = self;
        let started = directory.join(STARTED);
        files::script(
            &directory.join(program),
            &format!(
                "if [ \"$1\" = --version ]; then echo '{banner}' >&2; exit 0; fi\n\
                 echo \"$*\" >> '{}'\n\
                 for word; do shift; [ \"$word\" = {dropped} ] || set -- \"$@\" \"$word\"; done\n\
                 exec mariadb-backup {added} \"$@\"",
                started.display()
            ),
        );
        if program == "innobackupex" {
            let beside =
                "xtrabackup version 2.2.10 based on MySQL server 5.6.22 Linux (x86_64) (revision id: )";
            files::script(&directory.join("xtrabackup"), &format!("echo '{beside}' >&2"));
        }
    }
}

#[rstest]
#[case::innobackupex_2_2(INNOBACKUPEX_2_2, "2.2.10")]
#[case::xtrabackup_2_4(XTRABACKUP_2_4, "2.4.29")]
#[case::xtrabackup_8_0(XTRABACKUP_8_0, "8.0.35-31")]
#[case::xtrabackup_8_4(XTRABACKUP_8_4, "8.4.0-6")]
fn a_dialect_backs_up_and_restores_real_data(#[case] part: Part, #[case] version: &str) {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Zstd);
    part.put_into(&home.engines());
    home.settings.engine = part.choice;
    home.settings.allow_version_mismatch = true;
    let full = home.engine().full().unwrap().manifest;
    dataset::change(&source, 1).unwrap();
    let first = home.engine().incr().unwrap().manifest;
    dataset::change(&source, 2).unwrap();
    let second = home.engine().incr().unwrap().manifest;
    let wanted = source.checksums().unwrap();
    for manifest in [&full, &first, &second] {
        assert_eq!(
            (manifest.engine.tool.as_str(), manifest.engine.version.to_string().as_str()),
            (part.program, version)
        );
        let allowed = manifest.engine.mismatch_allowed.as_deref().unwrap_or_default();
        assert!(allowed.contains("mariadb-backup"), "the mismatch is not recorded: {allowed:?}");
    }
    let restored = home.engine().restore_set().unwrap();
    assert_eq!(restored.members, [full.id, first.id, second.id]);
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
    let starts = std::fs::read_to_string(home.engines().join(STARTED)).unwrap();
    let redo_only = starts.lines().filter(|line| line.contains(part.dropped)).count();
    assert_eq!(redo_only, 3, "the full one and each incremental, and the last step not:\n{starts}");
    assert_eq!(starts.lines().count(), 3 + 4, "{starts}");
}

/// Everything but the last step leaves a copy open for more; a restore that starts from it takes that step.
#[rstest]
#[case(INNOBACKUPEX_2_2)]
#[case(XTRABACKUP_8_0)]
fn a_prepared_copy_takes_its_last_step_when_it_is_restored(#[case] part: Part) {
    let source = server::source(0);
    let mut home = Home::new(&source, Form::Gzip);
    part.put_into(&home.engines());
    home.settings.engine = part.choice;
    home.settings.allow_version_mismatch = true;
    home.settings.apply_log = true;
    home.engine().full().unwrap();
    dataset::change(&source, 1).unwrap();
    home.engine().incr().unwrap();
    let wanted = source.checksums().unwrap();
    let restored = home.engine().restore_set().unwrap();
    assert_eq!((restored.members.len(), restored.members_prepared), (2, 2));
    assert_eq!(server::on(&restored.directory, &home.path().join("server")).checksums().unwrap(), wanted);
    let starts = std::fs::read_to_string(home.engines().join(STARTED)).unwrap();
    let prepares: Vec<(bool, bool)> = starts
        .lines()
        .filter(|line| line.contains("--use-memory"))
        .map(|line| (line.contains(part.dropped), line.contains("--incremental-dir")))
        .collect();
    assert_eq!(prepares, [(true, false), (true, true), (false, false)], "{starts}");
}

#[rstest]
#[case(INNOBACKUPEX_2_2)]
#[case(XTRABACKUP_2_4)]
#[case(XTRABACKUP_8_0)]
#[case(XTRABACKUP_8_4)]
fn an_engine_not_made_for_the_server_is_refused_before_it_starts(#[case] part: Part) {
    let source = server::shared();
    let mut home = Home::new(&source, Form::Gzip);
    part.put_into(&home.engines());
    home.settings.engine = part.choice;
    let error = home.engine().full().unwrap_err();
    assert!(matches!(error, EngineError::Mismatch(_)), "{error}");
    let refused = cli::run(&home, &["full"]).ended_with(65);
    assert!(refused.stderr.contains("mariadb-backup"), "it does not say what to use: {}", refused.stderr);
    assert!(!home.engines().join(STARTED).exists(), "it was started");
    home.assert_empty();
}

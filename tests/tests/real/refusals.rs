//! Restores that are refused before any work, or fail without a trace.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rstest::{fixture, rstest};
use xb_core::EngineChoice;
use xb_engine::BackupReport;
use xb_sandbox::dataset;
use xb_tests::cli::{self, Ended};
use xb_tests::files;
use xb_tests::home::{Form, Home};
use xb_tests::server;

/// A full backup and two incrementals, whose server has gone: a restore needs none.
struct Chain {
    home: Home,
    members: Vec<BackupReport>,
    /// What this is a copy of.
    _original: Option<Arc<Chain>>,
}

impl Chain {
    fn new(form: Form) -> Self {
        let original = Chain::original(form);
        let home = Home::new(&server::shared(), form);
        files::copy_tree(&original.home.store(), &home.store());
        let moved = |report: &BackupReport| {
            let place = report.directory.strip_prefix(original.home.store()).unwrap();
            BackupReport {
                directory: home.store().join(place),
                manifest: report.manifest.clone(),
                prepared: None,
                copies: Vec::new(),
                pruned: None,
            }
        };
        let members = original.members.iter().map(moved).collect();
        Chain { home, members, _original: Some(original) }
    }

    /// One for all tests at a time; it lives as long as one of them has a copy.
    fn original(form: Form) -> Arc<Chain> {
        static MADE: Mutex<Vec<(Form, Weak<Chain>)>> = Mutex::new(Vec::new());
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(chain) = made.iter().find(|(of, _)| *of == form).and_then(|(_, chain)| chain.upgrade()) {
            return chain;
        }
        let chain = Arc::new(Chain::take(form));
        made.retain(|(of, _)| *of != form);
        made.push((form, Arc::downgrade(&chain)));
        chain
    }

    fn take(form: Form) -> Self {
        let source = server::source(0);
        let home = Home::new(&source, form);
        let mut members = vec![home.engine().full().unwrap()];
        for round in 1..=2 {
            dataset::change(&source, round).unwrap();
            members.push(home.engine().incr().unwrap());
        }
        Chain { home, members, _original: None }
    }

    fn restore(&self) -> Ended {
        let to = self.home.restored().display().to_string();
        let last = self.members[2].manifest.id.to_string();
        cli::run(&self.home, &["restore-set", "--restore-dir", &to, "--restore-backup", &last])
    }

    fn target(&self) -> PathBuf {
        self.home.restored().join(format!("P_{}", self.members[2].manifest.id))
    }

    /// The restore fails, says the words, and nothing of it stands in the directory.
    #[track_caller]
    fn is_refused(&self, code: Option<i32>, words: &[&str]) {
        let ended = self.restore();
        assert!(
            ended.code.is_some_and(|found| code.map_or(found != 0, |code| found == code)),
            "{code:?}: {ended:?}"
        );
        for word in words {
            assert!(ended.stderr.contains(word), "{word:?} is not in: {}", ended.stderr);
        }
        let left: Vec<_> = fs::read_dir(self.home.restored()).unwrap().flatten().collect();
        assert!(left.is_empty(), "{left:?}");
    }

    /// The file that holds most of a member's data.
    fn largest(&self, member: usize) -> PathBuf {
        let BackupReport { directory, manifest, .. } = &self.members[member];
        let largest = manifest.objects.iter().max_by_key(|object| object.size).unwrap();
        directory.join(&largest.path)
    }
}

#[fixture]
fn chain() -> Chain {
    Chain::new(Form::Zstd)
}

#[rstest]
fn a_target_that_is_there_is_left_alone(chain: Chain) {
    fs::create_dir(chain.target()).unwrap();
    fs::write(chain.target().join("precious"), "data").unwrap();
    let ended = chain.restore();
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(ended.stderr.contains("exists"), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(chain.target().join("precious")).unwrap(), "data");
    assert_eq!(files::everything_below(&chain.home.restored()).len(), 2);
}

#[rstest]
fn a_missing_member_is_named(chain: Chain) {
    fs::remove_dir_all(&chain.members[1].directory).unwrap();
    chain.is_refused(None, &["missing"]);
    let newest = chain.home.catalog().newest_restorable().unwrap().len();
    assert_eq!(newest, 1, "the full backup alone");
}

#[rstest]
fn a_missing_full_backup_is_named(chain: Chain) {
    fs::remove_dir_all(&chain.members[0].directory).unwrap();
    let id = chain.members[0].manifest.id.to_string();
    chain.is_refused(None, &[&id, "missing"]);
}

#[rstest]
fn a_broken_member_is_named(chain: Chain) {
    let archive = chain.largest(1);
    let file = fs::File::options().write(true).open(&archive).unwrap();
    file.set_len(files::size(&archive) - 1).unwrap();
    let id = chain.members[1].manifest.id.to_string();
    chain.is_refused(None, &[&id, "broken", "backup.xbs.zst"]);
}

#[rstest]
fn a_changed_member_fails_the_restore(
    #[values(Form::Directory, Form::Gzip, Form::Zstd)] form: Form,
    #[values(0, 2)] member: usize,
) {
    let chain = Chain::new(form);
    files::flip_a_byte(&chain.largest(member));
    let id = chain.members[member].manifest.id.to_string();
    chain.is_refused(Some(4), &[&id]);
}

#[test]
fn a_change_that_only_the_digest_tells_fails_the_restore() {
    let chain = Chain::new(Form::Gzip);
    // The system that made it, in the head of the first member: nothing reads it.
    let archive = fs::File::options().write(true).open(chain.largest(1)).unwrap();
    archive.write_all_at(&[0x5a], 9).unwrap();
    chain.is_refused(Some(4), &[&chain.members[1].manifest.id.to_string(), "digest"]);
}

#[rstest]
fn too_little_space_is_found_before_any_work(chain: Chain) {
    // A backup that was larger than any disk.
    let path = chain.members[0].directory.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["sizes"]["stream_bytes"] = (1u64 << 60).into();
    fs::write(&path, manifest.to_string()).unwrap();
    chain.is_refused(None, &["free", "1.0 EiB"]);
}

#[rstest]
fn an_engine_of_another_series_is_refused(chain: Chain) {
    let banner = "mariadb-backup based on MariaDB server 11.4.5-MariaDB debian-linux-gnu (x86_64)";
    files::script(
        &chain.home.engines().join("mariadb-backup"),
        &format!("echo '{banner}' >&2; [ \"$1\" = --version ] || touch \"$0.started\""),
    );
    chain.is_refused(None, &["11.4.5", "10."]);
    assert!(!chain.home.engines().join("mariadb-backup.started").exists());
}

#[rstest]
fn an_engine_of_another_kind_is_refused(mut chain: Chain) {
    let banner =
        "xtrabackup version 8.0.35-31 based on MySQL server 8.0.35 Linux (x86_64) (revision id: 55ec21d7)";
    files::script(&chain.home.engines().join("xtrabackup"), &format!("echo '{banner}' >&2"));
    chain.home.settings.engine = EngineChoice::Xtrabackup;
    chain.is_refused(None, &["xtrabackup"]);
}

#[rstest]
fn a_directory_that_is_not_there_is_not_made(chain: Chain) {
    fs::remove_dir(chain.home.restored()).unwrap();
    let ended = chain.restore();
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert!(!chain.home.restored().exists());
}

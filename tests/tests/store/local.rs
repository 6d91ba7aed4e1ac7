//! A store on a directory, and what is around it.

use std::fs;
use std::num::NonZeroU64;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::monitor::Silent;
use xb_pipeline::process::Invocation;
use xb_pipeline::store::local::LocalStore;
use xb_pipeline::store::wrap::limit::Limit;
use xb_pipeline::store::wrap::retry::{Patience, Retry};
use xb_pipeline::store::wrap::timer::SystemTimer;
use xb_pipeline::store::{About, Removal, Store, StoreError, StoreErrorKind, StorePath};
use xb_tests::files::everything_below;

use crate::conformance::{Fresh, conforms};

fn open() -> (LocalStore, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (LocalStore::open(dir.path()).unwrap(), dir)
}

conforms!(alike, || {
    let (store, dir) = open();
    Fresh::new(store, dir)
});

conforms!(alike_with_retries, || {
    let (store, dir) = open();
    let (timer, cancel) = (Arc::new(SystemTimer::default()), CancelToken::new());
    Fresh::new(Retry::new(Arc::new(store), Patience::default(), timer, cancel, Arc::new(Silent)), dir)
});

conforms!(alike_with_a_limit, || {
    let (store, dir) = open();
    let (timer, cancel) = (Arc::new(SystemTimer::default()), CancelToken::new());
    let rate = NonZeroU64::new(100_000_000).unwrap();
    Fresh::new(Limit::new(Arc::new(store), rate, timer, cancel), dir)
});

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn kind<T>(result: Result<T, StoreError>) -> Option<StoreErrorKind> {
    result.err().map(|error| error.kind)
}

#[test]
fn a_root_that_is_missing_is_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("disk");
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(LocalStore::open(&dir.path().join("file")).is_err());
    let error = LocalStore::open(&root).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Missing);
    assert!(error.reason.contains("is its disk mounted?"), "{error}");
    fs::create_dir(&root).unwrap();
    let store = LocalStore::open(&root).unwrap();
    assert_eq!(store.address(), format!("file://{}", root.display()));
    fs::remove_dir(&root).unwrap();
    let missing = Some(StoreErrorKind::Missing);
    assert_eq!((kind(store.list()), kind(store.prefixes())), (missing, missing));
    assert_eq!(kind(store.put(&path("a/b"), b"")), missing);
    assert_eq!(kind(store.read_small(&[path("a")], 1)), missing);
    assert_eq!(kind(store.remove(&[path("a")])), missing);
    assert_eq!(kind(store.withdraw(&path("a"), "seal")), missing);
    assert!(!root.exists());
}

#[test]
fn links_lead_nowhere_but_the_root_may_be_one() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::create_dir(dir.path().join("real")).unwrap();
    let root = dir.path().join("link");
    symlink("real", &root).unwrap();
    fs::write(outside.path().join("secret"), "secret").unwrap();
    let store = LocalStore::open(&root).unwrap();
    store.put(&path("full/a"), b"a").unwrap();
    symlink(outside.path(), root.join("out")).unwrap();
    symlink(outside.path(), root.join("full/set.partial")).unwrap();
    symlink(outside.path().join("secret"), root.join("full/file")).unwrap();
    symlink(outside.path().join("none"), root.join("full/dangling")).unwrap();
    let listed: Vec<_> = store.list().unwrap().into_iter().map(|entry| entry.path).collect();
    assert_eq!((listed, store.prefixes().unwrap()), (vec![path("full/a")], vec!["full".to_owned()]));
    for at in ["out/secret", "full/set.partial/secret", "full/file"] {
        assert_eq!(kind(store.read(&path(at), 0)), Some(StoreErrorKind::Missing), "{at}");
        assert_eq!(store.read_small(&[path(at)], 10).unwrap(), [None]);
        assert_eq!(store.digest(&path(at)).unwrap(), None);
        assert_eq!(store.remove(&[path(at)]).unwrap(), [Removal::Missing]);
    }
    for at in ["out/new", "out/d/new", "full/set.partial/new", "full/a/new"] {
        let error = store.put(&path(at), b"new").unwrap_err();
        assert!(error.reason.contains("is a link or a file"), "{error}");
        assert!(store.create(&path(at), About::default()).is_err() && store.put_new(&path(at), b"").is_err());
    }
    assert_eq!(kind(store.publish(&path("full/set"), "seal", b"")), Some(StoreErrorKind::Missing));
    assert_eq!(store.withdraw(&path("out"), "secret").unwrap(), Removal::Missing);
    assert_eq!(kind(store.put_new(&path("full/dangling"), b"x")), Some(StoreErrorKind::Exists));
    // What takes the place of a link is not written through it.
    store.put(&path("full/file"), b"new").unwrap();
    assert_eq!(fs::read(outside.path().join("secret")).unwrap(), b"secret");
    assert_eq!(everything_below(outside.path()).len(), 1);
}

#[test]
fn what_is_written_is_private() {
    let (store, dir) = open();
    store.put(&path("full/a/b"), b"").unwrap();
    store.put(&store.draft(&path("full/set")).join("data").unwrap(), b"data").unwrap();
    store.publish(&path("full/set"), "seal", b"seal").unwrap();
    let upload = store.create(&path("full/c"), About::default()).unwrap();
    let all = everything_below(dir.path());
    assert!(all.len() >= 7, "{all:?}");
    for name in all {
        let meta = fs::symlink_metadata(dir.path().join(&name)).unwrap();
        let wanted = if meta.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(meta.mode() & 0o777, wanted, "{name}");
    }
    drop(upload);
}

#[test]
fn a_dead_upload_is_listed_and_can_be_removed() {
    let (store, dir) = open();
    let mut upload = store.create(&path("full/set.partial/data"), About::default()).unwrap();
    upload.write_all(b"half").unwrap();
    std::mem::forget(upload);
    let left = store.list().unwrap();
    let name = left[0].path.as_str();
    assert!(
        left.len() == 1 && name.starts_with("full/set.partial/.data.") && name.ends_with(".upload"),
        "{name}"
    );
    assert_eq!(store.remove(&[left[0].path.clone()]).unwrap(), [Removal::Removed]);
    assert_eq!(everything_below(dir.path()), ["full"]);
}

#[test]
fn a_draft_that_was_left_goes_with_what_is_withdrawn() {
    let (store, _dir) = open();
    let set = path("full/set");
    let draft = store.draft(&set);
    store.put(&draft.join("data").unwrap(), b"published").unwrap();
    store.publish(&set, "seal", b"seal").unwrap();
    store.put(&draft.join("data").unwrap(), b"left by the dead").unwrap();
    assert_eq!(store.withdraw(&set, "seal").unwrap(), Removal::Removed);
    let entries = store.list().unwrap();
    assert_eq!(entries.len(), 2);
    assert!(entries.iter().all(|entry| entry.path.below(&draft).is_some()), "{entries:?}");
    assert_eq!(store.read_small(&[draft.join("data").unwrap()], 99).unwrap(), [Some(b"published".to_vec())]);
}

#[test]
fn what_stands_in_the_way_of_a_directory_stays() {
    let (store, dir) = open();
    fs::create_dir_all(dir.path().join("full/empty")).unwrap();
    fs::write(dir.path().join("full/file"), "file").unwrap();
    symlink("nowhere", dir.path().join("full/link")).unwrap();
    for name in ["empty", "file", "link"] {
        let directory = path("full").join(name).unwrap();
        let data = store.draft(&directory).join("data").unwrap();
        store.put(&data, b"data").unwrap();
        assert_eq!(kind(store.publish(&directory, "seal", b"")), Some(StoreErrorKind::Exists), "{name}");
        assert_eq!(store.remove(&[data]).unwrap(), [Removal::Removed]);
    }
    let left = everything_below(dir.path());
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(store.publish(&path("full/none"), "a/b", b"").is_err());
    assert_eq!(kind(store.publish(&path("full/none"), "seal", b"")), Some(StoreErrorKind::Missing));
}

#[test]
fn the_version_changes_also_where_the_length_does_not() {
    let (store, _dir) = open();
    let version = || store.list().unwrap()[0].version.clone();
    let mut last = String::new();
    for content in [b"one", b"two", b"two", b"six"] {
        store.put(&path("a"), content).unwrap();
        assert_ne!(version(), last);
        last = version();
    }
}

#[test]
fn directories_that_come_and_go_stand_in_nobodys_way() {
    let (store, _dir) = open();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let at = path(&format!("d/a/b/{thread}"));
            let store = &store;
            scope.spawn(move || {
                for _ in 0..150 {
                    store.create(&at, About::default()).map(drop).unwrap();
                }
            });
        }
    });
    assert_eq!(store.prefixes().unwrap(), Vec::<String>::new());
}

#[test]
fn what_is_not_ours_is_left_alone() {
    use std::os::unix::ffi::OsStrExt;
    let (store, dir) = open();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    fs::write(dir.path().join("lost+found/#1"), "").unwrap();
    fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), rustix::fs::Mode::RWXU).unwrap();
    assert_eq!((store.list().unwrap(), store.prefixes().unwrap()), (vec![], vec![]));
    assert_eq!(kind(store.read(&path("pipe"), 0)), Some(StoreErrorKind::Missing));
}

/// Runs a helper below with a directory as its working directory, by a script that gets the directory and the
/// command of the helper, in namespaces that go with it.
#[track_caller]
fn run_helper(helper: &str, directory: &Path, script: &str) {
    let program = std::env::current_exe().unwrap();
    let run = |way: &str| {
        let sh = [way, "sh", "-c", script, "sh"].map(str::to_owned);
        let helper = ["--ignored", "--exact", helper].map(str::to_owned);
        let invocation = Invocation::new("unshare").args(sh).arg(directory).arg(&program).args(helper);
        invocation.output(Duration::from_secs(60)).unwrap()
    };
    // The first is for root, the second for others.
    let way = if rustix::process::geteuid().is_root() { "-m" } else { "-Urm" };
    let output = run(way);
    assert!(
        output.status.success() && output.stdout.contains("1 passed"),
        "{}{}",
        output.stdout,
        output.stderr
    );
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half() {
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=2m,mode=0700 tmpfs \"$1\" && cd \"$1\" && shift && exec \"$@\"";
    run_helper("local::on_a_disk_of_2_mb", dir.path(), script);
}

#[test]
#[ignore = "a helper process of a_full_disk_is_told_and_leaves_nothing_half"]
fn on_a_disk_of_2_mb() {
    let store = LocalStore::open(Path::new(".")).unwrap();
    store.put(&path("full/a"), b"old").unwrap();
    let before = store.list().unwrap();
    for at in ["full/a", "full/new/b"] {
        let mut upload = store.create(&path(at), About::default()).unwrap();
        let error = upload.write_all(&vec![1; 3_000_000]).unwrap_err();
        let error = StoreError::from_io(error, "", "");
        assert_eq!((error.kind, error.path.as_deref()), (StoreErrorKind::Full, Some(at)), "{error}");
        drop(upload);
        assert_eq!(kind(store.put(&path(at), &vec![1; 3_000_000])), Some(StoreErrorKind::Full));
        assert_eq!(kind(store.put_new(&path("full/c"), &vec![1; 3_000_000])), Some(StoreErrorKind::Full));
        assert_eq!(store.list().unwrap(), before);
    }
    let set = path("full/set");
    store.put(&store.draft(&set).join("data").unwrap(), b"data").unwrap();
    assert_eq!(kind(store.publish(&set, "seal", &vec![1; 3_000_000])), Some(StoreErrorKind::Full));
    assert_eq!(store.read_small(&[path("full/set/seal")], 1).unwrap(), [None]);
    store.publish(&set, "seal", b"sealed").unwrap();
    assert_eq!(store.list().unwrap().len(), 3);
}

#[test]
fn what_is_not_allowed_is_told_and_what_cannot_be_removed_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (store, root) = (LocalStore::open(dir.path()).unwrap(), dir.path());
    let draft = store.draft(&path("full/set"));
    store.put(&draft.join("data").unwrap(), b"data").unwrap();
    store.publish(&path("full/set"), "seal", b"seal").unwrap();
    store.put(&path("closed/a"), b"a").unwrap();
    store.put(&path("full/unreadable"), b"a").unwrap();
    let mode =
        |name: &str, mode| fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("full/unreadable", 0);
    mode("full/set", 0o500);
    mode("full", 0o500);
    mode("closed", 0);
    // Without the rights that root has over every file.
    let script = "cd \"$1\" && shift && exec setpriv --bounding-set -dac_override,-dac_read_search \
                  --inh-caps -dac_override,-dac_read_search \"$@\"";
    run_helper("local::where_little_is_allowed", root, script);
    mode("closed", 0o700);
    mode("full", 0o700);
    mode("full/set", 0o700);
}

#[test]
#[ignore = "a helper process of what_is_not_allowed_is_told_and_what_cannot_be_removed_is_kept"]
fn where_little_is_allowed() {
    let store = LocalStore::open(Path::new(".")).unwrap();
    let denied = Some(StoreErrorKind::Denied);
    let error = store.list().unwrap_err();
    assert_eq!((error.kind, error.path.as_deref()), (StoreErrorKind::Denied, Some("closed")), "{error}");
    assert_eq!(kind(store.read(&path("closed/a"), 0)), denied);
    assert_eq!(kind(store.read_small(&[path("full/unreadable")], 9)), denied);
    for at in ["full/new", "full/new/b", "closed/b", "full/set/data"] {
        assert_eq!(kind(store.put(&path(at), b"")), denied, "{at}");
        assert_eq!(kind(store.create(&path(at), About::default())), denied, "{at}");
    }
    let removals = store.remove(&["full/set/data", "full/none"].map(path)).unwrap();
    assert!(matches!(&removals[..], [Removal::Deferred(_), Removal::Missing]), "{removals:?}");
    assert!(matches!(store.withdraw(&path("full/set"), "seal").unwrap(), Removal::Deferred(_)));
    let kept = store.read_small(&["full/set/data", "full/set/seal"].map(path), 9).unwrap();
    assert_eq!(kept, [Some(b"data".to_vec()), Some(b"seal".to_vec())]);
}

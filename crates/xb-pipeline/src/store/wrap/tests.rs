use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;

use super::fault::{Fault, Harm, Operation};
use super::limit::Limit;
use super::retry::{Patience, Retry};
use super::timer::{SystemTimer, Timer};
use crate::cancel::{CancelReason, CancelToken, Cancelled};
use crate::monitor::Monitor;
use crate::store::local::LocalStore;
use crate::store::{About, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath};

/// Time that goes by only where somebody waits.
#[derive(Debug, Default)]
struct Virtual(Mutex<(Duration, Vec<Duration>)>);

impl Virtual {
    fn waits(&self) -> Vec<Duration> {
        self.0.lock().unwrap().1.clone()
    }
}

impl Timer for Virtual {
    fn elapsed(&self) -> Duration {
        self.0.lock().unwrap().0
    }

    fn wait(&self, time: Duration, cancel: &CancelToken) -> Result<(), Cancelled> {
        cancel.check()?;
        let mut state = self.0.lock().unwrap();
        state.0 += time;
        state.1.push(time);
        Ok(())
    }
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Monitor for Warnings {
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// Faults in a directory, and who tries again.
struct Stage {
    local: Arc<dyn Store>,
    fault: Fault,
    timer: Arc<Virtual>,
    warnings: Arc<Warnings>,
    retry: Retry,
    _dir: TempDir,
}

fn stage(script: impl FnOnce(Fault) -> Fault) -> Stage {
    let dir = tempfile::tempdir().unwrap();
    let local: Arc<dyn Store> = Arc::new(LocalStore::open(dir.path()).unwrap());
    let fault = script(Fault::new(local.clone()));
    let (timer, warnings) = (Arc::new(Virtual::default()), Arc::new(Warnings::default()));
    let inside = Arc::new(fault.clone());
    let retry = Retry::new(inside, Patience::default(), timer.clone(), CancelToken::new(), warnings.clone());
    Stage { local, fault, timer, warnings, retry, _dir: dir }
}

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(step).collect()
}

fn read(store: &dyn Store, at: &str) -> Result<Vec<u8>, StoreError> {
    let mut content = Vec::new();
    let mut reader = store.read(&path(at), 0)?;
    reader.read_to_end(&mut content).map_err(|error| StoreError::from_io(error, "", "read"))?;
    Ok(content)
}

fn upload(store: &dyn Store, at: &StorePath, content: &[u8]) -> Result<u64, StoreError> {
    let mut upload = store.create(at, About::default())?;
    upload.write_all(content).map_err(|error| StoreError::from_io(error, "", "write"))?;
    upload.finish()
}

const DATA: usize = 300_000;

/// A backup is pushed, read, and removed. What is written to an upload is repeated here: nobody else can.
fn live(store: &dyn Store) -> Result<(), StoreError> {
    let set = path("full/a");
    let draft = store.draft(&set);
    store.put_new(&path("lock"), b"mine")?;
    let data = noise(DATA);
    let at = draft.join("data").unwrap();
    let transient = |kind| matches!(kind, StoreErrorKind::Unreachable | StoreErrorKind::Busy);
    match upload(store, &at, &data) {
        Err(error) if transient(error.kind) => upload(store, &at, &data)?,
        other => other?,
    };
    store.put(&draft.join("small").unwrap(), b"small")?;
    store.publish(&set, "seal", b"sealed by me")?;
    assert_eq!(store.prefixes()?, ["full"]);
    let listed: Vec<String> = store.list()?.iter().map(|entry| entry.path.as_str().to_owned()).collect();
    assert_eq!(listed, ["full/a/data", "full/a/seal", "full/a/small", "lock"]);
    assert!(read(store, "full/a/data")? == data);
    let small = store.read_small(&["full/a/seal", "full/a/small", "none"].map(path), 100)?;
    assert_eq!(small, [Some(b"sealed by me".to_vec()), Some(b"small".to_vec()), None]);
    let digest = store.digest(&path("full/a/data"))?;
    assert_eq!(digest, Some(ObjectDigest::Blake3(blake3::hash(&data).into())));
    store.abort(&path("full/a/data"), "token")?;
    assert_eq!(store.withdraw(&set, "seal")?, Removal::Removed);
    let all: Vec<StorePath> = store.list()?.into_iter().map(|entry| entry.path).collect();
    assert_eq!(store.remove(&all)?, vec![Removal::Removed; 3]);
    assert_eq!(store.list()?, Vec::new());
    Ok(())
}

#[test]
fn one_failure_of_any_kind_at_any_point_changes_nothing() {
    let calm = stage(|fault| fault);
    live(&calm.retry).unwrap();
    let operations = calm.fault.operations();
    assert!(operations.len() >= 15 && calm.timer.waits().is_empty(), "{operations:?}");
    let unreachable = StoreErrorKind::Unreachable;
    let harms = [
        Harm::Fail(unreachable),
        Harm::Lose(StoreErrorKind::Busy),
        Harm::Cut { after_bytes: 100_000, kind: unreachable },
    ];
    for harm in harms {
        for (point, operation) in operations.iter().enumerate() {
            let stage = stage(|fault| fault.any(point as u64, harm));
            live(&stage.retry).unwrap_or_else(|error| panic!("{harm:?} at {point}, {operation:?}: {error}"));
            assert!(stage.fault.is_over(), "{harm:?} at {point}");
        }
    }
}

#[test]
fn who_dies_at_any_point_leaves_a_whole_backup_or_none() {
    let calm = stage(|fault| fault);
    live(&calm.fault).unwrap();
    for point in 0..calm.fault.operations().len() {
        let stage = stage(|fault| fault.any(point as u64, Harm::Die));
        live(&stage.retry).unwrap_err();
        assert_eq!(stage.timer.waits(), []);
        assert_eq!(stage.fault.operations().len(), point + 1);
        let local = &*stage.local;
        if local.read_small(&[path("full/a/seal")], 100).unwrap()[0].is_some() {
            assert!(read(local, "full/a/data").unwrap() == noise(DATA), "{point}");
            local.withdraw(&path("full/a"), "seal").unwrap();
        }
        // All that is left can be found, and does not stand in the way.
        let left: Vec<StorePath> = local.list().unwrap().into_iter().map(|entry| entry.path).collect();
        local.remove(&left).unwrap();
        live(local).unwrap();
    }
}

#[test]
fn what_cannot_pass_is_not_tried_again() {
    for kind in [StoreErrorKind::Denied, StoreErrorKind::Full, StoreErrorKind::Damaged, StoreErrorKind::Other]
    {
        let stage = stage(|fault| fault.with(Operation::Put, 0, Harm::Fail(kind)));
        assert_eq!(stage.retry.put(&path("a"), b"a").unwrap_err().kind, kind);
        assert_eq!((stage.fault.operations().len(), stage.timer.waits().len()), (1, 0));
    }
}

#[test]
fn tries_and_waits_have_a_bound() {
    let busy = |fault: Fault| (0..20).fold(fault, |fault, _| fault.any(0, Harm::Fail(StoreErrorKind::Busy)));
    let full = stage(busy);
    let error = full.retry.list().unwrap_err();
    assert!(error.kind == StoreErrorKind::Busy && error.reason.contains("8 tries"), "{error}");
    let waits = full.timer.waits();
    for (number, wait) in waits.iter().enumerate() {
        let longest = (1 << number).min(60) as f64;
        let seconds = wait.as_secs_f64();
        assert!(seconds <= longest && seconds >= longest / 2.0 - 0.001, "{waits:?}");
    }
    assert_eq!((waits.len(), full.fault.operations().len()), (7, 8));
    let warnings = full.warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 7);
    assert!(warnings[0].contains("Busy") && warnings[0].contains("trying again in"), "{warnings:?}");
    // The whole time, before the number.
    let short = stage(busy);
    let patience = Patience { tries: 100, total: Duration::from_secs(10), ..Patience::default() };
    let monitor = Arc::new(Warnings::default());
    let inside = Arc::new(short.fault.clone());
    let retry = Retry::new(inside, patience, short.timer.clone(), CancelToken::new(), monitor);
    retry.list().unwrap_err();
    let total: Duration = short.timer.waits().iter().sum();
    assert!(total <= patience.total && total > Duration::from_secs(2), "{total:?}");
}

#[test]
fn a_wish_to_stop_ends_the_wait_for_the_next_try() {
    let stage = stage(|fault| fault.with(Operation::List, 0, Harm::Fail(StoreErrorKind::Unreachable)));
    let (timer, cancel) = (Arc::new(SystemTimer::default()), CancelToken::new());
    let patience =
        Patience { first_wait: Duration::from_secs(300), longest_wait: Duration::MAX, ..Patience::default() };
    let inside = Arc::new(stage.fault.clone());
    let retry = Retry::new(inside, patience, timer.clone(), cancel.clone(), stage.warnings.clone());
    std::thread::scope(|scope| {
        let listing = scope.spawn(|| retry.list());
        while stage.warnings.0.lock().unwrap().is_empty() && timer.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        cancel.cancel(CancelReason::Interrupt);
        assert_eq!(listing.join().unwrap().unwrap_err().kind, StoreErrorKind::Cancelled);
    });
    assert!(timer.elapsed() < Duration::from_secs(60));
    assert_eq!(retry.put(&path("a"), b"a").unwrap_err().kind, StoreErrorKind::Cancelled);
    assert_eq!(stage.fault.operations(), [Operation::List]);
}

#[test]
fn reading_resumes_at_the_byte_as_often_as_there_is_progress() {
    let cut = |after_bytes| Harm::Cut { after_bytes, kind: StoreErrorKind::Unreachable };
    let cuts = [0, 1, 65_536, 300_000, 0, 70_000, 1];
    // Many more than would be borne in one place.
    let script = |fault| {
        let fault = cuts.iter().fold(fault, |fault: Fault, at| fault.with(Operation::Read, 0, cut(*at)));
        (0..20).fold(fault, |fault, _| fault.with(Operation::Read, 0, cut(1_300_000)))
    };
    let stage = stage(script);
    let content = noise(30_000_000);
    stage.local.put(&path("a"), &content).unwrap();
    assert!(read(&stage.retry, "a").unwrap() == content);
    assert_eq!(stage.warnings.0.lock().unwrap().len(), cuts.len() + 20);
    assert!(stage.fault.is_over());
}

#[test]
fn another_object_is_not_read_on() {
    for other in [noise(400_000).into_iter().rev().collect::<Vec<u8>>(), b"short".to_vec()] {
        let cut = Harm::Cut { after_bytes: 100_000, kind: StoreErrorKind::Unreachable };
        let stage = stage(|fault| fault.with(Operation::Read, 0, cut));
        stage.local.put(&path("a"), &noise(400_000)).unwrap();
        let mut reader = stage.retry.read(&path("a"), 5).unwrap();
        let mut begin = vec![0; 100_000];
        reader.read_exact(&mut begin).unwrap();
        assert!(begin == noise(400_000)[5..100_005]);
        stage.local.put(&path("a"), &other).unwrap();
        let error = StoreError::from_io(reader.read_to_end(&mut begin).unwrap_err(), "", "read");
        assert_eq!(error.kind, StoreErrorKind::Damaged, "{error}");
    }
}

#[test]
fn what_a_rival_made_is_not_taken_for_our_own() {
    let unreachable = StoreErrorKind::Unreachable;
    for content in [&b"rival"[..], b"mine, but longer", b""] {
        let stage = stage(|fault| fault.with(Operation::PutNew, 0, Harm::Fail(unreachable)));
        stage.local.put(&path("lock"), content).unwrap();
        assert_eq!(stage.retry.put_new(&path("lock"), b"mine").unwrap_err().kind, StoreErrorKind::Exists);
    }
    let stage = stage(|fault| fault.with(Operation::Publish, 0, Harm::Fail(unreachable)));
    stage.local.put(&stage.local.draft(&path("full/a")).join("data").unwrap(), b"data").unwrap();
    stage.local.publish(&path("full/a"), "seal", b"rival").unwrap();
    let error = stage.retry.publish(&path("full/a"), "seal", b"mine").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists);
    // Without a failure before, the same content is somebody else's.
    let error = stage.retry.publish(&path("full/a"), "seal", b"rival").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Exists);
}

fn limited(rate: u64) -> (Limit, Arc<Virtual>, CancelToken, Stage) {
    let stage = stage(|fault| fault);
    let (timer, cancel) = (Arc::new(Virtual::default()), CancelToken::new());
    let rate = NonZeroU64::new(rate).unwrap();
    let limit = Limit::new(stage.local.clone(), rate, timer.clone(), cancel.clone());
    (limit, timer, cancel, stage)
}

#[track_caller]
fn assert_seconds(timer: &Virtual, expected: f64) {
    let seconds = timer.elapsed().as_secs_f64();
    assert!(seconds <= expected + 0.001 && seconds >= expected - 0.101, "{seconds} s, not {expected} s");
}

#[test]
fn all_that_is_moved_shares_one_limit() {
    let (limit, timer, _cancel, _stage) = limited(100_000);
    let content = noise(500_000);
    upload(&limit, &path("a"), &content).unwrap();
    assert_seconds(&timer, 5.0);
    assert!(read(&limit, "a").unwrap() == content);
    assert_seconds(&timer, 10.0);
    // It moves evenly.
    assert!(timer.waits().iter().all(|wait| *wait <= Duration::from_millis(200)), "{:?}", timer.waits());
    limit.put(&path("b"), &content[..100_000]).unwrap();
    limit.put_new(&path("c"), &content[..100_000]).unwrap();
    limit.read_small(&["b", "c", "none"].map(path), 100_000).unwrap();
    assert_seconds(&timer, 14.0);
    // Two at the same time.
    let mut uploads = ["d", "e"].map(|at| limit.create(&path(at), About::default()).unwrap());
    for piece in content.chunks(50_000) {
        uploads.iter_mut().for_each(|upload| upload.write_all(piece).unwrap());
    }
    uploads.into_iter().for_each(|upload| assert_eq!(upload.finish().unwrap(), 500_000));
    assert_seconds(&timer, 24.0);
    // Idle time is not saved up.
    timer.wait(Duration::from_secs(1000), &CancelToken::new()).unwrap();
    let begin = timer.elapsed().as_secs_f64();
    upload(&limit, &path("f"), &content).unwrap();
    assert_seconds(&timer, begin + 5.0);
}

#[test]
fn a_limit_of_one_byte_is_a_limit_too() {
    let (limit, timer, cancel, _stage) = limited(1);
    upload(&limit, &path("a"), b"0123456789").unwrap();
    assert_seconds(&timer, 10.0);
    cancel.cancel(CancelReason::Terminate);
    let error = upload(&limit, &path("b"), b"0123456789").unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Cancelled);
    assert_eq!(read(&limit, "a").unwrap_err().kind, StoreErrorKind::Cancelled);
}

//! Object stores: against a server that speaks S3, through a proxy that lets things go wrong.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use xb_core::Secret;
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_pipeline::store::object::{ObjectOptions, ObjectStorage};
use xb_pipeline::store::{About, ObjectDigest, Removal, Store, StoreError, StoreErrorKind, StorePath};
use xb_tests::http::{Answer, HttpServer};
use xb_tests::http_faults::{Asked, Fault, FaultProxy};
use xb_tests::s3::{BUCKET, S3Server};
use xb_tests::tls::Identity;

use crate::conformance::{Fresh, conforms};

mod faults;

const MIB: usize = 1 << 20;

conforms!(in_memory, || Fresh::new(ObjectStorage::in_memory().unwrap(), ()));
// The odd names that are left out have a test of their own below.
conforms!(@short_names s3, || {
    let stage = Stage::new();
    Fresh::new(stage.open(), stage)
});

#[test]
fn odd_names_are_keys_like_others() {
    let stage = Stage::new();
    let store = stage.open();
    let names = [
        "a b",
        " x ",
        "it's",
        "\"q\"",
        "$(touch x)",
        "`y`",
        "new\nline",
        "tab\tand\rreturn",
        "-rf",
        "%2F",
        "%",
        "100%25",
        "#?&",
        "a?b=c&d#e",
        "a+b",
        "\\",
        "*",
        "[a]",
        "{a}",
        "<&amp;>",
        "a;b|c",
        "...",
        "grün",
        "備 🗄",
        "~",
    ];
    for name in names {
        store.put(&path(&format!("put/{name}")), name.as_bytes()).unwrap();
        store.put_new(&path(&format!("new/{name}/{name}")), name.as_bytes()).unwrap();
        try_write(&store, &format!("up/{name}"), name.as_bytes()).unwrap();
    }
    let entries = store.list().unwrap();
    assert_eq!(entries.len(), 3 * names.len());
    for name in names {
        for at in [format!("put/{name}"), format!("new/{name}/{name}"), format!("up/{name}")] {
            assert!(entries.iter().any(|entry| entry.path == path(&at)), "{at:?}");
            assert_eq!(read(&store, &at, 0).unwrap(), name.as_bytes(), "{at:?}");
        }
    }
    let all: Vec<StorePath> = entries.into_iter().map(|entry| entry.path).collect();
    assert!(store.remove(&all).unwrap().iter().all(|removal| *removal == Removal::Removed));
    assert_eq!(store.list().unwrap(), []);
}

/// A server, what stands in front of it, and how it is reached.
struct Stage {
    proxy: FaultProxy,
    server: S3Server,
    options: ObjectOptions,
    cancel: CancelToken,
}

impl Stage {
    fn new() -> Self {
        let server = S3Server::start();
        let proxy = FaultProxy::start(server.port);
        let options = server.options(proxy.port);
        Stage { proxy, server, options, cancel: CancelToken::new() }
    }

    /// With little patience for a store that is silent.
    fn hasty() -> Self {
        let mut stage = Stage::new();
        stage.options.patience.silence = Duration::from_millis(700);
        stage
    }

    fn open(&self) -> ObjectStorage {
        ObjectStorage::open(&format!("s3://{BUCKET}/below here"), &self.options, &self.cancel).unwrap()
    }
}

fn path(text: &str) -> StorePath {
    StorePath::parse(text).unwrap()
}

/// Bytes of which no two MiB are alike.
fn content(length: usize) -> Vec<u8> {
    (0..length as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8 ^ (at >> 20) as u8).collect()
}

fn read(store: &dyn Store, at: &str, from: u64) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let mut reader = store.read(&path(at), from)?;
    reader.read_to_end(&mut bytes).map_err(|error| StoreError::from_io(error, store.address(), "read"))?;
    Ok(bytes)
}

fn try_write(store: &dyn Store, at: &str, bytes: &[u8]) -> Result<u64, StoreError> {
    let mut upload = store.create(&path(at), About::default())?;
    upload.write_all(bytes).map_err(|error| StoreError::from_io(error, store.address(), "write"))?;
    upload.finish()
}

fn is_part(asked: &Asked) -> bool {
    asked.is("PUT", "partNumber=")
}

fn is_get(asked: &Asked) -> bool {
    asked.is("GET", "data")
}

#[test]
fn ranges_of_a_large_object_come_at_the_same_time_and_in_order() {
    let bytes = content(60 * MIB);
    let stage = Stage::new();
    let store = stage.open();
    try_write(&store, "data", &bytes).unwrap();
    // Where nothing was written through.
    let proxy = FaultProxy::start(stage.server.port);
    let reading = format!("s3://{BUCKET}/below here?endpoint=http://127.0.0.1:{}", proxy.port);
    let store = ObjectStorage::open(&reading, &stage.options, &stage.cancel).unwrap();
    assert!(read(&store, "data", 1).unwrap() == bytes[1..]);
    assert_eq!(proxy.count(is_get), 10);
    assert!((3..=6).contains(&proxy.most_at_once()), "{}", proxy.most_at_once());
    // Who reads the head of it asks for little.
    let before = proxy.count(is_get);
    let mut head = [0; 1000];
    store.read(&path("data"), 0).unwrap().read_exact(&mut head).unwrap();
    assert!(proxy.count(is_get) - before <= 3);
}

#[test]
fn refusals_say_what_to_do() {
    for (status, code, kind, part) in [
        (403, "RequestTimeTooSkewed", StoreErrorKind::Denied, "set the clock"),
        (403, "AccessDenied", StoreErrorKind::Denied, "the keys came from the settings"),
        (403, "InvalidAccessKeyId", StoreErrorKind::Denied, "the keys came from the settings"),
        (400, "ExpiredToken", StoreErrorKind::Denied, "get new keys"),
        (507, "XMinioStorageFull", StoreErrorKind::Full, "XMinioStorageFull"),
        (501, "NotImplemented", StoreErrorKind::Unsupported, "NotImplemented"),
    ] {
        let stage = Stage::new();
        let store = stage.open();
        stage.proxy.fault(0, usize::MAX, Fault::Refuse(status, code), |asked| !asked.is("HEAD", ""));
        let errors = [
            store.put(&path("a"), b"a").unwrap_err(),
            store.put_new(&path("a"), b"a").unwrap_err(),
            store.list().unwrap_err(),
            store.read_small(&[path("a")], 1).unwrap_err(),
            try_write(&store, "a", &content(9 * MIB)).unwrap_err(),
        ];
        for error in errors {
            assert!(error.kind == kind && error.reason.contains(part), "{code}: {error}");
        }
        assert_eq!(stage.proxy.asked().len(), 5, "{code}: tried again");
    }
}

#[test]
fn wrong_keys_and_a_bucket_that_is_not_there_are_told() {
    let stage = Stage::new();
    let mut options = stage.options.clone();
    options.secret_key = Some(Secret::new("wrong"));
    let store = ObjectStorage::open(&format!("s3://{BUCKET}"), &options, &stage.cancel).unwrap();
    let error = store.list().unwrap_err();
    assert!(
        error.kind == StoreErrorKind::Denied && error.reason.contains("came from the settings"),
        "{error}"
    );
    assert!(!error.to_string().contains("wrong"), "{error}");
    let store = ObjectStorage::open("s3://nobodys/p", &stage.options, &stage.cancel).unwrap();
    // This server makes a bucket when something is put into it.
    stage.proxy.fault(0, 1, Fault::Refuse(404, "NoSuchBucket"), |asked| asked.is("PUT", ""));
    for error in [store.list().unwrap_err(), store.put(&path("a"), b"a").unwrap_err()] {
        assert_eq!(error.kind, StoreErrorKind::Missing, "{error}");
        assert!(error.reason.contains("make the bucket"), "{error}");
    }
}

#[test]
fn what_a_dead_process_left_is_cleaned_up_by_its_token() {
    let stage = Stage::new();
    let about = About { expected_bytes: Some(40 << 20), digest: None };
    let mut upload = stage.open().create(&path("data"), about).unwrap();
    upload.write_all(&content(20 * MIB)).unwrap();
    let token = upload.token().unwrap();
    // As kill -9 would: nothing is cleaned up.
    std::mem::forget(upload);
    xb_tests::wait_until("its parts are there", Duration::from_secs(20), || {
        let names = stage.server.unfinished();
        ["part-1", "part-2"].iter().all(|part| names.iter().any(|name| name.ends_with(part)))
    });
    let store = stage.open();
    assert_eq!(store.list().unwrap(), []);
    for _ in 0..2 {
        store.abort(&path("data"), &token).unwrap();
        assert_eq!(stage.server.unfinished(), Vec::<String>::new());
    }
}

#[test]
fn a_digest_is_told_without_reading() {
    let stage = Stage::new();
    let store = stage.open();
    let hex = "ab".repeat(32);
    let digest = xb_pipeline::Digest::try_from(hex).unwrap();
    for length in [10, 9 * MIB] {
        let about = About { expected_bytes: None, digest: Some(digest) };
        let mut upload = store.create(&path("data"), about).unwrap();
        upload.write_all(&content(length)).unwrap();
        upload.finish().unwrap();
        assert_eq!(store.digest(&path("data")).unwrap(), Some(ObjectDigest::Blake3(digest)), "{length}");
    }
    assert_eq!(stage.proxy.count(is_get), 0);
}

#[test]
fn what_the_store_keeps_is_deferred_and_no_failure() {
    let stage = Stage::new();
    let store = stage.open();
    store.publish(&path("full/a"), "seal", b"").unwrap();
    stage.proxy.fault(0, 2, Fault::Refuse(403, "AccessDenied"), |asked| asked.is("POST", "delete"));
    let removals = store.remove(&[path("full/a/seal"), path("other")]).unwrap();
    for removal in removals.into_iter().chain([store.withdraw(&path("full/a"), "seal").unwrap()]) {
        assert!(matches!(&removal, Removal::Deferred(why) if why.contains("AccessDenied")), "{removal:?}");
    }
    assert_eq!(store.withdraw(&path("full/a"), "seal").unwrap(), Removal::Removed);
    assert_eq!(store.withdraw(&path("full/a"), "seal").unwrap(), Removal::Missing);
    stage.proxy.fault(0, 1, Fault::Refuse(403, "SignatureDoesNotMatch"), |asked| asked.is("POST", "delete"));
    assert_eq!(store.remove(&[path("a")]).unwrap_err().kind, StoreErrorKind::Denied);
}

#[test]
fn whatever_waits_ends_soon_when_asked_to_stop() {
    type Work = fn(&dyn Store) -> Result<(), StoreError>;
    let works: [Work; 5] = [
        |store| store.list().map(|_| ()),
        |store| store.put(&path("a"), b"a"),
        |store| store.remove(&[path("a")]).map(|_| ()),
        |store| read(store, "data", 0).map(|_| ()),
        |store| try_write(store, "b", &content(50 * MIB)).map(|_| ()),
    ];
    for work in works {
        let stage = Stage::new();
        let store: Arc<dyn Store> = Arc::new(stage.open());
        store.put(&path("data"), b"data").unwrap();
        let before = stage.proxy.asked().len();
        stage.proxy.fault(0, usize::MAX, Fault::Stall, |asked| {
            !asked.is("HEAD", "") && !asked.is("POST", "uploads")
        });
        let working = store.clone();
        let waiting = std::thread::spawn(move || work(&*working));
        xb_tests::wait_until("it waits", Duration::from_secs(20), || {
            stage.proxy.asked().len() > before + 1
                || stage.proxy.asked()[before..]
                    .iter()
                    .any(|asked| !asked.is("HEAD", "") && !asked.is("POST", "uploads"))
        });
        let started = Instant::now();
        stage.cancel.cancel(CancelReason::Interrupt);
        let error = waiting.join().unwrap().unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Cancelled, "{error}");
        assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
        assert_eq!(store.list().unwrap_err().kind, StoreErrorKind::Cancelled);
    }
}

#[test]
fn without_keys_nobody_waits_for_long() {
    // Takes connections and says nothing, as a network without that service does.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = tempfile::tempdir().unwrap();
    let metadata = format!("http://{}", silent.local_addr().unwrap());
    let options = ObjectOptions {
        home: Some(home.path().to_owned()),
        variables: vec![("AWS_METADATA_ENDPOINT".into(), metadata)],
        ..ObjectOptions::default()
    };
    let started = Instant::now();
    let error = ObjectStorage::open("s3://b/p", &options, &CancelToken::new()).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(error.kind == StoreErrorKind::Denied && error.reason.contains("AWS_ACCESS_KEY_ID"), "{error}");
}

#[test]
fn keys_of_the_environment_and_of_files_open_the_store() {
    let stage = Stage::new();
    let home = tempfile::tempdir().unwrap();
    let keys = |id: &str, secret: &str| {
        format!("[default]\naws_access_key_id={id}\naws_secret_access_key={secret}\n")
    };
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let file = home.path().join(".aws/credentials");
    let (id, secret) = (xb_tests::s3::ACCESS_KEY, xb_tests::s3::SECRET_KEY);
    std::fs::write(&file, keys(id, secret)).unwrap();
    let mut options = ObjectOptions { home: Some(home.path().to_owned()), ..stage.options.clone() };
    (options.access_key, options.secret_key) = (None, None);
    let open = |options: &ObjectOptions| ObjectStorage::open("s3://backups", options, &stage.cancel).unwrap();
    assert_eq!(open(&options).list().unwrap(), []);
    std::fs::write(&file, keys(id, "wrong")).unwrap();
    let error = open(&options).list().unwrap_err();
    assert!(error.reason.contains(".aws/credentials"), "{error}");
    options.variables =
        vec![("AWS_ACCESS_KEY_ID".into(), id.into()), ("AWS_SECRET_ACCESS_KEY".into(), secret.into())];
    assert_eq!(open(&options).list().unwrap(), []);
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_told_and_can_be_trusted() {
    let home = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let server = HttpServer::start(&[Answer::Status(404)], Some(identity.clone()));
    let mut options = ObjectOptions {
        endpoint: Some(format!("https://localhost:{}", server.port)),
        access_key: Some("key".into()),
        secret_key: Some(Secret::new("secret")),
        ..ObjectOptions::default()
    };
    options.patience.tries = 1;
    let open = |options: &ObjectOptions| ObjectStorage::open("s3://b", options, &CancelToken::new());
    let error = open(&options).unwrap().put(&path("a"), b"a").unwrap_err();
    assert!(error.kind == StoreErrorKind::Denied && error.reason.contains("file of certificates"), "{error}");
    assert_eq!(server.requests(), []);
    options.ca_file = Some(identity.certificate(home.path()));
    assert_eq!(open(&options).unwrap().put(&path("a"), b"a").unwrap_err().kind, StoreErrorKind::Missing);
    assert_eq!(server.requests().len(), 1);
    options.ca_file = Some(home.path().join("none"));
    assert!(open(&options).unwrap_err().reason.contains("none: "));
}

#[test]
fn what_cannot_be_is_told_before_a_request() {
    let stage = Stage::new();
    let mut options = stage.options.clone();
    options.endpoint = Some("http://minio.example.org:9000".into());
    for (address, part) in [("s3://b", "without TLS"), ("s3://", "no name"), ("s3://key:hidden@b", "no keys")]
    {
        let error = ObjectStorage::open(address, &options, &stage.cancel).unwrap_err();
        assert!(error.kind == StoreErrorKind::Unsupported && error.reason.contains(part), "{error}");
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
    assert!(stage.proxy.asked().is_empty());
}

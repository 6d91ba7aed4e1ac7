//! What a network and a server do when they do not do well.

use std::io::{Read, Write};
use std::time::Duration;

use xb_pipeline::cancel::CancelReason;
use xb_pipeline::store::{About, Removal, Store, StoreError, StoreErrorKind};
use xb_tests::http_faults::{Asked, Fault};
use xb_tests::s3::BUCKET;

use super::{MIB, Stage, content, is_get, is_part, path, read, try_write};

fn is_complete(asked: &Asked) -> bool {
    asked.is("POST", "uploadId=")
}

/// What passes, or is slow to, and is tried again.
const PASSING: [Fault; 8] = [
    Fault::Refuse(500, "InternalError"),
    Fault::Refuse(503, "SlowDown"),
    Fault::Refuse(400, "RequestTimeout"),
    Fault::Reset,
    Fault::CutAnswer(10),
    Fault::CutRequest(100_000),
    Fault::LoseAnswer,
    Fault::Stall,
];

#[test]
fn a_part_is_sent_again_by_itself() {
    let bytes = content(20 * MIB);
    for fault in PASSING {
        let stage = Stage::hasty();
        let store = stage.open();
        stage.proxy.fault(1, 1, fault.clone(), is_part);
        if fault == Fault::Stall {
            continue;
        }
        assert_eq!(try_write(&store, "data", &bytes).unwrap(), bytes.len() as u64, "{fault:?}");
        assert_eq!(stage.proxy.count(is_part), 4, "{fault:?}");
        assert!(read(&store, "data", 0).unwrap() == bytes, "{fault:?}");
    }
}

#[test]
fn every_other_request_is_tried_again_too() {
    let bytes = content(9 * MIB);
    let kinds: [fn(&Asked) -> bool; 6] = [
        |asked| asked.is("POST", "uploads"),
        is_complete,
        |asked| asked.is("HEAD", ""),
        |asked| asked.is("GET", "list-type=2"),
        |asked| asked.is("POST", "delete"),
        |asked| asked.is("PUT", "small"),
    ];
    for fault in PASSING {
        let stage = Stage::hasty();
        let store = stage.open();
        // An answer to HEAD has no words: this one cannot be told from a refusal.
        let all = !matches!(fault, Fault::Refuse(400, _));
        for kind in kinds {
            let which = move |asked: &Asked| kind(asked) && (all || !asked.is("HEAD", ""));
            stage.proxy.fault(0, 1, fault.clone(), which);
        }
        assert_eq!(try_write(&store, "data", &bytes).unwrap(), bytes.len() as u64, "{fault:?}");
        store.put_new(&path("small"), b"small").unwrap();
        assert_eq!(store.list().unwrap().len(), 2, "{fault:?}");
        assert_eq!(store.remove(&[path("small")]).unwrap(), [Removal::Removed], "{fault:?}");
        assert!(read(&store, "data", 0).unwrap() == bytes, "{fault:?}");
    }
}

#[test]
fn what_does_not_pass_is_told_after_some_tries() {
    let stage = Stage::new();
    let store = stage.open();
    stage.proxy.fault(0, usize::MAX, Fault::Refuse(503, "SlowDown"), |asked| asked.is("PUT", ""));
    let error = store.put(&path("a"), b"a").unwrap_err();
    assert_eq!((error.kind, stage.proxy.count(|asked| asked.is("PUT", ""))), (StoreErrorKind::Busy, 4));
    assert!(error.reason.contains("tried 4 times") && error.reason.contains("SlowDown"), "{error}");
    let error = try_write(&store, "data", &content(9 * MIB)).unwrap_err();
    assert!(error.kind == StoreErrorKind::Busy && error.reason.starts_with("part "), "{error}");
    assert_eq!(stage.server.unfinished(), Vec::<String>::new());
}

#[test]
fn a_broken_connection_resumes_at_the_byte() {
    let bytes = content(30 * MIB + 17);
    let stage = Stage::new();
    let store = stage.open();
    try_write(&store, "data", &bytes).unwrap();
    for cut in [0, 10, 500] {
        stage.proxy.fault(0, 2, Fault::CutAnswer(cut), is_get);
        assert!(read(&store, "data", 0).unwrap() == bytes);
    }
    stage.proxy.fault(0, 6, Fault::CutAnswer(700_000), is_get);
    let before = stage.proxy.asked().len();
    assert!(read(&store, "data", 0).unwrap() == bytes);
    assert!(read(&store, "data", 29_000_001).unwrap() == bytes[29_000_001..]);
    let froms: Vec<String> = stage.proxy.asked()[before..]
        .iter()
        .filter_map(|asked| Some(asked.header("range")?.to_owned()))
        .collect();
    // One of 700,000 bytes, head included, goes on behind what came of its body.
    assert!(froms.iter().any(|range| !range.contains("-1048575") || range.contains("bytes=69")), "{froms:?}");
    for fault in [Fault::Refuse(503, "SlowDown"), Fault::Reset] {
        stage.proxy.heal();
        stage.proxy.fault(0, 2, fault.clone(), is_get);
        assert!(read(&store, "data", 5).unwrap() == bytes[5..], "{fault:?}");
    }
}

#[test]
fn silence_in_the_midst_of_an_answer_is_not_waited_for() {
    let stage = Stage::hasty();
    let store = stage.open();
    let bytes = content(3 * MIB);
    try_write(&store, "data", &bytes).unwrap();
    stage.proxy.fault(0, 1, Fault::Stall, is_get);
    assert!(read(&store, "data", 0).unwrap() == bytes);
}

#[test]
fn an_answer_that_always_breaks_off_at_once_is_given_up() {
    let stage = Stage::new();
    let store = stage.open();
    try_write(&store, "data", &content(MIB)).unwrap();
    stage.proxy.fault(0, usize::MAX, Fault::CutAnswer(10), is_get);
    let error = read(&store, "data", 0).unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    assert_eq!(store.read_small(&[path("data")], 2 << 20).unwrap_err().kind, StoreErrorKind::Unreachable);
}

#[test]
fn an_object_that_changes_while_it_is_read_is_an_error() {
    let stage = Stage::new();
    let store = stage.open();
    try_write(&store, "data", &content(40 * MIB)).unwrap();
    let mut reader = store.read(&path("data"), 0).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    try_write(&store, "data", &content(41 * MIB)[MIB..]).unwrap();
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    let error = StoreError::from_io(error, "", "read");
    assert!(error.kind == StoreErrorKind::Damaged && error.reason.contains("changed"), "{error}");
}

#[test]
fn no_server_is_told_as_such() {
    let mut stage = Stage::new();
    stage.options.endpoint = Some(format!("http://127.0.0.1:{}", stage.server.port));
    stage.server.kill();
    let error = stage.open().list().unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unreachable, "{error}");
    assert!(error.reason.contains("onnection refused"), "{error}");
}

#[test]
fn a_server_that_dies_in_the_midst_of_an_upload_and_comes_back_is_made_out() {
    let mut stage = Stage::new();
    stage.options.patience.tries = 12;
    let store = stage.open();
    let bytes = content(40 * MIB);
    let about = About { expected_bytes: Some(bytes.len() as u64), digest: None };
    let mut upload = store.create(&path("data"), about).unwrap();
    upload.write_all(&bytes[..20 * MIB]).unwrap();
    stage.server.kill();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            xb_tests::wait_until("a part is sent in vain", Duration::from_secs(20), || {
                stage.proxy.count(is_part) > 5
            });
            stage.server.restart();
        });
        upload.write_all(&bytes[20 * MIB..]).unwrap();
        assert_eq!(upload.finish().unwrap(), bytes.len() as u64);
    });
    assert!(read(&store, "data", 0).unwrap() == bytes);
}

#[test]
fn a_server_that_stays_away_ends_an_upload_and_leaves_nothing_that_counts() {
    let mut stage = Stage::new();
    let store = stage.open();
    let about = About { expected_bytes: Some(40 << 20), digest: None };
    let mut upload = store.create(&path("data"), about).unwrap();
    upload.write_all(&content(10 * MIB)).unwrap();
    let token = upload.token().unwrap();
    stage.server.kill();
    let error = upload.write_all(&content(60 * MIB)).unwrap_err();
    assert_eq!(StoreError::from_io(error, "", "write").kind, StoreErrorKind::Unreachable);
    drop(upload);
    stage.server.restart();
    assert_eq!(store.list().unwrap(), []);
    store.abort(&path("data"), &token).unwrap();
    assert_eq!(stage.server.unfinished(), Vec::<String>::new());
}

#[test]
fn an_upload_whose_last_answer_is_lost_is_finished_all_the_same() {
    let stage = Stage::new();
    let store = stage.open();
    stage.proxy.fault(0, 1, Fault::LoseAnswer, is_complete);
    let bytes = content(9 * MIB);
    assert_eq!(try_write(&store, "data", &bytes).unwrap(), bytes.len() as u64);
    assert_eq!(stage.proxy.count(is_complete), 2);
    assert_eq!(stage.server.unfinished(), Vec::<String>::new());
}

#[test]
fn who_wrote_a_seal_knows_it_although_the_answer_was_lost() {
    let stage = Stage::new();
    let store = stage.open();
    stage.proxy.fault(0, 1, Fault::LoseAnswer, |asked| asked.header("if-none-match").is_some());
    store.publish(&path("full/a"), "seal", b"same").unwrap();
    let error = store.publish(&path("full/a"), "seal", b"same").unwrap_err();
    assert_eq!((error.kind, error.path.as_deref()), (StoreErrorKind::Exists, Some("full/a")));
}

#[test]
fn an_object_that_is_shorter_than_what_was_sent_is_not_confirmed() {
    let mut stage = Stage::new();
    stage.options.patience.silence = Duration::from_secs(1);
    let store = stage.open();
    let file = stage.server.data().join(BUCKET).join("below here/data");
    // Between taking it and being asked about it, the server loses some.
    stage.proxy.fault(0, 1, Fault::Stall, |asked| asked.is("HEAD", ""));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            xb_tests::wait_until("it is asked", Duration::from_secs(20), || {
                stage.proxy.count(|asked| asked.is("HEAD", "")) > 0
            });
            std::fs::write(&file, b"six").unwrap();
        });
        let error = try_write(&store, "data", b"twelve bytes").unwrap_err();
        assert!(
            error.kind == StoreErrorKind::Damaged && error.reason.contains("confirms 3 bytes"),
            "{error}"
        );
    });
}

#[test]
fn no_more_than_four_parts_are_under_way() {
    let stage = Stage::new();
    let store = stage.open();
    stage.proxy.fault(0, usize::MAX, Fault::Stall, is_part);
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| try_write(&store, "data", &content(80 * MIB)));
        let sent = || stage.proxy.count(is_part);
        xb_tests::wait_until("parts are under way", Duration::from_secs(20), || sent() >= 4);
        // Long enough for more, if there were more to come.
        std::thread::sleep(Duration::from_millis(500));
        let sent = sent();
        stage.cancel.cancel(CancelReason::Interrupt);
        assert_eq!(writing.join().unwrap().unwrap_err().kind, StoreErrorKind::Cancelled);
        assert_eq!(sent, 4);
    });
}

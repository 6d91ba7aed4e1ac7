//! How single objects are written and read.

use super::*;

pub(crate) fn what_is_written_is_read_again(store: &dyn Store) {
    assert_eq!(store.list().unwrap(), Vec::new());
    let lengths = [0, 1, 1 << 20, 20 * 1024 * 1024 + 3];
    for (at, length) in ["full/a/zero", "full/a/one", "full/b/mega", "large"].into_iter().zip(lengths) {
        let content = noise(length as u64, length);
        upload(store, at, &content);
        assert_content(store, at, &content);
        assert_eq!(entry(store, at).bytes, length as u64, "{at}");
    }
    assert_eq!(listed(store), ["full/a/one", "full/a/zero", "full/b/mega", "large"]);
}

pub(crate) fn a_wrong_guess_of_the_length_does_no_harm(store: &dyn Store) {
    let guesses = [(Some(10), 3_000_000), (Some(3_000_000), 10), (Some(0), 1), (Some(1), 0), (None, 70_000)];
    for (number, (expected_bytes, length)) in guesses.into_iter().enumerate() {
        let (at, content) = (format!("d/{number}"), noise(1, length));
        let mut upload = store.create(&path(&at), About { expected_bytes, digest: None }).unwrap();
        write_in_pieces(&mut *upload, &content);
        assert_eq!(upload.finish().unwrap(), length as u64);
        assert_content(store, &at, &content);
    }
}

pub(crate) fn an_upload_that_is_dropped_leaves_nothing(store: &dyn Store) {
    store.put(&path("d/kept"), b"old").unwrap();
    for length in [0, 1, 9 << 20] {
        for at in ["d/kept", "d/other", "e/f/g"] {
            let mut upload = store.create(&path(at), About::default()).unwrap();
            write_in_pieces(&mut *upload, &noise(2, length));
            drop(upload);
            assert_eq!(listed(store), ["d/kept"], "after {length} bytes for {at}");
        }
    }
    assert_eq!(small(store, "d/kept").unwrap(), b"old");
    assert_eq!(small(store, "d/other"), None);
    assert_eq!(store.prefixes().unwrap(), ["d"]);
}

pub(crate) fn an_upload_replaces_what_is_there(store: &dyn Store) {
    for (seed, length) in [(1, 1 << 20), (2, 300), (3, 0), (4, 6 << 20)] {
        let content = noise(seed, length);
        let mut upload = store.create(&path("d/a"), About::default()).unwrap();
        write_in_pieces(&mut *upload, &content);
        if seed > 1 {
            assert_content(store, "d/a", &noise(seed - 1, [1 << 20, 300, 0][seed as usize - 2]));
        }
        upload.finish().unwrap();
        assert_content(store, "d/a", &content);
        assert_eq!(entry(store, "d/a").bytes, length as u64);
    }
    assert_eq!(listed(store), ["d/a"]);
}

pub(crate) fn of_two_uploads_at_once_the_last_to_finish_stays_whole(store: &dyn Store) {
    let contents = [noise(1, 6_000_001), noise(2, 5_500_000)];
    for last in [0, 1] {
        let [mut one, mut two] = [0, 1].map(|_| store.create(&path("d/a"), About::default()).unwrap());
        let half = 3_000_000;
        one.write_all(&contents[0][..half]).unwrap();
        two.write_all(&contents[1][..half]).unwrap();
        two.write_all(&contents[1][half..]).unwrap();
        one.write_all(&contents[0][half..]).unwrap();
        let (first, second) = if last == 1 { (one, two) } else { (two, one) };
        first.finish().unwrap();
        second.finish().unwrap();
        assert_content(store, "d/a", &contents[last]);
        assert_eq!(listed(store), ["d/a"]);
    }
}

pub(crate) fn the_token_of_an_upload_can_be_aborted_more_than_once(store: &dyn Store) {
    let at = path("d/a");
    let mut upload = store.create(&at, About::default()).unwrap();
    write_in_pieces(&mut *upload, &noise(1, 9 << 20));
    let token = upload.token();
    drop(upload);
    if let Some(token) = token {
        store.abort(&at, &token).unwrap();
        store.abort(&at, &token).unwrap();
    }
    assert_eq!(listed(store), Vec::<String>::new());
}

pub(crate) fn reading_begins_where_it_is_told(store: &dyn Store) {
    let content = noise(7, 3_000_001);
    upload(store, "d/a", &content);
    upload(store, "d/empty", b"");
    for from in [0, 1, 65_536, 2_999_999, 3_000_000, 3_000_001] {
        let read = try_read(store, "d/a", from).unwrap();
        assert!(read == content[from as usize..], "from {from}: {} bytes", read.len());
    }
    assert_eq!(try_read(store, "d/empty", 0).unwrap(), b"");
    for (at, from) in [("d/a", 3_000_002), ("d/a", 1 << 40), ("d/empty", 1)] {
        let error = try_read(store, at, from).unwrap_err();
        assert_ne!(error.kind, StoreErrorKind::Missing, "{error}");
    }
    // Who has enough need not read to the end.
    let mut reader = store.read(&path("d/a"), 5).unwrap();
    let mut some = [0; 1000];
    reader.read_exact(&mut some).unwrap();
    drop(reader);
    assert_eq!(some, content[5..1005]);
    assert_content(store, "d/a", &content);
}

pub(crate) fn what_is_missing_is_told_as_missing(store: &dyn Store) {
    store.put(&path("d/a"), b"a").unwrap();
    for at in ["b", "d/b", "d/a b", "e/f/g"] {
        for from in [0, 1] {
            let error = store.read(&path(at), from).map(|_| ()).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Missing, "{at}: {error}");
        }
        assert_eq!(small(store, at), None, "{at}");
        assert_eq!(store.digest(&path(at)).unwrap(), None, "{at}");
        assert_gone(&store.remove(&[path(at)]).unwrap());
    }
    // A directory is no object.
    assert_eq!(store.read(&path("d"), 0).map(|_| ()).unwrap_err().kind, StoreErrorKind::Missing);
    assert_eq!((small(store, "d"), store.digest(&path("d")).unwrap()), (None, None));
    assert_gone(&[store.withdraw(&path("d/nothing"), SEAL).unwrap()]);
    assert_eq!(listed(store), ["d/a"]);
}

pub(crate) fn small_objects_come_in_the_order_asked(store: &dyn Store) {
    assert_eq!(store.read_small(&[], 10).unwrap(), Vec::new());
    let binary: Vec<u8> = (0..=255).collect();
    let objects = [("d/b", &b"bee"[..]), ("d/a", b""), ("e", b"\n\n"), ("f", &binary)];
    put_all(store, &objects.map(|(at, content)| (path(at), content.to_vec())));
    let asked = ["f", "d/none", "d/a", "e", "none", "d/b", "f"];
    let read = store.read_small(&paths(asked), 256).unwrap();
    let expected = asked.map(|at| objects.iter().find(|object| object.0 == at).map(|object| object.1));
    assert_eq!(read.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
}

pub(crate) fn more_than_the_limit_is_an_error(store: &dyn Store) {
    store.put(&path("d/a"), &noise(1, 1000)).unwrap();
    store.put(&path("d/b"), b"small").unwrap();
    assert_eq!(store.read_small(&[path("d/a")], 1000).unwrap()[0].as_ref().unwrap().len(), 1000);
    for asked in [&["d/a"][..], &["d/b", "d/a"], &["none", "d/a", "d/b"]] {
        let error = store.read_small(&paths(asked), 999).unwrap_err();
        assert_ne!(error.kind, StoreErrorKind::Missing, "{error}");
        assert_eq!(error.path.as_deref(), Some("d/a"), "{error}");
    }
}

pub(crate) fn put_replaces_and_readers_see_it_whole(store: &dyn Store) {
    let contents = [noise(1, 100_000), noise(2, 50_000)];
    let at = path("d/a");
    store.put(&at, &contents[1]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let read = small(store, "d/a");
                assert!(read.as_ref().is_some_and(|read| contents.contains(read)), "neither old nor new");
            }
        });
        for turn in 0..20 {
            store.put(&at, &contents[turn % 2]).unwrap();
            assert!(small(store, "d/a").unwrap() == contents[turn % 2], "put {turn}");
        }
        done.store(true, Ordering::SeqCst);
        reader.join().unwrap();
    });
    store.put(&at, b"").unwrap();
    assert_eq!(small(store, "d/a").unwrap(), b"");
    assert_eq!(listed(store), ["d/a"]);
}

pub(crate) fn put_new_does_not_replace(store: &dyn Store) {
    for at in ["d/a", "b"] {
        store.put_new(&path(at), b"one").unwrap();
        for content in [&b"two"[..], b"one", b""] {
            let error = store.put_new(&path(at), content).unwrap_err();
            assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
        }
        assert_eq!(small(store, at).unwrap(), b"one");
    }
    store.remove(&[path("d/a")]).unwrap();
    store.put_new(&path("d/a"), b"").unwrap();
    assert_eq!(store.put_new(&path("d/a"), b"x").unwrap_err().kind, StoreErrorKind::Exists);
    assert_eq!(small(store, "d/a").unwrap(), b"");
    assert_eq!(listed(store), ["b", "d/a"]);
}

pub(crate) fn of_many_that_put_the_same_new_object_one_succeeds(store: &dyn Store) {
    for round in 0..5 {
        let at = path(&format!("locks/{round}"));
        let content = |number: usize| noise(number as u64, 5000 + number);
        let winner = only_winner(race(|number| store.put_new(&at, &content(number))));
        assert!(small(store, at.as_str()).unwrap() == content(winner), "round {round}");
    }
    assert_eq!(listed(store), (0..5).map(|round| format!("locks/{round}")).collect::<Vec<_>>());
}

pub(crate) fn the_version_changes_with_the_content(store: &dyn Store) {
    store.put(&path("d/other"), b"other").unwrap();
    let before = entry_of_other(store);
    let mut versions = BTreeSet::new();
    for length in [10, 11, 0, 300_000] {
        upload(store, "d/a", &noise(1, length));
        let seen = entry(store, "d/a");
        assert_eq!(seen, entry(store, "d/a"), "without a change");
        assert!(versions.insert(seen.version.clone()), "the version {:?} came again", seen.version);
        if let Some(modified) = seen.modified {
            let off = modified - SystemClock.now().with_timezone(&Utc);
            assert!(off.abs() < TimeDelta::hours(1), "written {modified}");
        }
    }
    assert_eq!(entry_of_other(store), before);
}

fn entry_of_other(store: &dyn Store) -> Entry {
    entry(store, "d/other")
}

pub(crate) fn a_digest_is_that_of_the_content(store: &dyn Store) {
    for (seed, length) in [(1, 0), (2, 5), (3, 6_000_001), (4, 100_000)] {
        let content = noise(seed, length);
        for known in [true, false] {
            let about = About { expected_bytes: None, digest: known.then(|| blake3(&content)) };
            let mut upload = store.create(&path("d/a"), about).unwrap();
            write_in_pieces(&mut *upload, &content);
            upload.finish().unwrap();
            match store.digest(&path("d/a")).unwrap() {
                Some(ObjectDigest::Blake3(digest)) => assert_eq!(digest, blake3(&content)),
                Some(ObjectDigest::Sha256(digest)) => {
                    assert_eq!(digest[..], sha2::Sha256::digest(&content)[..])
                }
                None => (),
            }
        }
    }
    store.put(&path("d/a"), b"put").unwrap();
    if let Some(ObjectDigest::Blake3(digest)) = store.digest(&path("d/a")).unwrap() {
        assert_eq!(digest, blake3(b"put"));
    }
}

//! How what belongs together comes to exist, and ceases to.

use super::*;

/// Puts two objects into the draft of a directory.
fn fill(store: &dyn Store, directory: &StorePath, seed: u64) {
    let draft = store.draft(directory);
    upload(store, draft.join("data").unwrap().as_str(), &noise(seed, 200_000));
    store.put(&draft.join("sub/small").unwrap(), &noise(seed + 1, 10)).unwrap();
}

#[track_caller]
fn assert_published(store: &dyn Store, directory: &StorePath, seed: u64, seal: &[u8]) {
    assert_eq!(listed_below(store, directory), ["data", SEAL, "sub/small"]);
    let at = |name: &str| directory.join(name).unwrap();
    assert_content(store, at("data").as_str(), &noise(seed, 200_000));
    assert_eq!(small(store, at("sub/small").as_str()).unwrap(), noise(seed + 1, 10));
    assert_eq!(small(store, at(SEAL).as_str()).unwrap(), seal);
}

pub(crate) fn what_is_published_comes_to_exist_with_its_seal(store: &dyn Store) {
    let [one, two] = ["full/one", "full/two"].map(path);
    assert_ne!(store.draft(&one), store.draft(&two));
    fill(store, &one, 10);
    fill(store, &two, 20);
    for directory in [&one, &two] {
        assert_eq!(small(store, directory.join(SEAL).unwrap().as_str()), None);
        if store.draft(directory) != *directory {
            assert_eq!(listed_below(store, directory), Vec::<String>::new());
        }
    }
    store.publish(&one, SEAL, b"sealed").unwrap();
    assert_published(store, &one, 10, b"sealed");
    // The other is as it was.
    let draft = store.draft(&two);
    assert_eq!(listed_below(store, &draft), ["data", "sub/small"]);
    assert_eq!(small(store, two.join(SEAL).unwrap().as_str()), None);
    store.publish(&two, SEAL, b"").unwrap();
    assert_published(store, &two, 20, b"");
    assert_published(store, &one, 10, b"sealed");
    assert_eq!(listed(store).len(), 6);
    assert_eq!(store.prefixes().unwrap(), ["full"]);
}

pub(crate) fn publishing_twice_keeps_the_first(store: &dyn Store) {
    let directory = path("full/one");
    fill(store, &directory, 10);
    store.publish(&directory, SEAL, b"first").unwrap();
    for content in [&b"second"[..], b"first"] {
        let error = store.publish(&directory, SEAL, content).unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
    }
    assert_published(store, &directory, 10, b"first");
    if store.draft(&directory) != directory {
        fill(store, &directory, 30);
        let error = store.publish(&directory, SEAL, b"third").unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Exists, "{error}");
        assert_eq!(listed_below(store, &store.draft(&directory)), ["data", "sub/small"]);
    }
    assert_published(store, &directory, 10, b"first");
}

pub(crate) fn of_many_that_publish_the_same_directory_one_succeeds(store: &dyn Store) {
    for round in 0..4 {
        let directory = path(&format!("full/{round}"));
        fill(store, &directory, round);
        let content = |number: usize| format!("by {number}").into_bytes();
        let winner = only_winner(race(|number| store.publish(&directory, SEAL, &content(number))));
        assert_published(store, &directory, round, &content(winner));
    }
    assert_eq!(listed(store).len(), 4 * 3);
}

pub(crate) fn what_is_withdrawn_stands_in_its_draft(store: &dyn Store) {
    let [one, two] = ["full/one", "full/two"].map(path);
    for (directory, seed) in [(&one, 10), (&two, 20)] {
        fill(store, directory, seed);
        store.publish(directory, SEAL, b"sealed").unwrap();
    }
    assert_eq!(store.withdraw(&one, SEAL).unwrap(), Removal::Removed);
    let draft = store.draft(&one);
    assert_eq!(small(store, one.join(SEAL).unwrap().as_str()), None);
    assert_eq!(listed_below(store, &draft), ["data", "sub/small"]);
    assert_content(store, draft.join("data").unwrap().as_str(), &noise(10, 200_000));
    assert_gone(&[store.withdraw(&one, SEAL).unwrap()]);
    assert_published(store, &two, 20, b"sealed");
    let names = ["data", "sub/small"].map(|name| draft.join(name).unwrap());
    assert_gone(&store.remove(&names).unwrap());
    assert_published(store, &two, 20, b"sealed");
    assert_eq!(listed(store).len(), 3);
    store.withdraw(&two, SEAL).unwrap();
    remove_all_listed(store);
}

pub(crate) fn a_name_can_be_published_again_after_it_was_withdrawn(store: &dyn Store) {
    let directory = path("full/one");
    for seed in [10, 20, 30] {
        fill(store, &directory, seed);
        store.publish(&directory, SEAL, format!("seal {seed}").as_bytes()).unwrap();
        assert_published(store, &directory, seed, format!("seal {seed}").as_bytes());
        assert_eq!(store.withdraw(&directory, SEAL).unwrap(), Removal::Removed);
        // Two objects of the withdrawn one are still there: what is new takes their place.
        assert_eq!(listed(store).len(), 2);
    }
    remove_all_listed(store);
}

pub(crate) fn a_directory_with_an_odd_name_is_published_and_withdrawn(store: &dyn Store) {
    let names = ["a b'\"", "-rf", "$(touch x)`touch y`", "new\nline %2F", "\\*#?&", "備份"];
    let directories: Vec<StorePath> = names.iter().map(|name| path(&format!("full/{name}"))).collect();
    for (seed, directory) in (0..).step_by(2).zip(&directories) {
        fill(store, directory, seed);
        store.publish(directory, SEAL, b"sealed").unwrap();
    }
    for (seed, directory) in (0..).step_by(2).zip(&directories) {
        assert_published(store, directory, seed, b"sealed");
        assert_eq!(store.withdraw(directory, SEAL).unwrap(), Removal::Removed);
        assert_eq!(listed_below(store, &store.draft(directory)), ["data", "sub/small"]);
    }
    assert_eq!(listed(store).len(), names.len() * 2);
    remove_all_listed(store);
}

pub(crate) fn errors_say_which_store_and_which_object(store: &dyn Store) {
    assert!(store.address().contains("://"), "{}", store.address());
    let at = path("full/$(x) 'y'");
    store.put(&at, &noise(1, 100)).unwrap();
    fill(store, &path("full/one"), 1);
    store.publish(&path("full/one"), SEAL, b"").unwrap();
    let errors = [
        (store.read(&path("full/none"), 0).map(|_| ()).unwrap_err(), "full/none"),
        (store.read_small(std::slice::from_ref(&at), 99).map(|_| ()).unwrap_err(), at.as_str()),
        (store.put_new(&at, b"").unwrap_err(), at.as_str()),
        (store.publish(&path("full/one"), SEAL, b"").unwrap_err(), "full/one"),
    ];
    for (error, at) in errors {
        assert_eq!((error.store.as_str(), error.path.as_deref()), (store.address(), Some(at)), "{error}");
        assert!(!error.reason.is_empty(), "{error:?}");
    }
}

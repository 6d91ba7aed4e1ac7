//! What is listed and removed, whatever its name is.

use super::*;

pub(crate) fn many_objects_are_listed_read_and_removed(store: &dyn Store) {
    // Some in one directory, some each in its own, and names whose order is not that of their directories.
    let name = |number: usize| match number % 5 {
        0 => format!("full/set-{number:04}/data"),
        1 => format!("full.{number:04}"),
        2 => format!("full/many/{number}"),
        3 => format!("inc/a-b/{number}"),
        _ => format!("inc/a/{number}"),
    };
    let content = |number: usize| noise(number as u64, number % 97);
    let objects: Vec<_> = (0..MANY).map(|number| (path(&name(number)), content(number))).collect();
    put_all(store, &objects);
    let mut expected: Vec<(&StorePath, u64)> =
        objects.iter().map(|(path, content)| (path, content.len() as u64)).collect();
    expected.sort();
    let entries = store.list().unwrap();
    let got: Vec<_> = entries.iter().map(|entry| (&entry.path, entry.bytes)).collect();
    assert!(got == expected, "{} objects are listed: {:?} ...", got.len(), &got[..got.len().min(20)]);
    let some: Vec<_> = objects.iter().step_by(7).collect();
    let asked: Vec<StorePath> = some.iter().map(|object| object.0.clone()).collect();
    let read = store.read_small(&asked, 97).unwrap();
    assert!(read.iter().zip(some).all(|(read, object)| read.as_ref() == Some(&object.1)));
    // All but two, and some that are not there.
    let kept = [7, 1234].map(|number| objects[number].0.clone());
    let mut gone: Vec<StorePath> = objects.iter().map(|object| object.0.clone()).collect();
    gone.retain(|path| !kept.contains(path));
    gone.insert(500, path("full/none"));
    let removals = store.remove(&gone).unwrap();
    assert_eq!(removals.len(), gone.len());
    assert_gone(&removals);
    let there = removals.iter().enumerate().filter(|(number, _)| *number != 500);
    assert!(there.into_iter().all(|(_, removal)| *removal == Removal::Removed));
    assert_eq!(
        listed(store),
        kept.iter().map(StorePath::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>()
    );
    remove_all_listed(store);
}

pub(crate) fn prefixes_are_the_first_names_that_hold_something(store: &dyn Store) {
    assert_eq!(store.prefixes().unwrap(), Vec::<String>::new());
    for at in ["inc/b", "full/a/b/c", "full/a/d", "full b/e", "full-b/e", "an object at the root"] {
        store.put(&path(at), b"x").unwrap();
    }
    assert_eq!(store.prefixes().unwrap(), ["full", "full b", "full-b", "inc"]);
    assert_gone(&store.remove(&paths(["inc/b", "full/a/d"])).unwrap());
    assert_eq!(store.prefixes().unwrap(), ["full", "full b", "full-b"]);
    remove_all_listed(store);
}

/// The odd names, and long ones.
fn odd_names() -> Vec<String> {
    let long = ["x".repeat(200), "ü".repeat(100), "'".repeat(66) + &" \\".repeat(66)];
    ODD.iter().map(|name| (*name).to_owned()).chain(long).collect()
}

pub(crate) fn odd_names_are_names_like_others(store: &dyn Store) {
    let names = odd_names();
    let both = |name: &String| [format!("d/{name}"), format!("e/{name}/{name}"), name.clone() + ".o"];
    let all: BTreeMap<String, Vec<u8>> =
        names.iter().flat_map(both).map(|at| (at.clone(), [b"in ", at.as_bytes()].concat())).collect();
    let objects: Vec<_> = all.iter().map(|(at, content)| (path(at), content.clone())).collect();
    let (put, rest) = objects.split_at(objects.len() / 3);
    let (new, uploaded) = rest.split_at(rest.len() / 2);
    put_all(store, put);
    new.iter().for_each(|(path, content)| store.put_new(path, content).unwrap());
    uploaded.iter().for_each(|(path, content)| upload(store, path.as_str(), content));
    assert_eq!(listed(store), all.keys().cloned().collect::<Vec<_>>());
    let asked: Vec<StorePath> = objects.iter().map(|object| object.0.clone()).collect();
    let read = store.read_small(&asked, 1000).unwrap();
    for ((path, content), read) in objects.iter().zip(read) {
        assert_eq!(read.as_ref(), Some(content), "{path:?}");
    }
    for (path, content) in objects.iter().step_by(3) {
        assert_content(store, path.as_str(), content);
    }
    assert_eq!(store.put_new(&asked[0], b"x").unwrap_err().kind, StoreErrorKind::Exists);
    assert_gone(&store.remove(&asked[1..]).unwrap());
    assert_eq!(listed(store), [asked[0].as_str()]);
    remove_all_listed(store);
}

pub(crate) fn a_list_is_whole_while_others_write(store: &dyn Store) {
    let name = |kind: &str, number: usize| format!("full/{}/{kind}{number}", number % 3);
    for number in 0..10 {
        store.put(&path(&name("old", number)), b"12345").unwrap();
    }
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let lister = scope.spawn(|| {
            let mut lists = 0;
            while lists < 3 || !done.load(Ordering::SeqCst) {
                let entries = store.list().unwrap();
                assert!(entries.is_sorted_by(|a, b| a.path < b.path), "not sorted: {entries:?}");
                let old: Vec<_> =
                    entries.iter().filter(|entry| entry.path.name().starts_with("old")).collect();
                assert_eq!(old.len(), 10, "{entries:?}");
                assert!(old.iter().all(|entry| entry.bytes == 5), "{old:?}");
                let new = entries.iter().filter(|entry| entry.path.name().starts_with("new"));
                new.for_each(|entry| assert_eq!(entry.bytes, 40_000, "{entry:?}"));
                lists += 1;
            }
        });
        for number in 0..40 {
            upload(store, &name("new", number), &noise(1, 40_000));
            store.put(&path(&name("old", number % 10)), b"67890").unwrap();
            store.put(&path("going/a/b"), b"soon").unwrap();
            assert_gone(&store.remove(&[path("going/a/b")]).unwrap());
        }
        done.store(true, Ordering::SeqCst);
        lister.join().unwrap();
    });
    assert_eq!(listed(store).len(), 50);
}

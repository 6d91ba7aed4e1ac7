//! How a run ends that does not come to its end: what is left, how soon, and with which error.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{LazyLock, mpsc};
use std::time::Duration;

use support::forms::{self, all_keys};
use support::{Tree, noise, options, read_tree, scratch, text, tree};
use xb_formats::path::StreamPath;
use xb_pipeline::ReadOptions;
use xb_pipeline::archive::{Conversion, Origin, cat, convert, list};
use xb_pipeline::cancel::{CancelReason, CancelToken};
use xb_pipeline::extract::{ExtractError, Wanted, extract_from};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::{Monitor, Silent};
use xb_pipeline::process::Invocation;

/// Several blocks, so that much is on its way at any time. Made once: it takes a while in tests.
fn large() -> Tree {
    LARGE.clone()
}

static LARGE: LazyLock<Tree> = LazyLock::new(|| {
    tree([
        ("a-first", text(300_000)),
        ("b/second", noise(900_000, 7)),
        ("c-third", noise(1_100_000, 9)),
        ("d-last", noise(1_800_000, 11)),
    ])
});

/// The archives of [`some_forms`].
static ARCHIVES: LazyLock<HashMap<String, Vec<u8>>> = LazyLock::new(|| {
    let made = support::in_parallel(some_forms(), |(name, form)| (name, forms::archive_of(&LARGE, &form)));
    made.into_iter().collect()
});

/// One of each layer: which is outside of which makes no difference here.
fn some_forms() -> Vec<(String, Conversion)> {
    let wanted = ["xbs", "tar.gz", "xbs.zst.age", "tar.lz4.xbcrypt", "qp.xbcrypt", "xbs(qp.xbcrypt)"];
    let forms: Vec<_> =
        forms::all().into_iter().filter(|(name, _)| wanted.contains(&name.as_str())).collect();
    assert_eq!(forms.len(), wanted.len());
    forms
}

/// Fails where the test would hang.
fn in_time<T: Send>(what: &str, work: impl FnOnce() -> T + Send) -> T {
    let (done, waiting) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| done.send(work()).unwrap());
        match waiting.recv_timeout(Duration::from_secs(30)) {
            Ok(result) => result,
            Err(_) => {
                // The thread that hangs would keep the scope, and with it the test, for ever.
                println!("{what} hangs");
                std::process::abort();
            }
        }
    })
}

/// Bytes, and then something else.
struct Then<'a, F> {
    bytes: &'a [u8],
    then: F,
}

impl<F: FnMut(&mut [u8]) -> io::Result<usize>> Read for Then<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() { (self.then)(buffer) } else { self.bytes.read(buffer) }
    }
}

fn extract(input: impl Read + Send, target: &Path, cancel: &CancelToken) -> Result<(), ExtractError> {
    let keys = all_keys();
    extract_from(input, Path::new("archive"), target, &Wanted::default(), &options(&keys, cancel)).map(|_| ())
}

/// Files that were complete stay, all others go.
#[test]
fn an_archive_that_ends_too_early_leaves_whole_files_only() {
    let files = large();
    for (name, _) in some_forms() {
        let archive = ARCHIVES[&name].clone();
        for part in [30, 97] {
            let (target, cut) = (scratch(), &archive[..archive.len() * part / 100]);
            let error = in_time(&name, || extract(cut, target.path(), &CancelToken::new())).unwrap_err();
            assert!(matches!(error, ExtractError::Archive { .. }), "{name}: {error}");
            let left = read_tree(target.path());
            assert!(
                left.iter().all(|(path, content)| files.get(path) == Some(content)),
                "{name}: {:?}",
                left.keys()
            );
            assert!(part < 97 || !left.is_empty(), "{name}: of {part} % nothing is left");
            assert!(left.len() < files.len(), "{name}");
        }
    }
}

#[test]
fn an_input_that_fails_is_told_as_such() {
    let files = large();
    for (name, _) in some_forms() {
        let (archive, target) = (ARCHIVES[&name].clone(), scratch());
        let input = Then {
            bytes: &archive[..archive.len() / 2],
            then: |_: &mut [u8]| Err(io::Error::other("the disk is gone")),
        };
        let error = in_time(&name, || extract(input, target.path(), &CancelToken::new())).unwrap_err();
        assert!(error.to_string().contains("cannot read: the disk is gone"), "{name}: {error}");
        let left = read_tree(target.path());
        assert!(
            left.iter().all(|(path, content)| files.get(path) == Some(content)),
            "{name}: {:?}",
            left.keys()
        );
    }
}

#[test]
fn a_run_that_is_cancelled_ends_soon_and_says_so() {
    let files = large();
    for (name, _) in some_forms() {
        let archive = ARCHIVES[&name].clone();
        for part in [0, 1, 60] {
            let (cancel, target) = (CancelToken::new(), scratch());
            let from = archive.len() * part / 100;
            let mut rest = &archive[from..];
            // The rest would come, had nobody asked for the end.
            let cancelling = Then {
                bytes: &archive[..from],
                then: |buffer: &mut [u8]| {
                    cancel.cancel(CancelReason::Interrupt);
                    rest.read(buffer)
                },
            };
            let error = in_time(&name, || extract(cancelling, target.path(), &cancel)).unwrap_err();
            assert!(matches!(error, ExtractError::Cancelled(_)), "{name} at {part} %: {error}");
            let left = read_tree(target.path());
            assert!(
                left.iter().all(|(path, content)| files.get(path) == Some(content)),
                "{name}: {:?}",
                left.keys()
            );
        }
    }
}

/// Asks for the end once so many bytes have been read.
struct CancelAt<'a>(&'a CancelToken, std::sync::atomic::AtomicU64);

impl Monitor for CancelAt<'_> {
    fn advance(&self, bytes: u64) {
        if self.1.fetch_add(bytes, std::sync::atomic::Ordering::SeqCst) > 1_000_000 {
            self.0.cancel(CancelReason::Terminate);
        }
    }
}

#[test]
fn listing_and_converting_can_be_cancelled() {
    let files = large();
    let (keys, source) = (all_keys(), support::tree_on_disk(&files));
    for (name, form) in some_forms() {
        let archive = ARCHIVES[&name].clone();
        let (cancel, target) = (CancelToken::new(), scratch());
        let monitor = CancelAt(&cancel, Default::default());
        let options = ReadOptions { keys: &keys, threads: 2, monitor: &monitor, cancel: &cancel };
        let listed = in_time(&name, || list(&archive[..], Path::new("a"), &Wanted::default(), &options));
        assert!(matches!(listed.unwrap_err(), ExtractError::Cancelled(_)), "{name}");

        for origin in [Origin::Directory, Origin::Archive(Box::new(io::Cursor::new(archive)))] {
            let (to, cancel) = (target.path().join("archive"), CancelToken::new());
            let monitor = CancelAt(&cancel, Default::default());
            let options = ReadOptions { keys: &keys, threads: 2, monitor: &monitor, cancel: &cancel };
            let converted = in_time(&name, || convert(origin, source.path(), &to, &form, &options));
            assert!(matches!(converted.unwrap_err(), ExtractError::Cancelled(_)), "{name}");
            assert_eq!(read_tree(target.path()), Tree::new(), "{name}");
        }
    }
}

/// A place that is taken: the first write fails, and much is on its way by then.
#[test]
fn a_target_that_cannot_be_written_ends_the_run() {
    for (name, _) in some_forms() {
        let (archive, target) = (ARCHIVES[&name].clone(), scratch());
        std::fs::create_dir(target.path().join("a-first")).unwrap();
        let error = in_time(&name, || extract(&archive[..], target.path(), &CancelToken::new())).unwrap_err();
        assert!(
            matches!(error, ExtractError::Fs(_)) && error.to_string().contains("a-first"),
            "{name}: {error}"
        );
        assert_eq!(read_tree(target.path()), Tree::new(), "{name}");
        let error = extract(&archive[..], &target.path().join("nowhere"), &CancelToken::new()).unwrap_err();
        assert!(error.to_string().contains("nowhere"), "{error}");
    }
}

/// A file system of two megabytes, which not every place allows to make.
#[test]
fn a_full_disk_ends_the_run_and_leaves_whole_files_only() {
    let (files, disk) = (large(), scratch());
    let run = |program: &str, args: &[&str]| {
        let output = Invocation::new(program).args(args).output(Duration::from_secs(10));
        output.is_ok_and(|output| output.status.success())
    };
    let path = disk.path().to_str().unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=2m", "tmpfs", path]) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    let results: Vec<_> = some_forms()
        .into_iter()
        .map(|(name, form)| {
            let archive = ARCHIVES[&name].clone();
            let target = tempfile::tempdir_in(disk.path()).unwrap();
            let result = in_time(&name, || extract(&archive[..], target.path(), &CancelToken::new()));
            let keys = Keys::default();
            let to = target.path().join("archive");
            let source = support::tree_on_disk(&files);
            let options =
                ReadOptions { keys: &keys, threads: 2, monitor: &Silent, cancel: &CancelToken::new() };
            let converted =
                in_time(&name, || convert(Origin::Directory, source.path(), &to, &form, &options));
            (name, result, converted.map(|_| ()), read_tree(target.path()))
        })
        .collect();
    assert!(run("umount", &[path]));
    for (name, extracted, converted, left) in results {
        for error in [extracted.unwrap_err(), converted.unwrap_err()] {
            assert!(matches!(&error, ExtractError::Fs(error) if error.is_full()), "{name}: {error}");
        }
        assert!(
            left.iter().all(|(path, content)| files.get(path) == Some(content)),
            "{name}: {:?}",
            left.keys()
        );
    }
}

/// Takes so many bytes and no more.
struct Small(usize);

impl Write for Small {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.min(bytes.len()) {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            length => {
                self.0 -= length;
                Ok(length)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let (keys, cancel) = (all_keys(), CancelToken::new());
    let path = StreamPath::new(b"b/second").unwrap();
    for (name, _) in some_forms() {
        let archive = ARCHIVES[&name].clone();
        for room in [0, 700_000] {
            let options = options(&keys, &cancel);
            let got = in_time(&name, || {
                cat(&archive[..], Path::new("a"), &path, false, &mut Small(room), &options)
            });
            let message = got.unwrap_err().to_string();
            assert!(message.contains("cannot write"), "{name}: {message}");
        }
    }
}

/// A file of the name may be renamed or removed elsewhere in the stream; that does not make it be there.
#[test]
fn a_file_that_is_not_there_is_not_printed_as_empty() {
    let data = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../xb-formats/tests/data/xbstream/hand-rewrite-rename-remove.xbs"
    );
    let (archive, keys, cancel) = (std::fs::read(data).unwrap(), Keys::default(), CancelToken::new());
    let path = StreamPath::new(b"nowhere").unwrap();
    let got = cat(&archive[..], Path::new("a"), &path, false, &mut Vec::new(), &options(&keys, &cancel));
    assert!(got.unwrap_err().to_string().contains("it has no nowhere"));
}

/// What is there already is not touched, and nothing is left of what could not be made.
#[test]
fn converting_leaves_nothing_behind_when_it_fails() {
    let (keys, cancel, forms) = (all_keys(), CancelToken::new(), some_forms());
    for (number, (name, form)) in forms.iter().enumerate() {
        let (archive, target) = (ARCHIVES[name].clone(), scratch());
        let to = target.path().join("archive");
        let half = archive[..archive.len() / 2].to_vec();
        // Each to the next one, and all of them to what is unpacked first.
        for into in [&forms[(number + 1) % forms.len()].1, &forms[3].1] {
            let origin = Origin::Archive(Box::new(io::Cursor::new(half.clone())));
            let error =
                in_time(name, || convert(origin, Path::new("half"), &to, into, &options(&keys, &cancel)));
            assert!(error.unwrap_err().to_string().starts_with("half: "), "{name}");
            assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "{name}");
        }
        std::fs::write(&to, "precious").unwrap();
        let origin = Origin::Archive(Box::new(io::Cursor::new(archive)));
        let error = convert(origin, Path::new("whole"), &to, form, &options(&keys, &cancel)).unwrap_err();
        assert!(error.to_string().contains("cannot create"), "{error}");
        assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    }
}

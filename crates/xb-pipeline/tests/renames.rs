//! Streams in which files get other names, go, come twice or have holes, and names that somebody else takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

mod support;

use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Mutex;

use support::{extracted, options, scratch};
use xb_formats::archive::Container;
use xb_formats::path::StreamPath;
use xb_formats::xbstream::Writer;
use xb_pipeline::archive::{self, Origin};
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::{ExtractError, Wanted, extract_from};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::{Monitor, Silent};
use xb_pipeline::{Compression, FlowError, ReadOptions};

fn path(text: &str) -> StreamPath {
    StreamPath::new(text.as_bytes()).unwrap()
}

/// A stream in which a file is replaced by another that gets its name, as a table that is rebuilt during a backup.
fn renamed() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.write_file(path("shop/t.ibd"), &mut &b"old"[..]).unwrap();
    writer.write_file(path("shop/#sql.ibd"), &mut &b"new"[..]).unwrap();
    writer.rename_file(&path("shop/#sql.ibd"), &path("shop/t.ibd")).unwrap();
    writer.write_file(path("ibdata1"), &mut &b"system"[..]).unwrap();
    writer.finish().unwrap()
}

fn cat(stream: &[u8], member: &str) -> Result<Vec<u8>, ExtractError> {
    let (keys, cancel, mut out) = (Keys::default(), CancelToken::new(), Vec::new());
    let member = path(member);
    archive::cat(stream, Path::new("a"), &member, false, &mut out, &options(&keys, &cancel)).map(|_| out)
}

fn some(stream: &[u8], wanted: &str) -> Result<Vec<u8>, ExtractError> {
    let (keys, cancel, target) = (Keys::default(), CancelToken::new(), scratch());
    let is_wanted = |found: &StreamPath| *found == path(wanted);
    let request = Wanted { files: Some(&is_wanted), ..Wanted::default() };
    extract_from(stream, Path::new("a"), target.path(), &request, &options(&keys, &cancel))?;
    Ok(fs::read(target.path().join(wanted)).unwrap())
}

#[test]
fn nobody_is_given_an_old_file_under_its_new_name() {
    let stream = renamed();
    assert_eq!(extracted(&stream, &Keys::default()).unwrap()[&b"shop/t.ibd"[..]], b"new");
    for result in [cat(&stream, "shop/t.ibd"), some(&stream, "shop/t.ibd"), cat(&stream, "shop/#sql.ibd")] {
        let message = result.unwrap_err().to_string();
        assert!(message.contains("gets or loses this path"), "{message}");
    }
    assert_eq!(cat(&stream, "ibdata1").unwrap(), b"system");
    assert_eq!(some(&stream, "ibdata1").unwrap(), b"system");
}

#[test]
fn a_file_that_goes_again_is_not_printed_as_if_it_stayed() {
    let mut writer = Writer::new(Vec::new());
    writer.write_file(path("gone"), &mut &b"x"[..]).unwrap();
    writer.remove_file(&path("gone")).unwrap();
    writer.write_file(path("there"), &mut &b"y"[..]).unwrap();
    let stream = writer.finish().unwrap();
    assert!(cat(&stream, "gone").is_err());
    assert_eq!(cat(&stream, "there").unwrap(), b"y");
    assert_eq!(extracted(&stream, &Keys::default()).unwrap().len(), 1);
}

/// What `list` calls good, the other commands can do.
#[test]
fn a_path_that_stands_twice_is_told_by_all_alike() {
    let mut tar = tar::Builder::new(Vec::new());
    for content in [&b"first"[..], b"second"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        tar.append_data(&mut header, "shop/t.frm", content).unwrap();
    }
    let stream = tar.into_inner().unwrap();
    let (keys, cancel) = (Keys::default(), CancelToken::new());
    let options = options(&keys, &cancel);
    let listed = archive::list(&stream[..], Path::new("a"), &Wanted::default(), &options).map(|_| ());
    for result in [listed, extracted(&stream, &keys).map(|_| ()), cat(&stream, "shop/t.frm").map(|_| ())] {
        let error = result.unwrap_err();
        assert!(
            matches!(&error, ExtractError::Archive { source: FlowError::Twice { path }, .. } if path == "shop/t.frm"),
            "{error}"
        );
    }
}

/// Keeps what it is warned of.
#[derive(Default)]
struct Warned(Mutex<Vec<String>>);

impl Monitor for Warned {
    fn warn(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn directories_that_an_xbstream_cannot_hold_are_named() {
    let (home, keys, cancel, warned) = (scratch(), Keys::default(), CancelToken::new(), Warned::default());
    let source = home.path().join("source");
    for directory in ["bare/below", "shop"] {
        fs::create_dir_all(source.join(directory)).unwrap();
    }
    fs::write(source.join("shop/t.frm"), "x").unwrap();
    let options = ReadOptions { monitor: &warned, ..options(&keys, &cancel) };
    for (container, names) in [(Container::Xbstream, 1), (Container::Tar, 0), (Container::Qpress, 0)] {
        let form = support::forms::conversion(container, Compression::None, None);
        let to = home.path().join(format!("{container:?}"));
        archive::convert(Origin::Directory, &source, &to, &form, &options).unwrap();
        let said = std::mem::take(&mut *warned.0.lock().unwrap());
        assert_eq!(said.len(), names, "{said:?}");
        assert!(said.iter().all(|text| text.contains("bare, bare/below;")), "{said:?}");
    }
}

/// Gives its bytes, and before the last one somebody else takes the name.
struct Meanwhile<'a> {
    bytes: &'a [u8],
    taken: std::path::PathBuf,
}

impl Read for Meanwhile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.bytes.len() <= 1 {
            fs::write(&self.taken, "precious")?;
        }
        let length = self.bytes.len().div_ceil(2).min(buffer.len());
        let (now, later) = self.bytes.split_at(length);
        buffer[..length].copy_from_slice(now);
        self.bytes = later;
        Ok(length)
    }
}

#[test]
fn what_took_the_name_meanwhile_is_not_replaced() {
    let (home, keys, cancel) = (scratch(), Keys::default(), CancelToken::new());
    let to = home.path().join("to.xbs");
    let form = support::forms::conversion(Container::Xbstream, Compression::None, None);
    let stream: &'static [u8] = renamed().leak();
    let origin = Origin::Archive(Box::new(Meanwhile { bytes: stream, taken: to.clone() }));
    let error = archive::convert(origin, Path::new("a"), &to, &form, &options(&keys, &cancel)).unwrap_err();
    assert!(error.to_string().contains("take the name"), "{error}");
    assert_eq!(fs::read(&to).unwrap(), b"precious");
    assert!(home.path().join("to.xbs.partial").exists(), "the work is not lost");
}

/// A file that is almost all hole is packed without holding the hole.
#[test]
fn a_hole_is_packed_bit_by_bit() {
    const HOLE: u64 = 700 << 20;
    let (home, keys, cancel) = (scratch(), Keys::default(), CancelToken::new());
    let mut writer = Writer::new(Vec::new());
    let mut file = writer.begin_file(path("sparse.ibd")).unwrap();
    let skip = u32::try_from(HOLE).unwrap();
    writer.write_sparse(&mut file, &[(skip, 3)], b"end").unwrap();
    writer.end_file(file).unwrap();
    let stream: &'static [u8] = writer.finish().unwrap().leak();
    let form = support::forms::members(None);
    let to = home.path().join("to.xbs.qp");
    let options = ReadOptions { monitor: &Silent, ..options(&keys, &cancel) };
    let made =
        archive::convert(Origin::Archive(Box::new(stream)), Path::new("a"), &to, &form, &options).unwrap();
    assert!(made.size > 1 << 20, "{made:?}");
    let listed = archive::list(fs::File::open(&to).unwrap(), &to, &Wanted::default(), &options).unwrap();
    assert_eq!(listed.members[0].size_bytes, HOLE + 3);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches("kB").trim().parse().unwrap();
    assert!(peak < 400 * 1024, "{peak} KiB");
}

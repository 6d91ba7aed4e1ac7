//! A look at what lies about, and a hand that damages it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use walkdir::WalkDir;
use xb_pipeline::ReadOptions;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::{Wanted, extract};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Silent;

/// Every file and directory below `root`, by its path in it, sorted. What vanishes meanwhile is left out.
#[must_use]
pub fn everything_below(root: &Path) -> Vec<String> {
    let found = WalkDir::new(root).min_depth(1).sort_by_file_name().into_iter().flatten();
    let relative = found.filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_owned()));
    relative.map(|path| path.to_string_lossy().into_owned()).collect()
}

/// The files alone.
#[must_use]
pub fn files_below(root: &Path) -> Vec<PathBuf> {
    let found = WalkDir::new(root).sort_by_file_name().into_iter().flatten();
    found.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

/// The SHA-256 of each file below `root`, by its path in it.
///
/// # Panics
/// When one cannot be read.
#[must_use]
pub fn digests(root: &Path) -> BTreeMap<String, String> {
    let digest = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        (name, sha256(&path))
    };
    files_below(root).into_iter().map(digest).collect()
}

fn sha256(path: &Path) -> String {
    let (mut file, mut hasher) = (fs::File::open(path).unwrap(), Sha256::new());
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block).unwrap() {
            0 => break,
            got => hasher.update(&block[..got]),
        }
    }
    let mut text = String::new();
    hasher.finalize().iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
    text
}

/// The permission bits of each file and directory below `root` that differ from 0600 and 0700.
///
/// # Panics
/// When one cannot be examined.
#[must_use]
pub fn not_private(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for name in everything_below(root) {
        let meta = fs::symlink_metadata(root.join(&name)).unwrap();
        let (mode, wanted) = (meta.permissions().mode() & 0o7777, if meta.is_dir() { 0o700 } else { 0o600 });
        if mode != wanted {
            found.push(format!("{name}: {mode:o}"));
        }
    }
    found
}

/// The length of a file; 0 when it is not there.
#[must_use]
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Turns all bits of one byte, in the middle.
///
/// # Panics
/// When it cannot be done.
pub fn flip_a_byte(path: &Path) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[!byte[0]], middle).unwrap();
}

/// Copies a tree; what is copied can be changed, whatever the original's mode.
///
/// # Panics
/// When it cannot be done.
pub fn copy_tree(from: &Path, to: &Path) {
    for entry in WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(&target).unwrap();
        } else {
            fs::write(&target, fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Unpacks an archive that is not encrypted.
///
/// # Panics
/// When it cannot be unpacked.
#[track_caller]
pub fn unpack(archive: &Path, to: &Path, digest: Option<xb_pipeline::Digest>) {
    let (keys, cancel) = (Keys::default(), CancelToken::new());
    let options = ReadOptions { keys: &keys, threads: 2, monitor: &Silent, cancel: &cancel };
    extract(archive, to, &Wanted { digest, ..Wanted::default() }, &options).unwrap();
}

/// Writes a program that a shell runs.
///
/// # Panics
/// When it cannot be written.
pub fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

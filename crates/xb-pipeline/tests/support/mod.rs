//! What the tests of archives have in common: small trees, every form of an archive, and reading them back.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test binary uses a part of it, and helpers of tests are tests"
)]

pub mod build;
pub mod damage;
pub mod forms;
pub mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use xb_pipeline::ReadOptions;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::{ExtractError, Wanted, extract_from};
use xb_pipeline::keys::Keys;
use xb_pipeline::monitor::Silent;

/// Files by path, as bytes: names need not be text.
pub type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// A directory in memory, where there is one: thousands of archives are extracted.
pub fn scratch() -> TempDir {
    match Path::new("/dev/shm").is_dir() {
        true => tempfile::tempdir_in("/dev/shm").unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

pub fn options<'a>(keys: &'a Keys, cancel: &'a CancelToken) -> ReadOptions<'a> {
    ReadOptions { keys, threads: 2, monitor: &Silent, cancel }
}

/// Extracts bytes into a directory.
pub fn extract_into(
    archive: &[u8],
    directory: &Path,
    keys: &Keys,
    wanted: &Wanted<'_>,
) -> Result<(), ExtractError> {
    let cancel = CancelToken::new();
    // One thread for each layer does for small archives, and starts faster.
    let options = ReadOptions { threads: 1, ..options(keys, &cancel) };
    extract_from(archive, Path::new("archive"), directory, wanted, &options).map(|_| ())
}

/// What an archive holds, or why it does not.
pub fn extracted(archive: &[u8], keys: &Keys) -> Result<Tree, ExtractError> {
    let target = scratch();
    extract_into(archive, target.path(), keys, &Wanted::default())?;
    Ok(read_tree(target.path()))
}

/// All files below a directory.
pub fn read_tree(root: &Path) -> Tree {
    let mut tree = Tree::new();
    for path in paths(root, Path::new("")) {
        let content = fs::read(root.join(&path)).unwrap();
        tree.insert(path.into_os_string().into_vec(), content);
    }
    tree
}

fn paths(root: &Path, below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join(below)).unwrap() {
        let entry = entry.unwrap();
        let path = below.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(paths(root, &path)),
            false => found.push(path),
        }
    }
    found
}

/// Writes files below a directory.
pub fn write_tree(root: &Path, tree: &Tree) {
    for (path, content) in tree {
        let full = root.join(std::ffi::OsStr::from_bytes(path));
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, content).unwrap();
    }
}

/// A tree in a directory of its own.
pub fn tree_on_disk(tree: &Tree) -> TempDir {
    let directory = scratch();
    write_tree(directory.path(), tree);
    directory
}

pub fn tree<const N: usize>(files: [(&str, Vec<u8>); N]) -> Tree {
    files.into_iter().map(|(path, content)| (path.as_bytes().to_vec(), content)).collect()
}

/// A tree that is small in every form: what is flipped bit by bit.
pub fn small_tree() -> Tree {
    tree([
        ("ibdata1", text(180)),
        ("shop/db.opt", b"default-collation=utf8\n".to_vec()),
        ("shop/t.ibd", noise(90, 5)),
    ])
}

/// Bytes that compress, and no two places of them alike for long.
pub fn text(length: usize) -> Vec<u8> {
    (0_u64..).flat_map(|n| format!("row {n} of {}; ", n * n % 977).into_bytes()).take(length).collect()
}

/// Bytes that do not compress.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    (0..length).map(|_| random.next() as u8).collect()
}

/// A sequence of numbers that is the same in every run (xorshift64*).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Runs `work` for every item, on both cores.
pub fn in_parallel<I: Send, O: Send>(items: Vec<I>, work: impl Fn(I) -> O + Sync) -> Vec<O> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let queue = std::sync::Mutex::new(items.into_iter().enumerate());
    let next = || queue.lock().unwrap().next();
    let mut done: Vec<(usize, O)> = std::thread::scope(|scope| {
        let run = || std::iter::from_fn(&next).map(|(number, item)| (number, work(item))).collect::<Vec<_>>();
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        running.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, output)| output).collect()
}

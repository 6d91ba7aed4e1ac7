//! Archives that other tools have written, down to the digest of every file.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use support::{extracted, options};
use xb_formats::xbcrypt::Key;
use xb_pipeline::cancel::CancelToken;
use xb_pipeline::extract::{Wanted, extract};
use xb_pipeline::keys::{Keys, read_key};

type Digests = BTreeMap<String, String>;

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn digests(tree: &support::Tree) -> Digests {
    tree.iter().map(|(path, content)| (String::from_utf8(path.clone()).unwrap(), digest(content))).collect()
}

/// A list as `sha256sum` writes it.
fn read_list(path: &Path) -> Digests {
    let text = std::fs::read_to_string(path).unwrap();
    let line = |line: &str| {
        let (digest, path) = line.split_once("  ").unwrap();
        (path.trim_start_matches("./").to_owned(), digest.to_owned())
    };
    text.lines().map(line).collect()
}

/// Every archive below a directory, by the name of the directory it stands in, which is that of its list.
fn archives(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(archives(&path));
        } else if name.starts_with("backup.") && name != "backup.meta" {
            found.push(path);
        }
    }
    found
}

/// Stores of the original pyxbackup with XtraBackup 2.2.10: one full and one incremental backup of every form. They
/// stand beside the project where it was made, and nowhere else.
#[test]
fn every_archive_of_the_original_comes_out_file_by_file() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/original");
    if !fixtures.is_dir() {
        println!("skipped: {} is not there", fixtures.display());
        return;
    }
    let keys = Keys::default().with_key(read_key(&fixtures.join("key32"), None).unwrap());
    let mut forms = std::collections::BTreeSet::new();
    for form in
        std::fs::read_dir(&fixtures).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for archive in archives(&form) {
            let name = archive.parent().unwrap().file_name().unwrap().to_owned();
            let (target, cancel) = (support::scratch(), CancelToken::new());
            let got = extract(&archive, target.path(), &Wanted::default(), &options(&keys, &cancel)).unwrap();
            let files = digests(&support::read_tree(target.path()));
            let wanted = read_list(&form.join(name).with_extension("sha256"));
            assert_eq!(files, wanted, "{}", archive.display());
            assert_eq!(got.files, wanted.len() as u64);
            forms.insert(form.file_name().unwrap().to_owned());
        }
    }
    let forms: Vec<String> = forms.into_iter().map(|form| form.into_string().unwrap()).collect();
    assert_eq!(forms, ["qp", "qp_xbcrypt", "tar_gz", "xbs_gz", "xbs_qp", "xbs_qp_xbcrypt"]);
}

/// Of one vector: where it is, and what is in it.
#[derive(Default)]
struct Vector {
    id: String,
    file: String,
    prefix: Option<usize>,
    digests: Digests,
}

/// Reads as much of the list of the vectors as is of use here.
fn vectors(list: &Path) -> Vec<Vector> {
    let (mut vectors, mut path) = (Vec::<Vector>::new(), String::new());
    for line in std::fs::read_to_string(list).unwrap().lines() {
        if line == "[[vector]]" {
            vectors.push(Vector::default());
            path.clear();
        }
        let Some((key, value)) = line.split_once(" = ") else { continue };
        let (value, vector) = (value.trim_matches('"').to_owned(), vectors.last_mut().unwrap());
        match key {
            "id" => vector.id = value,
            "file" => vector.file = value,
            "prefix" => vector.prefix = value.parse().ok(),
            "path" => path = value,
            "sha256" if !path.is_empty() => drop(vector.digests.insert(path.clone(), value)),
            _ => {}
        }
    }
    vectors
}

/// Layers as XtraBackup 2.2, 2.4 and MariaDB put them around one another.
#[test]
fn every_stack_of_layers_comes_out_file_by_file() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xb-formats/tests/data/stack");
    let keys = Keys::default().with_key(Key::new(b"percona_xtrabackup_is_awesome___").unwrap());
    let vectors = vectors(&data.join("vectors.toml"));
    assert_eq!(vectors.len(), 7);
    for vector in vectors {
        let mut bytes = std::fs::read(data.join(&vector.file)).unwrap();
        bytes.truncate(vector.prefix.unwrap_or(bytes.len()));
        if vector.id == "stack-xtrabackup22-local-checkpoints" {
            // A single file that is encrypted and no archive: what is in it is none either.
            let message = extracted(&bytes, &keys).unwrap_err().to_string();
            assert!(message.contains("is no backup"), "{message}");
            continue;
        }
        let tree = extracted(&bytes, &keys).unwrap_or_else(|error| panic!("{}: {error}", vector.id));
        assert_eq!(digests(&tree), vector.digests, "{}", vector.id);
    }
}

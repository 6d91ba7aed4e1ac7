//! What the original tool and the engines of its time wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use serde::Deserialize;
use xb_tests::files;

use crate::{Place, vectors};

/// The stores of the original tool, where they are at hand: they are too large to be kept here.
fn stores() -> Option<PathBuf> {
    let stores = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/original");
    if !stores.exists() {
        println!("not tried on whole stores of the original tool: there is no {}", stores.display());
        return None;
    }
    Some(stores)
}

#[rstest]
#[case("xbs_gz", 2)]
#[case("tar_gz", 2)]
#[case("xbs_qp", 2)]
#[case("qp", 2)]
#[case("xbs_qp_xbcrypt", 2)]
#[case("qp_xbcrypt", 2)]
fn archives_of_the_original_extract_to_their_lists(#[case] name: &str, #[case] count: usize) {
    let Some(stores) = stores() else { return };
    let place = Place::new();
    place.write_private("key", &fs::read(stores.join("key32")).unwrap());
    let mut found = 0;
    for archive in files::files_below(&stores.join(name).join("stor")) {
        let file_name = archive.file_name().unwrap().to_string_lossy().into_owned();
        if !file_name.starts_with("backup.") || file_name == "backup.meta" {
            continue;
        }
        let backup = archive.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let list = fs::read_to_string(stores.join(name).join(format!("{backup}.sha256"))).unwrap();
        let wanted: BTreeMap<String, String> = list
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, path)| (path.trim_start_matches("./").to_owned(), digest.to_owned()))
            .collect();
        assert!(wanted.len() > 50, "{list}");
        let archive = archive.display().to_string();
        let mut args = vec![archive.as_str()];
        if name.ends_with("xbcrypt") {
            args.extend(["--encrypt-key-file", "key"]);
        }
        place.assert_extracts(&args, &backup, &wanted);
        found += 1;
    }
    assert_eq!(found, count, "{name}");
}

#[derive(Deserialize)]
struct Vectors {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    id: String,
    file: String,
    layers: Vec<String>,
    key: Option<String>,
    prefix: Option<u64>,
    content: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    path: String,
    size: u64,
    sha256: String,
}

#[test]
fn stacks_of_all_layers_are_taken_apart() {
    let text = fs::read_to_string(vectors("stack/vectors.toml")).unwrap();
    let all: Vectors = toml::from_str(&text).unwrap();
    let place = Place::new();
    let mut tried = 0;
    for vector in all.vector {
        let is_archive = vector.layers.iter().any(|layer| layer == "xbstream" || layer == "qpress");
        if !is_archive || vector.prefix.is_some() {
            continue;
        }
        let file = vectors("stack").join(&vector.file).display().to_string();
        let mut args = vec![file.as_str()];
        if let Some(key) = &vector.key {
            place.write_private("vector-key", key.as_bytes());
            args.extend(["--encrypt-key-file", "vector-key"]);
        }
        let digests = vector.content.iter().map(|file| (file.path.clone(), file.sha256.clone())).collect();
        place.assert_extracts(&args, &vector.id, &digests);
        let listed = place.run(&[&["list", "--json"], &args[..]].concat()).good().json();
        let listed = listed["members"].as_array().unwrap().iter();
        let listed: Vec<_> =
            listed.map(|member| (member["path"].clone(), member["size_bytes"].clone())).collect();
        let sizes: Vec<_> =
            vector.content.iter().map(|file| (file.path.clone().into(), file.size.into())).collect();
        assert_eq!(listed, sizes, "{}", vector.id);
        let smallest = vector.content.iter().min_by_key(|file| file.size).unwrap();
        let printed = place.run(&[&["cat", args[0], &smallest.path], &args[1..]].concat()).good();
        assert_eq!(printed.stdout.len() as u64, smallest.size, "{}", vector.id);
        tried += 1;
    }
    assert!(tried >= 5, "{tried}");
}

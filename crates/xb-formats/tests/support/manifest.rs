//! The lists of test data and what they name.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};
use xb_formats::archive::{Layer, sniff};

#[derive(Deserialize)]
struct Manifest {
    vector: Vec<Vector>,
}

#[derive(Deserialize)]
pub struct Vector {
    pub id: String,
    pub file: String,
    #[serde(default)]
    pub layers: Vec<String>,
    pub expect: String,
    pub verdict: Option<String>,
    pub size: usize,
    pub sha256: String,
    pub wrapper: Option<String>,
    pub prefix: Option<usize>,
    pub key: Option<String>,
    pub key_file: Option<String>,
    pub algorithm: Option<String>,
    #[serde(default)]
    pub directories: Vec<String>,
    #[serde(default)]
    pub content: Vec<Content>,
}

#[derive(Deserialize)]
pub struct Content {
    pub path: String,
    pub size: Option<usize>,
    pub sha256: String,
}

pub fn data(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(kind)
}

/// All vectors of a directory that are expected to end this way, and their bytes.
pub fn vectors(kind: &str, expect: &str) -> Vec<(Vector, Vec<u8>)> {
    let text = std::fs::read_to_string(data(kind).join("vectors.toml")).unwrap();
    let all = toml::from_str::<Manifest>(&text).unwrap().vector;
    let wanted = all.into_iter().filter(|vector| vector.expect == expect);
    wanted
        .map(|vector| {
            let stream = load(kind, &vector);
            assert_eq!((stream.len(), &digest(&stream)), (vector.size, &vector.sha256), "{}", vector.id);
            (vector, stream)
        })
        .collect()
}

fn load(kind: &str, vector: &Vector) -> Vec<u8> {
    let mut bytes = std::fs::read(data(kind).join(&vector.file)).unwrap();
    bytes.truncate(vector.prefix.unwrap_or(bytes.len()));
    if vector.wrapper.is_none() {
        return bytes;
    }
    assert_eq!(sniff(&bytes), Some(Layer::Gzip));
    let mut stream = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut stream).unwrap();
    stream
}

pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pieces of an input that is cut at these sizes, the last one being what is left.
pub fn cut<'a>(input: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = input;
    for size in sizes {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces.push(rest);
    pieces
}

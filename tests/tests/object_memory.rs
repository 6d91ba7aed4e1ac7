//! What moving a large object takes of memory. Alone in its process: what that ever had is what is looked at.

#![expect(clippy::unwrap_used, reason = "helpers of tests, which clippy does not take for such")]

use std::io::{Read, Write};

use xb_pipeline::cancel::CancelToken;
use xb_pipeline::store::object::ObjectStorage;
use xb_pipeline::store::{About, Store, StorePath};
use xb_tests::s3::{BUCKET, S3Server};

const MIB: usize = 1 << 20;
/// MiB of the object.
const LENGTH: usize = 400;

/// The most memory this process ever had, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() / 1024
}

fn block(number: usize) -> Vec<u8> {
    (0..MIB).map(|at| (at.wrapping_mul(31) ^ (at >> 9) ^ number.wrapping_mul(7)) as u8).collect()
}

#[test]
fn a_large_object_passes_through_little_memory() {
    let server = S3Server::start();
    let options = server.options(server.port);
    let store = ObjectStorage::open(&format!("s3://{BUCKET}"), &options, &CancelToken::new()).unwrap();
    let path = StorePath::parse("large").unwrap();
    let before = peak();
    let about = About { expected_bytes: Some((LENGTH * MIB) as u64), digest: None };
    let mut upload = store.create(&path, about).unwrap();
    for number in 0..LENGTH {
        upload.write_all(&block(number)).unwrap();
    }
    assert_eq!(upload.finish().unwrap(), (LENGTH * MIB) as u64);
    let written = peak() - before;
    assert!(written < 100, "writing took {written} MiB");
    let mut reader = store.read(&path, 0).unwrap();
    let mut got = vec![0; MIB];
    for number in 0..LENGTH {
        reader.read_exact(&mut got).unwrap();
        assert!(got == block(number), "MiB {number}");
    }
    assert_eq!(reader.read(&mut got).unwrap(), 0);
    let both = peak() - before;
    assert!(both < 130, "reading took {both} MiB");
    println!("writing {written} MiB, with reading {both} MiB");
}

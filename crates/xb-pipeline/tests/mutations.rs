//! Archives that are damaged at random: whatever they hold, reading them ends, and never in a panic.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod support;

use support::build;
use support::forms::{self, all_keys, archive_of, plain};
use support::{Random, extract_into, in_parallel, noise, scratch, text, tree};
use xb_formats::archive::Container;
use xb_pipeline::extract::Wanted;

/// Damages of each archive.
const ROUNDS: usize = 60;

/// One damage: bytes that are changed, left out, doubled, put in, or numbers that are made extreme.
fn damage(archive: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(archive.len().max(1));
    let length = (1 + random.below(64)).min(archive.len() - at.min(archive.len()));
    match random.below(6) {
        0 => archive[at..at + length].iter_mut().for_each(|byte| *byte = random.next() as u8),
        1 => drop(archive.drain(at..at + length)),
        2 => {
            let doubled = archive[at..at + length].to_vec();
            archive.splice(at..at, doubled);
        }
        3 => drop(archive.splice(at..at, noise(length, random.next()))),
        4 => archive[at..at + length.min(8)].fill(if random.below(2) == 0 { 0xff } else { 0 }),
        _ => {
            let to = random.below(archive.len());
            let moved: Vec<u8> = archive.drain(at..at + length).collect();
            let to = to.min(archive.len());
            archive.splice(to..to, moved);
        }
    }
    if archive.is_empty() {
        archive.push(0);
    }
}

/// All layers, with something of every kind in each.
fn archives() -> Vec<Vec<u8>> {
    let files = tree([
        ("ibdata1", text(3000)),
        ("shop/t.ibd", noise(700, 5)),
        ("shop/e", vec![]),
        ("z", vec![0; 9000]),
    ]);
    let mut archives: Vec<Vec<u8>> = forms::all().iter().map(|(_, form)| archive_of(&files, form)).collect();
    let xbs = archive_of(&files, &plain(Container::Xbstream));
    let linked = build::Lz4 { linked: true, size: false, block_checksums: true, content_checksum: true };
    archives.extend([
        build::gzip(&xbs, 6),
        build::zstd_stream(&xbs, true),
        build::zstd_frames(&xbs, 500),
        build::lz4(&xbs, linked),
        build::lz4_frames(&xbs, 500),
        build::encrypted(&xbs, 1, 500),
        build::encrypted(&xbs, 2, 500),
        build::xbstream_of(&files, ".zst.xbcrypt", |plain| {
            build::encrypted(&build::zstd_frames(plain, 300), 3, 200)
        }),
        build::xbstream_of(&files, ".lz4", |plain| build::lz4(plain, linked)),
    ]);
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../xb-formats/tests/data/xbstream/");
    for name in ["hand-seek.xbs", "hand-sparse.xbs", "hand-rewrite-rename-remove.xbs"] {
        archives.push(std::fs::read(format!("{data}{name}")).unwrap());
    }
    archives
}

#[test]
fn no_damage_makes_a_reader_panic_or_hang() {
    let keys = all_keys();
    let outcomes = in_parallel(archives().into_iter().enumerate().collect(), |(number, archive)| {
        let (mut random, mut refused) = (Random(number as u64 + 1), 0);
        for _ in 0..ROUNDS {
            let (mut damaged, target) = (archive.clone(), scratch());
            for _ in 0..1 + random.below(3) {
                damage(&mut damaged, &mut random);
            }
            refused += usize::from(extract_into(&damaged, target.path(), &keys, &Wanted::default()).is_err());
        }
        refused
    });
    println!(
        "{} of {} damaged archives were refused",
        outcomes.iter().sum::<usize>(),
        outcomes.len() * ROUNDS
    );
    assert!(outcomes.iter().all(|refused| *refused > 0));
}

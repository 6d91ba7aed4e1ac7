//! Streams that are cut, damaged or hostile, from an engine that says all is well.

use std::collections::BTreeSet;

use rstest::rstest;
use xb_tests::fake::{self, chunks, full, noise};
use xb_tests::files;
use xb_tests::home::Form;

use super::{FULL_TO, Stage};

/// Where a stream is cut: within the head of a chunk, within its payload, between two chunks.
fn cuts(stream: &[u8]) -> BTreeSet<usize> {
    let starts = chunks(stream);
    assert!(starts.len() > 15, "{starts:?}");
    let picked = starts.iter().enumerate().filter(|(number, _)| number % 4 == 1 || number + 7 > starts.len());
    let around = picked.flat_map(|(_, at)| [*at, at + 3, at + 11, at + 60]);
    let mut cuts: BTreeSet<usize> = around.filter(|at| *at > 0 && *at < stream.len()).collect();
    cuts.insert(1);
    cuts.insert(stream.len() - 1);
    cuts
}

#[rstest]
fn a_stream_cut_anywhere_is_no_backup(#[values(Form::Directory, Form::Zstd)] form: Form) {
    let stage = Stage::new(form);
    let stream = fake::stream(full(FULL_TO));
    for cut in cuts(&stream) {
        stage.engine.play(&stream[..cut]);
        let ended = stage.fails(&format!("cut at byte {cut} of {}", stream.len()));
        assert_eq!(ended.code, Some(65), "{}", ended.text());
    }
    stage.engine.play(&stream);
    stage.run("full").good();
}

#[rstest]
fn a_stream_with_a_flipped_byte_is_no_backup(#[values(Form::Directory, Form::Gzip)] form: Form) {
    let stage = Stage::new(form);
    let stream = fake::stream(full(FULL_TO));
    let starts = chunks(&stream);
    let heads = starts.iter().step_by(5).flat_map(|at| [at + 2, at + 9, at + 12]);
    let payloads = (1..12).map(|part| part * stream.len() / 12);
    for at in heads.chain(payloads) {
        let mut damaged = stream.clone();
        damaged[at] ^= 0x10;
        stage.engine.play(&damaged);
        stage.fails(&format!("byte {at} of {} flipped", stream.len()));
    }
    stage.fails_and_recovers("the last of them");
}

#[test]
fn what_is_no_stream_is_no_backup() {
    let stage = Stage::new(Form::Gzip);
    let mut with_tail = fake::stream(full(FULL_TO));
    with_tail.extend(b"tail");
    let huge = [&b"XBSTCK01\0P"[..], &[0xff; 40]].concat();
    for (what, bytes) in [
        ("noise", noise(300_000, 7)),
        ("text", b"Error: no\n".to_vec()),
        ("a tail", with_tail),
        ("huge", huge),
    ] {
        stage.engine.play(&bytes);
        stage.fails(what);
    }
    stage.engine.play(b"x");
    stage.fails_and_recovers("one byte");
}

#[rstest]
fn a_path_that_leads_outside_is_not_followed(
    #[values(Form::Directory, Form::Gzip)] form: Form,
    #[values("../x", "/tmp/xb-tests-owned", "shop/../../../x", "./../x", "..")] path: &str,
) {
    let stage = Stage::new(form);
    let before = files::everything_below(stage.home.path()).len();
    stage.engine.play(&fake::hostile_stream(full(FULL_TO), path));
    stage.fails(path);
    let after = files::everything_below(stage.home.path());
    assert!(!after.iter().any(|path| path.ends_with("/x") || path == "x"), "{before}: {after:?}");
    assert!(!std::path::Path::new("/tmp/xb-tests-owned").exists());
    stage.engine.play(&fake::stream(full(FULL_TO)));
    stage.run("full").good();
}

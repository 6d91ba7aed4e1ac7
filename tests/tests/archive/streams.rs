//! Standard input and output: pipes, and what ends them.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::Duration;

use rstest::rstest;
use rustix::process::{Pid, Signal, kill_process};
use xb_tests::{files, wait_until};

use crate::Place;

#[rstest]
#[case("a.xbs.gz")]
#[case("a.tar.zst")]
#[case("a.qp.xbcrypt")]
fn an_archive_may_come_from_a_pipe(#[case] archive: &str) {
    let place = Place::with_files();
    place.run_with_key(&["convert", "files", archive]).good();
    let wanted = files::digests(&place.path("files"));
    let piped = |args: &[&str]| {
        let args = [args, &["--encrypt-key-file", "key"]].concat();
        let mut command = place.command(&args);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = fs::read(place.path(archive)).unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let listed = String::from_utf8(piped(&["list", "-", "--format=lines"])).unwrap();
    assert_eq!(listed.lines().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    assert!(piped(&["cat", "-", "ibdata1"]) == fs::read(place.path("files/ibdata1")).unwrap());
    piped(&["extract", "-", "--to", "to"]);
    assert_eq!(files::digests(&place.path("to")), wanted);
    piped(&["convert", "-", "b.xbs.lz4"]);
    place.assert_extracts(&["b.xbs.lz4"], "again", &wanted);
}

#[test]
fn a_pipe_with_a_name_is_read_once() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.zst"]).good();
    assert!(place.shell("mkfifo pipe"));
    let fed = |args: &[&str]| {
        let child =
            place.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        std::thread::sleep(Duration::from_millis(50));
        let mut pipe = File::options().write(true).open(place.path("pipe")).unwrap();
        let written = pipe.write_all(&fs::read(place.path("a.xbs.zst")).unwrap());
        drop(pipe);
        let output = child.unwrap().wait_with_output().unwrap();
        written.unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = fed(&["extract", "pipe", "--to", "to"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(files::digests(&place.path("to")), files::digests(&place.path("files")));
    let (code, said) = fed(&["cat", "pipe", "ibdata"]);
    assert_eq!((code, said.contains("pipe has no ibdata")), (Some(128), true), "{said}");
}

#[test]
fn a_signal_ends_a_run_that_waits_for_the_writer_of_a_pipe() {
    let place = Place::new();
    assert!(place.shell("mkfifo pipe"));
    let mut command = place.command(&["extract", "pipe", "--to", "to"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_until("it has begun", Duration::from_secs(20), || place.path("to").exists());
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
}

#[test]
fn what_comes_from_a_pipe_has_a_name_in_messages() {
    let place = Place::with_files();
    let stdin = || Stdio::from(File::open(place.path("files/ibdata1")).unwrap());
    place.run_on(stdin(), &["list", "-"]).refused(4, &["standard input: byte 0"]);
    place.run(&["list", "-"]).refused(4, &["standard input: byte 0: there is nothing"]);
    place.run(&["convert", "files", "a.xbs"]).good();
    let stdin = Stdio::from(File::open(place.path("a.xbs")).unwrap());
    place
        .run_on(stdin, &["cat", "-", "ibdata"])
        .refused(128, &["standard input has no ibdata", "archive list"]);
}

#[rstest]
#[case(&["cat", "a.xbs.zst", "shop/orders.ibd"])]
#[case(&["cat", "a.xbs.zst", "xtrabackup_checkpoints"])]
#[case(&["list", "a.xbs.zst"])]
#[case(&["extract", "a.xbs.zst", "--to", "to", "--quiet"])]
fn nobody_reading_is_no_failure(#[case] args: &[&str]) {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.zst"]).good();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place.command(args).stdin(Stdio::null()).stdout(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.zst"]).good();
    let mut command = place.command(&["cat", "a.xbs.zst", "ibdata1"]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(fs::read(place.path("files/ibdata1")).unwrap().starts_with(&first));
}

#[test]
fn a_full_disk_behind_standard_output_is_a_failure() {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs.zst"]).good();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = place.command(&["cat", "a.xbs.zst", "ibdata1"]).stdout(full).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("standard output: "), "{said}");
}

#[rstest]
#[case(Signal::INT, 130, &["extract", "-", "--to", "to"], "to")]
#[case(Signal::TERM, 143, &["extract", "-", "--to", "to"], "to")]
#[case(Signal::INT, 130, &["convert", "-", "b.xbs.zst"], "b.xbs.zst.partial")]
#[case(Signal::INT, 130, &["convert", "-", "b.qp"], "b.qp.unpacked")]
#[case(Signal::INT, 130, &["convert", "-", "b"], "b")]
fn a_signal_ends_a_run_that_waits_for_a_pipe(
    #[case] signal: Signal,
    #[case] code: i32,
    #[case] args: &[&str],
    #[case] made: &str,
) {
    let place = Place::with_files();
    place.run(&["convert", "files", "a.xbs"]).good();
    let mut command = place.command(args);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // The beginning of an archive, and then nothing for as long as it lives.
    stdin.write_all(&fs::read(place.path("a.xbs")).unwrap()[..2_000_000]).unwrap();
    wait_until("it has begun", Duration::from_secs(20), || place.path(made).exists());
    kill_process(Pid::from_raw(child.id().try_into().unwrap()).unwrap(), signal).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains("nothing was left behind"), "{said}");
    assert_eq!(place.left(), ["a.xbs"]);
    drop(stdin);
}

//! `full` beside `mariadb-backup --stream=xbstream | compressor > file`.

use std::fs;
use std::path::{Path, PathBuf};

use xb_pipeline::process::Invocation;
use xb_sandbox::{Binaries, Dataset, Sandbox, Server};

use super::measure::{Run, median, run as measure};
use crate::Outcome;

type Failure = Box<dyn std::error::Error>;

/// Something to measure: leaves one result file, or a directory, behind.
struct Contender {
    name: &'static str,
    command: Box<dyn Fn(&Path) -> Invocation>,
}

/// A measured run with the bytes it left.
struct Measured {
    run: Run,
    stored_bytes: u64,
}

pub(crate) fn run(megabytes: u32, runs: usize) -> Outcome {
    let home = tempfile::tempdir_in(scratch()?)?;
    println!("making {megabytes} MB of data ...");
    let server = Sandbox::new(home.path().join("server")).option("log-bin", "mysql-bin").initialise()?;
    Dataset::create(&server, megabytes)?;
    let datadir_bytes = xb_pipeline::fs::tree_bytes(server.datadir())?;
    println!("data directory: {:.0} MB; cores: {}; {runs} runs each", datadir_bytes as f64 / 1e6, cores());
    let contenders = contenders(&server, home.path())?;
    let mut results: Vec<Vec<Measured>> = contenders.iter().map(|_| Vec::new()).collect();
    // In turn, so that a machine that grows slower or faster does so for all; the first round only warms up.
    for round in 0..=runs {
        for (contender, results) in contenders.iter().zip(&mut results) {
            let measured = one(contender, home.path())?;
            if round > 0 {
                results.push(measured);
            }
        }
        eprint!("\rround {round} of {runs}");
    }
    eprintln!();
    println!("{}", table(&contenders, &results));
    Ok(())
}

/// Below the working directory: /tmp may be memory.
fn scratch() -> std::io::Result<PathBuf> {
    let path = PathBuf::from("target/bench");
    fs::create_dir_all(&path)?;
    fs::canonicalize(path)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn contenders(server: &Server, home: &Path) -> Result<Vec<Contender>, Failure> {
    let engine = Binaries::find(&[])?.backup;
    let (socket, cores) = (server.socket().to_owned(), cores());
    let source = format!(
        "{} --backup --stream=xbstream --target-dir={} --user=root --socket={} --parallel={}",
        engine.display(),
        home.join("unused").display(),
        socket.display(),
        cores.min(4)
    );
    let pipe = |name: &'static str, compressor: String| {
        let source = source.clone();
        let command = move |out: &Path| {
            let script =
                format!("set -o pipefail; {source} | {compressor} > {}", out.join("result").display());
            Invocation::new("/bin/bash").arg("-c").arg(script)
        };
        Contender { name, command: Box::new(command) }
    };
    let program = crate::pyxbackup()?;
    let ours = |name: &'static str, options: &'static [&'static str]| {
        let (program, socket) = (program.clone(), socket.clone());
        let command = move |out: &Path| {
            Invocation::new(&program)
                .args(["full", "--quiet", "--mysql-user=root"])
                .arg(format!("--mysql-socket={}", socket.display()))
                .arg(format!("--stor-dir={}", out.display()))
                .arg(format!("--work-dir={}", out.with_extension("work").display()))
                .args(options)
        };
        Contender { name, command: Box::new(command) }
    };
    let direct = format!("{} --backup --target-dir=", engine.display());
    let (socket, parallel) = (server.socket().to_owned(), cores.min(4));
    let plain = move |out: &Path| {
        let script = format!(
            "{direct}{}/result --user=root --socket={} --parallel={parallel}",
            out.display(),
            socket.display()
        );
        Invocation::new("/bin/sh").arg("-c").arg(script)
    };
    Ok(vec![
        pipe("| zstd -1 -T<cores>", format!("zstd -q -1 -T{cores}")),
        ours("pyxbackup full, zstd", &["--compress", "--compress-with=zstd"]),
        pipe("| gzip", "gzip".into()),
        pipe("| pigz", format!("pigz -p {cores}")),
        ours("pyxbackup full, gzip", &["--compress", "--compress-with=gzip"]),
        Contender { name: "mariadb-backup to a directory", command: Box::new(plain) },
        ours("pyxbackup full, plain", &[]),
    ])
}

fn one(contender: &Contender, home: &Path) -> Result<Measured, Failure> {
    let out = home.join("out");
    for directory in [&out, &out.with_extension("work")] {
        let _ = fs::remove_dir_all(directory);
        fs::create_dir_all(directory)?;
    }
    // What earlier runs left to be written is not this one's to wait for.
    xb_pipeline::fs::FilesystemSync::open(home)?.sync()?;
    let run = measure(&(contender.command)(&out), &home.join("log"))?;
    Ok(Measured { run, stored_bytes: xb_pipeline::fs::tree_bytes(&out)? })
}

/// Which contender each of ours is held against, by name.
const PAIRS: [(&str, &[&str]); 3] = [
    ("pyxbackup full, zstd", &["| zstd -1 -T<cores>"]),
    ("pyxbackup full, gzip", &["| gzip", "| pigz"]),
    ("pyxbackup full, plain", &["mariadb-backup to a directory"]),
];

fn table(contenders: &[Contender], results: &[Vec<Measured>]) -> String {
    let of = |name: &str| contenders.iter().position(|c| c.name == name).map(|index| &results[index]);
    let mut table = crate::new_table();
    table.set_header([
        "command",
        "median s",
        "min-max s",
        "result MB",
        "our peak MiB",
        "time ratio",
        "size ratio",
    ]);
    for (contender, own) in contenders.iter().zip(results) {
        let seconds = || own.iter().map(|m| m.run.seconds);
        let rivals =
            PAIRS.iter().find(|(name, _)| *name == contender.name).map_or(&[][..], |(_, rivals)| rivals);
        let ratio = |figure: fn(&Measured) -> f64| {
            let against = |rival: &&str| {
                let pairs = of(rival)?.iter().zip(own).map(|(theirs, ours)| figure(ours) / figure(theirs));
                Some(format!("{:.2} of {rival}", median(pairs)))
            };
            rivals.iter().filter_map(against).collect::<Vec<_>>().join("\n")
        };
        let peak = own.iter().map(|m| m.run.peak_kib).max().unwrap_or(0);
        table.add_row([
            contender.name.to_owned(),
            format!("{:.2}", median(seconds())),
            format!("{:.2}-{:.2}", seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max)),
            format!("{:.1}", median(own.iter().map(|m| m.stored_bytes as f64)) / 1e6),
            if rivals.is_empty() { String::new() } else { format!("{:.1}", peak as f64 / 1024.0) },
            ratio(|m| m.run.seconds),
            ratio(|m| m.stored_bytes as f64),
        ]);
    }
    table.to_string()
}

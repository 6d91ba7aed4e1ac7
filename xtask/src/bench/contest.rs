//! Commands in turn, several times, and the table of what they took.

use std::fs;
use std::path::{Path, PathBuf};

use xb_pipeline::process::Invocation;

use super::measure::{Run, median, run as measure};

pub(super) type Failure = Box<dyn std::error::Error>;

/// Something to measure: leaves one result file, or a directory, behind.
pub(super) struct Contender {
    name: &'static str,
    /// What to run, with the directory for what comes out.
    command: Box<dyn Fn(&Path) -> Invocation>,
    /// The contenders it is held against, by name.
    rivals: &'static [&'static str],
}

impl Contender {
    /// One of ours, held against others.
    pub(super) fn ours(
        name: &'static str,
        rivals: &'static [&'static str],
        command: impl Fn(&Path) -> Invocation + 'static,
    ) -> Self {
        Contender { name, command: Box::new(command), rivals }
    }

    /// What a person would type instead: a line for bash, made with the directory for what comes out.
    pub(super) fn line(name: &'static str, line: impl Fn(&Path) -> String + 'static) -> Self {
        let command = move |out: &Path| {
            Invocation::new("/bin/bash").arg("-c").arg(format!("set -o pipefail; {}", line(out)))
        };
        Contender { name, command: Box::new(command), rivals: &[] }
    }
}

/// A measured run with the bytes it left.
struct Measured {
    run: Run,
    stored_bytes: u64,
}

/// Runs all in turn, so that a machine that grows slower or faster does so for all; the first round only warms
/// up. Prints the table.
pub(super) fn contest(contenders: &[Contender], runs: usize, home: &Path) -> Result<(), Failure> {
    let mut results: Vec<Vec<Measured>> = contenders.iter().map(|_| Vec::new()).collect();
    for round in 0..=runs {
        for (contender, results) in contenders.iter().zip(&mut results) {
            let measured = one(contender, home)?;
            if round > 0 {
                results.push(measured);
            }
        }
        eprint!("\rround {round} of {runs}");
    }
    eprintln!();
    println!("{}", table(contenders, &results));
    Ok(())
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
        let ratio = |figure: fn(&Measured) -> f64| {
            let against = |rival: &&str| {
                let pairs = of(rival)?.iter().zip(own).map(|(theirs, ours)| figure(ours) / figure(theirs));
                // What leaves nothing behind has no size.
                Some(median(pairs))
                    .filter(|ratio| ratio.is_finite())
                    .map(|ratio| format!("{ratio:.2} of {rival}"))
            };
            contender.rivals.iter().filter_map(against).collect::<Vec<_>>().join("\n")
        };
        let peak = own.iter().map(|m| m.run.peak_kib).max().unwrap_or(0);
        let is_ours = !contender.rivals.is_empty();
        table.add_row([
            contender.name.to_owned(),
            format!("{:.3}", median(seconds())),
            format!("{:.3}-{:.3}", seconds().fold(f64::INFINITY, f64::min), seconds().fold(0.0, f64::max)),
            format!("{:.1}", median(own.iter().map(|m| m.stored_bytes as f64)) / 1e6),
            if is_ours { format!("{:.1}", peak as f64 / 1024.0) } else { String::new() },
            ratio(|m| m.run.seconds),
            ratio(|m| m.stored_bytes as f64),
        ]);
    }
    table.to_string()
}

/// Below the working directory: /tmp may be memory.
pub(super) fn scratch() -> std::io::Result<PathBuf> {
    let path = PathBuf::from("target/bench");
    fs::create_dir_all(&path)?;
    fs::canonicalize(path)
}

pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

//! Benchmarks: what pyxbackup does beside what a person would type instead, in turn, several times.

mod archives;
mod backup;
mod binlogs;
mod catalog;
mod contest;
mod elsewhere;
mod measure;

use xb_sandbox::{Dataset, Sandbox};

use crate::Outcome;
use contest::{cores, scratch};

/// Sizes of data, in megabytes, when none are named.
const SIZES: [u32; 2] = [200, 2000];
/// Counted runs of each command, after one that is not counted.
const RUNS: usize = 5;
/// Streams of fewer megabytes say little about archives: starting and ending takes too much of the time.
const ARCHIVES_FROM_MB: u32 = 500;

/// Megabytes of binary logs that are streamed.
const BINLOGS_MB: u32 = 500;

/// `[SIZE_MB ...] [--runs N] [--only backup|elsewhere|archives|catalog|binlogs]`
pub(crate) fn run(options: &[&str]) -> Outcome {
    let (mut sizes, mut runs, mut only) = (Vec::new(), RUNS, None);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" => runs = words.next().ok_or("--runs wants a number")?.parse()?,
            "--only" => {
                only = Some(
                    *words.next().ok_or("--only wants backup, elsewhere, archives, catalog or binlogs")?,
                )
            }
            size => sizes.push(size.parse::<u32>()?),
        }
    }
    if only.is_none_or(|only| only == "catalog") {
        catalog::run(runs)?;
    }
    if only.is_none_or(|only| only == "binlogs") {
        let home = tempfile::tempdir_in(scratch()?)?;
        binlogs::run(sizes.first().copied().unwrap_or(BINLOGS_MB), home.path(), runs)?;
    }
    if matches!(only, Some("catalog" | "binlogs")) {
        return Ok(());
    }
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    sizes.into_iter().try_for_each(|size| of_size(size, runs, only))
}

fn of_size(megabytes: u32, runs: usize, only: Option<&str>) -> Outcome {
    let home = tempfile::tempdir_in(scratch()?)?;
    println!("making {megabytes} MB of data ...");
    let server = Sandbox::new(home.path().join("server")).option("log-bin", "mysql-bin").initialise()?;
    Dataset::create(&server, megabytes)?;
    let datadir_bytes = xb_pipeline::fs::tree_bytes(server.datadir())?;
    println!("data directory: {:.0} MB; cores: {}; {runs} runs each", datadir_bytes as f64 / 1e6, cores());
    if only.is_none_or(|only| only == "backup") {
        backup::run(&server, home.path(), runs)?;
    }
    if only.is_none_or(|only| only == "elsewhere") {
        elsewhere::run(&server, home.path(), runs)?;
    }
    if only.map_or(megabytes >= ARCHIVES_FROM_MB, |only| only == "archives") {
        archives::run(&server, home.path(), runs)?;
    }
    Ok(())
}

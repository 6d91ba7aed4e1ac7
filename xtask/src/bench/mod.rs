//! Benchmarks: what pyxbackup does beside what a person would type instead, in turn, several times.

mod backup;
mod measure;

use crate::Outcome;

/// Sizes of data, in megabytes, when none are named.
const SIZES: [u32; 2] = [200, 2000];
/// Counted runs of each command, after one that is not counted.
const RUNS: usize = 5;

/// `[SIZE_MB ...] [--runs N]`
pub(crate) fn run(options: &[&str]) -> Outcome {
    let (mut sizes, mut runs) = (Vec::new(), RUNS);
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" => runs = words.next().ok_or("--runs wants a number")?.parse()?,
            size => sizes.push(size.parse::<u32>()?),
        }
    }
    let sizes = if sizes.is_empty() { SIZES.to_vec() } else { sizes };
    sizes.into_iter().try_for_each(|size| backup::run(size, runs))
}

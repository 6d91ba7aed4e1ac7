//! How long looking at a store takes, and planning what stays of it: `scan_time DIRECTORY [RUNS]`. Prints medians
//! in milliseconds.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use xb_catalog::Catalog;
use xb_catalog::plan::{RetentionPolicy, plan_retention};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let directory = words.first().ok_or("usage: scan_time DIRECTORY [RUNS]")?;
    let runs: usize = words.get(1).map_or(Ok(11), |text| text.parse())?;
    let (mut scans, mut plans) = (Vec::new(), Vec::new());
    let mut found = String::new();
    let policy = RetentionPolicy { sets: 7, days: 14, weeks: 8, months: 12, years: 3, broken: false };
    for _ in 0..runs.max(1) {
        let begin = Instant::now();
        let catalog = Catalog::scan(Path::new(directory))?;
        scans.push(begin.elapsed());
        let begin = Instant::now();
        let plan = plan_retention(&catalog, policy);
        plans.push(begin.elapsed());
        let complete = catalog.records().filter(|record| record.is_complete()).count();
        let stay = plan.sets.iter().filter(|set| !set.keep.is_empty()).count();
        found = format!(
            "{} backups, {complete} of them complete; {stay} of {} sets would stay",
            catalog.records().count(),
            plan.sets.len()
        );
    }
    println!("{found}");
    report("scan", scans);
    report("plan", plans);
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let millis = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let median = millis(times.get(times.len() / 2));
    let (least, most) = (millis(times.first()), millis(times.last()));
    println!("{what}: median {median:.1} ms, from {least:.1} to {most:.1} ms in {} runs", times.len());
}

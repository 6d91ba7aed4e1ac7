//! The commands that only look, on a store of many backups.

use std::path::{Path, PathBuf};

use xb_pipeline::process::Invocation;

use super::contest::{Contender, Failure, contest, scratch};

/// Sets in the store.
const SETS: &str = "1000";
/// Incrementals in each.
const INCREMENTALS: &str = "20";

/// Measures `list`, `status` and the plan of `prune` on 21,000 backups, from a warm cache.
pub(super) fn run(runs: usize) -> Result<(), Failure> {
    let home = tempfile::tempdir_in(scratch()?)?;
    let (store, work) = (home.path().join("store"), home.path().join("work"));
    std::fs::create_dir(&store)?;
    std::fs::create_dir(&work)?;
    std::fs::write(home.path().join("pyxbackup.cnf"), "[pyxbackup]\n")?;
    println!("making a store of {SETS} sets with {INCREMENTALS} incrementals each ...");
    let make = Invocation::new(generator(home.path())?).arg(&store).args([SETS, INCREMENTALS]);
    super::measure::run(&make, &home.path().join("log"))?;
    let program = crate::pyxbackup()?;
    let config = home.path().join("pyxbackup.cnf");
    let ours = |name: &'static str, rivals: &'static [&'static str], args: &'static [&'static str]| {
        let (program, config, store, work) = (program.clone(), config.clone(), store.clone(), work.clone());
        Contender::ours(name, rivals, move |out: &Path| {
            let command =
                Invocation::new(&program).arg("--config").arg(&config).arg("--stor-dir").arg(&store);
            // The answer goes to standard output, which is measured with the rest and thrown away.
            let _ = out;
            command.arg("--work-dir").arg(&work).args(args)
        })
    };
    let (found, read) = (store.clone(), store.clone());
    let contenders = [
        Contender::line("find", move |_| format!("find '{}' -name manifest.json | wc -l", found.display())),
        Contender::line("grep", move |_| {
            format!("grep -rh --include=manifest.json to_lsn '{}' | wc -l", read.display())
        }),
        ours("list", &["find", "grep"], &["list"]),
        ours("list --format table", &["find", "grep"], &["list", "--format", "table"]),
        ours("status", &["find", "grep"], &["--status-age-hours=87600", "status"]),
        ours("prune --dry-run", &["find", "grep"], &["--retention-sets=900", "prune", "--dry-run"]),
    ];
    contest(&contenders, runs, home.path())
}

/// The program that makes the store, beside the one that is measured.
fn generator(home: &Path) -> Result<PathBuf, Failure> {
    let build = Invocation::new("cargo").args([
        "build",
        "--release",
        "--quiet",
        "-p",
        "xb-catalog",
        "--example",
        "many_backups",
    ]);
    super::measure::run(&build, &home.join("log"))?;
    Ok(crate::pyxbackup()?.with_file_name("examples").join("many_backups"))
}

//! The demonstration: a real server is backed up while it is written to, and the restore is held against a
//! second opinion, the binary logs replayed to the backup's coordinate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use xb_catalog::manifest::Manifest;
use xb_core::{BinlogCoord, Secret};
use xb_sandbox::{Dataset, Sandbox, Server, Writer, dataset, oracle};

use crate::Outcome;

type Failure = Box<dyn std::error::Error>;

const MEGABYTES: u32 = 200;
/// Enough to be busy, little enough that replaying it stays short.
const WRITES_PER_SECOND: u32 = 200;
const PASSWORD: &str = "demo S3cret!";

pub(crate) fn run() -> Outcome {
    let home = tempfile::Builder::new().prefix("pyxbackup-demo-").tempdir()?;
    let home = home.path();
    say("starting a private server and filling it");
    let source = Sandbox::new(home.join("source")).option("log-bin", "mysql-bin").initialise()?;
    let data = Dataset::create(&source, MEGABYTES)?;
    source.account("backup", &Secret::new(PASSWORD))?;
    println!(
        "{} rows, {} MB data directory",
        data.rows,
        xb_pipeline::fs::tree_bytes(source.datadir())? / 1_000_000
    );

    let config = configure(home, &source)?;
    say("a full backup and two incrementals, while the server is written to");
    let writer = Writer::start(&source, Some(WRITES_PER_SECOND))?;
    pyxbackup(&config, &["full"])?;
    for round in 1..=2 {
        dataset::change(&source, round)?;
        pyxbackup(&config, &["incr"])?;
    }
    let written = writer.stop()?;
    println!("{} transactions were committed meanwhile", written.transactions);
    pyxbackup(&config, &["list", "--format", "table"])?;

    say("restoring the last backup and starting a second server on it");
    pyxbackup(&config, &["restore-set", "--restore-backup", "last"])?;
    let (manifest, restored) = newest(home)?;
    let coordinate =
        manifest.binlog.and_then(|point| point.coord).ok_or("the backup has no binlog coordinate")?;
    let copy = Sandbox::new(home.join("copy")).start_on(&restored)?;

    say(&format!("replaying the binary logs to {coordinate} on a third server, for a second opinion"));
    compare(&source, &copy, &coordinate, home)
}

fn say(text: &str) {
    println!("\n== {text}");
}

/// Writes the configuration a user would have.
fn configure(home: &Path, source: &Server) -> Result<PathBuf, Failure> {
    for name in ["store", "work", "restored"] {
        fs::create_dir(home.join(name))?;
    }
    let path = home.join("pyxbackup.cnf");
    let text = format!(
        "[pyxbackup]\nmysql_user = backup\nmysql_pass = {PASSWORD}\nmysql_sock = {}\nstor_dir = {}\nwork_dir = {}\n\
         compress = 1\ncompress_with = zstd\n",
        source.socket().display(),
        home.join("store").display(),
        home.join("work").display()
    );
    fs::write(&path, text)?;
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path)
}

/// Runs pyxbackup before the user's eyes.
#[expect(clippy::disallowed_methods, reason = "the terminal is handed on, which no pipeline does")]
fn pyxbackup(config: &Path, words: &[&str]) -> Outcome {
    println!("\n$ pyxbackup {}", words.join(" "));
    let mut command = std::process::Command::new(crate::pyxbackup()?);
    command.arg("--config").arg(config).args(words);
    if words.first() == Some(&"restore-set") {
        command.arg("--restore-dir").arg(config.with_file_name("restored"));
    }
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("pyxbackup {}: {status}", words.join(" ")).into()) }
}

/// The manifest of the newest backup, and where it was restored to.
fn newest(home: &Path) -> Result<(Manifest, PathBuf), Failure> {
    let catalog = xb_catalog::Catalog::scan(&home.join("store"))?;
    let newest = catalog.newest().ok_or("the store is empty")?;
    let manifest = Manifest::parse(&fs::read(newest.directory.join("manifest.json"))?)?;
    Ok((manifest, home.join("restored").join(format!("P_{}", newest.id()))))
}

/// Holds every table of the restored server against the same table as the binary logs make it.
fn compare(source: &Server, copy: &Server, coordinate: &BinlogCoord, home: &Path) -> Outcome {
    let replayed = oracle::at(source.binaries(), &source.binary_logs()?, coordinate, home.join("oracle"))?;
    let (expected, found) = (replayed.checksums()?, copy.checksums()?);
    let mut table = crate::new_table();
    table.set_header(["table", "by the binary logs", "restored", ""]);
    let names: BTreeMap<&String, ()> = expected.keys().chain(found.keys()).map(|name| (name, ())).collect();
    let mut differences = 0;
    for name in names.keys() {
        let (a, b) = (expected.get(*name), found.get(*name));
        let same = a.is_some() && a == b;
        differences += usize::from(!same);
        let shown = |sum: Option<&Option<u64>>| {
            sum.map_or("missing".into(), |s| s.map_or("-".into(), |s| s.to_string()))
        };
        table.add_row([
            name.to_string(),
            shown(a),
            shown(b),
            if same { "same" } else { "DIFFERENT" }.to_owned(),
        ]);
    }
    println!("{table}");
    if differences > 0 {
        return Err(format!("{differences} of {} tables differ", names.len()).into());
    }
    println!("all {} tables are the same; every server started here is stopped again", names.len());
    Ok(())
}

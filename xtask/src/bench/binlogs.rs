//! Streaming binary logs that are there, beside the vendor's program, which checks nothing and is made to wait
//! for the disk at its end.

use std::path::Path;

use xb_pipeline::process::Invocation;
use xb_sandbox::{Sandbox, Server};

use super::contest::{Contender, Failure, contest};

const VENDOR: &str = "mariadb-binlog --raw --read-from-remote-server, fsync";
/// Bytes of one transaction: rows as applications write them, some of them large.
const ROWS: &str =
    "INSERT INTO d.t (v) SELECT REPEAT(CHAR(65 + seq % 26), 200 + seq * 37 % 3000) FROM seq_1_to_500;";

/// Measures streaming about so many megabytes of logs.
pub(super) fn run(megabytes: u32, home: &Path, runs: usize) -> Result<(), Failure> {
    println!("making {megabytes} MB of binary logs ...");
    let server = Sandbox::new(home.join("logs"))
        .option("log-bin", "mysql-bin")
        .option("max-binlog-size", 100 * 1024 * 1024)
        .option("binlog-checksum", "CRC32")
        .on_network()
        .initialise()?;
    fill(&server, megabytes)?;
    let bytes: u64 =
        server.binary_logs()?.iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum();
    println!("binary logs: {:.0} MB in {} files", bytes as f64 / 1e6, server.binary_logs()?.len());
    contest(&contenders(&server)?, runs, home)
}

fn fill(server: &Server, megabytes: u32) -> Result<(), Failure> {
    server.sql("CREATE DATABASE d; CREATE TABLE d.t (id INT AUTO_INCREMENT PRIMARY KEY, v TEXT);")?;
    let bytes = || -> Result<u64, Failure> {
        let logs = server.binary_logs()?;
        Ok(logs.iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum())
    };
    while bytes()? < u64::from(megabytes) * 1_000_000 {
        server.sql(&format!("USE d; {}", ROWS.repeat(10)))?;
    }
    server.sql("FLUSH BINARY LOGS;")?;
    Ok(())
}

fn contenders(server: &Server) -> Result<Vec<Contender>, Failure> {
    let port = server.port().ok_or("the server has no port")?;
    let vendor = server.binaries().binlog.display().to_string();
    let program = crate::pyxbackup()?;
    let ours = move |out: &Path| {
        Invocation::new(&program)
            .args(["binlog-stream", "--once", "--quiet", "--mysql-user=root", "--mysql-host=127.0.0.1"])
            .arg(format!("--mysql-port={port}"))
            .arg("--first-binlog=mysql-bin.000001")
            .arg(format!("--stor-dir={}", out.display()))
            .arg(format!("--work-dir={}", out.with_extension("work").display()))
    };
    Ok(vec![
        Contender::line(VENDOR, move |out: &Path| {
            let out = out.display();
            format!(
                "{vendor} --no-defaults --raw --read-from-remote-server --to-last-log --protocol=TCP \
                 --host=127.0.0.1 --port={port} --user=root --result-file={out}/ mysql-bin.000001 && \
                 sync {out}/mysql-bin.*"
            )
        }),
        Contender::ours("pyxbackup binlog-stream --once", &[VENDOR], ours),
    ])
}

//! `full` beside `mariadb-backup --stream=xbstream | compressor > file`.

use std::path::Path;

use xb_pipeline::process::Invocation;
use xb_sandbox::{Binaries, Server};

use super::contest::{Contender, Failure, contest, cores};

/// Measures backups of `server`.
pub(super) fn run(server: &Server, home: &Path, runs: usize) -> Result<(), Failure> {
    contest(&contenders(server)?, runs, home)
}

fn contenders(server: &Server) -> Result<Vec<Contender>, Failure> {
    let engine = Binaries::find(&[])?.backup;
    let (socket, cores) = (server.socket().to_owned(), cores());
    let direct = format!(
        "{} --backup --user=root --socket={} --parallel={}",
        engine.display(),
        socket.display(),
        cores.min(4)
    );
    let pipe = |name, compressor: String| {
        let direct = direct.clone();
        let line = move |out: &Path| {
            let out = out.display();
            format!("{direct} --stream=xbstream --target-dir={out}/unused | {compressor} > {out}/result")
        };
        Contender::line(name, line)
    };
    let program = crate::pyxbackup()?;
    let ours = |name, rivals, options: &'static [&'static str]| {
        let (program, socket) = (program.clone(), socket.clone());
        let command = move |out: &Path| {
            Invocation::new(&program)
                .args(["full", "--quiet", "--mysql-user=root"])
                .arg(format!("--mysql-socket={}", socket.display()))
                .arg(format!("--stor-dir={}", out.display()))
                .arg(format!("--work-dir={}", out.with_extension("work").display()))
                .args(options)
        };
        Contender::ours(name, rivals, command)
    };
    let plain = {
        let direct = direct.clone();
        move |out: &Path| format!("{direct} --target-dir={}/result", out.display())
    };
    Ok(vec![
        pipe("| zstd -1 -T<cores>", format!("zstd -q -1 -T{cores}")),
        ours("pyxbackup full, zstd", &["| zstd -1 -T<cores>"], &["--compress", "--compress-with=zstd"]),
        pipe("| gzip", "gzip".into()),
        pipe("| pigz", format!("pigz -p {cores}")),
        ours("pyxbackup full, gzip", &["| gzip", "| pigz"], &["--compress", "--compress-with=gzip"]),
        Contender::line("mariadb-backup to a directory", plain),
        ours("pyxbackup full, plain", &["mariadb-backup to a directory"], &[]),
    ])
}

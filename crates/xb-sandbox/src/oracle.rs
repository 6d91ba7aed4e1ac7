//! The state of a server at a binary log coordinate, from its binary logs alone.
//!
//! This is the second opinion on a backup: it knows nothing of data files, redo logs or backup engines. It
//! needs every event of the server's life, so the server must have written a binary log since its first
//! start ([`Sandbox::initialise`] with `log-bin`), in row format.

use std::path::{Path, PathBuf};
use std::time::Duration;

use xb_core::{BinlogCoord, BinlogName};
use xb_pipeline::fs::FsError;
use xb_pipeline::process::{Invocation, describe};

use crate::binaries::Binaries;
use crate::dialect;
use crate::error::{SandboxError, tail};
use crate::sandbox::Sandbox;
use crate::server::Server;

const PRINT_LIMIT: Duration = Duration::from_secs(1800);

/// Starts an empty server in `directory` and replays the logs on it from their beginning up to `coordinate`.
/// Compare its [`Server::checksums`] with those of what was restored to that coordinate. The logs may be in
/// use by their server.
///
/// # Errors
/// [`SandboxError::BinlogGap`] when the logs do not reach from the first one to the coordinate without a
/// gap, else what a server or the replay gives.
pub fn at(
    binaries: &Binaries,
    logs: &[PathBuf],
    coordinate: &BinlogCoord,
    directory: impl Into<PathBuf>,
) -> Result<Server, SandboxError> {
    binaries.need(&binaries.binlog)?;
    let logs = wanted(logs, coordinate)?;
    let directory = directory.into();
    // Nothing here is to survive anything, so nothing waits for the disk.
    let server = Sandbox::new(&directory)
        .binaries(binaries.clone())
        .option("innodb-buffer-pool-size", "512M")
        .raw(dialect::redo_log(binaries, 1024))
        .option("innodb-flush-log-at-trx-commit", 0)
        .option("innodb-doublewrite", "OFF")
        .initialise()?;
    let text = server.datadir().with_file_name("replay.sql");
    print(&server, &logs, coordinate, &text)?;
    // Through a plain path: the client takes none with quotes in it.
    let plain =
        tempfile::tempdir().map_err(|source| SandboxError::System { what: "temporary directory", source })?;
    let link = plain.path().join("replay.sql");
    std::os::unix::fs::symlink(&text, &link).map_err(FsError::on("create link", &link))?;
    server.client().source(&link)?;
    std::fs::remove_file(&text).map_err(FsError::on("remove", &text))?;
    Ok(server)
}

/// The logs from number one to the coordinate's, in their order.
fn wanted(logs: &[PathBuf], coordinate: &BinlogCoord) -> Result<Vec<PathBuf>, SandboxError> {
    let gap = |reason: String| SandboxError::BinlogGap { coordinate: coordinate.clone(), reason };
    let mut named: Vec<(BinlogName, &PathBuf)> = logs
        .iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.parse().ok()?, path)))
        .filter(|(name, _): &(BinlogName, _)| *name <= coordinate.file)
        .collect();
    named.sort_by_key(|(name, _)| name.number());
    for (expected, (name, _)) in (1..).zip(&named) {
        if name.number() != expected {
            return Err(gap(format!("log number {expected} is missing, {name} follows")));
        }
    }
    let Some((last, path)) = named.last().filter(|(name, _)| *name == coordinate.file) else {
        return Err(gap(format!("{} is missing", coordinate.file)));
    };
    // The printing program takes the end of the file for the position without a word.
    let length = path.metadata().map_err(FsError::on("open", path))?.len();
    if length < coordinate.position {
        return Err(gap(format!("{last} has only {length} bytes")));
    }
    Ok(named.into_iter().map(|(_, path)| path.clone()).collect())
}

fn print(
    server: &Server,
    logs: &[PathBuf],
    coordinate: &BinlogCoord,
    text: &Path,
) -> Result<(), SandboxError> {
    // The position counts in the last of the files.
    let printer = Invocation::new(&server.binaries().binlog)
        .arg("--no-defaults")
        .arg(format!("--stop-position={}", coordinate.position))
        .arg(format!("--result-file={}", text.display()))
        .args(dialect::without_gtids(server.binaries()))
        .args(logs);
    let output = printer.output(PRINT_LIMIT)?;
    if output.status.success() {
        return Ok(());
    }
    Err(SandboxError::Program {
        program: printer.name(),
        about: text.to_owned(),
        how: describe(output.status),
        tail: tail(&output.stderr),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coordinate(number: u32, position: u64) -> BinlogCoord {
        BinlogCoord { file: format!("bin.{number:06}").parse().unwrap(), position }
    }

    /// Files of ten bytes with these numbers.
    fn logs(directory: &Path, numbers: &[u32]) -> Vec<PathBuf> {
        let write = |number: &u32| {
            let path = directory.join(format!("bin.{number:06}"));
            std::fs::write(&path, [0; 10]).unwrap();
            path
        };
        numbers.iter().map(write).collect()
    }

    #[test]
    fn only_logs_up_to_the_coordinate_are_replayed_in_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let all = logs(dir.path(), &[3, 1, 2]);
        let got = wanted(&all, &coordinate(2, 10)).unwrap();
        assert_eq!(got, [all[1].clone(), all[2].clone()]);
    }

    #[test]
    fn a_gap_anywhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (numbers, position, reason) in [
            (&[2, 3][..], 10, "log number 1 is missing"),
            (&[1, 3], 10, "log number 2 is missing"),
            (&[1, 2], 10, "bin.000003 is missing"),
            (&[], 10, "bin.000003 is missing"),
            (&[1, 2, 3], 11, "bin.000003 has only 10 bytes"),
        ] {
            let logs = logs(dir.path(), numbers);
            let error = wanted(&logs, &coordinate(3, position)).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

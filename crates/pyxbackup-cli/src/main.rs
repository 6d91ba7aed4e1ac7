//! The binary `pyxbackup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    // A panic is a fault of ours, with the number that is promised for those.
    let run = std::panic::catch_unwind(|| pyxbackup_cli::run(std::env::args_os()));
    ExitCode::from(run.unwrap_or(pyxbackup_cli::Exit::Unexpected.code()))
}

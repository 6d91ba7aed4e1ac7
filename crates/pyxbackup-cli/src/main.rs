//! The binary `pyxbackup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(pyxbackup_cli::run(std::env::args_os()))
}

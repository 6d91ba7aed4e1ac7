//! The demonstration and the benchmarks: `cargo run -p xtask -- demo`, `cargo run -p xtask --release -- bench`.

mod bench;
mod demo;

use std::process::ExitCode;

/// Errors here are for the person at the terminal, who wants a sentence.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["demo"] => demo::run(),
        ["bench", options @ ..] => bench::run(options),
        _ => Err("usage: xtask demo | xtask bench [SIZE_MB ...] [--runs N]".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A table with a line below its head and none between rows.
fn new_table() -> comfy_table::Table {
    use comfy_table::{LineStyle, TableStyle};
    let mut table = comfy_table::Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─')));
    table
}

/// The program under test: built beside this one.
fn pyxbackup() -> Result<std::path::PathBuf, Box<dyn std::error::Error>> {
    let program = std::env::current_exe()?.with_file_name("pyxbackup");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is not there; build it first: cargo build --release -p pyxbackup-cli", program.display())
        .into())
}

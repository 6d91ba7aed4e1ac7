//! `manual`: write the pages of the manual.

use std::io::Write;
use std::path::Path;

use xb_engine::EngineError;
use xb_pipeline::fs::{FsError, write_atomic_readable};

use super::print;
use crate::args;
use crate::error::CliError;
use crate::exit::Exit;

pub(super) fn run(directory: &Path, out: &mut dyn Write) -> Result<Exit, CliError> {
    let failed = |error: FsError| CliError::from(EngineError::from(error));
    std::fs::create_dir_all(directory).map_err(FsError::on("create directory", directory)).map_err(failed)?;
    let pages = args::pages().map_err(|error| CliError::Internal(error.to_string()))?;
    for page in &pages {
        write_atomic_readable(&directory.join(&page.name), &page.text).map_err(failed)?;
    }
    let lines = pages.iter().map(|page| format!("{}\n", directory.join(&page.name).display()));
    print(out, &lines.collect::<String>())
}

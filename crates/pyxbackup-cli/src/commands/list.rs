//! `list`: show the backups of a store.

use std::io::Write;

use crate::args::ListFormat;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;

pub(super) fn run(_call: &Call, format: ListFormat, _out: &mut dyn Write) -> Result<Exit, CliError> {
    super::not_wired(&format!("list in the form {format:?}"))
}

//! `status`: tell a monitoring system how the backups are doing.

use std::io::Write;

use crate::args::StatusFormat;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;

pub(super) fn run(_call: &Call, format: StatusFormat, _out: &mut dyn Write) -> Result<Exit, CliError> {
    super::not_wired(&format!("status in the form {format:?}"))
}

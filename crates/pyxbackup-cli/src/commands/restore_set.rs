//! `restore-set`: restore a backup with all it builds on.

use std::io::Write;

use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;

pub(super) fn run(_call: &Call, _out: &mut dyn Write) -> Result<Exit, CliError> {
    super::not_wired("restore-set")
}

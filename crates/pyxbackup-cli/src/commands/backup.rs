//! `full` and `incr`: take a backup.

use std::io::Write;

use xb_core::BackupKind;

use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;

pub(super) fn run(_call: &Call, kind: BackupKind, _out: &mut dyn Write) -> Result<Exit, CliError> {
    super::not_wired(kind.word())
}

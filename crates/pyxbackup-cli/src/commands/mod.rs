//! The commands. Each gets a call that is ready for use and prints its result.

mod apply_last;
mod archive;
mod backup;
mod config_show;
mod list;
mod restore_set;
mod status;

use std::io::Write;

use xb_core::BackupKind;

use crate::args::Command;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;

pub(crate) use status::unknown as status_unknown;

/// Runs a command: results to `out`, remarks to `err`. `status` answers with its own exit codes; all others
/// end well or with an error.
pub(crate) fn dispatch(
    call: &Call,
    command: Command,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    match command {
        Command::Full => backup::run(call, BackupKind::Full, out),
        Command::Incr => backup::run(call, BackupKind::Incremental, out),
        Command::List { format } => list::run(call, format, out, err),
        Command::Status { format } => status::run(call, format, out),
        Command::RestoreSet => restore_set::run(call, out),
        Command::ApplyLast => apply_last::run(call, out),
        Command::ConfigShow { format } => config_show::run(call, format, out),
        Command::Archive(command) => archive::run(call, command, out),
        Command::Absent(task) => Err(CliError::Internal(format!("{task} was let through"))),
    }
}

/// Prints a result.
fn print(out: &mut dyn Write, text: &str) -> Result<Exit, CliError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(Exit::Success)
}

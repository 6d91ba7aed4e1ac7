//! The commands. Each gets a call that is ready for use and prints its result.

mod apply_last;
mod archive;
mod backup;
mod binlog;
mod config_show;
mod fleet;
mod keep;
mod list;
mod manual;
mod meta;
mod recover;
mod restore_set;
mod status;

use std::io::Write;

use xb_core::BackupKind;

use crate::args::{self, Command};
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
        Command::List { format, all: true } => fleet::list(call, format, out),
        Command::List { format, all: false } => list::run(call, format, out, err),
        Command::Status(asked) if asked.all => fleet::status(call, &asked, out),
        Command::Status(asked) => status::run(call, &asked, out),
        Command::RestoreSet(None) => restore_set::run(call, out),
        Command::RestoreSet(Some(recovery)) => recover::run(call, &recovery, out),
        Command::ApplyLast => apply_last::run(call, out),
        Command::ConfigShow { format } => config_show::run(call, format, out),
        Command::Archive(command) => archive::run(call, command, out),
        Command::Meta { backup, format } => meta::run(call, backup, format, out),
        Command::LastLsn { format } => meta::last_lsn(call, format, out),
        Command::Completions { .. } | Command::Manual { .. } => of_the_program(&command, out),
        Command::Keep(command) => keep::run(call, command, out, err),
        Command::Binlog(command) => binlog::run(call, command, out),
    }
}

/// Runs a command that tells of the program itself: for those there is no call to get ready.
pub(crate) fn of_the_program(command: &Command, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        Command::Completions { shell } => print(out, &args::completions(*shell)),
        Command::Manual { directory } => manual::run(directory, out),
        other => Err(CliError::Internal(format!("{} was taken for one without settings", other.task()))),
    }
}

/// Prints a result.
fn print(out: &mut dyn Write, text: &str) -> Result<Exit, CliError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(Exit::Success)
}

//! The command line of pyxbackup: arguments, files, terminal and exit codes. What it does is in `xb-engine`.
//!
//! A run goes one way: arguments as typed ([`args`]) → configuration file ([`files`]) → settings ready for
//! use ([`call`]) → command ([`commands`]) → exit code ([`exit`]). Commands that do work hand it to the library
//! with all that belongs to this process around it ([`wire`]): what the run tells ([`monitor`], [`runlog`]),
//! signals that end it ([`signals`]), the environment ([`env`]). What it answers becomes text in [`render`].
//! Errors of all of these end in one place ([`error`]), which adds what to do about them.

mod args;
mod call;
mod commands;
mod env;
mod error;
mod exit;
mod files;
mod monitor;
mod render;
mod runlog;
mod service;
mod signals;
mod wire;

use std::ffi::OsString;
use std::io::Write;

pub use exit::Exit;

use args::{Command, Parsed};
use error::CliError;

/// Runs pyxbackup with these arguments (the first is the program's own name) on this process's standard
/// output and error. Returns what the process should end with; [`Exit`] names the numbers.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    run_with(args, &mut std::io::stdout(), &mut std::io::stderr()).code()
}

/// [`run`] with other places for results and errors. What a run tells on its way goes to this process's
/// standard error all the same.
pub fn run_with(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let mut wants_json = args::looks_for_json(&args);
    let result = args::parse(&args).and_then(|parsed| match parsed {
        Parsed::Text(text) => print(out, &text),
        Parsed::Typed(typed) if !typed.command.task().takes_settings() => {
            commands::of_the_program(&typed.command, out)
        }
        Parsed::Typed(typed) => {
            wants_json = typed.wants_json();
            let asked = typed.command.clone();
            let done = call::prepare(*typed, err)
                .and_then(|(call, command)| commands::dispatch(&call, command, out, err));
            match asked {
                Command::Status(asked) => {
                    done.or_else(|error| commands::status_unknown(error, &asked, out, err))
                }
                _ => done,
            }
        }
    });
    match result {
        Ok(exit) => exit,
        // Whoever read the output has seen enough; `… | head` is no failure.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Exit::Success,
        Err(error) => error::render(&error, wants_json, out, err),
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<Exit, CliError> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(Exit::Success)
}

//! Errors of a run: one type, one exit code each, and one place that prints them.

mod engine;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use xb_core::settings::{Problem, SettingsError};
use xb_engine::EngineError;

use crate::exit::Exit;
use engine::Failure;
pub(crate) use engine::advice;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The arguments make no sense.
    #[error("{message}")]
    Usage { message: String, hints: Vec<String> },
    /// The configuration file cannot be used.
    #[error("{message}")]
    File { message: String, hint: String },
    /// The settings cannot be used.
    #[error("{}", first_line(error))]
    Settings { error: SettingsError, config: Option<PathBuf> },
    /// The work itself failed.
    #[error("{}", .0.message())]
    Engine(Box<Failure>),
    /// Printing failed.
    #[error("standard output: {0}")]
    Output(#[from] io::Error),
    /// Something that should not happen.
    #[error("internal error: {0}")]
    Internal(String),
}

fn first_line(error: &SettingsError) -> String {
    error.problems.first().map(ToString::to_string).unwrap_or_default()
}

/// One message of an error with what to do about it.
#[derive(Serialize)]
struct Message {
    message: String,
    /// The last lines of an engine that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    engine_said: Vec<String>,
    hints: Vec<String>,
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        CliError::Engine(Box::new(Failure { error, hints: Vec::new(), log: None }))
    }
}

impl CliError {
    pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        CliError::Usage { message: message.into(), hints: vec![hint.into()] }
    }

    pub(crate) fn settings(error: SettingsError, config: Option<PathBuf>) -> Self {
        CliError::Settings { error, config }
    }

    /// Adds a hint that needs more knowledge than the error holds.
    pub(crate) fn with_hint(mut self, hint: String) -> Self {
        if let CliError::Engine(failure) = &mut self {
            failure.hints.push(hint);
        }
        self
    }

    /// Adds where the messages of the run are.
    pub(crate) fn with_log(mut self, log: &Path) -> Self {
        if let CliError::Engine(failure) = &mut self {
            failure.log = Some(log.to_owned());
        }
        self
    }

    /// The exit code. Every error has one.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CliError::Usage { .. } | CliError::File { .. } | CliError::Settings { .. } => Exit::Fatal,
            CliError::Engine(failure) => failure.exit(),
            CliError::Output(_) | CliError::Internal(_) => Exit::Unexpected,
        }
    }

    /// A word for programs that read errors.
    fn kind(&self) -> &'static str {
        match self {
            CliError::Usage { .. } => "usage",
            CliError::File { .. } => "config_file",
            CliError::Settings { .. } => "settings",
            CliError::Engine(failure) => failure.kind(),
            CliError::Output(_) => "output",
            CliError::Internal(_) => "internal",
        }
    }

    /// What there is to say: usually one message, for settings one per problem.
    fn messages(&self) -> Vec<Message> {
        let one =
            |hints: Vec<String>| vec![Message { message: self.to_string(), engine_said: Vec::new(), hints }];
        match self {
            CliError::Usage { hints, .. } => one(hints.clone()),
            CliError::File { hint, .. } => one(vec![hint.clone()]),
            CliError::Settings { error, config } => settings_messages(&error.problems, config.is_some()),
            CliError::Engine(failure) => vec![Message {
                message: failure.message(),
                engine_said: failure.said().to_vec(),
                hints: failure.hints(),
            }],
            CliError::Output(_) => one(Vec::new()),
            CliError::Internal(_) => one(vec!["this is a fault of pyxbackup: please report it".to_owned()]),
        }
    }
}

fn settings_messages(problems: &[Problem], has_config: bool) -> Vec<Message> {
    let message = |problem: &Problem| Message {
        message: problem.to_string(),
        engine_said: Vec::new(),
        hints: vec![problem.remedy()],
    };
    let mut messages: Vec<Message> = problems.iter().map(message).collect();
    let is_missing = problems.iter().any(|problem| matches!(problem, Problem::Missing { .. }));
    if let Some(last) = messages.last_mut().filter(|_| is_missing && !has_config) {
        last.hints.push("no configuration file was found; name one with --config".to_owned());
    }
    messages
}

/// Prints an error: for people on `err`, or as one JSON object on `out`. Returns its exit code.
pub(crate) fn render(error: &CliError, json: bool, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let exit = error.exit();
    // There is nowhere left to tell that telling failed; the exit code still does.
    let _ = if json { render_json(error, exit, out) } else { render_text(error, err) };
    exit
}

fn render_text(error: &CliError, err: &mut dyn Write) -> io::Result<()> {
    // Each message begins at the margin, what belongs to it is indented.
    let prefix = |line: &str| if line.starts_with(' ') { "" } else { "pyxbackup: error: " };
    text(error).lines().try_for_each(|line| writeln!(err, "{}{line}", prefix(line)))?;
    err.flush()
}

/// The messages of an error, below each what the engine said and what to do.
pub(crate) fn text(error: &CliError) -> String {
    let of_message = |Message { message, engine_said, hints }: Message| {
        let said = engine_said.into_iter().map(|line| format!("  engine: {line}\n"));
        let hints = hints.into_iter().map(|hint| format!("  hint: {hint}\n"));
        format!("{message}\n{}", said.chain(hints).collect::<String>())
    };
    error.messages().into_iter().map(of_message).collect()
}

fn render_json(error: &CliError, exit: Exit, out: &mut dyn Write) -> io::Result<()> {
    let mut object = serde_json::json!({
        "error": { "kind": error.kind(), "exit_code": exit.code(), "messages": error.messages() }
    });
    if let CliError::Engine(failure) = error
        && let Some(backup) = failure.error.committed()
    {
        object["error"]["committed_backup"] = backup.to_string().into();
    }
    writeln!(out, "{object:#}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(error: &CliError, json: bool) -> (String, String, Exit) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = render(error, json, &mut out, &mut err);
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), exit)
    }

    #[test]
    fn an_error_for_people_has_its_hints_below() {
        let (out, err, exit) = rendered(&CliError::usage("no such thing", "look again"), false);
        assert_eq!(
            (out.as_str(), err.as_str()),
            ("", "pyxbackup: error: no such thing\n  hint: look again\n")
        );
        assert_eq!(exit, Exit::Fatal);
    }

    #[test]
    fn an_error_for_programs_is_one_object() {
        let (out, err, exit) = rendered(&CliError::Internal("x".to_owned()), true);
        let object: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(object["error"]["kind"], "internal");
        assert_eq!(object["error"]["exit_code"], 255);
        assert_eq!((err.as_str(), exit), ("", Exit::Unexpected));
    }
}

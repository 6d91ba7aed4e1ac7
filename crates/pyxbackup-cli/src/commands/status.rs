//! `status`: tell a monitoring system how the backups are doing.

use std::io::Write;

use xb_engine::{EngineError, Level, ListReport, StatusReport};
use xb_pipeline::fs::write_atomic_readable;

use super::print;
use crate::args::{Question, StatusCommand, StatusFormat};
use crate::call::Call;
use crate::error::{self, CliError};
use crate::exit::Exit;
use crate::render;
use crate::render::prometheus::Origin;
use crate::render::status::{discovery, nagios, value, verdict};
use crate::wire;

pub(super) fn run(call: &Call, asked: &StatusCommand, out: &mut dyn Write) -> Result<Exit, CliError> {
    let engine = wire::onlooker(call);
    let report = engine.status()?;
    let list = match asked.question {
        Question::Discovery => Some(engine.list()?),
        Question::Verdict | Question::Key(_) => None,
    };
    let store = engine.store_shown();
    answer(&Known { report: &report, list: list.as_ref(), store: store.as_deref() }, asked, out)
}

/// Answers when nobody can say how things stand: a store that cannot be read is no good news.
///
/// # Errors
/// The same error, when it is the answer that could not be printed.
pub(crate) fn unknown(
    error: CliError,
    asked: &StatusCommand,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    if matches!(error, CliError::Output(_)) {
        return Err(error);
    }
    if asked.format == StatusFormat::None {
        // This form has no words of its own.
        error::render(&error, false, out, err);
    }
    let report = StatusReport::unknown(error.to_string());
    answer(&Known { report: &report, list: None, store: None }, asked, out)
}

/// What there is to answer with.
struct Known<'a> {
    report: &'a StatusReport,
    /// The backups, where they are asked for and can be listed.
    list: Option<&'a ListReport>,
    /// The store, where it is known which.
    store: Option<&'a str>,
}

fn answer(known: &Known<'_>, asked: &StatusCommand, out: &mut dyn Write) -> Result<Exit, CliError> {
    let text = text(known, asked)?;
    let printed = match &asked.output {
        Some(path) => {
            let written = write_atomic_readable(path, text.as_bytes());
            written.map(|()| Exit::Success).map_err(|error| EngineError::from(error).into())
        }
        None => print(out, &text),
    };
    match printed {
        // Nobody read it; the exit code still tells.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => (),
        other => drop(other?),
    }
    Ok(exit(known.report.level))
}

fn text(known: &Known<'_>, asked: &StatusCommand) -> Result<String, CliError> {
    let report = known.report;
    Ok(match (asked.format, &asked.question) {
        (StatusFormat::None, _) => String::new(),
        (StatusFormat::Nagios, _) => nagios(report),
        (StatusFormat::Zabbix, Question::Verdict) => format!("{}\n", verdict(report.level)),
        // A line without a value would be one: an empty text. Nothing at all is none.
        (StatusFormat::Zabbix, Question::Key(key)) => {
            value(report, key).map(|value| value + "\n").unwrap_or_default()
        }
        // An empty list would say that all backups are gone.
        (StatusFormat::Zabbix, Question::Discovery) => match known.list {
            Some(list) => render::json(&discovery(list))?,
            None => String::new(),
        },
        (StatusFormat::Prometheus, _) => {
            render::prometheus::text(report, Origin { store: known.store, section: &asked.section })
        }
        (StatusFormat::Json, _) => render::json(report)?,
    })
}

pub(super) fn exit(level: Level) -> Exit {
    match level {
        Level::Ok => Exit::Success,
        Level::Warn => Exit::StatusWarning,
        Level::Critical => Exit::StatusCritical,
    }
}

#[cfg(test)]
mod tests;

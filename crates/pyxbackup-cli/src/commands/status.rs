//! `status`: tell a monitoring system how the backups are doing.

use std::io::Write;

use xb_engine::{Level, StatusReport};

use super::print;
use crate::args::StatusFormat;
use crate::call::Call;
use crate::error::{self, CliError};
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn run(call: &Call, format: StatusFormat, out: &mut dyn Write) -> Result<Exit, CliError> {
    answer(&wire::onlooker(call).status()?, format, call.json, out)
}

/// Answers when nobody can say how things stand: a store that cannot be read is no good news.
///
/// # Errors
/// The same error, when it is the answer that could not be printed.
pub(crate) fn unknown(
    error: CliError,
    format: StatusFormat,
    json: bool,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    if matches!(error, CliError::Output(_)) {
        return Err(error);
    }
    if format == StatusFormat::None && !json {
        // This form has no words of its own.
        error::render(&error, false, out, err);
    }
    let report = StatusReport { level: Level::Critical, message: error.to_string(), last: None };
    answer(&report, format, json, out)
}

fn answer(
    report: &StatusReport,
    format: StatusFormat,
    json: bool,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let text = if json { render::json(report)? } else { text(report, format) };
    match print(out, &text) {
        // Nobody read it; the exit code still tells.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => (),
        other => drop(other?),
    }
    Ok(exit(report.level))
}

fn text(report: &StatusReport, format: StatusFormat) -> String {
    match format {
        StatusFormat::None => String::new(),
        StatusFormat::Nagios => format!("{} - {}\n", report.level.word(), one_line(&report.message)),
        StatusFormat::Zabbix => format!("{}\n", exit(report.level).code()),
    }
}

/// Nagios reads one line, and takes what stands behind a bar for measurements.
fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect()
}

fn exit(level: Level) -> Exit {
    match level {
        Level::Ok => Exit::Success,
        Level::Warn => Exit::StatusWarning,
        Level::Critical => Exit::StatusCritical,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn report(level: Level, message: &str) -> StatusReport {
        StatusReport { level, message: message.to_owned(), last: None }
    }

    #[rstest]
    #[case(Level::Ok, "OK - a b\n", "0\n", 0)]
    #[case(Level::Warn, "WARN - a b\n", "1\n", 1)]
    #[case(Level::Critical, "CRITICAL - a b\n", "2\n", 2)]
    fn each_form_and_the_exit_code_tell_the_same(
        #[case] level: Level,
        #[case] nagios: &str,
        #[case] zabbix: &str,
        #[case] code: u8,
    ) {
        let report = report(level, "a\nb");
        for (format, expected) in
            [(StatusFormat::Nagios, nagios), (StatusFormat::Zabbix, zabbix), (StatusFormat::None, "")]
        {
            let mut out = Vec::new();
            let exit = answer(&report, format, false, &mut out).unwrap();
            assert_eq!((String::from_utf8(out).unwrap().as_str(), exit.code()), (expected, code));
        }
    }

    /// Whoever was to read has gone.
    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_exit_code_tells_also_when_nobody_reads() {
        let exit = answer(&report(Level::Critical, "x"), StatusFormat::Nagios, false, &mut Gone).unwrap();
        assert_eq!(exit, Exit::StatusCritical);
    }

    #[test]
    fn what_stands_behind_a_bar_is_not_taken_for_measurements() {
        assert_eq!(text(&report(Level::Ok, "a|b"), StatusFormat::Nagios), "OK - a b\n");
    }

    #[test]
    fn a_status_that_cannot_be_found_out_is_critical_in_every_form() {
        let forms = [
            (StatusFormat::Nagios, "CRITICAL - no store\n", ""),
            (StatusFormat::Zabbix, "2\n", ""),
            (StatusFormat::None, "", "pyxbackup: error: no store\n  hint: set one\n"),
        ];
        for (format, expected, said) in forms {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            let error = CliError::usage("no store", "set one");
            let exit = unknown(error, format, false, &mut out, &mut err).unwrap();
            let texts = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
            assert_eq!((texts.0.as_str(), texts.1.as_str(), exit), (expected, said, Exit::StatusCritical));
        }
    }
}

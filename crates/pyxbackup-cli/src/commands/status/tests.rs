use std::path::PathBuf;

use rstest::rstest;
use xb_core::BackupKind;
use xb_engine::{Check, LastBackup, Limits, Running, StatusValues};

use super::*;

/// A report of one check, without any value.
fn bare(level: Level, message: &str) -> StatusReport {
    let check = Check { name: Check::LAST_BACKUP, level, message: message.to_owned() };
    StatusReport::of(vec![check], StatusValues::default())
}

/// A report with all there can be in it.
fn full() -> StatusReport {
    let id = "2026_11_22-15_00_00".parse().unwrap();
    let checks = [(Check::LAST_BACKUP, Level::Ok), (Check::SPACE, Level::Warn), (Check::STORE, Level::Ok)];
    let checks = checks.map(|(name, level)| Check { name, level, message: format!("{name} was looked at") });
    let values = StatusValues {
        last: LastBackup {
            id: Some(id),
            kind: Some(BackupKind::Incremental),
            ended_unix: Some(1_795_356_060),
            age_seconds: Some(17_940),
            duration_seconds: Some(60),
            stored_bytes: Some(2_147_483_648),
            stream_bytes: Some(6_442_450_944),
        },
        sets: Some(2),
        running: Running { now: Some(false), seconds: None },
        free_bytes: Some(107_374_182_400),
        limits: Limits {
            age_seconds: Some(129_600),
            running_seconds: Some(86_400),
            free_warn_bytes: Some(15_461_882_265),
            free_critical_bytes: Some(3_221_225_472),
        },
        ..StatusValues::default()
    };
    StatusReport::of(checks.to_vec(), values)
}

fn asked(format: StatusFormat, question: Question) -> StatusCommand {
    StatusCommand { format, question, output: None, section: "pyxbackup".to_owned(), all: false }
}

fn verdict_in(format: StatusFormat) -> StatusCommand {
    asked(format, Question::Verdict)
}

fn answered(report: &StatusReport, asked: &StatusCommand) -> (String, Exit) {
    let mut out = Vec::new();
    let known = Known { report, list: None, store: Some("/stor") };
    let exit = answer(&known, asked, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exit)
}

fn key(report: &StatusReport, key: &str) -> String {
    answered(report, &asked(StatusFormat::Zabbix, Question::Key(key.to_owned()))).0
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
    let report = bare(level, "a\nb");
    for (format, expected) in
        [(StatusFormat::Nagios, nagios), (StatusFormat::Zabbix, zabbix), (StatusFormat::None, "")]
    {
        let (text, exit) = answered(&report, &verdict_in(format));
        assert_eq!((text.as_str(), exit.code()), (expected, code));
    }
    for format in [StatusFormat::Prometheus, StatusFormat::Json] {
        assert_eq!(answered(&report, &verdict_in(format)).1.code(), code, "{format:?}");
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
    let report = bare(Level::Critical, "x");
    let known = Known { report: &report, list: None, store: None };
    let exit = answer(&known, &verdict_in(StatusFormat::Nagios), &mut Gone).unwrap();
    assert_eq!(exit, Exit::StatusCritical);
}

#[test]
fn what_stands_behind_a_bar_is_not_taken_for_measurements() {
    let text = answered(&bare(Level::Ok, "a|b"), &verdict_in(StatusFormat::Nagios)).0;
    assert_eq!(text, "OK - a b\n");
}

#[test]
fn nagios_gets_measurements_with_their_limits() {
    let text = answered(&full(), &verdict_in(StatusFormat::Nagios)).0;
    insta::assert_snapshot!(text);
    let (said, measured) = text.trim_end().split_once(" | ").unwrap();
    assert_eq!(said, "WARN - space was looked at");
    for one in measured.split(' ') {
        assert_follows_the_guidelines(one);
    }
}

/// `label=value[UOM];[warn];[crit];[min];[max]`: a label without a blank, a quote or an equals sign; numbers;
/// limits as ranges.
fn assert_follows_the_guidelines(measured: &str) {
    let (label, rest) = measured.split_once('=').unwrap();
    assert!(label.bytes().all(|byte| byte.is_ascii_lowercase()), "{measured}");
    let mut fields = rest.split(';');
    let value = fields.next().unwrap();
    let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    assert!(["", "s", "B"].contains(&unit) && value.len() > unit.len(), "{measured}");
    for (at, field) in fields.enumerate() {
        let number = if at < 2 { field.strip_suffix(':').unwrap_or(field) } else { field };
        assert!(at < 4 && number.bytes().all(|byte| byte.is_ascii_digit()), "{measured}");
    }
}

#[test]
fn zabbix_gets_one_value_by_its_name() {
    let report = full();
    for (name, expected) in [
        ("level", "1\n"),
        ("message", "space was looked at\n"),
        ("checks.space", "1\n"),
        ("checks.last_backup", "0\n"),
        ("last.id", "2026_11_22-15_00_00\n"),
        ("last.kind", "incr\n"),
        ("last.age_seconds", "17940\n"),
        ("limits.free_critical_bytes", "3221225472\n"),
        ("running.now", "0\n"),
        ("sets", "2\n"),
    ] {
        assert_eq!(key(&report, name), expected, "{name}");
    }
    // What nobody can tell has no line, not even an empty one.
    for name in ["running.seconds", "last_full.id", "checks.chain"] {
        assert_eq!(key(&report, name), "", "{name}");
    }
}

#[test]
fn the_names_of_values_are_a_promise() {
    insta::assert_snapshot!(render::status::keys().join("\n"));
}

#[test]
fn json_tells_all_of_it() {
    let text = answered(&full(), &verdict_in(StatusFormat::Json)).0;
    insta::assert_snapshot!(text);
}

#[test]
fn a_file_is_replaced_as_a_whole_and_everyone_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path: PathBuf = dir.path().join("pyxbackup.prom");
    std::fs::write(&path, "of the run before").unwrap();
    let asked = StatusCommand { output: Some(path.clone()), ..verdict_in(StatusFormat::Prometheus) };
    let (printed, exit) = answered(&full(), &asked);
    assert_eq!((printed.as_str(), exit), ("", Exit::StatusWarning));
    let expected = answered(&full(), &verdict_in(StatusFormat::Prometheus)).0;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_status_that_cannot_be_found_out_is_critical_in_every_form() {
    let prometheus = "# HELP pyxbackup_status The verdict of each check: 0 OK, 1 WARN, 2 CRITICAL.\n\
                      # TYPE pyxbackup_status gauge\n\
                      pyxbackup_status{check=\"store\",section=\"pyxbackup\"} 2\n\
                      # HELP pyxbackup_status_level The worst verdict.\n\
                      # TYPE pyxbackup_status_level gauge\n\
                      pyxbackup_status_level{section=\"pyxbackup\"} 2\n";
    let key = |key: &str| asked(StatusFormat::Zabbix, Question::Key(key.to_owned()));
    let forms = [
        (verdict_in(StatusFormat::Nagios), "CRITICAL - no store\n", ""),
        (verdict_in(StatusFormat::Zabbix), "2\n", ""),
        (key("level"), "2\n", ""),
        (key("checks.store"), "2\n", ""),
        (key("message"), "no store\n", ""),
        (key("last.age_seconds"), "", ""),
        (asked(StatusFormat::Zabbix, Question::Discovery), "", ""),
        (verdict_in(StatusFormat::Prometheus), prometheus, ""),
        (verdict_in(StatusFormat::None), "", "pyxbackup: error: no store\n  hint: set one\n"),
    ];
    for (asked, expected, said) in forms {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = unknown(CliError::usage("no store", "set one"), &asked, &mut out, &mut err).unwrap();
        let texts = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
        assert_eq!((texts.0.as_str(), texts.1.as_str(), exit), (expected, said, Exit::StatusCritical));
    }
    let (mut out, mut err) = (Vec::new(), Vec::new());
    unknown(CliError::usage("no store", "set one"), &verdict_in(StatusFormat::Json), &mut out, &mut err)
        .unwrap();
    let object: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!((&object["level"], &object["message"]), (&"CRITICAL".into(), &"no store".into()));
    assert!(err.is_empty());
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let output = Some(PathBuf::from("/nonexistent/pyxbackup.prom"));
    let asked = StatusCommand { output, ..verdict_in(StatusFormat::Prometheus) };
    let error = unknown(CliError::usage("no store", "set one"), &asked, &mut Vec::new(), &mut Vec::new());
    let error = error.unwrap_err();
    assert!(error.to_string().starts_with("cannot create /nonexistent/pyxbackup.prom.tmp: "), "{error}");
    assert_eq!(error.exit(), Exit::Fatal);
}

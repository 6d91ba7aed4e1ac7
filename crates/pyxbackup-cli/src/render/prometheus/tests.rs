use std::collections::{BTreeMap, BTreeSet};

use xb_engine::{Check, LastBackup, LastFull, Level, Limits, LogsValues, Running};

use super::*;

/// One line of values: its metric, its labels in order, its value.
#[derive(Debug, PartialEq)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Reads the text format as strictly as it is defined, more so where scrapers are lenient: each metric is told
/// of once, help and type first, and no series comes twice.
fn parse(text: &str) -> Result<Vec<Series>, String> {
    let body = text.strip_suffix('\n').ok_or("it does not end with a newline")?;
    let (mut told, mut series) = (BTreeSet::new(), Vec::<Series>::new());
    let (mut helped, mut typed) = (String::new(), String::new());
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or_else(|| format!("no help: {line}"))?;
            let is_new = told.insert(name.to_owned());
            if !is_new || help.is_empty() || !is_metric(name) {
                return Err(format!("bad help: {line}"));
            }
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            if rest != format!("{helped} gauge") {
                return Err(format!("bad type: {line}"));
            }
            typed.clone_from(&helped);
        } else {
            let one = sample(line)?;
            if one.name != typed {
                return Err(format!("of another metric: {line}"));
            }
            if series.iter().any(|other| other.name == one.name && other.labels == one.labels) {
                return Err(format!("twice: {line}"));
            }
            series.push(one);
        }
    }
    match told.iter().find(|name| !series.iter().any(|one| one.name == **name)) {
        Some(name) => Err(format!("{name} has no value")),
        None => Ok(series),
    }
}

fn sample(line: &str) -> Result<Series, String> {
    let wrong = |what: &str| format!("{what}: {line}");
    let (name, mut rest) = line.split_once('{').ok_or_else(|| wrong("no labels"))?;
    let mut labels = BTreeMap::new();
    loop {
        let (label, tail) = rest.split_once("=\"").ok_or_else(|| wrong("no label"))?;
        let (value, tail) = unquoted(tail).ok_or_else(|| wrong("bad label value"))?;
        if !is_label(label) || labels.insert(label.to_owned(), value).is_some() {
            return Err(wrong("bad label"));
        }
        match (tail.strip_prefix(','), tail.strip_prefix("} ")) {
            (Some(more), _) => rest = more,
            (_, Some(value)) => {
                let value = value.parse().map_err(|_| wrong("bad value"))?;
                return if is_metric(name) {
                    Ok(Series { name: name.to_owned(), labels, value })
                } else {
                    Err(wrong("bad name"))
                };
            }
            _ => return Err(wrong("bad end of labels")),
        }
    }
}

/// The text up to the closing quote, and what follows.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    None
}

fn is_metric(name: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.starts_with("pyxbackup_") && name.chars().all(is_inner)
}

fn is_label(name: &str) -> bool {
    let mut chars = name.chars();
    let begins = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    begins && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !name.starts_with("__")
}

/// A report in which nothing is unknown.
fn everything() -> StatusReport {
    let id = Some("2026_11_22-15_00_00".parse().unwrap());
    let values = StatusValues {
        last: LastBackup {
            id,
            kind: Some(xb_core::BackupKind::Full),
            ended_unix: Some(1_795_356_060),
            age_seconds: Some(17_940),
            duration_seconds: Some(60),
            stored_bytes: Some(2_147_483_648),
            stream_bytes: Some(6_442_450_944),
        },
        last_full: LastFull { id, ended_unix: Some(1_795_226_460), age_seconds: Some(147_540) },
        sets: Some(2),
        shelved_sets: Some(3),
        backups: Some(5),
        incrementals_since_full: Some(0),
        oldest_restorable_unix: Some(1_794_708_060),
        running: Running { now: Some(true), seconds: Some(61) },
        free_bytes: Some(107_374_182_400),
        needed_bytes: Some(12_884_901_888),
        binlogs: LogsValues {
            seen_until_unix: Some(1_795_373_990),
            lag_seconds: Some(10),
            lag_bytes: Some(4096),
            gaps: Some(1),
        },
        limits: Limits {
            age_seconds: Some(129_600),
            running_seconds: Some(86_400),
            free_warn_bytes: Some(15_461_882_265),
            free_critical_bytes: Some(3_221_225_472),
        },
    };
    let levels = [Level::Ok, Level::Warn, Level::Critical, Level::Ok, Level::Ok, Level::Ok, Level::Warn];
    let checks = Check::NAMES.into_iter().zip(levels);
    let checks = checks.map(|(name, level)| Check { name, level, message: "x".to_owned() });
    StatusReport::of(checks.collect(), values)
}

const ORIGIN: Origin<'_> = Origin { store: Some("/backups/stor"), section: "pyxbackup" };

#[test]
fn everything_that_is_known_is_told() {
    let text = text(&everything(), ORIGIN);
    insta::assert_snapshot!(text);
    let series = parse(&text).unwrap();
    let of = |name: &str, check: Option<&str>| {
        let wanted = |one: &&Series| one.name == name && one.labels.get("check").map(String::as_str) == check;
        series.iter().find(wanted).map(|one| one.value)
    };
    assert_eq!(of("pyxbackup_status", Some("running")), Some(1.0));
    assert_eq!(of("pyxbackup_status_level", None), Some(2.0));
    assert_eq!(of("pyxbackup_last_backup_end_timestamp_seconds", None), Some(1_795_356_060.0));
    assert_eq!(of("pyxbackup_running", None), Some(1.0));
}

#[test]
fn what_nobody_can_tell_has_no_line() {
    let report = StatusReport::unknown("no store".to_owned());
    let series = parse(&text(&report, Origin { store: None, section: "pyxbackup" })).unwrap();
    let names: Vec<&str> = series.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["pyxbackup_status", "pyxbackup_status_level"]);
    assert!(series.iter().all(|one| !one.labels.contains_key("store")));
}

#[test]
fn every_series_says_which_server_it_is_of_whatever_that_is_called() {
    let (store, section) = ("/a \"b\"\\c,}d\ne", "a=\"b\"");
    let series = parse(&text(&everything(), Origin { store: Some(store), section })).unwrap();
    for one in series {
        let of = |label: &str| one.labels.get(label).map(String::as_str);
        assert_eq!((of("store"), of("section")), (Some(store), Some(section)), "{}", one.name);
    }
}

#[test]
fn the_reader_of_these_tests_is_strict() {
    let head = "# HELP pyxbackup_a A.\n# TYPE pyxbackup_a gauge\n";
    for (lines, why) in [
        ("pyxbackup_a{b=\"c\"} 1", "no newline"),
        ("pyxbackup_a{b=\"c\"} 1\npyxbackup_a{b=\"c\"} 2\n", "twice"),
        ("pyxbackup_a{b=\"c\"d\"} 1\n", "an open quote"),
        ("pyxbackup_a{b=\"\\c\"} 1\n", "an unknown escape"),
        ("pyxbackup_a{1b=\"c\"} 1\n", "a digit first"),
        ("pyxbackup_a{b=\"c\"} one\n", "no number"),
        ("pyxbackup_b{b=\"c\"} 1\n", "another metric"),
        ("", "no value"),
    ] {
        assert!(parse(&format!("{head}{lines}")).is_err(), "{why}");
    }
    assert_eq!(parse(&format!("{head}pyxbackup_a{{b=\"c\"}} 1\n")).unwrap().len(), 1);
}

//! How things stand, for Nagios and Zabbix. What monitoring systems read is a promise: see
//! docs/MONITORING.md.

use serde_json::{Value, json};
use xb_catalog::{BackupRecord, BackupSet};
use xb_engine::{Check, Level, ListReport, StatusReport, StatusValues};

use super::verdict::{Unfinished, is_restorable};

/// The number of a verdict, everywhere.
pub(crate) fn verdict(level: Level) -> u8 {
    match level {
        Level::Ok => 0,
        Level::Warn => 1,
        Level::Critical => 2,
    }
}

/// One line: the verdict, why, and behind a bar the measurements.
pub(crate) fn nagios(report: &StatusReport) -> String {
    let measured = performance(&report.values);
    let bar = if measured.is_empty() { "" } else { " | " };
    format!("{} - {}{bar}{}\n", report.level.word(), one_line(&report.message), measured.join(" "))
}

/// Nagios reads one line, and takes what stands behind a bar for measurements.
pub(crate) fn one_line(message: &str) -> String {
    message.chars().map(|c| if c.is_control() || c == '|' { ' ' } else { c }).collect()
}

/// `label=value[unit];warn;crit;min`, as the guidelines for plugins have it. A limit with a colon behind it is
/// one that values should not fall below. What nobody can tell is left out.
fn performance(values: &StatusValues) -> Vec<String> {
    let limit = |limit: Option<i64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let least = |limit: Option<u64>| limit.map(|limit| format!("{limit}:")).unwrap_or_default();
    let (last, limits) = (&values.last, &values.limits);
    let free = (least(limits.free_warn_bytes), least(limits.free_critical_bytes));
    let measured = [
        last.age_seconds.map(|age| format!("age={age}s;{};;0", limit(limits.age_seconds))),
        last.duration_seconds.map(|seconds| format!("duration={seconds}s;;;0")),
        last.stored_bytes.map(|bytes| format!("size={bytes}B;;;0")),
        values.sets.map(|sets| format!("sets={sets};;;0")),
        values.free_bytes.map(|bytes| format!("free={bytes}B;{};{};0", free.0, free.1)),
    ];
    measured.into_iter().flatten().collect()
}

/// The names of all values, as [`value`] takes them.
pub(crate) fn keys() -> Vec<String> {
    let checks = Check::NAMES.iter().map(|name| format!("checks.{name}"));
    let own = ["level", "message"].map(str::to_owned).into_iter();
    let values = leaves(&StatusValues::default()).into_iter().map(|(name, _)| name);
    own.chain(checks).chain(values).collect()
}

/// One value as Zabbix takes it; `None` where nobody can tell it.
pub(crate) fn value(report: &StatusReport, key: &str) -> Option<String> {
    let check = |name: &str| report.checks.iter().find(|check| check.name == name);
    match (key, key.strip_prefix("checks.")) {
        ("level", _) => Some(verdict(report.level).to_string()),
        ("message", _) => Some(one_line(&report.message)),
        (_, Some(name)) => check(name).map(|check| verdict(check.level).to_string()),
        (key, None) => {
            let (_, value) = leaves(&report.values).into_iter().find(|(name, _)| name == key)?;
            match value {
                Value::Null => None,
                Value::Bool(on) => Some(u8::from(on).to_string()),
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            }
        }
    }
}

/// Every value with its name, in which dots stand for what it is part of.
fn leaves(values: &StatusValues) -> Vec<(String, Value)> {
    fn walk(path: &str, value: Value, found: &mut Vec<(String, Value)>) {
        match value {
            Value::Object(fields) => fields.into_iter().for_each(|(name, inner)| {
                let path = if path.is_empty() { name } else { format!("{path}.{name}") };
                walk(&path, inner, found);
            }),
            value => found.push((path.to_owned(), value)),
        }
    }
    let mut found = Vec::new();
    walk("", serde_json::to_value(values).unwrap_or_default(), &mut found);
    found
}

/// Every backup of the current sets and every half-written one, for Zabbix to make items of.
pub(crate) fn discovery(report: &ListReport) -> Value {
    let of_set = |set: &BackupSet| -> Vec<Value> {
        let entry = |record: &BackupRecord| {
            let state = if is_restorable(set, record) { "restorable" } else { "broken" };
            entity(set.id, record.id(), record.kind.word(), state)
        };
        set.members().map(entry).collect()
    };
    let whole = report.catalog.sets.iter().flat_map(of_set);
    let partials = report.catalog.partials.iter().map(|partial| {
        let state = Unfinished::of(partial, report.lock.as_ref()).word().to_lowercase();
        entity(partial.place.set, partial.place.id, partial.place.kind().word(), &state)
    });
    whole.chain(partials).collect()
}

fn entity(set: xb_core::BackupId, backup: xb_core::BackupId, kind: &str, state: &str) -> Value {
    json!({ "{#SET}": set, "{#BACKUP}": backup, "{#KIND}": kind, "{#STATE}": state })
}

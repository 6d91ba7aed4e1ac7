//! `list` as the Python tool printed it. Scripts read these lines: what does not count stands on lines that
//! tool never printed.

use xb_binlog::gap::Gap;
use xb_catalog::{BackupRecord, BackupSet, Shelf, ShelvedSet};
use xb_engine::{ListReport, LogsSummary};

use super::verdict::{Unfinished, broken};

/// The lines, newest set first.
pub(crate) fn lines(report: &ListReport) -> String {
    let catalog = &report.catalog;
    let sets = || catalog.sets.iter().rev();
    let mut lines: Vec<String> = sets().filter_map(good).collect();
    lines.extend(copies("Weekly", &catalog.weekly));
    lines.extend(copies("Monthly", &catalog.monthly));
    lines.extend(copies("Yearly", &catalog.yearly));
    if let Some(logs) = &report.logs {
        let epochs = if logs.epochs > 1 { format!(", in {} epochs", logs.epochs) } else { String::new() };
        let LogsSummary { first, last, total, .. } = logs;
        lines.push(format!("# Binary logs from {first} to {last}, {total} total{epochs}"));
        let place = |place: &Option<_>| place.as_ref().map_or("?".to_owned(), ToString::to_string);
        let gap = |gap: &Gap| format!("# Gap: {} to {}: {}", place(&gap.from), place(&gap.to), gap.reason);
        lines.extend(logs.gaps.iter().map(gap));
    }
    lines.extend(sets().flat_map(bad));
    lines.extend(
        Shelf::KEPT.into_iter().flat_map(|shelf| catalog.shelved(shelf).iter().rev()).flat_map(bad_on_shelf),
    );
    lines.extend(catalog.partials.iter().rev().map(|partial| {
        let state = Unfinished::of(partial, report.lock.as_ref());
        let name = name(partial.place.set, partial.place.id);
        let kind = match partial.shelf {
            Shelf::Current => partial.place.kind().word(),
            shelf => shelf.word(),
        };
        format!("# {}: {kind} {name}: {}", state.word(), state.reason())
    }));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// A set with those of its members that can be relied on.
fn good(set: &BackupSet) -> Option<String> {
    let full = set.full.as_ref().filter(|full| broken(set, full).is_none())?;
    let incrementals = set.incrementals.iter().rev().filter(|member| broken(set, member).is_none());
    let names = list(incrementals.map(|member| member.id().to_string()));
    Some(format!("# Full backup: {}, incrementals: {names}", full.id()))
}

/// Members of a set that cannot be relied on.
fn bad(set: &BackupSet) -> Vec<String> {
    let missing = set.full.is_none().then(|| format!("# Broken: full {}: it is missing", set.id));
    let line = |member: &BackupRecord| {
        let reason = broken(set, member)?;
        Some(format!("# Broken: {} {}: {reason}", member.kind, name(set.id, member.id())))
    };
    set.incrementals.iter().rev().chain(&set.full).filter_map(line).chain(missing).collect()
}

/// The same of a set on a shelf; one without members says nothing of itself.
fn bad_on_shelf(shelved: &ShelvedSet) -> Vec<String> {
    if shelved.set.members().next().is_none() { Vec::new() } else { bad(&shelved.set) }
}

fn name(set: xb_core::BackupId, id: xb_core::BackupId) -> String {
    if set == id { id.to_string() } else { format!("{set}/{id}") }
}

fn copies(what: &str, sets: &[ShelvedSet]) -> Option<String> {
    let names = sets.iter().rev().map(|shelved| shelved.name.to_string());
    (!sets.is_empty()).then(|| format!("# {what} list: {}", list(names)))
}

/// The way Python writes a list of names.
fn list(names: impl Iterator<Item = String>) -> String {
    format!("[{}]", names.map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "))
}

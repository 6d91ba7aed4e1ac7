//! `list` as a table: one row for each entry, newest set first, its members in order.

use std::collections::BTreeMap;

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};
use xb_catalog::{BackupRecord, BackupSet, Origin, Partial, Shelf};
use xb_core::{BackupId, BackupKind, Lsn, LsnRange};
use xb_engine::ListReport;

use super::blocks;
use super::units;
use super::verdict::{Unfinished, broken};

/// A backup is named after its start, so one column tells both.
pub(super) const HEADINGS: [&str; 9] =
    ["KIND", "START (NAME)", "DURATION", "SIZE", "RATIO", "ENGINE", "LSN RANGE", "BINLOG", "STATE"];
/// Columns of numbers.
const ALIGNED_RIGHT: [usize; 3] = [2, 3, 4];
/// A line below the headings and no other.
pub(crate) const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));
/// There is no such thing.
const NONE: &str = "-";
/// Nobody wrote it down.
const UNKNOWN: &str = "unknown";

/// One entry; a cell for each heading.
pub(super) type Row = [String; 9];

/// The entries as a table, or one below the other where a terminal of `width` columns is too narrow.
pub(crate) fn table(report: &ListReport, width: Option<usize>) -> String {
    let rows = rows(report);
    if rows.is_empty() {
        return String::new();
    }
    let text = aligned(&rows);
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    match width.filter(|width| widest > *width) {
        Some(width) => blocks::blocks(&rows, width),
        None => text,
    }
}

fn aligned(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADINGS);
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(index, text)| {
            let is_number = ALIGNED_RIGHT.contains(&index);
            Cell::new(text).set_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left })
        }));
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn rows(report: &ListReport) -> Vec<Row> {
    let mut sets: BTreeMap<BackupId, BTreeMap<BackupId, Row>> = BTreeMap::new();
    for set in &report.catalog.sets {
        let members = set.members().map(|member| (member.id(), of_record(set, member)));
        sets.entry(set.id).or_default().extend(members);
    }
    let mut left_on_shelves = Vec::new();
    for partial in &report.catalog.partials {
        let mut row = of_partial(partial, &Unfinished::of(partial, report.lock.as_ref()));
        if partial.shelf == Shelf::Current {
            sets.entry(partial.place.set).or_default().insert(partial.place.id, row);
        } else {
            partial.shelf.word().clone_into(&mut row[0]);
            left_on_shelves.push(row);
        }
    }
    let current = sets.into_values().rev().flat_map(BTreeMap::into_values);
    let shelves = Shelf::KEPT.into_iter().flat_map(|shelf| {
        let sets = report.catalog.shelved(shelf).iter().rev();
        sets.flat_map(move |shelved| on_shelf(shelf, &shelved.set))
    });
    current.chain(shelves).chain(left_on_shelves).collect()
}

/// The rows of a set on a shelf, of which its full backup names the shelf.
fn on_shelf(shelf: Shelf, set: &BackupSet) -> impl Iterator<Item = Row> + '_ {
    set.members().map(move |member| {
        let mut row = of_record(set, member);
        if member.kind == BackupKind::Full {
            shelf.word().clone_into(&mut row[0]);
        }
        row
    })
}

fn of_record(set: &BackupSet, record: &BackupRecord) -> Row {
    let unknown = || if record.origin == Origin::Original { UNKNOWN } else { NONE }.to_owned();
    let sizes = record.sizes;
    [
        kind(record.kind),
        record.id().to_string(),
        record.duration_seconds().map_or_else(unknown, units::whole_seconds),
        sizes.map_or_else(unknown, |sizes| units::bytes(sizes.stored_bytes)),
        sizes.and_then(|sizes| units::ratio(sizes.stream_bytes, sizes.stored_bytes)).unwrap_or_else(unknown),
        engine(record).unwrap_or_else(unknown),
        record.lsns.map_or_else(unknown, |lsns| lsn_range(&lsns)),
        record.binlog.as_ref().map_or_else(unknown, super::backup::binlog_coordinate),
        state(set, record),
    ]
}

/// Indented for an incremental: it hangs on the full one above it.
fn kind(kind: BackupKind) -> String {
    match kind {
        BackupKind::Full => kind.word().to_owned(),
        BackupKind::Incremental => format!("  {kind}"),
    }
}

fn engine(record: &BackupRecord) -> Option<String> {
    match (&record.engine, record.engine_version) {
        (Some(engine), _) => Some(format!("{} {}", engine.tool, engine.version)),
        // The Python tool wrote down the version alone.
        (None, version) => version.map(|version| version.to_string()),
    }
}

fn lsn_range(lsns: &LsnRange) -> String {
    let LsnRange { from, to, .. } = lsns;
    if *from == Lsn(0) { format!("0..{to}") } else { format!("{from}..{to}") }
}

fn state(set: &BackupSet, record: &BackupRecord) -> String {
    match broken(set, record) {
        Some(reason) => format!("broken: {reason}"),
        None => "ok".to_owned(),
    }
}

fn of_partial(partial: &Partial, state: &Unfinished) -> Row {
    let none = || NONE.to_owned();
    let text = format!("{}: {}", state.word().to_lowercase(), state.reason());
    let name = partial.place.id.to_string();
    [kind(partial.place.kind()), name, none(), none(), none(), none(), none(), none(), text]
}

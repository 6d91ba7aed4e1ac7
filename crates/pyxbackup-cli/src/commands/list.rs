//! `list`: show the backups of a store.

use std::io::Write;

use comfy_table::Table;
use serde_json::Value;
use xb_catalog::{BackupRecord, BackupSet, Shelf};
use xb_engine::ListReport;

use super::print;
use crate::args::ListFormat;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn run(
    call: &Call,
    format: ListFormat,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, CliError> {
    let report = wire::onlooker(call).list()?;
    let text = match format {
        ListFormat::Lines => render::lines::lines(&report),
        ListFormat::Table => render::table::table(&report, terminal_width()),
        ListFormat::Json => render::json(&value(&report)?)?,
    };
    if text.is_empty() && !call.quiet {
        // Not a result: scripts take every line of the output for one.
        let _ = writeln!(err, "pyxbackup: note: there are no backups in {}", report.catalog.root.display());
    }
    print(out, &text)
}

/// The columns of the terminal the output goes to; in a pipe lines may be as long as they like.
pub(super) fn terminal_width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// The report, and of each backup whether it can be restored.
pub(super) fn value(report: &ListReport) -> Result<Value, CliError> {
    let internal = |error: serde_json::Error| CliError::Internal(error.to_string());
    let mut object = serde_json::to_value(report).map_err(internal)?;
    let sets = object.get_mut("sets").and_then(Value::as_array_mut);
    for (set, shown) in report.catalog.sets.iter().zip(sets.into_iter().flatten()) {
        add_restorable(set, shown);
    }
    for shelf in Shelf::KEPT {
        let shown = object.get_mut(shelf.word()).and_then(Value::as_array_mut);
        for (shelved, shown) in report.catalog.shelved(shelf).iter().zip(shown.into_iter().flatten()) {
            if let Some(shown) = shown.get_mut("set") {
                add_restorable(&shelved.set, shown);
            }
        }
    }
    Ok(object)
}

fn add_restorable(set: &BackupSet, shown: &mut Value) {
    let mark = |record: &BackupRecord, value: &mut Value| {
        if let Some(fields) = value.as_object_mut() {
            fields.insert("restorable".to_owned(), render::verdict::is_restorable(set, record).into());
        }
    };
    if let (Some(full), Some(value)) = (&set.full, shown.get_mut("full")) {
        mark(full, value);
    }
    let incrementals = shown.get_mut("incrementals").and_then(Value::as_array_mut);
    for (record, value) in set.incrementals.iter().zip(incrementals.into_iter().flatten()) {
        mark(record, value);
    }
}

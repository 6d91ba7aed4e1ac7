//! `meta` and `last-lsn`: single facts about a store, for scripts and other hosts.

use std::io::Write;

use serde_json::{Map, Value};
use xb_core::BackupId;
use xb_engine::MetaReport;

use super::print;
use super::restore_set::with_names;
use crate::args::FactsFormat;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn run(
    call: &Call,
    backup: Option<BackupId>,
    format: FactsFormat,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let engine = wire::onlooker(call);
    let report = engine.meta(backup, &call.resolved.settings.meta_item);
    let report = report.map_err(|error| with_names(&engine, error))?;
    let text = match format {
        FactsFormat::Lines => line(&report),
        FactsFormat::Json => render::json(&object(report))?,
    };
    print(out, &text)
}

pub(super) fn last_lsn(call: &Call, format: FactsFormat, out: &mut dyn Write) -> Result<Exit, CliError> {
    let report = wire::onlooker(call).last_lsn()?;
    let text = match format {
        FactsFormat::Lines => format!("{}\n", report.to_lsn),
        FactsFormat::Json => render::json(&report)?,
    };
    print(out, &text)
}

/// The values as the original printed them: on one line, a blank between two.
fn line(report: &MetaReport) -> String {
    let values: Vec<String> = report.items.iter().map(|item| plain(&item.value)).collect();
    values.join(" ") + "\n"
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        // As `backup.meta` has them.
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}

fn object(report: MetaReport) -> Map<String, Value> {
    report.items.into_iter().map(|item| (item.name, item.value)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use xb_engine::MetaItem;

    use super::*;

    #[test]
    fn values_stand_on_one_line_whatever_they_are() {
        let values = [json!(null), json!(7), json!(true), json!("a\nb"), json!({"x": [1]})];
        let items = values.map(|value| MetaItem { name: "n".to_owned(), value }).to_vec();
        assert_eq!(line(&MetaReport { backup: None, items }), "NULL 7 1 a b {\"x\":[1]}\n");
    }
}

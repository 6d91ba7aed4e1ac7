//! `config show`: every setting, its value and where it comes from.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use xb_core::settings::{Entry, Origin};

use crate::args::ConfigFormat;
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render::table::STYLE;

const HEADINGS: [&str; 3] = ["KEY", "VALUE", "WHERE FROM"];
/// Stands for no value, so that columns stay columns for tools that split at blanks.
const NO_VALUE: &str = "-";

pub(super) fn run(call: &Call, format: Option<ConfigFormat>, out: &mut dyn Write) -> Result<Exit, CliError> {
    let text = match format {
        _ if call.json => json(call)?,
        Some(ConfigFormat::Json) => json(call)?,
        Some(ConfigFormat::Table) => table(&call.resolved.entries),
        None if io::stdout().is_terminal() => table(&call.resolved.entries),
        None => aligned(&call.resolved.entries),
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush())?;
    Ok(Exit::Success)
}

fn cells(entry: &Entry) -> [String; 3] {
    [
        entry.key.name.to_owned(),
        entry.value.clone().unwrap_or_else(|| NO_VALUE.to_owned()),
        entry.origin.to_string(),
    ]
}

fn table(entries: &[Entry]) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(HEADINGS);
    for entry in entries {
        table.add_row(cells(entry));
    }
    format!("{table}\n")
}

/// Columns with two blanks between them and none at the end of a line.
fn aligned(entries: &[Entry]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(entries.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    let line = |row: &[String; 3]| {
        let [key, value, origin] = row;
        let [a, b] = widths;
        format!("{}\n", format!("{key:a$}  {value:b$}  {origin}").trim_end())
    };
    rows.iter().map(line).collect()
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'static str,
    value: Option<&'a str>,
    origin: &'a Origin,
}

impl<'a> Shown<'a> {
    fn of(entry: &'a Entry) -> Self {
        let Entry { key, value, origin } = entry;
        Shown { key: key.name, value: value.as_deref(), origin }
    }
}

fn json(call: &Call) -> Result<String, CliError> {
    let settings: Vec<Shown<'_>> = call.resolved.entries.iter().map(Shown::of).collect();
    let object = serde_json::json!({ "config_file": call.config, "settings": settings });
    let text =
        serde_json::to_string_pretty(&object).map_err(|error| CliError::Internal(error.to_string()))?;
    Ok(text + "\n")
}

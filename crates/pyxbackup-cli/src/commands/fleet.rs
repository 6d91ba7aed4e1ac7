//! `list --all` and `status --all`: every server whose store stands beside this one's.

use std::io::Write;

use serde_json::{Value, json};
use xb_engine::{Fleet, FleetServer, Level, ListReport, StatusReport};

use super::{list, print, status};
use crate::args::{ListFormat, StatusCommand, StatusFormat};
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::wire;

pub(super) fn list(call: &Call, format: ListFormat, out: &mut dyn Write) -> Result<Exit, CliError> {
    let fleet = wire::onlooker(call).list_all()?;
    let text = match format {
        ListFormat::Json => {
            let servers: Result<Vec<Value>, CliError> = fleet.servers.iter().map(of_server).collect();
            render::json(&json!({ "place": fleet.place, "servers": servers? }))?
        }
        format => fleet.servers.iter().map(|server| block(server, format)).collect::<Vec<_>>().join("\n"),
    };
    print(out, &text)
}

fn of_server(server: &FleetServer<ListReport>) -> Result<Value, CliError> {
    let report = server.report.as_ref().map(list::value).transpose()?;
    Ok(json!({ "name": server.name, "store": server.store, "report": report, "error": server.error }))
}

/// The name of a server, and below it what it has.
fn block(server: &FleetServer<ListReport>, format: ListFormat) -> String {
    let body = match (&server.report, format) {
        (None, _) => format!("# {}\n", server.error.as_deref().unwrap_or("nothing is known")),
        (Some(report), ListFormat::Table) => render::table::table(report, list::terminal_width()),
        (Some(report), _) => render::lines::lines(report),
    };
    let body = if body.is_empty() { "# no backups\n".to_owned() } else { body };
    format!("# {} ({})\n{body}", server.name, server.store)
}

/// The worst of all is the verdict; a store that cannot be read is as bad as one without backups.
pub(super) fn status(call: &Call, asked: &StatusCommand, out: &mut dyn Write) -> Result<Exit, CliError> {
    let fleet = wire::onlooker(call).status_all()?;
    let worst = fleet.servers.iter().map(level).max().unwrap_or(Level::Critical);
    let text = match asked.format {
        StatusFormat::Json => render::json(&json!({
            "level": worst,
            "message": summary(&fleet, worst),
            "place": fleet.place,
            "servers": fleet.servers,
        }))?,
        StatusFormat::None => String::new(),
        _ => {
            let lines: String = fleet.servers.iter().map(line).collect();
            format!("{} - {}\n{lines}", worst.word(), summary(&fleet, worst))
        }
    };
    print(out, &text)?;
    Ok(status::exit(worst))
}

fn level(server: &FleetServer<StatusReport>) -> Level {
    server.report.as_ref().map_or(Level::Critical, |report| report.level)
}

fn summary(fleet: &Fleet<StatusReport>, worst: Level) -> String {
    let count = fleet.servers.len();
    let such: Vec<&str> = fleet
        .servers
        .iter()
        .filter(|server| level(server) == worst)
        .map(|server| server.name.as_str())
        .collect();
    match worst {
        _ if count == 0 => format!("no server has a store in {}", fleet.place),
        Level::Ok => format!("all {count} servers in {} are well", fleet.place),
        _ => format!("{} of {count} servers in {}: {}", such.len(), fleet.place, such.join(", ")),
    }
}

fn line(server: &FleetServer<StatusReport>) -> String {
    let message = match (&server.report, &server.error) {
        (Some(report), _) => report.message.as_str(),
        (None, error) => error.as_deref().unwrap_or("nothing is known"),
    };
    format!("{} {} - {}\n", server.name, level(server).word(), render::status::one_line(message))
}

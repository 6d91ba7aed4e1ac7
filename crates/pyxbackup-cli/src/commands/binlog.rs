//! `binlog-stream`, `binlog list|show|find`, `recovery-window`.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use xb_binlog::archive::Place;
use xb_binlog::recover::TransactionSummary;
use xb_core::BinlogName;
use xb_core::gtid::{Gtid, GtidSet};
use xb_core::settings::Task;
use xb_engine::{Sought, StreamRequest};

use super::print;
use crate::args::{BinlogCommand, LogsFormat, Wanted};
use crate::call::Call;
use crate::error::CliError;
use crate::exit::Exit;
use crate::render;
use crate::service::Service;
use crate::wire::{self, Aloud};

pub(super) fn run(call: &Call, command: BinlogCommand, out: &mut dyn Write) -> Result<Exit, CliError> {
    match command {
        BinlogCommand::Stream { once } => stream(call, once, out),
        BinlogCommand::List { format } => {
            let report = wire::heard(call, Aloud::Warnings, |engine| Ok(engine.binlogs()?))?;
            let text = match format {
                LogsFormat::Json => render::json(&report)?,
                LogsFormat::Text => render::binlogs::list(&report),
            };
            print(out, &text)
        }
        BinlogCommand::Show { log, epoch, from, limit, format } => {
            show(call, &Shown { log, epoch, from, limit, format }, out)
        }
        BinlogCommand::Find { what, epoch, format } => find(call, what, epoch, format, out),
        BinlogCommand::Window { format } => {
            let report = wire::heard(call, Aloud::Warnings, |engine| Ok(engine.recovery_window()?))?;
            let text = match format {
                LogsFormat::Json => render::json(&report)?,
                LogsFormat::Text => render::binlogs::windows(&report),
            };
            print(out, &text)
        }
    }
}

fn stream(call: &Call, once: bool, out: &mut dyn Write) -> Result<Exit, CliError> {
    let report = wire::recorded(call, Task::BinlogStream, |engine| {
        let service = Mutex::new(Service::default());
        let beat = Arc::new(move |state: &_, is_alive| {
            service.lock().unwrap_or_else(PoisonError::into_inner).tell(state, is_alive);
        });
        Ok(engine.binlog_stream(&StreamRequest { once, beat })?)
    });
    Service::stopping();
    let report = report?;
    let text = match (call.json, call.quiet) {
        (true, _) => render::json(&report)?,
        (false, true) => String::new(),
        (false, false) => render::binlogs::streamed(&report),
    };
    print(out, &text)
}

/// What `binlog show` is asked for.
struct Shown {
    log: BinlogName,
    epoch: Option<u32>,
    from: u64,
    limit: Option<usize>,
    format: LogsFormat,
}

/// Prints while it reads: a log may have millions of transactions.
fn show(call: &Call, shown: &Shown, out: &mut dyn Write) -> Result<Exit, CliError> {
    let (mut left, mut outcome) = (shown.limit.unwrap_or(usize::MAX), Ok(()));
    let mut tell = |place: &Place, transaction: &TransactionSummary| {
        let text = match shown.format {
            LogsFormat::Text => render::binlogs::transaction(transaction),
            LogsFormat::Json => format!("{}\n", json!({ "place": place, "transaction": transaction })),
        };
        outcome = out.write_all(text.as_bytes());
        left = left.saturating_sub(1);
        left > 0 && outcome.is_ok()
    };
    let read = wire::heard(call, Aloud::Warnings, |engine| {
        Ok(engine.binlog_transactions(&shown.log, shown.epoch, shown.from, &mut tell)?)
    });
    outcome?;
    read?;
    print(out, "")
}

fn find(
    call: &Call,
    what: Wanted,
    epoch: Option<u32>,
    format: LogsFormat,
    out: &mut dyn Write,
) -> Result<Exit, CliError> {
    let sought = match what {
        Wanted::Time(time) => Sought::Time(time.to_utc()),
        Wanted::Gtid(set) => Sought::Gtid(one(&set)?),
        Wanted::Position(_) | Wanted::Latest => {
            return Err(CliError::Internal("a place was sought".to_owned()));
        }
    };
    let found = wire::heard(call, Aloud::Warnings, |engine| Ok(engine.binlog_find(&sought, epoch)?))?;
    let Some(found) = found else {
        let text = match format {
            LogsFormat::Json => "null\n",
            LogsFormat::Text => "not in the archive\n",
        };
        print(out, text)?;
        return Ok(Exit::NotFound);
    };
    let text = match format {
        LogsFormat::Json => render::json(&found)?,
        LogsFormat::Text => render::binlogs::found(&found),
    };
    print(out, &text)
}

/// A set of one transaction is one.
pub(super) fn one(set: &GtidSet) -> Result<Gtid, CliError> {
    set.to_string().parse().map_err(|_| {
        CliError::usage(
            format!("{set} is more than one transaction"),
            "give one, such as 0-1-900 or 96652f25-e6dd-11f1-b128-02fc00000001:17",
        )
    })
}

//! Binary logs, and what they lead to.

use chrono::{DateTime, Local, SecondsFormat, Utc};
use xb_binlog::archive::{Beginning, Epoch, LogEntry, LogGtids, LogState};
use xb_binlog::recover::{Found, StatementText, TableChanges, TransactionKind, TransactionSummary};
use xb_engine::{LogsReport, RecoveryReport, StreamReport, Window, WindowReport};

use super::{restore, units};
use crate::service;

/// Characters of a statement that are shown.
const STATEMENT_CHARS: usize = 300;

/// What a streamer did.
pub(crate) fn streamed(report: &StreamReport) -> String {
    let place = report.state.synced.as_ref().map_or("nothing".to_owned(), ToString::to_string);
    format!(
        "streamed {} in {} closed logs and the open one; {} has all up to {place}\n",
        units::bytes(report.state.received_bytes),
        report.closed,
        report.archive.display()
    )
}

/// Epoch by epoch.
pub(crate) fn list(report: &LogsReport) -> String {
    let mut text = format!("archive {}\n", report.archive.display());
    if report.picture.epochs.is_empty() {
        text.push_str("  there are no binary logs; `pyxbackup binlog-stream` fetches them\n");
    }
    let newest = report.picture.epochs.last().map(|epoch| epoch.record.number);
    for epoch in &report.picture.epochs {
        text.push_str(&of_epoch(epoch, newest == Some(epoch.record.number)));
    }
    for gap in &report.gaps {
        let place = |place: &Option<_>| place.as_ref().map_or("?".to_owned(), ToString::to_string);
        text.push_str(&format!("GAP between {} and {}: {}\n", place(&gap.from), place(&gap.to), gap.reason));
    }
    if let Some(state) = &report.streamer {
        text.push_str(&match (report.is_streaming, &report.lost) {
            (true, _) => format!("streaming: {}\n", service::summary(state)),
            (false, Some(lost)) => format!("not streaming; last: {}; {lost}\n", service::on_disk(state)),
            (false, None) => format!("not streaming; last: {}\n", service::on_disk(state)),
        });
    }
    text
}

fn of_epoch(epoch: &Epoch, is_newest: bool) -> String {
    let record = &epoch.record;
    let how = match &record.beginning {
        Beginning::First => "the first".to_owned(),
        Beginning::Joined { epoch, at, .. } => format!("joined to epoch {epoch} at {at}"),
        Beginning::Broken { epoch, reason, .. } => format!("not joined to epoch {epoch}: {reason}"),
    };
    let server = &record.server;
    let mut text = format!("epoch {}  {} {}  {how}\n", record.number, server.flavor, server.version);
    for log in &epoch.logs {
        text.push_str(&format!("  {}\n", of_log(log, is_newest)));
    }
    for fault in &epoch.faults {
        text.push_str(&format!("  {}  DAMAGED: {}\n", fault.name, fault.reason));
    }
    text
}

fn of_log(log: &LogEntry, is_in_newest: bool) -> String {
    let times = log.times.map(|(first, last)| format!("  {} .. {}", second(first), second(last)));
    let state = match (log.state, is_in_newest) {
        (LogState::Closed, _) => "",
        (LogState::Open, true) => "  open",
        // Its epoch ended before the server closed it.
        (LogState::Open, false) => "  never closed",
    };
    let stored =
        log.stored.as_ref().map(|form| format!(" ({} as {})", units::bytes(form.size_bytes), form.suffix));
    format!(
        "{}  {}{}{}{}{state}",
        log.name,
        units::bytes(log.size_bytes),
        stored.unwrap_or_default(),
        times.unwrap_or_default(),
        log.gtids.as_ref().map(gtids).unwrap_or_default()
    )
}

fn gtids(gtids: &LogGtids) -> String {
    match gtids {
        LogGtids::MySql(set) if set.is_empty() => String::new(),
        LogGtids::MySql(set) => format!("  {set}"),
        LogGtids::MariaDb(domains) => {
            let domains = domains.iter().map(|(first, last)| format!("  {first} .. {last}"));
            domains.collect()
        }
    }
}

/// One line, and one for each statement or table.
pub(crate) fn transaction(transaction: &TransactionSummary) -> String {
    let gtid = transaction.gtid.as_ref().map(|gtid| format!("  {gtid}")).unwrap_or_default();
    let kind = match transaction.kind {
        TransactionKind::Transactional | TransactionKind::Statement => "",
        TransactionKind::NonTransactional => "  without rollback",
        TransactionKind::XaPrepared => "  XA prepared",
        TransactionKind::Incident => "  INCIDENT: the server lost events here",
        TransactionKind::Unfinished => "  unfinished",
    };
    let mut text =
        format!("{}..{}  {}{gtid}{kind}\n", transaction.begin, transaction.end, moment(transaction.time));
    text.extend(transaction.statements.iter().map(|told| format!("    {}\n", statement(told))));
    text.extend(transaction.row_statements.iter().map(|told| format!("    as rows: {}\n", statement(told))));
    text.extend(transaction.tables.iter().map(|changes| format!("    {}\n", row_events(changes))));
    let more = [
        (transaction.more_statements + transaction.more_row_statements, "statements"),
        (transaction.more_row_events, "row events of other tables"),
    ];
    for (count, what) in more.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("    and {count} more {what}\n"));
    }
    if transaction.is_compressed {
        text.push_str("    compressed\n");
    }
    text
}

/// In one line, and no more of it than is read at a glance.
fn statement(told: &StatementText) -> String {
    let database =
        if told.database.is_empty() { String::new() } else { format!("[{}] ", one_line(&told.database)) };
    let Some(text) = &told.text else { return format!("{database}(compressed)") };
    let end = text.char_indices().nth(STATEMENT_CHARS).map(|(at, _)| at);
    let cut = if told.is_cut || end.is_some() { " ..." } else { "" };
    format!("{database}{}{cut}", one_line(end.and_then(|end| text.get(..end)).unwrap_or(text)))
}

/// How many events, which are not as many rows.
fn row_events(changes: &TableChanges) -> String {
    let counts = [
        ("insert", changes.insert_events),
        ("update", changes.update_events),
        ("delete", changes.delete_events),
    ];
    let counts = counts.iter().filter(|(_, count)| *count > 0);
    let counts: Vec<String> = counts.map(|(word, count)| format!("{word} {count}")).collect();
    format!("{}: row events: {}", one_line(&changes.table), counts.join(", "))
}

/// Nothing in a log may write to the terminal by itself, or turn the order of what is written there.
fn one_line(text: &str) -> String {
    let escaped = |c: char| match c {
        '\n' | '\r' | '\t' => " ".to_owned(),
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            c.escape_unicode().to_string()
        }
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Where a transaction is, and what.
pub(crate) fn found(found: &Found) -> String {
    format!("{} of epoch {}\n{}", found.begin.at, found.begin.epoch, transaction(&found.transaction))
}

/// From when to when.
pub(crate) fn windows(report: &WindowReport) -> String {
    if report.windows.is_empty() && report.without.is_empty() {
        return "there are no backups\n".to_owned();
    }
    let mut text: String = report.windows.iter().map(of_window).collect();
    if report.windows.is_empty() {
        text.push_str("no moment but those of the backups themselves can be recovered\n");
    }
    for without in &report.without {
        text.push_str(&format!("{}: only as it is: {}\n", without.backup, without.reason));
    }
    text
}

fn of_window(window: &Window) -> String {
    let backups: Vec<String> = window.backups.iter().map(ToString::to_string).collect();
    let gap = window.gap.as_ref().map(|gap| format!("  GAP behind it: {gap}\n")).unwrap_or_default();
    let (from, until) = (whole(window.from), whole(window.until));
    format!("{from} .. {until}\n  from {}\n{gap}", backups.join(", "))
}

/// A recovery that is planned: the base, its chain, the logs and the exact end.
pub(crate) fn plan(report: &RecoveryReport) -> String {
    let plan = &report.plan;
    let members: Vec<String> = report.members.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "backup      {}\n  made of {}\nfrom        {}\n",
        report.backup,
        members.join(", "),
        plan.start
    );
    for segment in &plan.segments {
        text.push_str(&format!(
            "  replay    {} of epoch {}, bytes {} to {}\n",
            segment.log, segment.epoch, segment.from, segment.to
        ));
    }
    for excluded in &plan.excluded {
        text.push_str(&format!("  leave out {} at {}\n", excluded.gtid, excluded.begin));
    }
    for gap in &plan.gaps {
        text.push_str(&format!("  across    {gap}\n"));
    }
    text.push_str(&format!("up to       {}\n", plan.stop));
    if let Some(time) = plan.last_time {
        text.push_str(&format!("  last transaction of {}\n", moment(time)));
    }
    if let Some(gtids) = &plan.gtids_at_stop {
        text.push_str(&format!("  GTIDs {gtids}\n"));
    }
    if plan.ends_early.is_some() {
        text.push_str("  before the target: the archive has no more\n");
    }
    text.push_str(&format!("{} transactions, {} of logs\n", plan.transactions, units::bytes(plan.bytes)));
    text
}

/// A recovery that is done.
pub(crate) fn recovered(report: &RecoveryReport) -> String {
    let steps = report.next_steps.iter().enumerate().map(|(index, next)| restore::step(index + 1, next));
    let directory = report.directory.as_deref().unwrap_or_else(|| std::path::Path::new("?"));
    let resumed = if report.resumed { ", going on where an earlier run had ended" } else { "" };
    let out: Vec<String> = report.plan.excluded.iter().map(|excluded| excluded.gtid.to_string()).collect();
    let out = if out.is_empty() { String::new() } else { format!("\n  left out {}", out.join(", ")) };
    format!(
        "recovered to {}\n  from {} and {} transactions in binary logs{resumed}\n  up to {}{}{out}\n\nNext:\n{}",
        directory.display(),
        report.backup,
        report.plan.transactions,
        report.plan.stop,
        report.plan.last_time.map(|time| format!(", {}", moment(time))).unwrap_or_default(),
        steps.collect::<String>()
    )
}

fn second(seconds: u32) -> String {
    DateTime::from_timestamp(i64::from(seconds), 0).map(whole).unwrap_or_default()
}

/// The same to the second.
fn whole(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S%:z").to_string()
}

/// In the zone of this machine, as `--to-time` reads it.
fn moment(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).to_rfc3339_opts(SecondsFormat::AutoSi, false).replacen('T', " ", 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> StatementText {
        StatementText { database: String::new(), text: Some(text.to_owned()), is_cut: false }
    }

    #[test]
    fn a_statement_is_one_line_that_says_nothing_to_the_terminal() {
        let shown = statement(&told("DELETE\n\tFROM t\u{1b}[2J -- \u{202e}x\u{9b}"));
        assert_eq!(shown, "DELETE  FROM t\\u{1b}[2J -- \\u{202e}x\\u{9b}");
        let named = StatementText { database: "a\u{1b}b".to_owned(), ..told("DROP TABLE t") };
        assert_eq!(statement(&named), "[a\\u{1b}b] DROP TABLE t");
        let table = "d.\u{7}t".to_owned();
        let changes = TableChanges { table, insert_events: 21, update_events: 0, delete_events: 1 };
        assert_eq!(row_events(&changes), "d.\\u{7}t: row events: insert 21, delete 1");
    }

    #[test]
    fn a_long_statement_is_cut_between_characters() {
        let long = "é".repeat(STATEMENT_CHARS);
        assert_eq!(statement(&told(&long)), long);
        assert_eq!(statement(&told(&format!("{long}x"))), format!("{long} ..."));
        assert_eq!(statement(&StatementText { is_cut: true, ..told("INSERT") }), "INSERT ...");
    }
}

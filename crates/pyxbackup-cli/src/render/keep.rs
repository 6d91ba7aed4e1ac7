//! What is kept and what goes: the plan of `prune`, pins, and what `wipeout` removes.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};
use xb_binlog::prune::Doomed;
use xb_catalog::plan::{Action, PlannedSet};
use xb_core::BackupId;
use xb_engine::{CopyReport, PinReport, PruneReport, StoreCopied, WipeReport};

use super::table::STYLE;
use super::units;

const HEADINGS: [&str; 6] = ["ACTION", "SET", "SHELF", "BACKUPS", "FREES", "WHY"];

/// A line for each thing that is done, and for each set that stays; at the end what it comes to.
pub(crate) fn text(report: &PruneReport) -> String {
    let mut text: String = rows(report)
        .iter()
        .map(|[action, set, shelf, backups, frees, why]| {
            let frees = if frees.is_empty() { String::new() } else { format!(", frees {frees}") };
            let backups = match (shelf.as_str(), backups.as_str()) {
                (_, "") => String::new(),
                ("-", "-") => frees,
                (shelf, "-") => format!(" ({shelf}){frees}"),
                (shelf, backups) => format!(" ({shelf}, {backups}){frees}"),
            };
            format!("{action} {set}{backups}: {why}\n")
        })
        .collect();
    text.push_str(&sum(report));
    text
}

/// The same as a table.
pub(crate) fn table(report: &PruneReport) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(HEADINGS);
    for row in rows(report) {
        table.add_row(row.iter().enumerate().map(|(index, text)| {
            let is_number = matches!(index, 3 | 4);
            Cell::new(text).set_alignment(if is_number { CellAlignment::Right } else { CellAlignment::Left })
        }));
    }
    let lines: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    lines + &sum(report)
}

type Row = [String; 6];

fn rows(report: &PruneReport) -> Vec<Row> {
    let sets = report.plan.sets.iter().rev().map(of_set);
    let left = report.leftovers.iter().map(|left| {
        let path = left.path.display().to_string();
        ["remove".to_owned(), path, "-".into(), "-".into(), units::bytes(left.bytes), left.what.clone()]
    });
    let logs = (!report.logs.is_empty()).then(|| {
        let names = report.logs.iter().map(|log| log.file_name().unwrap_or_default().display().to_string());
        let what = few(names.collect());
        let why = "logs of runs older than every backup that stays".to_owned();
        ["remove".to_owned(), what, "-".into(), "-".into(), String::new(), why]
    });
    let binlogs = (!report.binlogs.logs.is_empty()).then(|| {
        let logs = &report.binlogs.logs;
        let is_one = logs.windows(2).all(|pair| pair[0].epoch == pair[1].epoch);
        let name = |log: &Doomed| match is_one {
            true => log.name.to_string(),
            false => format!("{} of epoch {}", log.name, log.epoch),
        };
        let what = few(logs.iter().map(name).collect());
        let bytes = units::bytes(logs.iter().map(|log| log.stored_bytes).sum());
        let why = "binary logs that no kept backup needs".to_owned();
        ["remove".to_owned(), what, "-".into(), "-".into(), bytes, why]
    });
    sets.chain(left).chain(logs).chain(binlogs).chain(in_copies(report)).collect()
}

/// Names; of many, the first ones, the last one and how many they are.
fn few(names: Vec<String>) -> String {
    const MOST: usize = 5;
    match names.as_slice() {
        [first, second, .., last] if names.len() > MOST => {
            format!("{first}, {second} … {last} ({} files)", names.len())
        }
        _ => names.join(", "),
    }
}

/// What was removed from the stores with copies.
fn in_copies(report: &PruneReport) -> Vec<Row> {
    let row = |copied: &StoreCopied, set: &BackupId| {
        let why = "its own retention does not keep it".to_owned();
        ["remove".to_owned(), set.to_string(), copied.store.clone(), "-".into(), String::new(), why]
    };
    report.copies.iter().flat_map(|copied| copied.removed.iter().map(move |set| row(copied, set))).collect()
}

fn of_set(set: &PlannedSet) -> Row {
    let kept: Vec<String> = set.keep.iter().map(ToString::to_string).collect();
    let (action, why) = match set.action {
        Action::Stay => ("keep".to_owned(), kept.join(", ")),
        Action::Move { to } => ("move".to_owned(), format!("to {to}: {}", kept.join(", "))),
        Action::Remove { why } => ("remove".to_owned(), why.to_string()),
    };
    let frees = match (set.action, set.frees_bytes) {
        (Action::Remove { .. }, Some(bytes)) => units::bytes(bytes),
        (Action::Remove { .. }, None) => "unknown".to_owned(),
        _ => String::new(),
    };
    let count = set.members.len();
    let backups = format!("{count} backup{}", if count == 1 { "" } else { "s" });
    [action, set.id.to_string(), set.shelf.to_string(), backups, frees, why]
}

fn sum(report: &PruneReport) -> String {
    let is_idle = report.plan.is_idle() && report.leftovers.is_empty() && report.logs.is_empty();
    let bytes = units::bytes(report.frees_bytes);
    match (is_idle, report.done) {
        (true, _) => "nothing to do\n".to_owned(),
        (false, true) if report.postponed => "put off until no restore reads from the store\n".to_owned(),
        (false, true) if !report.deferred.is_empty() => {
            format!("freed {bytes}; what the store keeps for now is tried again by the next prune\n")
        }
        (false, true) => format!("freed {bytes}\n"),
        (false, false) => format!("would free {bytes}; nothing was changed\n"),
    }
}

/// What became of a pin.
pub(crate) fn pinned(report: &PinReport) -> String {
    let backup = report.backup;
    match (report.pinned, report.was_pinned, report.set) {
        (true, _, Some(set)) => {
            format!("{backup} is pinned: set {set} stays until `pyxbackup unpin {backup}`\n")
        }
        (true, _, None) => format!("{backup} is pinned\n"),
        (false, true, Some(set)) => format!("{backup} is no longer pinned: set {set} is left to retention\n"),
        (false, true, None) => format!("{backup} is no longer pinned; the backup itself is gone\n"),
        (false, false, _) => format!("{backup} was not pinned\n"),
    }
}

/// The store, what goes, what stays, and how to mean it.
pub(crate) fn wipeout(report: &WipeReport) -> String {
    let line = |what: &str, bytes: u64| format!("  {what}, {}\n", units::bytes(bytes));
    let removes: String = report
        .removes
        .iter()
        .map(|item| line(&format!("{} ({})", item.path.display(), item.what), item.bytes))
        .collect();
    let leaves: String = report.leaves.iter().map(|path| format!("  {}\n", path.display())).collect();
    let store = report.store.display();
    let mut text = if removes.is_empty() {
        format!("{store} holds nothing to remove\n")
    } else {
        format!("of the store {store} goes:\n{removes}")
    };
    if !leaves.is_empty() {
        text.push_str(&format!("not ours or not to be judged, and stays:\n{leaves}"));
    }
    if !removes.is_empty() && !report.done {
        let bytes = units::bytes(report.frees_bytes);
        text.push_str(&format!("{bytes} in all\n"));
    }
    text
}

/// What each store got, and what it gave up.
pub(crate) fn copied(report: &CopyReport) -> String {
    report.copies.iter().map(of_store).collect()
}

/// What a store with copies got.
pub(crate) fn of_store(copied: &StoreCopied) -> String {
    let mut text = match copied.backups.as_slice() {
        [] => format!("{} has every backup\n", copied.store),
        backups => {
            let names: Vec<String> = backups.iter().map(ToString::to_string).collect();
            format!("copied {} to {}, {}\n", names.join(", "), copied.store, units::bytes(copied.bytes))
        }
    };
    for set in &copied.removed {
        text.push_str(&format!("removed set {set} from {}\n", copied.store));
    }
    for deferred in &copied.deferred {
        text.push_str(&format!("{}: {deferred}\n", copied.store));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_names_are_told_by_the_first_and_the_last() {
        let names = |count: u64| few((1..=count).map(|number| format!("b.{number}")).collect());
        assert_eq!(names(1), "b.1");
        assert_eq!(names(5), "b.1, b.2, b.3, b.4, b.5");
        assert_eq!(names(9), "b.1, b.2 … b.9 (9 files)");
    }
}

//! A backup that was restored.

use xb_core::BackupId;
use xb_engine::{ApplyReport, NextStep, RestoreReport};

/// Where it is, what went into it, and what to do next.
pub(crate) fn summary(report: &RestoreReport) -> String {
    let members: Vec<String> = report.members.iter().map(ToString::to_string).collect();
    let steps: String =
        report.next_steps.iter().enumerate().map(|(index, next)| step(index + 1, next)).collect();
    let prepared = match report.members_prepared {
        0 => String::new(),
        count => format!(", the first {count} from the prepared copy"),
    };
    format!(
        "restored {} to {}\n  made of {}{prepared}\n\nNext:\n{steps}",
        report.backup,
        report.directory.display(),
        members.join(", ")
    )
}

/// What the prepared copy holds now, and how it came to.
pub(crate) fn applied(report: &ApplyReport) -> String {
    let names = |ids: &[BackupId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let ends = report.to_lsn.map(|lsn| format!("\n  ends at LSN {lsn}")).unwrap_or_default();
    let now = match report.applied.as_slice() {
        [] => "nothing to apply".to_owned(),
        applied => format!("applied {}", names(applied)),
    };
    let directory = report.directory.display();
    format!("prepared copy {directory}\n  {now}\n  made of {}{ends}\n", names(&report.members))
}

/// One thing to do, with what to type.
pub(super) fn step(number: usize, next: &NextStep) -> String {
    let lines: String = next.lines.iter().map(|line| format!("       {line}\n")).collect();
    format!("{number:3}. {}:\n{lines}", next.purpose)
}

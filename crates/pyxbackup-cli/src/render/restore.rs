//! A backup that was restored.

use xb_engine::{NextStep, RestoreReport};

/// Where it is, what went into it, and what to do next.
pub(crate) fn summary(report: &RestoreReport) -> String {
    let members: Vec<String> = report.members.iter().map(ToString::to_string).collect();
    let steps: String =
        report.next_steps.iter().enumerate().map(|(index, next)| step(index + 1, next)).collect();
    format!(
        "restored {} to {}\n  made of {}\n\nNext:\n{steps}",
        report.backup,
        report.directory.display(),
        members.join(", ")
    )
}

/// One thing to do, with what to type.
pub(super) fn step(number: usize, next: &NextStep) -> String {
    let lines: String = next.lines.iter().map(|line| format!("       {line}\n")).collect();
    format!("{number:3}. {}:\n{lines}", next.purpose)
}

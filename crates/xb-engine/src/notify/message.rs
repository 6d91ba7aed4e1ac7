//! What there is to tell of a run: a value that serialises. Pure. Its JSON is what `notify_command` reads and
//! `notify_url` receives (docs/NOTICES.md).

use chrono::{DateTime, FixedOffset};
use serde::Serialize;
use xb_catalog::manifest::{BinlogPoint, PhaseRecord};
use xb_core::{BackupId, BackupKind, LsnRange};
use xb_pipeline::monitor::Phase;

use super::NoticeError;

/// The format of a notice. Fields may be added within one.
pub(crate) const FORMAT: u32 = 1;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// All was done.
    Success,
    /// It failed.
    Failure,
    /// Somebody stopped it.
    Stopped,
}

/// A run that is over. No text in it holds a secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Notice {
    /// [`FORMAT`].
    pub(crate) format: u32,
    /// Program and version.
    pub(crate) program: String,
    pub(crate) result: Outcome,
    /// `full`, `incr`, `apply-last` or `prune`.
    pub(crate) command: String,
    /// This machine.
    pub(crate) host: String,
    pub(crate) store: Option<String>,
    /// The name of the backup, once it had one.
    pub(crate) backup: Option<BackupId>,
    pub(crate) kind: Option<BackupKind>,
    /// The full backup it belongs to, as far as that is known.
    pub(crate) set: Option<BackupId>,
    /// Where it is, if it is.
    pub(crate) directory: Option<String>,
    pub(crate) started: DateTime<FixedOffset>,
    pub(crate) ended: DateTime<FixedOffset>,
    pub(crate) duration_seconds: f64,
    /// What the engine wrote.
    pub(crate) stream_bytes: Option<u64>,
    /// What the store holds of it.
    pub(crate) stored_bytes: Option<u64>,
    pub(crate) lsns: Option<LsnRange>,
    pub(crate) binlog: Option<BinlogPoint>,
    pub(crate) phases: Vec<PhaseRecord>,
    /// Why it failed.
    pub(crate) error: Option<String>,
    /// In which phase it failed.
    pub(crate) failing_phase: Option<Phase>,
    /// What to do about it.
    pub(crate) advice: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// The last lines told, of a run that failed.
    pub(crate) log_tail: Vec<String>,
}

impl Notice {
    /// The notice for programs.
    ///
    /// # Errors
    /// [`NoticeError::Letter`], never with the fields there are.
    pub(crate) fn json(&self) -> Result<String, NoticeError> {
        serde_json::to_string(self).map_err(|error| NoticeError::Letter(error.to_string()))
    }

    /// The line people see first.
    pub(crate) fn subject(&self) -> String {
        let name = self.backup.map(|id| format!(" {id}")).unwrap_or_default();
        let end = match self.result {
            Outcome::Success => "done",
            Outcome::Failure => "failed",
            Outcome::Stopped => "stopped",
        };
        let phase = self.failing_phase.map(|phase| format!(" ({})", phase.word())).unwrap_or_default();
        one_line(&format!("[pyxbackup] {}: {}{name} {end}{phase}", self.host, self.command))
    }

    /// All of it, for people.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n\n", self.subject().trim_start_matches("[pyxbackup] "));
        let mut row = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!("{name:<10} {value}\n"));
            }
        };
        row("command", Some(self.command.clone()));
        row("backup", self.backup.map(|id| id.to_string()));
        row("of set", self.set.filter(|set| Some(*set) != self.backup).map(|id| id.to_string()));
        row("store", self.store.clone());
        row("directory", self.directory.clone());
        row("began", Some(self.started.format("%Y-%m-%d %H:%M:%S %:z").to_string()));
        row("ended", Some(self.ended.format("%Y-%m-%d %H:%M:%S %:z").to_string()));
        row("took", Some(duration(self.duration_seconds)));
        row("read", self.stream_bytes.map(bytes));
        row("stored", self.stored_bytes.map(bytes));
        row("LSN", self.lsns.map(|lsns| format!("{} to {}", lsns.from, lsns.to)));
        row("binlog", self.binlog.as_ref().map(binlog));
        let phase = |record: &PhaseRecord| format!("{} {}", record.phase.word(), duration(record.seconds));
        let phases: Vec<String> = self.phases.iter().map(phase).collect();
        row("phases", Some(phases.join(", ")).filter(|phases| !phases.is_empty()));
        if let Some(error) = &self.error {
            let phase = self.failing_phase.map(|phase| format!(" in phase {}", phase.word()));
            text.push_str(&format!("\nError{}: {error}\n", phase.unwrap_or_default()));
            self.advice.iter().for_each(|advice| text.push_str(&format!("To do: {advice}\n")));
        }
        text.push_str(&list("Warnings:", &self.warnings));
        text.push_str(&list("The end of the log:", &self.log_tail));
        format!("{text}\n-- \n{} on {}\n", self.program, self.host)
    }
}

fn list(head: &str, lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    if lines.is_empty() { lines } else { format!("\n{head}\n{lines}") }
}

fn binlog(point: &BinlogPoint) -> String {
    let coord = point.coord.as_ref().map(|coord| format!("{}:{}", coord.file, coord.position));
    let gtid = point.gtid.as_ref().map(|gtid| format!("GTID {gtid}"));
    coord.into_iter().chain(gtid).collect::<Vec<_>>().join(", ")
}

/// A text that can stand in a header.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "bytes";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if unit == "bytes" { format!("{count} bytes") } else { format!("{value:.1} {unit} ({count} bytes)") }
}

fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{:.1} s", seconds.max(0.0)),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn failed() -> Notice {
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap();
        let started = at("2026-11-22T14:28:07+02:00");
        Notice {
            format: FORMAT,
            program: "pyxbackup 1".into(),
            result: Outcome::Failure,
            command: "full".into(),
            host: "db1".into(),
            store: Some("/backups".into()),
            backup: Some("2026_11_22-14_28_07".parse().unwrap()),
            kind: Some(BackupKind::Full),
            set: None,
            directory: None,
            started,
            ended: at("2026-11-22T14:31:09+02:00"),
            duration_seconds: 182.0,
            stream_bytes: None,
            stored_bytes: Some(3 * 1024 * 1024 / 2),
            lsns: None,
            binlog: None,
            phases: vec![PhaseRecord { phase: Phase::Probe, started, seconds: 0.25 }],
            error: Some("the backup failed: exit code 1".into()),
            failing_phase: Some(Phase::Backup),
            advice: vec!["free space".into()],
            warnings: vec!["no binary log".into()],
            log_tail: vec!["14:28:08 engine: oh".into()],
        }
    }

    #[test]
    fn a_mail_of_a_failure_reads_well() {
        let notice = failed();
        assert_eq!(notice.subject(), "[pyxbackup] db1: full 2026_11_22-14_28_07 failed (backup)");
        insta::assert_snapshot!(notice.text());
    }

    #[test]
    fn the_json_is_as_documented() {
        let object: serde_json::Value = serde_json::from_str(&failed().json().unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&object).unwrap());
    }

    #[test]
    fn a_host_of_any_name_stays_within_the_subject() {
        let notice = Notice { host: "a\r\nBcc: x@y".into(), ..failed() };
        assert!(!notice.subject().contains(['\r', '\n']), "{}", notice.subject());
    }
}

//! Remembers what a run tells while it passes everything on: for the notices sent when it is over.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, FixedOffset};
use xb_catalog::manifest::PhaseRecord;
use xb_core::{BackupId, Masker};
use xb_pipeline::clock::Clock;
use xb_pipeline::monitor::{Monitor, Phase};

use crate::context::Context;

/// The last so many lines are kept.
const LINES_KEPT: usize = 40;
/// So many warnings are kept, the first ones.
const WARNINGS_KEPT: usize = 50;
/// A line is cut behind so many characters.
const LINE_CHARS: usize = 500;

/// A monitor in front of another.
pub(crate) struct Recorder {
    behind: Arc<dyn Monitor>,
    clock: Arc<dyn Clock>,
    masker: Masker,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<String>,
    warnings: Vec<String>,
    phases: Vec<(Phase, DateTime<FixedOffset>)>,
    backup: Option<BackupId>,
}

impl Recorder {
    /// Listens for whoever listens in `context`. Whatever `masker` knows is not kept.
    pub(crate) fn new(context: &Context, masker: Masker) -> Self {
        let (behind, clock) = (context.monitor().clone(), context.around.clock.clone());
        Recorder { behind, clock, masker, kept: Mutex::default() }
    }

    /// The last lines told, oldest first, each with its time.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.kept().lines.iter().cloned().collect()
    }

    /// What was warned of.
    pub(crate) fn warnings(&self) -> Vec<String> {
        self.kept().warnings.clone()
    }

    /// The phase the run is in, or was in when it ended.
    pub(crate) fn last_phase(&self) -> Option<Phase> {
        self.kept().phases.last().map(|(phase, _)| *phase)
    }

    /// The phases so far, the last one as if it ended now.
    pub(crate) fn phases(&self) -> Vec<PhaseRecord> {
        let now = self.clock.now();
        let kept = self.kept();
        let ends = kept.phases.iter().skip(1).map(|(_, began)| *began).chain([now]);
        let record = |((phase, started), end): (&(Phase, DateTime<FixedOffset>), DateTime<FixedOffset>)| {
            PhaseRecord { phase: *phase, started: *started, seconds: (end - *started).as_seconds_f64() }
        };
        kept.phases.iter().zip(ends).map(record).collect()
    }

    /// The backup being taken, once it has a name.
    pub(crate) fn backup(&self) -> Option<BackupId> {
        self.kept().backup
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, text: &str) {
        let line: String = self.masker.mask(text).chars().take(LINE_CHARS).collect();
        let line = format!("{} {line}", self.clock.now().format("%H:%M:%S"));
        let mut kept = self.kept();
        if kept.lines.len() == LINES_KEPT {
            kept.lines.pop_front();
        }
        kept.lines.push_back(line);
    }
}

impl Monitor for Recorder {
    fn phase(&self, phase: Phase, what: &str, total_bytes: Option<u64>) {
        self.keep(&format!("{}: {what}", phase.word()));
        let began = self.clock.now();
        let mut kept = self.kept();
        kept.phases.push((phase, began));
        if phase == Phase::Backup {
            kept.backup = what.parse().ok().or(kept.backup);
        }
        drop(kept);
        self.behind.phase(phase, what, total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.behind.advance(bytes);
    }

    fn info(&self, text: &str) {
        self.keep(text);
        self.behind.info(text);
    }

    fn warn(&self, text: &str) {
        self.keep(&format!("warning: {text}"));
        let masked = self.masker.mask(text);
        let mut kept = self.kept();
        if kept.warnings.len() < WARNINGS_KEPT {
            kept.warnings.push(masked);
        }
        drop(kept);
        self.behind.warn(text);
    }

    fn debug(&self, text: &str) {
        self.keep(text);
        self.behind.debug(text);
    }

    fn child_line(&self, program: &str, line: &str) {
        self.keep(&format!("{program}: {line}"));
        self.behind.child_line(program, line);
    }
}

#[cfg(test)]
mod tests {
    use xb_core::Secret;
    use xb_core::settings::Settings;

    use super::*;
    use crate::surroundings::Surroundings;

    fn recorder() -> Recorder {
        let context = Context::new(Settings::default(), Surroundings::default());
        Recorder::new(&context, Masker::new([Secret::new("hush")]))
    }

    #[test]
    fn only_the_last_lines_are_kept_and_no_secret_in_them() {
        let recorder = recorder();
        for number in 0..100 {
            recorder.child_line("engine", &format!("line {number} hush"));
        }
        let lines = recorder.lines();
        assert_eq!(lines.len(), LINES_KEPT);
        assert!(lines[0].ends_with(" engine: line 60 ***"), "{}", lines[0]);
        assert!(lines[39].ends_with(" engine: line 99 ***"), "{}", lines[39]);
    }

    #[test]
    fn a_line_of_any_length_is_cut_between_characters() {
        let recorder = recorder();
        recorder.info(&"ü".repeat(5000));
        assert_eq!(recorder.lines()[0].chars().count(), "00:00:00 ".len() + LINE_CHARS);
    }

    #[test]
    fn the_backup_is_known_by_the_phase_that_takes_it() {
        let recorder = recorder();
        recorder.phase(Phase::Probe, "asking server and engine", None);
        assert_eq!((recorder.backup(), recorder.last_phase()), (None, Some(Phase::Probe)));
        recorder.phase(Phase::Backup, "2026_11_22-14_28_07", Some(7));
        assert_eq!(recorder.backup().unwrap().to_string(), "2026_11_22-14_28_07");
        let phases: Vec<Phase> = recorder.phases().iter().map(|record| record.phase).collect();
        assert_eq!(phases, [Phase::Probe, Phase::Backup]);
    }
}

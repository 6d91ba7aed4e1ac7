//! What becomes of what a run tells: lines and progress on standard error, and everything in the run's log.
//! Standard output is left to results.

mod line;
mod progress;
mod screen;

use std::sync::Arc;

use xb_core::Masker;
use xb_pipeline::clock::Clock;
use xb_pipeline::monitor::{Monitor, Phase};

use crate::runlog::RunLog;
pub(crate) use line::Level;
use line::stamped;
use progress::Progress;
pub(crate) use screen::Screen;

/// Hears a run and tells people of it.
pub(crate) struct Reporter {
    clock: Arc<dyn Clock>,
    screen: Screen,
    log: Option<RunLog>,
    masker: Masker,
    /// What the screen gets: lines of this level and above.
    least: Level,
    progress: Progress,
}

impl Reporter {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        screen: Screen,
        log: Option<RunLog>,
        masker: Masker,
        least: Level,
    ) -> Self {
        Reporter { clock, screen, log, masker, least, progress: Progress::default() }
    }

    /// The log of this run.
    pub(crate) fn log(&self) -> Option<&RunLog> {
        self.log.as_ref()
    }

    /// A line for the log alone: what the screen has seen already, or sees in another form.
    pub(crate) fn note(&self, text: &str) {
        self.to_log(&self.line(Level::Info, text));
    }

    /// An error for the log alone: who called prints it.
    pub(crate) fn note_error(&self, text: &str) {
        self.to_log(&self.line(Level::Error, text));
    }

    /// A signal came.
    pub(crate) fn stopping(&self, signal: &str) {
        self.tell(Level::Warn, &format!("{signal}: stopping, please wait"));
    }

    /// The run is over. The log's last line tells how.
    pub(crate) fn finish(&self, exit_code: u8) {
        if exit_code == 0 {
            self.end_phase();
        }
        self.screen.clear();
        let level = if exit_code == 0 { Level::Info } else { Level::Error };
        if let Some(log) = &self.log {
            log.last_line(&self.line(level, &format!("ended with exit code {exit_code}")));
        }
    }

    fn line(&self, level: Level, text: &str) -> String {
        stamped(self.clock.now(), level, &self.masker.mask(text))
    }

    fn tell(&self, level: Level, text: &str) {
        let line = self.line(level, text);
        self.to_log(&line);
        if level >= self.least {
            self.screen.line(&line);
        }
    }

    fn to_log(&self, line: &str) {
        if let Some(log) = &self.log {
            log.line(line);
        }
    }

    fn end_phase(&self) {
        if let Some(text) = self.progress.end() {
            self.tell(Level::Info, &text);
        }
    }
}

impl Monitor for Reporter {
    fn phase(&self, phase: Phase, what: &str, total_bytes: Option<u64>) {
        self.end_phase();
        let text = self.progress.begin(phase, what, total_bytes);
        let line = self.line(Level::Info, &text);
        self.to_log(&line);
        let line = (self.least <= Level::Info).then_some(line.as_str());
        self.screen.phase(line, &format!("{} {what}", phase.word()), total_bytes);
    }

    fn advance(&self, bytes: u64) {
        self.screen.advance(bytes);
        if let Some(text) = self.progress.advance(bytes) {
            let line = self.line(Level::Info, &text);
            self.to_log(&line);
            if self.least <= Level::Info {
                self.screen.progress_line(&line);
            }
        }
    }

    fn info(&self, text: &str) {
        self.tell(Level::Info, text);
    }

    fn warn(&self, text: &str) {
        self.tell(Level::Warn, text);
    }

    fn debug(&self, text: &str) {
        self.tell(Level::Debug, text);
    }

    fn child_line(&self, program: &str, line: &str) {
        self.tell(Level::Debug, &format!("{program}: {line}"));
    }
}

#[cfg(test)]
mod tests;

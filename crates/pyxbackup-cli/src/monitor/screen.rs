//! Standard error as people see it: a bar on a terminal, lines in a pipe, nothing when it is to be quiet.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often the bar moves while no bytes do.
const TICK: Duration = Duration::from_millis(120);
/// A phase that counts no bytes.
const WITHOUT_BYTES: &str = "{spinner} {msg}  {elapsed}";
/// A phase whose end nobody knows.
const WITHOUT_TOTAL: &str = "{spinner} {msg}  {binary_bytes}  {binary_bytes_per_sec}  {elapsed}";
const WITH_TOTAL: &str = "{spinner} {msg}  [{bar:20}] {binary_bytes} of ~{binary_total_bytes}  \
                          {binary_bytes_per_sec}  ETA {eta}";

/// Where lines and progress go.
pub(crate) enum Screen {
    /// Nowhere.
    Quiet,
    /// Line by line.
    Lines(Mutex<Box<dyn Write + Send>>),
    /// A bar for the phase at work, and lines above it.
    Bar(Mutex<ProgressBar>),
}

impl Screen {
    /// What suits standard error.
    pub(crate) fn suitable(quiet: bool, json: bool) -> Self {
        let target = ProgressDrawTarget::stderr();
        // Hidden is also a terminal that cannot move its cursor.
        if quiet || json || !io::stderr().is_terminal() || target.is_hidden() {
            return Screen::lines(quiet);
        }
        Screen::Bar(Mutex::new(ProgressBar::hidden()))
    }

    /// Lines alone, wherever standard error goes.
    pub(crate) fn lines(quiet: bool) -> Self {
        if quiet { Screen::Quiet } else { Screen::Lines(Mutex::new(Box::new(io::stderr()))) }
    }

    /// A line for people.
    pub(super) fn line(&self, line: &str) {
        // A closed standard error must not keep a backup from being taken.
        match self {
            Screen::Quiet => {}
            Screen::Lines(lines) => {
                let _ = writeln!(lock(lines), "{line}");
            }
            Screen::Bar(bar) => lock(bar).suspend(|| {
                let _ = writeln!(io::stderr(), "{line}");
            }),
        }
    }

    /// A phase begins. The bar tells it by itself; elsewhere there is a line about it, if it is to be told.
    pub(super) fn phase(&self, line: Option<&str>, name: &str, total: Option<u64>) {
        let Screen::Bar(bar) = self else { return line.into_iter().for_each(|line| self.line(line)) };
        let mut bar = lock(bar);
        bar.finish_and_clear();
        *bar = of_phase(name, total);
        bar.set_draw_target(ProgressDrawTarget::stderr());
        bar.enable_steady_tick(TICK);
    }

    /// Bytes moved.
    pub(super) fn advance(&self, bytes: u64) {
        if let Screen::Bar(bar) = self {
            advance(&lock(bar), bytes);
        }
    }

    /// A line about progress, for who sees no bar.
    pub(super) fn progress_line(&self, line: &str) {
        if let Screen::Lines(_) = self {
            self.line(line);
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        if let Screen::Bar(bar) = self {
            lock(bar).finish_and_clear();
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A bar that is drawn nowhere yet.
fn of_phase(name: &str, total: Option<u64>) -> ProgressBar {
    let hidden = ProgressDrawTarget::hidden();
    let bar = ProgressBar::with_draw_target(total, hidden).with_message(name.to_owned());
    set_style(&bar, if total.is_some() { WITH_TOTAL } else { WITHOUT_BYTES });
    bar
}

fn advance(bar: &ProgressBar, bytes: u64) {
    let before = bar.position();
    bar.inc(bytes);
    // The total is an estimate; once it is passed, it is worth nothing.
    let has_passed = bar.length().is_some_and(|total| before + bytes > total);
    if has_passed {
        bar.unset_length();
    }
    if has_passed || (before == 0 && bar.length().is_none()) {
        set_style(bar, WITHOUT_TOTAL);
    }
}

fn set_style(bar: &ProgressBar, template: &str) {
    // Whether the templates are good is a test's business; the bar goes on with the one it has.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_good() {
        for template in [WITHOUT_BYTES, WITHOUT_TOTAL, WITH_TOTAL] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    #[test]
    fn a_bar_forgets_an_estimate_that_was_too_low() {
        let bar = of_phase("backup", Some(100));
        advance(&bar, 100);
        assert_eq!(bar.length(), Some(100));
        advance(&bar, 1);
        assert_eq!((bar.length(), bar.position()), (None, 101));
    }
}

//! Timing whole processes.

use std::path::Path;
use std::time::{Duration, Instant};

use xb_pipeline::process::Invocation;

/// One run of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) seconds: f64,
    /// The most memory the process itself held, without its children.
    pub(crate) peak_kib: u64,
}

/// Runs a command to its end; it must succeed.
pub(crate) fn run(command: &Invocation, log: &Path) -> Result<Run, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let daemon = command.daemon(log)?;
    let status_file = daemon.pid().map(|pid| format!("/proc/{pid}/status"));
    let mut peak_kib = 0;
    loop {
        if let Some(status) = daemon.try_wait()? {
            let seconds = started.elapsed().as_secs_f64();
            if status.success() {
                return Ok(Run { seconds, peak_kib });
            }
            return Err(format!("{command}: {status}; see {}", log.display()).into());
        }
        // A high-water mark only grows, so the last look before the end counts.
        peak_kib = status_file.as_deref().and_then(high_water_mark).unwrap_or(0).max(peak_kib);
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn high_water_mark(status_file: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status_file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// The middle one; of an even number, the mean of the two.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}

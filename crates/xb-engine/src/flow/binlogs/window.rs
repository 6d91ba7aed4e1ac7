//! From when to when data can be recovered.

use xb_binlog::recover::{EndsEarly, Options, Target, find_base, plan};
use xb_catalog::BackupRecord;

use super::directory;
use crate::context::Context;
use crate::error::EngineError;
use crate::flow::recover::archive::Archive;
use crate::flow::recover::choose::{base, fault_behind, instant};
use crate::report::{Window, WindowReport, WithoutLogs};

/// The spans, and the backups that have no logs behind them.
pub(crate) fn run(context: &Context) -> Result<WindowReport, EngineError> {
    let archive = Archive::look(context)?;
    let catalog = context.repository()?.scan()?;
    let mut records: Vec<&BackupRecord> = catalog
        .records()
        .filter(|record| record.is_complete() && catalog.chain(record.id()).is_ok())
        .collect();
    records.sort_by_key(|record| record.id());
    records.dedup_by_key(|record| record.id());
    let (mut windows, mut without) = (Vec::<Window>::new(), Vec::new());
    for record in records {
        match span(context, &archive, record) {
            Ok(window) => add(&mut windows, window),
            Err(error) if error.cancelled().is_some() => return Err(error),
            Err(error) => {
                without.push(WithoutLogs { backup: record.id(), reason: error.to_string() });
            }
        }
    }
    Ok(WindowReport { archive: directory(context)?, windows, without })
}

/// What can be recovered from one backup on.
fn span(context: &Context, archive: &Archive, record: &BackupRecord) -> Result<Window, EngineError> {
    let base = base(context, record, None).ok_or_else(|| EngineError::NoBinlog { backup: record.id() })?;
    let place = find_base(archive.picture(), &archive.logs, &base)?;
    // Everything up to the first gap.
    let options = Options { best_effort: true, seen_until: archive.seen_until, ..Options::default() };
    let way = plan(
        archive.picture(),
        &archive.logs,
        &place,
        base.gtids.as_ref(),
        &Target::Latest,
        &options,
        context.cancel(),
    )?;
    let from = instant(record.ended.unwrap_or(record.started), context);
    let last = way.last_time.unwrap_or(from).max(from);
    let gap = match (&way.ends_early, fault_behind(archive, &way)) {
        (Some(EndsEarly::Gap(gap)), _) => Some(gap.to_string()),
        (_, Some(fault)) => {
            Some(format!("behind {}: {} cannot be used: {}", way.stop, fault.name, fault.reason))
        }
        _ => None,
    };
    let seen_until = archive.seen_until.filter(|_| gap.is_none());
    let until = seen_until.map_or(last, |seen| seen.max(last));
    Ok(Window { from, until, backups: vec![record.id()], gap })
}

/// Spans that touch are one.
fn add(windows: &mut Vec<Window>, window: Window) {
    match windows.last_mut() {
        Some(last) if window.from <= last.until => {
            if window.until >= last.until {
                (last.until, last.gap) = (window.until, window.gap);
            }
            last.backups.extend(window.backups);
        }
        _ => windows.push(window),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn window(from: i64, until: i64, backup: &str) -> Window {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        Window { from: at(from), until: at(until), backups: vec![backup.parse().unwrap()], gap: None }
    }

    #[test]
    fn spans_that_touch_are_one() {
        let (first, second, third) = ("2026_11_22-10_00_00", "2026_11_22-11_00_00", "2026_11_22-12_00_00");
        let mut windows = Vec::new();
        for window in [window(0, 50, first), window(40, 60, second), window(70, 90, third)] {
            add(&mut windows, window);
        }
        let mut joined = window(0, 60, first);
        joined.backups.push(second.parse().unwrap());
        assert_eq!(windows, [joined, window(70, 90, third)]);
    }
}

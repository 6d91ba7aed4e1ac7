//! From when to when data can be recovered.

use chrono::{DateTime, Utc};
use xb_binlog::archive::LogFault;
use xb_binlog::recover::{EndsEarly, Options, ReplayPlan, Target, find_base, plan};
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
            // Without the key nothing can be told of any of them.
            Err(error) if error.cancelled().is_some() || error.log_key_fault().is_some() => {
                return Err(error);
            }
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
    let options = Options { best_effort: true, seen_until: archive.seen_until(), ..Options::default() };
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
    let (until, gap) = end(&way, fault_behind(archive, &way).as_ref(), archive.seen_until(), from);
    Ok(Window { from, until, backups: vec![record.id()], gap })
}

/// Until when, and what keeps it from being longer: a gap, or a log that cannot be used.
fn end(
    way: &ReplayPlan,
    fault: Option<&LogFault>,
    seen_until: Option<DateTime<Utc>>,
    from: DateTime<Utc>,
) -> (DateTime<Utc>, Option<String>) {
    let last = way.last_time.unwrap_or(from).max(from);
    match (&way.ends_early, fault) {
        (Some(EndsEarly::Gap(gap)), _) => (last, Some(gap.to_string())),
        (_, Some(LogFault { name, reason })) => {
            (last, Some(format!("behind {}: {name} cannot be used: {reason}", way.stop)))
        }
        _ => (seen_until.map_or(last, |seen| seen.max(last)), None),
    }
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
    use xb_binlog::archive::Place;
    use xb_binlog::recover::Gap;
    use xb_core::BinlogCoord;

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

    #[test]
    fn the_gap_of_spans_that_touch_is_the_one_behind_the_last() {
        let (first, second) = ("2026_11_22-10_00_00", "2026_11_22-11_00_00");
        let with = |window, gap: &str| Window { gap: Some(gap.to_owned()), ..window };
        let gap_of = |one, other| {
            let mut windows = Vec::new();
            add(&mut windows, one);
            add(&mut windows, other);
            windows[0].gap.clone()
        };
        let inner = with(window(10, 20, second), "inner");
        assert_eq!(gap_of(with(window(0, 50, first), "outer"), inner.clone()).unwrap(), "outer");
        assert_eq!(gap_of(window(0, 15, first), inner.clone()).unwrap(), "inner");
        assert_eq!(gap_of(with(window(0, 15, first), "closed"), window(10, 20, second)), None);
    }

    #[test]
    fn a_window_ends_where_nothing_is_known_any_more() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let place = Place { epoch: 1, at: BinlogCoord { file: "b.000001".parse().unwrap(), position: 4 } };
        let gap = Gap { from: place.clone(), to: place.clone(), reason: "reset".to_owned() };
        let way = |last: Option<i64>, ends_early| {
            let empty = ReplayPlan::empty(place.clone());
            ReplayPlan { last_time: last.map(at), ends_early, ..empty }
        };
        let behind = Some(EndsEarly::Gap(gap.clone()));
        // What was seen behind a gap is not before it.
        assert_eq!(end(&way(Some(50), behind), None, Some(at(90)), at(10)), (at(50), Some(gap.to_string())));
        assert_eq!(end(&way(Some(50), None), None, Some(at(90)), at(10)), (at(90), None));
        assert_eq!(end(&way(Some(50), Some(EndsEarly::Archive)), None, None, at(10)), (at(50), None));
        assert_eq!(end(&way(None, None), None, None, at(10)), (at(10), None));
        let torn = LogFault { name: "b.000002".parse().unwrap(), reason: "it is torn".to_owned() };
        let (until, gap) = end(&way(Some(50), None), Some(&torn), Some(at(90)), at(10));
        assert!(until == at(50) && gap.unwrap().ends_with("b.000002 cannot be used: it is torn"));
    }
}

//! The archive at a glance, for those who look at everything: `list` and `status`.

use chrono::{DateTime, Utc};
use xb_binlog::archive::{BinlogArchive, LogFault};
use xb_binlog::gap::{Gap, gaps};
use xb_binlog::lost::lost;
use xb_binlog::state::StreamerState;
use xb_catalog::{BackupRecord, Catalog};

use super::directory;
use crate::context::Context;
use crate::flow::recover::choose::instant;
use crate::report::{Check, Level, LogsSummary, LogsValues};

/// A streamer that nobody has heard of for so much longer than allowed is not just late.
const MUCH_TOO_LATE: i64 = 12;

/// What `list` and `status` tell of binary logs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Glance {
    pub(crate) summary: Option<LogsSummary>,
    state: Option<StreamerState>,
    /// Gaps behind the newest backup: what happened since cannot be recovered.
    since_newest: usize,
    /// What was on the disk and is not there any more.
    lost: Option<String>,
    /// Why nobody can tell.
    problem: Option<String>,
    /// Whether the server is to wait for the streamer, by the settings.
    wants_semi_sync: bool,
}

/// Looks. An archive that cannot be read keeps nobody from hearing of the backups.
pub(crate) fn glance(context: &Context, catalog: &Catalog) -> Glance {
    let root = match directory(context) {
        Ok(root) if root.is_dir() => root,
        _ => return Glance::default(),
    };
    let state = StreamerState::read(&root).ok().flatten();
    let wants_semi_sync = context.settings.binlogs.binlog_semisync;
    let picture = match BinlogArchive::look(&root).brief().picture() {
        Ok(picture) => picture,
        Err(error) => return Glance { problem: Some(error.to_string()), state, ..Glance::default() },
    };
    let lost = state.as_ref().and_then(|state| lost(state, &picture));
    let lost = lost.map(|(epoch, LogFault { name, reason })| format!("{name} of epoch {epoch} {reason}"));
    let logs = || picture.epochs.iter().flat_map(|epoch| &epoch.logs);
    let (Some(first), Some(last)) = (logs().next(), logs().last()) else {
        return Glance { state, lost, ..Glance::default() };
    };
    let gaps = gaps(&picture);
    let newest = catalog.newest().map(|newest| ended(context, newest));
    let since_newest = gaps.iter().filter(|gap| is_behind(gap, newest)).count();
    let (first, last, total) = (first.name.clone(), last.name.clone(), logs().count());
    let epochs = picture.epochs.iter().filter(|epoch| !epoch.logs.is_empty()).count();
    let summary = Some(LogsSummary { first, last, total, epochs, gaps });
    Glance { summary, state, since_newest, lost, problem: None, wants_semi_sync }
}

fn ended(context: &Context, record: &BackupRecord) -> DateTime<Utc> {
    instant(record.ended.unwrap_or(record.started), context)
}

/// Whether a gap lies behind a moment, as far as can be told.
fn is_behind(gap: &Gap, moment: Option<DateTime<Utc>>) -> bool {
    let Some(moment) = moment else { return true };
    gap.to_time.is_none_or(|to| i64::from(to) >= moment.timestamp())
}

/// Whether the server waits for a streamer that stays, as far as is known.
fn is_waited_for(state: &StreamerState, now: DateTime<Utc>) -> bool {
    state.is_semi_sync || !state.is_continuous || !state.is_running(now)
}

/// What is said when nobody streams any more who should, however little is missing yet.
fn gone(error: &str, lag: Option<i64>, limit_seconds: i64) -> (Level, String) {
    let late = lag.filter(|lag| *lag > limit_seconds);
    let is_critical = late.is_some_and(|lag| lag > limit_seconds.saturating_mul(MUCH_TOO_LATE));
    let level = if is_critical { Level::Critical } else { Level::Warn };
    let late = late.map(|lag| format!("; they are {lag} s behind")).unwrap_or_default();
    (level, format!("Binary logs are streamed no more: {error}{late}"))
}

impl Glance {
    /// The values behind the verdict.
    pub(crate) fn values(&self, now: DateTime<Utc>) -> LogsValues {
        let state = self.state.as_ref();
        LogsValues {
            seen_until_unix: state.and_then(|state| state.seen_until).map(|seen| seen.timestamp()),
            lag_seconds: state
                .and_then(|state| state.seen_until)
                .map(|seen| (now - seen).num_seconds().max(0)),
            lag_bytes: state.and_then(|state| state.bytes_behind),
            gaps: self.summary.as_ref().map(|summary| summary.gaps.len() as u64),
        }
    }

    /// The verdict; none where nobody streams.
    pub(crate) fn check(&self, now: DateTime<Utc>, limit_seconds: i64) -> Option<Check> {
        let (level, message) = self.verdict(now, limit_seconds)?;
        Some(Check { name: Check::BINLOGS, level, message })
    }

    fn verdict(&self, now: DateTime<Utc>, limit_seconds: i64) -> Option<(Level, String)> {
        if let Some(problem) = &self.problem {
            return Some((Level::Critical, format!("The archive of binary logs cannot be read: {problem}")));
        }
        let state = self.state.as_ref()?;
        let gaps = self.summary.as_ref().map_or(0, |summary| summary.gaps.len());
        if self.since_newest > 0 {
            let text = "Binary logs are missing since the newest backup: take a full backup".to_owned();
            return Some((Level::Critical, text));
        }
        if let Some(lost) = &self.lost {
            return Some((Level::Critical, format!("Binary logs are lost here: {lost}")));
        }
        let lag = self.values(now).lag_seconds;
        if let Some(error) = state.gone(now) {
            return Some(gone(error, lag, limit_seconds));
        }
        let Some(lag) = lag else {
            return Some((Level::Warn, "Binary logs were never complete so far".to_owned()));
        };
        let why = state.last_error.as_ref().filter(|_| !state.is_connected);
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        let runs = if state.is_running(now) { "" } else { ", nobody streams" };
        let late = format!("Binary logs are {lag} s behind{runs}{why}");
        Some(if lag > limit_seconds.saturating_mul(MUCH_TOO_LATE) {
            (Level::Critical, late)
        } else if lag > limit_seconds {
            (Level::Warn, late)
        } else if self.wants_semi_sync && !is_waited_for(state, now) {
            let text =
                "The server does not wait until its binary logs are here: see Rpl_semi_sync_%_status there";
            (Level::Warn, text.to_owned())
        } else if let Some(error) = &state.push_error {
            (Level::Warn, format!("Binary logs do not get to {error}"))
        } else if state.unpushed.is_some_and(|unpushed| unpushed > 0) {
            (Level::Warn, "Binary logs that are damaged here do not get elsewhere".to_owned())
        } else if gaps > 0 {
            (Level::Warn, format!("Binary logs have {gaps} gaps before the newest backup"))
        } else {
            (Level::Ok, format!("Binary logs are complete up to {lag} s ago"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// Of a streamer that had seen all until 0, and wrote that down just now.
    fn state(now: i64) -> StreamerState {
        StreamerState {
            updated: at(now),
            is_connected: true,
            seen_until: Some(at(0)),
            bytes_behind: Some(7),
            ..StreamerState::begun(at(0), 1, "db1".to_owned())
        }
    }

    fn of(state: StreamerState) -> Glance {
        Glance { state: Some(state), ..Glance::default() }
    }

    fn gap(to_time: Option<u32>) -> Gap {
        Gap { from: None, to: None, from_time: None, to_time, reason: "it was reset".to_owned() }
    }

    /// With one gap, of which so many lie behind the newest backup.
    fn with_gap(since_newest: usize) -> Glance {
        let name = || "b.000001".parse().unwrap();
        let summary = LogsSummary { first: name(), last: name(), total: 1, epochs: 1, gaps: vec![gap(None)] };
        Glance { summary: Some(summary), since_newest, ..of(state(0)) }
    }

    /// The verdict when logs may be 300 s behind.
    #[track_caller]
    fn assert_told(glance: &Glance, now: i64, level: Level, text: &str) {
        let check = glance.check(at(now), 300).unwrap();
        assert_eq!((check.level, check.message.as_str()), (level, text));
    }

    #[test]
    fn logs_that_are_late_are_a_warning_and_much_later_critical() {
        assert_told(&of(state(300)), 300, Level::Ok, "Binary logs are complete up to 300 s ago");
        assert_told(&of(state(301)), 301, Level::Warn, "Binary logs are 301 s behind");
        assert_told(&of(state(3600)), 3600, Level::Warn, "Binary logs are 3600 s behind");
        assert_told(&of(state(3601)), 3601, Level::Critical, "Binary logs are 3601 s behind");
        assert_eq!(of(state(0)).values(at(90)).lag_seconds, Some(90));
        assert!(Glance::default().check(at(0), 300).is_none());
        let never = StreamerState { seen_until: None, ..state(0) };
        assert_told(&of(never), 0, Level::Warn, "Binary logs were never complete so far");
    }

    #[test]
    fn it_is_told_that_nobody_streams_and_what_keeps_the_streamer() {
        let over = StreamerState { is_over: true, ..state(400) };
        assert_told(&of(over), 400, Level::Warn, "Binary logs are 400 s behind, nobody streams");
        let away = StreamerState { last_error: Some("no route".to_owned()), ..state(400) };
        assert_told(&of(away.clone()), 400, Level::Warn, "Binary logs are 400 s behind");
        let away = StreamerState { is_connected: false, ..away };
        assert_told(&of(away), 400, Level::Warn, "Binary logs are 400 s behind: no route");
    }

    #[test]
    fn a_streamer_that_ended_with_an_error_or_was_killed_is_told_at_once() {
        let ended = |now| {
            let ended_with = Some("the server has no b.000001".to_owned());
            of(StreamerState { is_over: true, is_connected: false, ended_with, ..state(now) })
        };
        let text = "Binary logs are streamed no more: the server has no b.000001";
        assert_told(&ended(0), 0, Level::Warn, text);
        assert_told(&ended(0), 300, Level::Warn, text);
        assert_told(&ended(0), 301, Level::Warn, &format!("{text}; they are 301 s behind"));
        assert_told(&ended(0), 3601, Level::Critical, &format!("{text}; they are 3601 s behind"));
        let killed = "Binary logs are streamed no more: the streamer is gone (killed?)";
        assert_told(&of(state(0)), 29, Level::Ok, "Binary logs are complete up to 29 s ago");
        assert_told(&of(state(0)), 30, Level::Warn, killed);
        let never = StreamerState { seen_until: None, ..state(0) };
        assert_told(&of(never), 30, Level::Warn, killed);
        let waited_for = Glance { wants_semi_sync: true, ..of(state(0)) };
        assert_told(&waited_for, 30, Level::Warn, killed);
        let asked = StreamerState { is_over: true, ..state(0) };
        assert_told(&of(asked), 30, Level::Ok, "Binary logs are complete up to 30 s ago");
    }

    #[test]
    fn logs_that_are_lost_are_critical_whatever_the_lag() {
        let lost = Some("b.000002 of epoch 1 was on the disk".to_owned());
        let text = "Binary logs are lost here: b.000002 of epoch 1 was on the disk";
        assert_told(&Glance { lost, ..of(state(0)) }, 0, Level::Critical, text);
    }

    #[test]
    fn logs_that_do_not_get_to_other_stores_are_a_warning() {
        let refused = StreamerState { push_error: Some("/copies: full".to_owned()), ..state(0) };
        assert_told(&of(refused), 0, Level::Warn, "Binary logs do not get to /copies: full");
        let damaged = StreamerState { unpushed: Some(1), ..state(0) };
        let text = "Binary logs that are damaged here do not get elsewhere";
        assert_told(&of(damaged), 0, Level::Warn, text);
        let all = StreamerState { unpushed: Some(0), ..state(0) };
        assert_told(&of(all), 0, Level::Ok, "Binary logs are complete up to 0 s ago");
    }

    #[test]
    fn a_gap_behind_the_newest_backup_is_critical_and_an_older_one_a_warning() {
        let text = "Binary logs are missing since the newest backup: take a full backup";
        assert_told(&with_gap(1), 0, Level::Critical, text);
        assert_told(&with_gap(0), 0, Level::Warn, "Binary logs have 1 gaps before the newest backup");
        assert!(is_behind(&gap(Some(100)), Some(at(100))) && !is_behind(&gap(Some(99)), Some(at(100))));
        assert!(is_behind(&gap(None), Some(at(100))) && is_behind(&gap(Some(0)), None));
    }

    #[test]
    fn a_server_that_does_not_wait_though_it_should_is_told() {
        let level = |state: StreamerState, wants_semi_sync| {
            Glance { wants_semi_sync, ..of(state) }.check(at(0), 300).unwrap().level
        };
        let waits = StreamerState { is_semi_sync: true, ..state(0) };
        assert_eq!((level(waits, true), level(state(0), false)), (Level::Ok, Level::Ok));
        assert_eq!(level(state(0), true), Level::Warn);
        assert_eq!(level(StreamerState { is_continuous: false, ..state(0) }, true), Level::Ok);
    }

    #[test]
    fn an_archive_that_cannot_be_read_is_critical() {
        let glance = Glance { problem: Some("it is torn".to_owned()), ..of(state(0)) };
        assert_told(&glance, 0, Level::Critical, "The archive of binary logs cannot be read: it is torn");
    }
}

//! The archive at a glance, for those who look at everything: `list` and `status`.

use chrono::{DateTime, Utc};
use xb_binlog::archive::BinlogArchive;
use xb_binlog::gap::{Gap, gaps};
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
    let logs = || picture.epochs.iter().flat_map(|epoch| &epoch.logs);
    let (Some(first), Some(last)) = (logs().next(), logs().last()) else {
        return Glance { state, ..Glance::default() };
    };
    let gaps = gaps(&picture);
    let newest = catalog.newest().map(|newest| ended(context, newest));
    let since_newest = gaps.iter().filter(|gap| is_behind(gap, newest)).count();
    let (first, last, total) = (first.name.clone(), last.name.clone(), logs().count());
    let summary = Some(LogsSummary { first, last, total, gaps });
    Glance { summary, state, since_newest, problem: None, wants_semi_sync }
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
        let Some(lag) = self.values(now).lag_seconds else {
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

    fn state(now: DateTime<Utc>, is_semi_sync: bool) -> StreamerState {
        StreamerState {
            updated: now,
            started: now,
            pid: 1,
            is_continuous: true,
            is_over: false,
            server: "db1:3306".to_owned(),
            is_connected: true,
            is_semi_sync,
            epoch: None,
            synced: None,
            seen_until: Some(now),
            bytes_behind: Some(0),
            seconds_behind: Some(0),
            received_bytes: 0,
            failures: 0,
            last_error: None,
            unpushed: None,
            push_error: None,
        }
    }

    #[test]
    fn a_server_that_does_not_wait_though_it_should_is_told() {
        let now = DateTime::UNIX_EPOCH;
        let level = |state: StreamerState, wants_semi_sync| {
            let glance = Glance { state: Some(state), wants_semi_sync, ..Glance::default() };
            glance.check(now, 300).unwrap().level
        };
        assert_eq!(level(state(now, true), true), Level::Ok);
        assert_eq!(level(state(now, false), false), Level::Ok);
        assert_eq!(level(state(now, false), true), Level::Warn);
        assert_eq!(level(StreamerState { is_continuous: false, ..state(now, false) }, true), Level::Ok);
    }
}

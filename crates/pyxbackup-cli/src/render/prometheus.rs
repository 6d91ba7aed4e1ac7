//! How things stand, in Prometheus's text format. Names of metrics and labels are a promise: see
//! docs/MONITORING.md.

use std::fmt::Display;

use xb_engine::{StatusReport, StatusValues};

use super::status::verdict;

/// Where the values come from: labels of every series, so that the servers of one machine stay apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The store, where it is known which.
    pub(crate) store: Option<&'a str>,
    /// The section of the configuration file.
    pub(crate) section: &'a str,
}

/// The text. A value that nobody can tell has no line.
pub(crate) fn text(report: &StatusReport, origin: Origin<'_>) -> String {
    let mut page = Page { text: String::new(), origin };
    let checks = report.checks.iter().map(|check| (vec![("check", check.name)], verdict(check.level)));
    page.metric("status", "The verdict of each check: 0 OK, 1 WARN, 2 CRITICAL.", checks.collect());
    page.gauge("status_level", "The worst verdict.", Some(verdict(report.level)));
    of_last(&mut page, &report.values);
    of_store(&mut page, &report.values);
    of_binlogs(&mut page, &report.values);
    page.text
}

fn of_last(page: &mut Page<'_>, values: &StatusValues) {
    let (last, full) = (&values.last, &values.last_full);
    let name = last.id.map(|id| id.to_string()).unwrap_or_default();
    let kind = last.kind.map(|kind| kind.word()).unwrap_or_default();
    let info = last.id.map(|_| (vec![("backup", name.as_str()), ("kind", kind)], 1));
    page.metric("last_backup_info", "The newest backup that counts.", info.into_iter().collect());
    page.gauge("last_backup_end_timestamp_seconds", "When it ended.", last.ended_unix);
    page.gauge("last_backup_duration_seconds", "How long its run took.", last.duration_seconds);
    page.gauge("last_backup_stored_bytes", "What the store holds of it.", last.stored_bytes);
    page.gauge("last_backup_stream_bytes", "What the engine wrote for it.", last.stream_bytes);
    let help = "When the newest full backup that counts ended.";
    page.gauge("last_full_end_timestamp_seconds", help, full.ended_unix);
    let help = "The end of the oldest backup on any shelf that can be restored.";
    page.gauge("oldest_restorable_timestamp_seconds", help, values.oldest_restorable_unix);
}

fn of_store(page: &mut Page<'_>, values: &StatusValues) {
    let limits = &values.limits;
    page.gauge("sets", "Current sets of a full backup and its incrementals.", values.sets);
    page.gauge("shelved_sets", "Further sets on the shelves.", values.shelved_sets);
    page.gauge("backups", "Backups that count, on all shelves.", values.backups);
    let help = "Incrementals of the newest current set that count.";
    page.gauge("incrementals_since_full", help, values.incrementals_since_full);
    page.gauge("running", "Whether a run is going on.", values.running.now.map(u8::from));
    page.gauge("running_seconds", "How long it has been.", values.running.seconds);
    page.gauge("store_free_bytes", "What is free where the store is.", values.free_bytes);
    let help = "What the next backup may need, whichever it is.";
    page.gauge("next_backup_needed_bytes", help, values.needed_bytes);
    let help = "The age of the last backup that is a warning.";
    page.gauge("age_limit_seconds", help, limits.age_seconds);
    let help = "The duration of a run that is a warning.";
    page.gauge("running_limit_seconds", help, limits.running_seconds);
}

fn of_binlogs(page: &mut Page<'_>, values: &StatusValues) {
    let logs = &values.binlogs;
    let help = "All that was committed before is in the archive of binary logs.";
    page.gauge("binlog_seen_until_timestamp_seconds", help, logs.seen_until_unix);
    page.gauge("binlog_lag_seconds", "How long ago that was.", logs.lag_seconds);
    let help = "What the server had more when it was last asked.";
    page.gauge("binlog_lag_bytes", help, logs.lag_bytes);
    page.gauge("binlog_gaps", "Places where binary logs are missing.", logs.gaps);
}

struct Page<'a> {
    text: String,
    origin: Origin<'a>,
}

/// The labels of one series, and its value.
type Sample<'a, T> = (Vec<(&'a str, &'a str)>, T);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: Option<impl Display>) {
        self.metric(name, help, value.map(|value| (Vec::new(), value)).into_iter().collect());
    }

    /// A metric without a sample is left out.
    fn metric(&mut self, name: &str, help: &str, samples: Vec<Sample<'_, impl Display>>) {
        if samples.is_empty() {
            return;
        }
        self.text.push_str(&format!("# HELP pyxbackup_{name} {help}\n# TYPE pyxbackup_{name} gauge\n"));
        let Origin { store, section } = self.origin;
        for (labels, value) in samples {
            let common = store.map(|store| ("store", store)).into_iter().chain([("section", section)]);
            let labels = labels.into_iter().chain(common);
            let labels: Vec<String> =
                labels.map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
            self.text.push_str(&format!("pyxbackup_{name}{{{}}} {value}\n", labels.join(",")));
        }
    }
}

/// A label's value may hold anything, three things of it written in another way.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests;

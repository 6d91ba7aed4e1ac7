//! What the server that was backed up would have made of its statements: noted with a backup, and told to the
//! private server that replays them.

use std::collections::BTreeMap;
use std::path::Path;

use xb_catalog::manifest::{ServerSettings, TimeZoneRecord};
use xb_pipeline::clock::Clock;

/// Global variables on which the outcome of a statement depends and which the log does not carry along.
const VARIABLES: [&str; 13] = [
    // Which table a name means.
    "lower_case_table_names",
    // What CREATE TABLE makes of what it is not told, and whether it refuses what does not fit.
    "default_storage_engine",
    "innodb_default_row_format",
    "innodb_file_format",
    "innodb_file_per_table",
    "innodb_large_prefix",
    "innodb_strict_mode",
    "explicit_defaults_for_timestamp",
    "old_mode",
    // What expressions give.
    "default_week_format",
    "div_precision_increment",
    "group_concat_max_len",
    // What REVOKE may do.
    "partial_revokes",
];
/// Engines every server has. One that is a plugin would keep a server without it from starting.
const BUILT_IN: [&str; 4] = ["InnoDB", "MyISAM", "Aria", "MEMORY"];
/// The time zone database.
const ZONES: &str = "/usr/share/zoneinfo";

/// Notes them. `offset` is that of the server's own time zone, in seconds; it has the name of this machine's if
/// that is the same now.
pub(crate) fn of(
    variables: &BTreeMap<String, String>,
    offset: Option<i32>,
    clock: &dyn Clock,
) -> ServerSettings {
    let noted = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), variables.get(*name)?.clone())));
    let here = clock.now().offset().local_minus_utc();
    let time_zone = offset.map(|offset_seconds| TimeZoneRecord {
        name: clock.zone().filter(|name| offset_seconds == here && is_zone(name)),
        offset_seconds,
    });
    ServerSettings { variables: noted.collect(), time_zone }
}

/// The options of a server that is to do the same. One that does not know an option has nothing to do with it.
pub(crate) fn options(settings: &ServerSettings) -> Vec<(String, String)> {
    let is_fit = |(name, value): &(&String, &String)| {
        let is_known = VARIABLES.contains(&name.as_str()) && !value.is_empty();
        is_known && (*name != "default_storage_engine" || BUILT_IN.contains(&value.as_str()))
    };
    let option =
        |(name, value): (&String, &String)| (format!("loose-{}", name.replace('_', "-")), value.clone());
    settings.variables.iter().filter(is_fit).map(option).collect()
}

/// The value of `TZ` for a server that is to have this zone: a name of the database, or an offset from UTC that
/// never changes. None for what is neither.
pub(crate) fn tz_of(zone: &str) -> Option<String> {
    match zone {
        "UTC" => Some(zone.to_owned()),
        _ if is_zone(zone) => Some(zone.to_owned()),
        _ => offset_of(zone).map(fixed),
    }
}

/// The same of what was noted, and whether that is certain for every time of the year.
pub(crate) fn tz_of_record(record: &TimeZoneRecord) -> (String, bool) {
    match record.name.as_deref().and_then(tz_of) {
        Some(tz) => (tz, true),
        None => (fixed(record.offset_seconds), false),
    }
}

/// Whether the database has it. A server takes what it does not know for UTC.
fn is_zone(name: &str) -> bool {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    !name.is_empty()
        && !name.starts_with('/')
        && name.chars().all(is_fit)
        && Path::new(ZONES).join(name).is_file()
}

/// Seconds east of UTC of `+02:00`.
fn offset_of(text: &str) -> Option<i32> {
    let offset: chrono::FixedOffset = text.parse().ok()?;
    Some(offset.local_minus_utc())
}

/// As POSIX writes it: a name in brackets, and what to add to get UTC.
fn fixed(offset_seconds: i32) -> String {
    let (sign, opposite) = if offset_seconds < 0 { ('-', "") } else { ('+', "-") };
    let minutes = offset_seconds.unsigned_abs() / 60;
    let (hours, minutes) = (minutes / 60, minutes % 60);
    format!("<{sign}{hours:02}{minutes:02}>{opposite}{hours}:{minutes:02}")
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, FixedOffset};

    use super::*;

    struct At(i32, Option<&'static str>);

    impl Clock for At {
        fn now(&self) -> DateTime<FixedOffset> {
            DateTime::UNIX_EPOCH.with_timezone(&FixedOffset::east_opt(self.0).unwrap())
        }

        fn zone(&self) -> Option<String> {
            self.1.map(str::to_owned)
        }
    }

    #[test]
    fn a_zone_is_named_only_where_the_server_has_that_of_this_machine() {
        let name = |offset, clock: At| {
            of(&BTreeMap::new(), offset, &clock).time_zone.map(|zone| (zone.name, zone.offset_seconds))
        };
        let prague = || At(3600, Some("Europe/Prague"));
        assert_eq!(name(Some(3600), prague()), Some((Some("Europe/Prague".to_owned()), 3600)));
        assert_eq!(name(Some(0), prague()), Some((None, 0)));
        assert_eq!(name(Some(3600), At(3600, Some("No/Where"))), Some((None, 3600)));
        assert_eq!(name(Some(0), At(0, None)), Some((None, 0)));
        assert_eq!(name(None, prague()), None);
    }

    #[test]
    fn zones_and_offsets_become_what_a_server_understands() {
        let tz = |zone| tz_of(zone).unwrap_or_default();
        assert_eq!(
            [tz("Europe/Prague"), tz("UTC"), tz("+02:00"), tz("-03:30"), tz("+00:00")],
            ["Europe/Prague", "UTC", "<+0200>-2:00", "<-0330>3:30", "<+0000>-0:00"]
        );
        for wrong in ["", "No/Where", "/etc/passwd", "../zoneinfo/UTC", "CEST+x", "+99:99"] {
            assert_eq!(tz_of(wrong), None, "{wrong}");
        }
        let record =
            |name: Option<&str>| TimeZoneRecord { name: name.map(str::to_owned), offset_seconds: 20_700 };
        assert_eq!(tz_of_record(&record(Some("Asia/Kathmandu"))), ("Asia/Kathmandu".to_owned(), true));
        assert_eq!(tz_of_record(&record(None)), ("<+0545>-5:45".to_owned(), false));
    }

    #[test]
    fn a_server_is_told_what_it_can_do() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let noted = variables(&[("lower_case_table_names", "1"), ("datadir", "/data"), ("old_mode", "")]);
        let noted = of(&noted, None, &At(0, None));
        assert_eq!(options(&noted), [("loose-lower-case-table-names".to_owned(), "1".to_owned())]);
        let engine = |name| {
            let noted = variables(&[("default_storage_engine", name)]);
            options(&of(&noted, None, &At(0, None))).len()
        };
        assert_eq!((engine("Aria"), engine("ROCKSDB")), (1, 0));
    }
}

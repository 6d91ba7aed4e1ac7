//! Moments as people write them.

use chrono::{DateTime, FixedOffset, Local, LocalResult, NaiveDateTime, TimeZone, Utc};

/// Forms without a zone.
const FORMS: [&str; 5] =
    ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y_%m_%d-%H_%M_%S"];
/// Forms with an offset from UTC.
const FORMS_WITH_OFFSET: [&str; 4] =
    ["%Y-%m-%d %H:%M:%S%.f%z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M%z", "%Y-%m-%dT%H:%M%z"];

/// Reads a moment. Without a zone it is one of this machine (the environment's `TZ` counts).
pub(super) fn parse(text: &str) -> Result<DateTime<FixedOffset>, String> {
    parse_in(text.trim(), &Local)
}

fn parse_in<Z: TimeZone>(text: &str, zone: &Z) -> Result<DateTime<FixedOffset>, String> {
    let as_utc = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).map(str::trim_end);
    if let Some(time) = as_utc.and_then(naive) {
        return Ok(Utc.from_utc_datetime(&time).fixed_offset());
    }
    // A blank before the offset is how people write it.
    let joined = text.rsplit_once(['+', '-']).filter(|(head, _)| head.ends_with(' '));
    let tight = joined.map_or(text.to_owned(), |(head, tail)| {
        let sign = text.get(head.len()..=head.len()).unwrap_or_default();
        format!("{}{sign}{tail}", head.trim_end())
    });
    if let Some(time) = FORMS_WITH_OFFSET.iter().find_map(|form| DateTime::parse_from_str(&tight, form).ok())
    {
        return Ok(time);
    }
    let time = naive(text).ok_or(
        "write it as \"2026-11-22 14:28:07\", with +02:00 or UTC behind it for another zone than that of this machine",
    )?;
    match zone.from_local_datetime(&time) {
        LocalResult::Single(time) => Ok(time.fixed_offset()),
        LocalResult::Ambiguous(first, second) => Err(format!(
            "clocks were set back and showed this time twice: write {} or {}",
            first.fixed_offset().format("%Y-%m-%d %H:%M:%S%:z"),
            second.fixed_offset().format("%Y-%m-%d %H:%M:%S%:z"),
        )),
        LocalResult::None => {
            Err("clocks were set forward and never showed this time; add an offset such as +02:00".to_owned())
        }
    }
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_the_forms_people_write() {
        let zone = FixedOffset::east_opt(3600).unwrap();
        let read = |text: &str| parse_in(text, &zone).unwrap().to_utc().to_rfc3339();
        for text in [
            "2026-11-22 14:28:07",
            "2026-11-22T14:28:07",
            "2026_11_22-14_28_07",
            "2026-11-22 13:28:07 UTC",
            "2026-11-22T13:28:07Z",
            "2026-11-22 15:28:07+02:00",
            "2026-11-22 15:28:07 +0200",
            "2026-11-22 08:28:07 -05:00",
        ] {
            assert_eq!(read(text), "2026-11-22T13:28:07+00:00", "{text}");
        }
        assert_eq!(read("2026-11-22 14:28"), "2026-11-22T13:28:00+00:00");
        assert_eq!(read("2026-11-22 14:28:07.25"), "2026-11-22T13:28:07.250+00:00");
    }

    #[test]
    fn what_is_no_moment_is_refused_with_an_example() {
        for text in
            ["yesterday", "2026-11-22", "2026-13-22 00:00:00", "14:28:07", "2026-11-22 14:28:07 +", ""]
        {
            let error = parse_in(text, &Utc).unwrap_err();
            assert!(error.contains("2026-11-22 14:28:07"), "{text}: {error}");
        }
    }
}

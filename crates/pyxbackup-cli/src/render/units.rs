//! Sizes, times and ratios for people.

/// `1.5 GiB`
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = as_float(bytes) / 1024.0;
    let mut unit = 0;
    // What would be shown as 1024.0 belongs to the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// `4.2 s`, `42 s`, `3 min 7 s`, `2 h 5 min`, `3 d 4 h`
pub(crate) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    // Far below the limits of u64 for any time a run can take.
    let whole = seconds.round() as u64;
    let (minutes, hours, days) = (whole / 60, whole / 3600, whole / 86400);
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{minutes} min {} s", whole % 60),
        3600..86400 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// The same for a time measured in whole seconds.
pub(crate) fn whole_seconds(seconds: i64) -> String {
    match u32::try_from(seconds.max(0)).unwrap_or(u32::MAX) {
        few @ 0..10 => format!("{few} s"),
        more => duration(f64::from(more)),
    }
}

/// `81.4 MiB/s`
pub(crate) fn rate(count: u64, seconds: f64) -> String {
    let per_second = if seconds > 0.0 { as_float(count) / seconds } else { 0.0 };
    format!("{}/s", bytes(per_second as u64))
}

/// How much smaller it got: `9.3x`
pub(crate) fn ratio(before: u64, after: u64) -> Option<String> {
    (before > 0 && after > 0).then(|| format!("{:.1}x", as_float(before) / as_float(after)))
}

/// Exact enough for three digits.
fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0 B")]
    #[case(1023, "1023 B")]
    #[case(1024, "1.0 KiB")]
    #[case(1536 * 1024 * 1024, "1.5 GiB")]
    #[case(1024 * 1024 - 1, "1.0 MiB")]
    #[case(u64::MAX, "16.0 EiB")]
    fn sizes_have_one_digit_and_the_largest_unit_that_fits(#[case] size: u64, #[case] text: &str) {
        assert_eq!(bytes(size), text);
    }

    #[rstest]
    #[case(-1.0, "0.0 s")]
    #[case(4.23, "4.2 s")]
    #[case(59.4, "59 s")]
    #[case(59.6, "1 min 0 s")]
    #[case(187.0, "3 min 7 s")]
    #[case(7500.0, "2 h 5 min")]
    #[case(273_600.0, "3 d 4 h")]
    fn times_have_two_units_at_most(#[case] seconds: f64, #[case] text: &str) {
        assert_eq!(duration(seconds), text);
    }

    #[test]
    fn what_was_measured_in_seconds_shows_no_tenths() {
        assert_eq!((whole_seconds(5), whole_seconds(65)), ("5 s".to_owned(), "1 min 5 s".to_owned()));
    }

    #[test]
    fn rates_and_ratios_stand_division_by_nothing() {
        assert_eq!(rate(2048, 2.0), "1.0 KiB/s");
        assert_eq!(rate(2048, 0.0), "0 B/s");
        assert_eq!(ratio(930, 100).as_deref(), Some("9.3x"));
        assert_eq!(ratio(930, 0), None);
    }
}

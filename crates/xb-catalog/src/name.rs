//! Names of backups, read fast: a store has tens of thousands, and each is read several times.

use chrono::{Datelike, NaiveDate, Timelike};
use xb_core::BackupId;

use crate::layout::PARTIAL_SUFFIX;

/// What the name of an entry says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// A backup.
    Whole(BackupId),
    /// What is being made or removed.
    Partial(BackupId),
    /// Not ours.
    Other,
}

impl Named {
    pub(crate) fn of(name: &[u8]) -> Self {
        match name.strip_suffix(PARTIAL_SUFFIX.as_bytes()) {
            Some(stem) => backup_id(stem).map_or(Named::Other, Named::Partial),
            None => backup_id(name).map_or(Named::Other, Named::Whole),
        }
    }

    /// The name again; none for what is not ours.
    pub(crate) fn file_name(self) -> Option<String> {
        match self {
            Named::Whole(id) => Some(id.to_string()),
            Named::Partial(id) => Some(format!("{id}{PARTIAL_SUFFIX}")),
            Named::Other => None,
        }
    }
}

/// The same as `text.parse()` without what makes that slow.
pub(crate) fn backup_id(text: &[u8]) -> Option<BackupId> {
    let number = |from: usize, length: usize| digits(text.get(from..from + length)?);
    let has = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let is_shaped =
        text.len() == 19 && has(4, b'_') && has(7, b'_') && has(10, b'-') && has(13, b'_') && has(16, b'_');
    if !is_shaped {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 2)?, number(8, 2)?)?;
    match date.and_hms_opt(number(11, 2)?, number(14, 2)?, number(17, 2)?) {
        Some(time) => Some(BackupId::at(time)),
        // A leap second, which is not worth a rule of its own here.
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// The number that up to nine digits are.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter()
        .try_fold(0_u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))
}

/// The same as `id.to_string()`, added to `text`.
pub(crate) fn push_name(text: &mut String, id: BackupId) {
    let time = id.local_time();
    let Ok(year @ 0..=9999) = u32::try_from(time.year()) else {
        text.push_str(&id.to_string());
        return;
    };
    let seconds = time.second() + time.nanosecond() / 1_000_000_000;
    let parts = [year / 100, year % 100, time.month(), time.day(), time.hour(), time.minute(), seconds];
    for (number, between) in parts.into_iter().zip(["", "", "_", "_", "-", "_", "_"]) {
        text.push_str(between);
        for digit in [number / 10, number % 10] {
            text.push(char::from_digit(digit, 10).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn names_are_read_as_the_slow_way_reads_them(text in "[0-9_ -]{17,20}|[0-9]{4}_[0-9]{2}_[0-9]{2}-[0-9]{2}_[0-9]{2}_[0-9]{2}|20[0-9]{2}_(0[1-9]|1[012])_[0-3][0-9]-[012][0-9]_[0-6][0-9]_[0-6][0-9]") {
            let id = text.parse::<BackupId>().ok();
            prop_assert_eq!(backup_id(text.as_bytes()), id);
            if let Some(id) = id {
                let mut again = String::new();
                push_name(&mut again, id);
                prop_assert_eq!(again, text);
            }
        }
    }

    #[test]
    fn an_entry_is_told_by_its_name() {
        let id = "2026_11_22-14_28_07".parse().unwrap();
        assert_eq!(Named::of(b"2026_11_22-14_28_07"), Named::Whole(id));
        assert_eq!(Named::of(b"2026_11_22-14_28_07.partial"), Named::Partial(id));
        assert_eq!(Named::of(b"2026_11_22-14_28_07.old"), Named::Other);
        assert_eq!(Named::of("2026_11_22-14_28_0\u{7ff}".as_bytes()), Named::Other);
    }
}

//! Log sequence numbers: positions in InnoDB's redo log, in bytes since the data directory was created.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A position in InnoDB's redo log. Ordered as the number it is, never as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The text is not an LSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an LSN: expected a decimal number below 2^64")]
pub struct ParseLsnError {
    /// What was to be read.
    pub text: String,
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.trim();
        let number = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        number.map(Lsn).ok_or_else(|| ParseLsnError { text: text.to_owned() })
    }
}

/// What a backup covers: every page changed after `from` and up to the checkpoint at `to`, and the redo
/// log up to `last`.
///
/// The next incremental starts at `to`, not at `last`: pages changed between the two may still be missing
/// from the data files that were copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LsnRange {
    /// Zero for a full backup, else the `to` of the backup this one builds on.
    pub from: Lsn,
    /// The checkpoint the copied pages are complete to.
    pub to: Lsn,
    /// The end of the copied redo log.
    pub last: Lsn,
}

impl LsnRange {
    /// Whether a backup with this range can be applied on top of `base`.
    #[must_use]
    pub fn continues(&self, base: &LsnRange) -> bool {
        self.from == base.to && self.to >= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lsns_compare_as_numbers() {
        let small: Lsn = "999999".parse().unwrap();
        let large: Lsn = "1000000".parse().unwrap();
        assert!(small < large, "as text the order would be the reverse");
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        for text in ["", "-1", "+1", "1e3", "18446744073709551616", "None"] {
            assert!(text.parse::<Lsn>().is_err(), "{text:?}");
        }
        assert_eq!("18446744073709551615".parse(), Ok(Lsn(u64::MAX)));
    }

    #[test]
    fn an_incremental_continues_its_base_at_the_checkpoint() {
        let base = LsnRange { from: Lsn(0), to: Lsn(10), last: Lsn(15) };
        assert!(LsnRange { from: Lsn(10), to: Lsn(10), last: Lsn(15) }.continues(&base));
        assert!(!LsnRange { from: Lsn(15), to: Lsn(20), last: Lsn(20) }.continues(&base));
        assert!(!LsnRange { from: Lsn(10), to: Lsn(9), last: Lsn(9) }.continues(&base));
    }
}

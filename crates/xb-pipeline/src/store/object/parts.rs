//! How large the parts of an upload are. An object of S3 has 10,000 parts at most, each of 5 MiB to 5 GiB but the
//! last; nobody says beforehand how long the object becomes.
//!
//! What is expected comes in 8,000 equal parts, of 8 MiB at least: 62 GiB come in parts of 8 MiB, 1 TiB in such of
//! 132 MiB, 20 TiB in such of 2.6 GiB. Should it be more, parts grow with the square of their number, so that all
//! 10,000 reach 5 TiB or twice what was expected, as far as 5 GiB for a part allow: 4.6 TiB after any guess up to
//! 1 TiB, 9.8 TiB after one of 5 TiB, 28 TiB after one of 20 TiB. Where nothing is expected they grow from the first on; 100 GiB
//! then come in parts of up to 106 MiB, 1 TiB of up to 0.5 GiB, 5 TiB of up to 1.5 GiB.
//!
//! A part is kept in memory until the store has confirmed it, for it may have to be sent again. Memory is what the
//! parts under way and the one that is being filled take: 64 MiB, and two parts where a part has more than 32 MiB.

const MIB: u64 = 1 << 20;
/// The most parts an object of S3 can have.
pub(super) const MOST_PARTS: u64 = 10_000;
/// Parts for what is expected; the others are for when it becomes more.
const EXPECTED_PARTS: u64 = 8_000;
/// The smallest part of ours. S3 wants 5 MiB.
const SMALLEST: u64 = 8 * MIB;
/// The largest part of S3.
const LARGEST: u64 = 5 << 30;
/// The largest object S3 has known for most of its life.
const REACH: u64 = 5 << 40;
/// Memory for parts, while they are small.
const MEMORY: u64 = 64 * MIB;
/// The most parts under way at once.
pub(super) const MOST_UNDER_WAY: usize = 4;

/// The sizes of the parts of one upload.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartSizes {
    base: u64,
    /// The number of the first part that is larger.
    grows_from: u64,
    /// Part `grows_from + n` has `growth * n * n` bytes more.
    growth: f64,
}

impl PartSizes {
    #[expect(clippy::cast_precision_loss, reason = "sizes are rounded anyway")]
    pub(super) fn for_expected(expected: Option<u64>) -> Self {
        let expected = expected.unwrap_or(0);
        let base = (expected / EXPECTED_PARTS + 1).next_multiple_of(MIB).clamp(SMALLEST, LARGEST);
        let grows_from = expected.div_ceil(base).min(EXPECTED_PARTS);
        let left = (MOST_PARTS - grows_from) as f64;
        let more = REACH.max(expected.saturating_mul(2)).saturating_sub(base * MOST_PARTS);
        PartSizes { base, grows_from, growth: 3.0 * more as f64 / left.powi(3) }
    }

    /// The bytes of the part with this number, the first being 0.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are rounded anyway, and positive"
    )]
    pub(super) fn size(&self, number: u64) -> u64 {
        let beyond = number.saturating_sub(self.grows_from) as f64;
        let more = (self.growth * beyond * beyond) as u64;
        (self.base + more / MIB * MIB).min(LARGEST)
    }
}

/// How many bytes may be under way while a part of `next` bytes is filled.
pub(super) fn room_beside(next: u64) -> u64 {
    MEMORY.max(2 * next) - next
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// The bytes all parts have together, and the largest.
    fn reach(expected: Option<u64>) -> (u64, u64) {
        let sizes = PartSizes::for_expected(expected);
        let all: Vec<u64> = (0..MOST_PARTS).map(|number| sizes.size(number)).collect();
        assert!(all.is_sorted() && all[0] >= SMALLEST && all[all.len() - 1] <= LARGEST);
        (all.iter().sum(), all[all.len() - 1])
    }

    #[test]
    fn an_unknown_length_reaches_five_tebibytes() {
        let (sum, largest) = reach(None);
        assert!(sum > 5 * 1024 * GIB * 99 / 100, "{sum}");
        assert!(largest < 17 * GIB / 10, "{largest}");
        let sizes = PartSizes::for_expected(None);
        let at = |bytes: u64| {
            let mut left = bytes;
            (0..).map(|number| sizes.size(number)).find(|size| {
                left = left.saturating_sub(*size);
                left == 0
            })
        };
        assert!(at(100 * GIB).unwrap() <= 106 * MIB, "{:?}", at(100 * GIB));
        assert!(at(1024 * GIB).unwrap() <= 620 * MIB, "{:?}", at(1024 * GIB));
    }

    #[test]
    fn what_is_expected_fits_and_so_does_more() {
        for expected in [0, 1, GIB, 64 * GIB, 100 * GIB, 1024 * GIB, 5 * 1024 * GIB, 20 * 1024 * GIB] {
            let sizes = PartSizes::for_expected(Some(expected));
            let equal = sizes.size(0) * EXPECTED_PARTS;
            assert!(equal >= expected, "{expected}");
            let (sum, _) = reach(Some(expected));
            let slack = expected * 14 / 10;
            assert!(sum >= slack.max(46 * 1024 * GIB / 10), "{expected}: {sum}");
        }
        assert_eq!(PartSizes::for_expected(Some(64 * GIB - 8000 * MIB)).size(0), 8 * MIB);
        assert_eq!(PartSizes::for_expected(Some(1024 * GIB)).size(0), 132 * MIB);
    }

    #[test]
    fn memory_is_bounded() {
        assert_eq!(room_beside(8 * MIB), 56 * MIB);
        assert_eq!(room_beside(32 * MIB), 32 * MIB);
        assert_eq!(room_beside(GIB), GIB);
    }
}

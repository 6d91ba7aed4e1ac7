//! Taking numbers out of a body from front to back.

use crate::bytes::number_at;

/// What is left of a body. Every step gives nothing once there are not enough bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'b>(pub(super) &'b [u8]);

impl<'b> Cursor<'b> {
    /// The next `length` bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// The little-endian number in the next `N` ≤ 8 bytes.
    pub(super) fn number<const N: usize>(&mut self) -> Option<u64> {
        self.take(N).map(|bytes| number_at::<N>(bytes, 0))
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    /// The number in the next four bytes.
    pub(super) fn word(&mut self) -> Option<u32> {
        self.number::<4>().map(|number| number as u32)
    }

    /// A number of one to nine bytes, as MySQL's serialisation library writes it: as many bytes follow the
    /// first as that has ones at its low end.
    pub(super) fn varying(&mut self) -> Option<u64> {
        let more = self.0.first()?.trailing_ones() as usize;
        let bytes = self.take(more + 1)?;
        Some(match more {
            8 => number_at::<8>(bytes, 1),
            _ => {
                let all = bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
                all >> (more + 1)
            }
        })
    }

    /// All that is left.
    pub(super) fn rest(self) -> &'b [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_varying_length_have_their_length_in_the_first_byte() {
        let read = |bytes: &[u8]| Cursor(bytes).varying();
        assert_eq!(read(&[0b1010]), Some(5));
        assert_eq!(read(&[0b01, 0b10]), Some(0b1000_0000));
        assert_eq!(read(&[0xff, 1, 2, 0, 0, 0, 0, 0, 0]), Some(513));
        assert_eq!(read(&[0x7f, 1, 0, 0, 0, 0, 0, 0]), Some(1));
        assert_eq!((read(&[0b11, 0]), read(&[])), (None, None));
    }
}

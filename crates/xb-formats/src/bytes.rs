//! Numbers in bytes.

/// The little-endian number of `N` ≤ 8 bytes at a place of a gathered field. Bytes that are not there count
/// as zero: whoever gathers a field gathers all of it.
pub(crate) fn number_at<const N: usize>(field: &[u8], place: usize) -> u64 {
    let bytes = field.iter().skip(place).take(N);
    bytes.rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

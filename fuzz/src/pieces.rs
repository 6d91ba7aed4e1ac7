//! Cutting an input.

/// The pieces in which an input is fed. Their sizes are drawn from the input itself, so that a finding comes
/// again. Most are small, some are empty.
pub fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut state = u64::from(crc32fast::hash(input)) << 1 | 1;
    let mut rest = input;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        // Xorshift: any state but 0 leads to all others.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let most = [1, 8, 64, 4096][(state >> 60) as usize & 3];
        let (piece, behind) = rest.split_at(((state >> 20) as usize % (most + 1)).min(rest.len()));
        rest = behind;
        Some(piece)
    })
}

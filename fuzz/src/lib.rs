//! What the targets share.
//!
//! Checksums keep a fuzzer out: what it changes no longer belongs to them, so a decoder refuses it before it
//! looks at it. [`seal`] therefore makes the checksums of an input right, and the targets read every input
//! twice, as it is and sealed. [`expand`] is a second decompressor to compare with.

pub mod expand;
pub mod pieces;
pub mod script;
pub mod seal;

pub use pieces::pieces;

/// Whether a path is one that cannot lead out of where it is resolved. Says it in its own words, so that it
/// does not repeat a mistake of what it judges.
#[must_use]
pub fn is_safe_path(path: &[u8]) -> bool {
    let is_component = |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && part.len() <= 255;
    path.len() <= 511 && !path.contains(&0) && path.split(|byte| *byte == b'/').all(is_component)
}

/// Whether a path as it is shown could lead out of where it is resolved.
#[must_use]
pub fn is_safe_shown(path: &str) -> bool {
    !path.starts_with('/') && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

//! Small files that say what is known, with a digest of themselves: one that was damaged is not believed.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use xb_pipeline::Digest;
use xb_pipeline::fs::write_atomic;

use super::entry::LogEntry;
use super::error::ArchiveError;
use super::names::entry_file;

/// How such a file begins; the digest follows.
const HEAD: &str = "{\n  \"check\": \"";
/// What stands behind the digest, which is of all that follows.
const NECK: &str = "\",\n";
/// Hexadecimal digits of a digest.
const DIGITS: usize = 64;

/// The text of a value, with the digest of it.
pub(crate) fn to_text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string_pretty(value)?;
    let body = text.strip_prefix("{\n").unwrap_or(&text);
    Ok(format!("{HEAD}{}{NECK}{body}\n", Digest::of(format!("{body}\n").as_bytes())))
}

/// The value of a text. One without a digest was written by hand, and is believed.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn from_text<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    if let Some(rest) = text.strip_prefix(HEAD.as_bytes()) {
        let (digest, body) = rest.split_at_checked(DIGITS).ok_or("it is cut")?;
        let body = body.strip_prefix(NECK.as_bytes()).ok_or("its digest is damaged")?;
        if Digest::of(body).to_string().as_bytes() != digest {
            return Err("it is not what its digest says: it is damaged, or was changed by hand".to_owned());
        }
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

/// What is written beside a log. Its neighbours are told by the directory, so that nothing in it gets old.
pub(crate) fn entry_text(entry: &LogEntry) -> Result<String, serde_json::Error> {
    to_text(&LogEntry { previous: None, ..entry.clone() })
}

/// Writes what is known of a closed log beside it.
///
/// # Errors
/// [`ArchiveError`].
pub(crate) fn write_entry(directory: &Path, entry: &LogEntry) -> Result<(), ArchiveError> {
    let path = directory.join(entry_file(&entry.name));
    let text = entry_text(entry).map_err(|error| ArchiveError::record(&path, error.to_string()))?;
    Ok(write_atomic(&path, text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::epoch::Place;

    #[test]
    fn a_damaged_file_is_not_believed() {
        let place = Place { epoch: 3, at: "{\"file\":\"b.000007\",\"position\":4}".parse_at() };
        let text = to_text(&place).unwrap();
        assert_eq!(from_text::<Place>(text.as_bytes()), Ok(place.clone()));
        let mut believed = 0;
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut damaged = text.clone().into_bytes();
                damaged[at] ^= 1 << bit;
                // One that hides the digest says the same as before.
                match from_text::<Place>(&damaged) {
                    Ok(read) => {
                        assert_eq!(read, place, "{}", String::from_utf8_lossy(&damaged));
                        believed += 1;
                    }
                    Err(reason) => assert!(!reason.is_empty()),
                }
            }
        }
        assert!(believed < 100, "{believed}");
        assert_eq!(from_text::<Place>(&serde_json::to_vec(&place).unwrap()), Ok(place));
    }

    trait ParseAt {
        fn parse_at(&self) -> xb_core::BinlogCoord;
    }

    impl ParseAt for str {
        fn parse_at(&self) -> xb_core::BinlogCoord {
            serde_json::from_str(self).unwrap()
        }
    }
}

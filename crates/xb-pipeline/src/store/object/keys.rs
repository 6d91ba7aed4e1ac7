//! Object keys. A key is the store's prefix and the path, with `%` and control characters written as `%` and two
//! hexadecimal digits: a list in XML cannot carry them otherwise. Everything else stands as it is, so that other
//! programs show the names they were given.
//!
//! What others put below the prefix under names that are not written so is not ours and is not listed.

use object_store::path::Path;

use crate::store::StorePath;

/// Turns paths into keys below one prefix, and back.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    /// Written as in keys; empty for a whole bucket.
    prefix: String,
}

impl Keys {
    pub(super) fn below(prefix: &str) -> Self {
        Keys { prefix: encode(prefix) }
    }

    /// The prefix as a key, for lists; none for a whole bucket.
    pub(super) fn root(&self) -> Option<Path> {
        Path::parse(&self.prefix).ok().filter(|path| !path.is_root())
    }

    /// The key of an object; none where it would be too long for any store.
    pub(super) fn key(&self, path: &StorePath) -> Option<Path> {
        let encoded = encode(path.as_str());
        let key = if self.prefix.is_empty() { encoded } else { format!("{}/{encoded}", self.prefix) };
        Path::parse(key).ok().filter(|key| key.as_ref().len() <= 1024)
    }

    /// The path of an object of ours.
    pub(super) fn path(&self, key: &Path) -> Option<StorePath> {
        let below = match self.prefix.as_str() {
            "" => key.as_ref(),
            prefix => key.as_ref().strip_prefix(prefix)?.strip_prefix('/')?,
        };
        StorePath::parse(&decode(below)?).ok()
    }
}

fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '%' || c.is_ascii_control() {
            encoded.push_str(&format!("%{:02X}", u32::from(c)));
        } else {
            encoded.push(c);
        }
    }
    encoded
}

/// The text of which [`encode`] makes this; none if there is no such text.
fn decode(encoded: &str) -> Option<String> {
    let mut pieces = encoded.split('%');
    let mut text = pieces.next()?.to_owned();
    for piece in pieces {
        let code = u8::from_str_radix(piece.get(..2)?, 16).ok()?;
        text.push(char::from(code));
        text.push_str(piece.get(2..)?);
    }
    (encode(&text) == encoded).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_comes_back_from_its_key() {
        let keys = [Keys::below(""), Keys::below("a b/100%\n")];
        for text in
            ["a", "%", "%2F", "100%25", "a\nb\r\t\x01\x7f", "-rf", "$(x)`y`'\"\\", "#?&+", "ü/備", "..."]
        {
            let path = StorePath::parse(text).unwrap();
            for keys in &keys {
                let key = keys.key(&path).unwrap();
                assert!(!key.as_ref().chars().any(|c| c.is_ascii_control()));
                assert_eq!(keys.path(&key).unwrap(), path);
            }
        }
        assert_eq!(keys[0].key(&StorePath::parse("a b'ü").unwrap()).unwrap().as_ref(), "a b'ü");
    }

    #[test]
    fn what_others_wrote_in_their_way_is_not_ours() {
        let keys = Keys::below("p");
        for key in ["p/%zz", "p/%2", "p/%2f", "p/%41", "q/a", "pp/a", "p"] {
            assert_eq!(keys.path(&Path::parse(key).unwrap()), None, "{key}");
        }
    }
}

//! JSON read from its text without a value being made of it, for the one place where that is what takes the time.
//!
//! Strict, and quick to give up: everything that is not plain JSON, and some that is (escapes in a text),
//! ends in `None`, and whoever asks turns to serde. What is skipped is checked like the rest.

/// Nesting that no manifest has.
const DEEPEST: u32 = 32;

/// A place in a text.
pub(crate) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

/// Eight times the same byte.
const fn eight(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// How many of the bytes in front neither end a text nor are forbidden in one: all of the eight, or up to the
/// first quote, backslash or control character.
fn plain(bytes: u64) -> usize {
    let zero = |bytes: u64| bytes.wrapping_sub(eight(1)) & !bytes & eight(0x80);
    let control = bytes.wrapping_sub(eight(0x20)) & !bytes & eight(0x80);
    // A borrow may mark bytes behind the first one that is meant, never before it.
    let found = control | zero(bytes ^ eight(b'"')) | zero(bytes ^ eight(b'\\'));
    (found.trailing_zeros() / 8) as usize
}

/// How many of the bytes in front are blanks.
fn blanks(bytes: u64) -> usize {
    ((bytes ^ eight(b' ')).trailing_zeros() / 8) as usize
}

impl<'t> Cursor<'t> {
    /// At the beginning of a text; nothing when it is none.
    pub(crate) fn new(text: &'t [u8]) -> Option<Self> {
        Some(Cursor { text: std::str::from_utf8(text).ok()?, at: 0 })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next eight bytes, if there are so many.
    fn next_eight(&self) -> Option<u64> {
        let bytes = self.text.as_bytes().get(self.at..self.at + 8)?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
            // What is written for people is indented.
            if let Some(bytes) = self.next_eight() {
                self.at += blanks(bytes);
            }
        }
    }

    /// The next byte that is no white space, which is then behind.
    fn token(&mut self) -> Option<u8> {
        self.skip_space();
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.token()? == byte).then_some(())
    }

    /// Whether there is nothing left.
    pub(crate) fn end(&mut self) -> Option<()> {
        self.skip_space();
        (self.at == self.text.len()).then_some(())
    }

    /// An object: `field` is called with each key, and has to pass its value.
    pub(crate) fn object(&mut self, mut field: impl FnMut(&mut Self, &'t str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        self.skip_space();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            field(self, key)?;
            match self.token()? {
                b',' => (),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// An array: `element` is called before each element, and has to pass it.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        self.skip_space();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(());
        }
        loop {
            element(self)?;
            match self.token()? {
                b',' => (),
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A text without escapes.
    pub(crate) fn string(&mut self) -> Option<&'t str> {
        self.expect(b'"')?;
        let begin = self.at;
        while let Some(bytes) = self.next_eight() {
            let length = plain(bytes);
            self.at += length;
            if length < 8 {
                break;
            }
        }
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' | ..0x20 => return None,
                _ => self.at += 1,
            }
        }
        let text = self.text.get(begin..self.at)?;
        self.at += 1;
        Some(text)
    }

    /// A number without sign, fraction and exponent.
    pub(crate) fn number(&mut self) -> Option<u64> {
        self.skip_space();
        let begin = self.at;
        let mut number: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let has_zero_in_front = self.at - begin > 1 && self.text.as_bytes().get(begin) == Some(&b'0');
        (self.at > begin && !has_zero_in_front).then_some(number)
    }

    /// Passes a `null`, if that is what comes.
    pub(crate) fn null(&mut self) -> bool {
        self.skip_space();
        let is_null = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(b"null"));
        self.at += if is_null { 4 } else { 0 };
        is_null
    }

    /// Passes any value, and gives its text.
    pub(crate) fn value(&mut self) -> Option<&'t str> {
        self.skip_space();
        let begin = self.at;
        self.skip(0)?;
        self.text.get(begin..self.at)
    }

    /// Passes a value that is `known`, byte for byte; tells whether it is.
    pub(crate) fn passes(&mut self, known: &[u8]) -> bool {
        self.skip_space();
        let is_it = self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(known));
        self.at += if is_it { known.len() } else { 0 };
        is_it
    }

    fn skip(&mut self, depth: u32) -> Option<()> {
        if depth > DEEPEST {
            return None;
        }
        self.skip_space();
        match self.peek()? {
            b'{' => self.object(|cursor, _| cursor.skip(depth + 1)),
            b'[' => self.array(|cursor| cursor.skip(depth + 1)),
            b'"' => self.string().map(drop),
            b'n' => self.skip_word(b"null"),
            b't' => self.skip_word(b"true"),
            b'f' => self.skip_word(b"false"),
            _ => self.skip_number(),
        }
    }

    fn skip_word(&mut self, word: &[u8]) -> Option<()> {
        self.passes(word).then_some(())
    }

    fn skip_number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        self.number_digits(true)?;
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.number_digits(false)?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.number_digits(false)?;
        }
        Some(())
    }

    fn number_digits(&mut self, is_whole: bool) -> Option<()> {
        let begin = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        let has_zero_in_front =
            is_whole && self.at - begin > 1 && self.text.as_bytes().get(begin) == Some(&b'0');
        (self.at > begin && !has_zero_in_front).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn accepts(text: &[u8]) -> bool {
        let Some(mut cursor) = Cursor::new(text) else { return false };
        cursor.value().is_some() && cursor.end().is_some()
    }

    fn is_json(text: &[u8]) -> bool {
        serde_json::from_slice::<serde_json::Value>(text).is_ok()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn what_is_no_json_is_not_accepted(text in r#"[\[\]{}",:0123.eE+\-a\\ntrulfs ]{0,12}"#) {
            prop_assert!(!accepts(text.as_bytes()) || is_json(text.as_bytes()), "{}", text);
        }

        #[test]
        fn the_end_of_a_text_is_found(text in "[a-zA-Zäß€ \u{0}-\u{22}]{0,20}") {
            let quoted = format!("\"{text}\" ");
            let is_plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"');
            let mut cursor = Cursor::new(quoted.as_bytes()).unwrap();
            let found = cursor.string();
            if is_plain {
                prop_assert_eq!(found, Some(text.as_str()));
            } else {
                let end = text.find(|c: char| c < ' ' || c == '"').unwrap();
                prop_assert_eq!(found, (text.as_bytes()[end] == b'"').then(|| &text[..end]));
            }
        }

        #[test]
        fn plain_json_is_accepted(numbers in prop::collection::vec(any::<f64>(), 0..4), word in "[a-zäé ]{0,9}", whole in any::<i64>()) {
            let value = serde_json::json!({ "a": numbers, "b": [word, null, true, false], "c": { "d": whole, "e": {} , "f": [] } });
            for text in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap()] {
                prop_assert!(accepts(&text), "{}", value);
            }
        }

        #[test]
        fn a_text_with_a_wrong_byte_is_accepted_by_both_or_not_at_all(at in 0..80_usize, byte in any::<u8>()) {
            let mut text = br#"{"a": [1, 2.5e-3, -0, "text"], "b": {"c": null, "d": true}, "e": false }"#.to_vec();
            let at = at % text.len();
            text[at] = byte;
            prop_assert!(!accepts(&text) || is_json(&text), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn depth_has_an_end() {
        assert!(!accepts("[".repeat(100_000).as_bytes()));
        assert!(accepts(b"[[[[[[1]]]]]]"));
    }
}

//! How names get to a script at the other end: as lines of its standard input, never as part of a command.

/// What the script understands without decoding it; the rest comes as octal escapes of `printf %b`.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./,:@-".contains(&byte)
}

/// One word as the line that the scripts' `w` reads.
pub(super) fn encode(word: &[u8]) -> String {
    use std::fmt::Write;
    if word.iter().all(|byte| is_plain(*byte)) {
        return format!("={}\n", String::from_utf8_lossy(word));
    }
    let mut line = String::from("+");
    for byte in word {
        if is_plain(*byte) {
            line.push(char::from(*byte));
        } else {
            // Writing to a string cannot go wrong.
            let _ = write!(line, "\\0{byte:03o}");
        }
    }
    line.push('\n');
    line
}

/// Takes apart what `ls --quoting-style=c` made of a name: the bytes, and what stands behind the closing quote.
pub(super) fn unquote(text: &str) -> Option<(Vec<u8>, &str)> {
    let mut rest = text.strip_prefix('"')?.bytes().enumerate();
    let mut name = Vec::new();
    loop {
        let (at, byte) = rest.next()?;
        match byte {
            // One for the quote taken off above.
            b'"' => return Some((name, text.get(at + 2..)?)),
            b'\\' => name.push(match rest.next()?.1 {
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                first @ b'0'..=b'3' => {
                    let (second, third) = (rest.next()?.1, rest.next()?.1);
                    let digits = [first, second, third];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()?
                }
                literal => literal,
            }),
            other => name.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_one_line_of_harmless_characters() {
        assert_eq!(encode(b"full/a-b.gz"), "=full/a-b.gz\n");
        assert_eq!(encode(b""), "=\n");
        assert_eq!(encode(b"a b\n"), "+a\\0040b\\0012\n");
        for byte in 1..=255_u8 {
            let line = encode(&[byte, b'7']);
            let body = line.strip_suffix('\n').unwrap();
            assert!(body.bytes().all(|b| is_plain(b) || b"=+\\".contains(&b)), "{line:?}");
        }
    }

    #[test]
    fn a_quoted_name_comes_back_as_its_bytes() {
        let (name, rest) = unquote(r#""a \"b\"\n\303\244\\""#).unwrap();
        assert_eq!((name.as_slice(), rest), ("a \"b\"\nä\\".as_bytes(), ""));
        assert_eq!(unquote("\"./full\":"), Some((b"./full".to_vec(), ":")));
        for broken in ["", "a", "\"a", "\"\\", "\"\\30", "\"\\999\""] {
            let _ = unquote(broken);
        }
        assert_eq!(unquote("\"a"), None);
    }
}

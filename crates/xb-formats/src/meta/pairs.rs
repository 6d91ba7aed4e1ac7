//! Lines of the form `key = value`.

/// A key with its value, as they stand.
pub(super) type Pair = (String, String);

/// Reads the pairs in their order, each with its line (from 1). A value ends at the end of its line; what
/// follows on lines that are no pairs (GTID sets have line breaks in them) belongs to it. Blank lines and
/// what stands before the first pair are left out.
pub(super) fn read(text: &str) -> Vec<(usize, Pair)> {
    let mut pairs: Vec<(usize, Pair)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        match (split(line), pairs.last_mut()) {
            (Some((key, value)), _) => pairs.push((index + 1, (key.to_owned(), value.to_owned()))),
            (None, Some((_, (_, value)))) if !line.trim().is_empty() => {
                value.push('\n');
                value.push_str(line);
            }
            _ => {}
        }
    }
    pairs
}

fn split(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    let is_key = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (!key.is_empty() && key.bytes().all(is_key)).then_some((key, value))
}

/// Takes the first value of a key that `read` understands out of the pairs. Values it does not understand,
/// and further ones of the same key, stay.
pub(super) fn take<T>(pairs: &mut Vec<Pair>, key: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let place = pairs.iter().position(|(found, _)| found == key)?;
    let value = read(&pairs[place].1)?;
    pairs.remove(place);
    Some(value)
}

/// A text that is not empty.
pub(super) fn text(value: &str) -> Option<String> {
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_go_on_over_lines() {
        let pairs = read("# head\na = 1\nb = x:1-3,\ny:1-5\n\nc=\r\nd = e = f");
        let pairs: Vec<_> = pairs.iter().map(|(line, (k, v))| (*line, k.as_str(), v.as_str())).collect();
        assert_eq!(pairs, [(2, "a", "1"), (3, "b", "x:1-3,\ny:1-5"), (6, "c", ""), (7, "d", "e = f")]);
    }

    #[test]
    fn only_what_is_understood_is_taken() {
        let mut pairs = vec![("n".to_owned(), "x".to_owned()), ("m".to_owned(), "7".to_owned())];
        assert_eq!(take(&mut pairs, "n", |v| v.parse::<u8>().ok()), None);
        assert_eq!(take(&mut pairs, "m", |v| v.parse::<u8>().ok()), Some(7));
        assert_eq!(pairs, [("n".to_owned(), "x".to_owned())]);
    }
}

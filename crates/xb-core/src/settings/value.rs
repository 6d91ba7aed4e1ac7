//! One value: from the text or array it was given as to what its key takes.

use std::path::PathBuf;

use super::layer::Given;
use super::{Key, Kind, extra};
use crate::{BackupId, MASK, Secret};

/// The longest part of a wrong value that a message repeats.
const SHOWN_CHARS: usize = 60;

/// A value that its key takes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Text(String),
    Secret(Secret),
    Path(PathBuf),
    Paths(Vec<PathBuf>),
    Number(i64),
    /// The word of a [`Kind::NumberOr`].
    Instead(&'static str),
    Choice(&'static str),
    List(Vec<String>),
    Words(Vec<String>),
    Backup(Option<BackupId>),
    Ports(u16, u16),
}

impl Value {
    /// The value as `config show` prints it. Secrets are masked.
    pub(super) fn shown(&self) -> String {
        match self {
            Value::Flag(on) => u8::from(*on).to_string(),
            Value::Text(text) => text.clone(),
            Value::Secret(_) => MASK.to_owned(),
            Value::Path(path) => path.display().to_string(),
            Value::Paths(paths) => {
                paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(":")
            }
            Value::Number(number) => number.to_string(),
            Value::Instead(word) => (*word).to_owned(),
            Value::Choice(word) => (*word).to_owned(),
            Value::List(items) => items.join(","),
            // Only a word with a NUL byte cannot be quoted, and reading refuses those.
            Value::Words(words) => {
                shlex::try_join(words.iter().map(String::as_str)).unwrap_or_else(|_| words.join(" "))
            }
            Value::Backup(id) => id.map_or_else(|| "last".to_owned(), |id| id.to_string()),
            Value::Ports(low, high) if low == high => low.to_string(),
            Value::Ports(low, high) => format!("{low},{high}"),
        }
    }
}

/// Why a value is not one that its key takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong with it.
    pub(super) what: String,
    /// What to write instead.
    pub(super) remedy: String,
}

pub(super) fn wrong(what: impl Into<String>, remedy: impl Into<String>) -> Wrong {
    Wrong { what: what.into(), remedy: remedy.into() }
}

/// A given value for messages: masked when the key is a secret, shortened when it is long.
pub(super) fn for_message(key: &Key, given: &Given) -> String {
    let text = match given {
        _ if key.is_secret() => return MASK.to_owned(),
        Given::Text(text) => text.clone(),
        Given::Items(items) => items.join(","),
    };
    // Options for a program may hold a password too.
    let text =
        if key.kind == Kind::Words && key.name != "ssh_opts" { extra::without_secrets(&text) } else { text };
    let mut shown: String =
        text.chars().take(SHOWN_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// Reads a value that is not empty.
pub(super) fn read(key: &Key, given: &Given) -> Result<Value, Wrong> {
    if let Given::Items(items) = given {
        return of_items(key, items);
    }
    let Given::Text(text) = given else { return Err(wrong("nothing is set", "set a value")) };
    if text.contains('\0') {
        return Err(wrong("the value holds a NUL byte", "remove it"));
    }
    match key.kind {
        Kind::List => Ok(Value::List(split(text, &[',', '\n']))),
        Kind::Words => words(text),
        _ if text.contains('\n') => Err(wrong(
            "the value goes over several lines",
            "write it on one line; an indented line continues the value above it",
        )),
        Kind::Flag => flag(text),
        Kind::Text => Ok(Value::Text(text.clone())),
        Kind::Secret => Ok(Value::Secret(Secret::new(text.clone()))),
        Kind::File | Kind::Directory => Ok(Value::Path(PathBuf::from(text))),
        Kind::Directories => Ok(Value::Paths(split(text, &[':']).into_iter().map(PathBuf::from).collect())),
        Kind::Number { min, max } => number(text, min, max),
        Kind::NumberOr { word, .. } if text.eq_ignore_ascii_case(word) => Ok(Value::Instead(word)),
        Kind::NumberOr { word, min, max } => {
            let or_word = |wrong: Wrong| Wrong { remedy: format!("{}, or {word}", wrong.remedy), ..wrong };
            number(text, min, max).map_err(or_word)
        }
        Kind::Choice(words) => choice(text, words),
        Kind::Backup => backup(text),
        Kind::Ports => ports(text),
    }
}

fn of_items(key: &Key, items: &[String]) -> Result<Value, Wrong> {
    match key.kind {
        _ if items.iter().any(|item| item.contains(['\0', '\n'])) => {
            Err(wrong("an item holds a line break or a NUL byte", "write each item on one line"))
        }
        Kind::List => Ok(Value::List(items.to_vec())),
        Kind::Words => Ok(Value::Words(items.to_vec())),
        Kind::Directories => Ok(Value::Paths(items.iter().map(PathBuf::from).collect())),
        _ => Err(wrong("an array is not accepted here", "write one value")),
    }
}

/// The non-empty parts, without blanks around them.
fn split(text: &str, separators: &[char]) -> Vec<String> {
    text.split(separators).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn flag(text: &str) -> Result<Value, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(Value::Flag(true)),
        "0" | "false" | "no" | "off" => Ok(Value::Flag(false)),
        _ => Err(wrong("neither on nor off", "write 1 or 0")),
    }
}

fn number(text: &str, min: i64, max: i64) -> Result<Value, Wrong> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if is_number { text.parse::<i64>().ok() } else { None };
    let expected = format!("write a number from {min} to {max}");
    match number {
        Some(number) if (min..=max).contains(&number) => Ok(Value::Number(number)),
        _ if is_number => Err(wrong("out of range", expected)),
        _ => Err(wrong("not a whole number", expected)),
    }
}

fn choice(text: &str, words: &'static [&'static str]) -> Result<Value, Wrong> {
    let known = words.iter().find(|word| word.eq_ignore_ascii_case(text));
    let unknown = || wrong("not a word that is known here", format!("write {}", words.join(" or ")));
    known.map(|word| Value::Choice(word)).ok_or_else(unknown)
}

fn backup(text: &str) -> Result<Value, Wrong> {
    if text == "last" {
        return Ok(Value::Backup(None));
    }
    let id = text.parse().map_err(|_| {
        wrong(
            "not the name of a backup",
            "write a name out of `pyxbackup list`, such as 2026_11_22-14_28_07, or last",
        )
    })?;
    Ok(Value::Backup(Some(id)))
}

/// The ends of a range may come in either order.
fn ports(text: &str) -> Result<Value, Wrong> {
    let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    let ends = match text.split_once(',') {
        Some((one, other)) => port(one).zip(port(other)),
        None => port(text).map(|port| (port, port)),
    };
    ends.map(|(one, other)| Value::Ports(one.min(other), one.max(other))).ok_or_else(|| {
        wrong(
            "neither a port nor a range of ports",
            "write a port such as 9999, or a range such as 9999,10010",
        )
    })
}

/// The words of a command line. The whole may stand in one pair of quotes, as configuration files of
/// pyxbackup have it.
fn words(text: &str) -> Result<Value, Wrong> {
    shlex::split(unquoted(text)).map(Value::Words).ok_or_else(|| {
        wrong("a quote is not closed, or a backslash ends the value", "quote the options as for a shell")
    })
}

/// The text without the one pair of quotes around it, if there is one. `'a' 'b'` has none around the whole.
pub(super) fn unquoted(text: &str) -> &str {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| {
            text.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote))
        })
        .unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn value(key: &str, text: &str) -> Result<Value, Wrong> {
        read(Key::named(key).unwrap(), &Given::Text(text.to_owned()))
    }

    #[rstest]
    #[case("1", true)]
    #[case("Yes", true)]
    #[case("on", true)]
    #[case("0", false)]
    #[case("FALSE", false)]
    #[case("off", false)]
    fn flags_are_words_of_yes_and_no(#[case] text: &str, #[case] on: bool) {
        assert_eq!(value("compress", text), Ok(Value::Flag(on)));
    }

    #[rstest]
    #[case("mysql_port", "0")]
    #[case("mysql_port", "65536")]
    #[case("mysql_port", "+33")]
    #[case("mysql_port", "33 ; the port")]
    #[case("mysql_port", "99999999999999999999")]
    #[case("engine_parallel", "0")]
    #[case("engine_parallel", "257")]
    #[case("retention_sets", "0")]
    #[case("retention_weeks", "-1")]
    #[case("compress_level", "20")]
    #[case("compress", "2")]
    #[case("compress_with", "lzma")]
    #[case("encrypt", "AES512")]
    #[case("restore_backup", "yesterday")]
    #[case("remote_nc_port", "9999,")]
    #[case("remote_nc_port", "0")]
    #[case("extra_ibx_options", "--galera-info '")]
    #[case("stor_dir", "/a\n/b")]
    #[case("mysql_user", "a\0b")]
    fn values_that_a_key_does_not_take_are_refused(#[case] key: &str, #[case] text: &str) {
        assert!(value(key, text).is_err());
    }

    #[test]
    fn the_ends_of_a_port_range_come_in_either_order() {
        assert_eq!(value("remote_nc_port", "10010, 9999"), Ok(Value::Ports(9999, 10010)));
        assert_eq!(value("remote_nc_port", "9999"), Ok(Value::Ports(9999, 9999)));
    }

    #[test]
    fn lists_are_split_at_commas_and_lines() {
        let addresses = ["a@example.com", "b@example.com", "c@example.com"].map(str::to_owned).to_vec();
        let text = "a@example.com, b@example.com,\nc@example.com";
        assert_eq!(value("notify_by_email", text), Ok(Value::List(addresses)));
    }

    #[rstest]
    #[case("'--slave-info --galera-info'", &["--slave-info", "--galera-info"])]
    #[case("--slave-info --galera-info", &["--slave-info", "--galera-info"])]
    #[case("\"--databases='a b'\"", &["--databases=a b"])]
    #[case("'--databases=a b' '--x'", &["--databases=a b", "--x"])]
    fn engine_options_are_words_with_or_without_quotes_around(#[case] text: &str, #[case] words: &[&str]) {
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(value("extra_ibx_options", text), Ok(Value::Words(words)));
    }

    #[test]
    fn only_one_pair_of_quotes_around_the_whole_goes() {
        assert_eq!(unquoted("'a b'"), "a b");
        assert_eq!(unquoted("'a' 'b'"), "'a' 'b'");
        assert_eq!(unquoted("\"'a'\""), "'a'");
        assert_eq!((unquoted("'"), unquoted("''"), unquoted("'a\"")), ("'", "", "'a\""));
    }

    #[test]
    fn messages_shorten_long_values_and_mask_secrets() {
        let long = Given::Text("x".repeat(500));
        assert!(for_message(Key::named("mysql_user").unwrap(), &long).chars().count() < 70);
        assert_eq!(for_message(Key::named("mysql_pass").unwrap(), &long), MASK);
        let options = Given::Text("--slave-info --password=S3cret!pass".to_owned());
        assert!(!for_message(Key::named("extra_ibx_options").unwrap(), &options).contains("S3cret"));
    }
}

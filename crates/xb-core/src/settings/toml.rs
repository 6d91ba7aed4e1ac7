//! The `.toml` form: the same keys with TOML's types, in a table named like the section.

use std::path::Path;

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

use super::error::{Problem, SettingsError};
use super::layer::{Given, Layer, file_key};
use super::value::for_message;
use super::{Key, Kind, Origin};

/// Reads one section of a file's text. `path` is for messages only. Fails with every problem found.
pub fn read(text: &str, path: &Path, section: &str) -> Result<Layer, SettingsError> {
    let text = text.trim_start_matches('\u{feff}');
    let at = |offset: usize| Origin::File { path: path.to_owned(), line: line_of(text, offset) };
    let table = DeTable::parse(text).map_err(|error| {
        // Only the parser's message: its display repeats the line, which may hold a password.
        let origin = at(error.span().map_or(0, |span| span.start));
        let what = format!("not valid TOML: {}", error.message().replace('\n', ", "));
        SettingsError::from(Problem::Syntax {
            origin,
            what,
            remedy: "correct the line; texts stand in quotes",
        })
    })?;
    let table = table.get_ref();
    let Some(keys) = table.get(section).and_then(|value| value.get_ref().as_table()) else {
        let is_table = |value: &Spanned<DeValue<'_>>| value.get_ref().is_table();
        let tables = table.iter().filter(|(_, value)| is_table(value));
        let present = tables.map(|(name, _)| name.get_ref().to_string()).collect();
        return Err(Problem::NoSection { path: path.to_owned(), section: section.to_owned(), present }.into());
    };
    let mut entries: Vec<_> = keys.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    let mut layer = Layer::default();
    let mut problems = Vec::new();
    for (name, value) in entries {
        let origin = at(name.span().start);
        let read = file_key(name.get_ref(), &origin)
            .and_then(|key| given(key, value.get_ref(), &origin).map(|given| (key, given)));
        match read {
            Ok((key, given)) => layer.set(key, given, origin),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(layer) } else { Err(SettingsError { problems }) }
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

fn given(key: &'static Key, value: &DeValue<'_>, origin: &Origin) -> Result<Given, Problem> {
    let given = match (key.kind, value) {
        (Kind::Flag, DeValue::Boolean(on)) => Some(u8::from(*on).to_string()),
        (Kind::Flag | Kind::Number { .. } | Kind::Ports, DeValue::Integer(number)) => {
            // Other radixes have no business in settings; read as decimal they would change their value.
            (number.radix() == 10).then(|| number.as_str().trim_start_matches('+').to_owned())
        }
        (Kind::Flag | Kind::Number { .. }, _) => None,
        (Kind::List | Kind::Words | Kind::Directories, DeValue::Array(items)) => {
            let item = |item: &Spanned<DeValue<'_>>| item.get_ref().as_str().map(str::to_owned);
            return items
                .iter()
                .map(item)
                .collect::<Option<_>>()
                .map(Given::Items)
                .ok_or_else(|| wrong_type(key, value, origin, "an array of texts: [\"…\", \"…\"]"));
        }
        (_, DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    };
    given.map(Given::Text).ok_or_else(|| wrong_type(key, value, origin, expected(key.kind)))
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Flag => "true or false",
        Kind::Number { .. } => "a whole number without quotes",
        Kind::List | Kind::Words | Kind::Directories => "an array of texts: [\"…\", \"…\"]",
        Kind::Ports => "a port, or a range in quotes: \"9999,10010\"",
        _ => "a text in quotes",
    }
}

fn wrong_type(key: &'static Key, value: &DeValue<'_>, origin: &Origin, expected: &str) -> Problem {
    let shown = match value {
        DeValue::String(text) => format!("{:?}", for_message(key, &Given::Text(text.to_string()))),
        DeValue::Integer(number) if !key.is_secret() => number.as_str().to_owned(),
        _ => "…".to_owned(),
    };
    Problem::Value {
        origin: origin.clone(),
        key,
        shown,
        what: format!("it is of type {}", value.type_str()),
        remedy: format!("write {expected}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn errors(text: &str) -> String {
        match read(text, Path::new("a.toml"), "pyxbackup") {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{text:?} was read"),
        }
    }

    #[test]
    fn values_keep_their_line() {
        let text = "[pyxbackup]\n# c\nmysql_user = 'u'\n\ncompress = true\n";
        let layer = read(text, Path::new("a.toml"), "pyxbackup").unwrap();
        let lines: Vec<_> = layer.entries.iter().map(|entry| entry.origin.to_string()).collect();
        assert_eq!(lines, ["a.toml:3", "a.toml:5"]);
    }

    #[test]
    fn values_of_the_wrong_type_are_refused_with_what_to_write() {
        let text = "[pyxbackup]\ncompress = \"yes\"\nmysql_port = \"3306\"\nmysql_pass = 12345\n\
                    stor_dir = [\"/a\"]\nengine_dir = [1]\nretention_sets = 0x10\nmysql_usr = 1\n";
        insta::assert_snapshot!(errors(text), @r#"
        a.toml:2: compress = "yes": it is of type string; write true or false
        a.toml:3: mysql_port = "3306": it is of type string; write a whole number without quotes
        a.toml:4: mysql_pass = …: it is of type integer; write a text in quotes
        a.toml:5: stor_dir = …: it is of type array; write a text in quotes
        a.toml:6: engine_dir = …: it is of type array; write an array of texts: ["…", "…"]
        a.toml:7: retention_sets = 10: it is of type integer; write a whole number without quotes
        a.toml:8: unknown key "mysql_usr"; write mysql_user if that is what is meant, else remove the line
        "#);
    }

    #[test]
    fn a_parse_error_names_the_line_and_does_not_repeat_it() {
        let text = errors("[pyxbackup]\nmysql_pass = geheim\n");
        assert!(text.starts_with("a.toml:2: not valid TOML"), "{text}");
        assert!(!text.contains("geheim"), "{text}");
    }

    #[test]
    fn a_missing_section_names_those_there_are() {
        assert!(errors("[backup]\na = 1\n").contains("no section [pyxbackup]; there is [backup]"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*") {
            let _ = read(&text, Path::new("a.toml"), "pyxbackup");
            let _ = read(&format!("[pyxbackup]\n{text}"), Path::new("a.toml"), "pyxbackup");
        }
    }
}

//! The `.cnf` dialect: what Python's ConfigParser reads.
//!
//! * `key = value` or `key: value`; keys are lower-cased, section names are not.
//! * A line that begins with `#` or `;` is a comment. Nothing else is: a value goes to the end of its line,
//!   because a password may hold any character.
//! * A line indented deeper than its key continues the value, after a line break.
//! * One pair of quotes around a value goes.
//! * `[DEFAULT]` applies to every section. Other sections than the one asked for are not looked into.
//! * Of a key set twice the last counts.

use std::path::Path;

use super::error::{Problem, SettingsError, Warning};
use super::layer::{Given, Layer, file_key};
use super::{Kind, Origin, value};

/// The section whose keys apply to all others.
const DEFAULT_SECTION: &str = "DEFAULT";

/// One `key = value` of the section asked for.
struct Assignment {
    line: usize,
    indent: usize,
    name: String,
    value: String,
    is_default: bool,
}

/// Reads one section of a file's text. `path` is for messages only. Fails with every problem found.
pub fn read(text: &str, path: &Path, section: &str) -> Result<Layer, SettingsError> {
    let mut reader =
        Reader { path, wanted: section, present: Vec::new(), found: Vec::new(), problems: Vec::new() };
    reader.read(text);
    let Reader { present, mut found, mut problems, .. } = reader;
    if !present.iter().any(|name| name == section) {
        problems.push(Problem::NoSection {
            path: path.to_owned(),
            section: section.to_owned(),
            present: present.into_iter().filter(|name| name != DEFAULT_SECTION).collect(),
        });
    }
    // Whatever the order in the file, the section goes before the defaults.
    found.sort_by_key(|assignment| !assignment.is_default);
    let mut layer = Layer::default();
    for assignment in &found {
        let origin = Origin::File { path: path.to_owned(), line: assignment.line };
        match file_key(&assignment.name, &origin) {
            Err(problem) => problems.push(problem),
            Ok(key) => {
                note_oddities(assignment, &found, &origin, &mut layer.warnings);
                // The words of a command line have quotes of their own, and are unquoted when they are split.
                let value = match key.kind {
                    Kind::Words => assignment.value.as_str(),
                    _ => value::unquoted(&assignment.value),
                };
                layer.set(key, Given::Text(value.to_owned()), origin);
            }
        }
    }
    if problems.is_empty() { Ok(layer) } else { Err(SettingsError { problems }) }
}

struct Reader<'a> {
    path: &'a Path,
    wanted: &'a str,
    present: Vec<String>,
    found: Vec<Assignment>,
    problems: Vec<Problem>,
}

/// Where the reader stands in the file.
#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    Wanted,
    Defaults,
    Another,
}

impl Reader<'_> {
    fn read(&mut self, text: &str) {
        let mut within = Within::Nothing;
        let mut can_continue = false;
        for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            let content = line.trim();
            if content.is_empty() || content.starts_with(['#', ';']) {
                continue;
            }
            let indent = line.len() - line.trim_start().len();
            if can_continue && self.continues(indent, content) {
                continue;
            }
            let header = content.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            if let Some((name, _)) = header {
                within = self.enter(name);
                can_continue = false;
                continue;
            }
            can_continue = match within {
                Within::Another => false,
                Within::Nothing => self.wrong(
                    index,
                    "the line stands before any section",
                    "begin the file with a line [pyxbackup]",
                ),
                Within::Wanted | Within::Defaults => {
                    self.assign(index, indent, content, within == Within::Defaults)
                }
            };
        }
    }

    fn enter(&mut self, name: &str) -> Within {
        self.present.push(name.to_owned());
        match name {
            _ if name == self.wanted => Within::Wanted,
            DEFAULT_SECTION => Within::Defaults,
            _ => Within::Another,
        }
    }

    /// Takes the line as part of the last value, if it is one.
    fn continues(&mut self, indent: usize, content: &str) -> bool {
        match self.found.last_mut() {
            Some(last) if indent > last.indent => {
                last.value = format!("{}\n{content}", last.value).trim().to_owned();
                true
            }
            _ => false,
        }
    }

    /// Takes the line as `key = value`. Whether further lines may continue it.
    fn assign(&mut self, index: usize, indent: usize, content: &str, is_default: bool) -> bool {
        let (name, value) = match content.split_once(['=', ':']) {
            Some((name, value)) if !name.trim().is_empty() => {
                (name.trim().to_lowercase(), value.trim().to_owned())
            }
            _ => {
                return self.wrong(
                    index,
                    "the line is not of the form key = value",
                    "correct or remove the line",
                );
            }
        };
        self.found.push(Assignment { line: index + 1, indent, name, value, is_default });
        true
    }

    fn wrong(&mut self, index: usize, what: &str, remedy: &'static str) -> bool {
        let origin = Origin::File { path: self.path.to_owned(), line: index + 1 };
        self.problems.push(Problem::Syntax { origin, what: what.to_owned(), remedy });
        false
    }
}

fn note_oddities(one: &Assignment, all: &[Assignment], origin: &Origin, warnings: &mut Vec<Warning>) {
    let earlier = all
        .iter()
        .find(|other| other.name == one.name && other.line < one.line && other.is_default == one.is_default);
    if let Some(earlier) = earlier {
        let text = format!(
            "{} is set a second time, and this one counts; remove line {} or this one",
            one.name, earlier.line
        );
        warnings.push(Warning { origin: origin.clone(), text });
    }
    if [" ;", " #", "\t;", "\t#"].iter().any(|mark| one.value.contains(mark)) {
        let text = format!(
            "what follows the blank and the # or ; is part of the value of {}; \
             a comment stands on a line of its own",
            one.name
        );
        warnings.push(Warning { origin: origin.clone(), text });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn values(text: &str) -> Vec<(&'static str, String, usize)> {
        let layer = read(text, Path::new("a.cnf"), "pyxbackup").unwrap();
        let one = |entry: &super::super::layer::GivenEntry| {
            let (Given::Text(text), Origin::File { line, .. }) = (&entry.given, &entry.origin) else {
                panic!()
            };
            (entry.key.name, text.clone(), *line)
        };
        layer.entries.iter().map(one).collect()
    }

    fn value_of(line: &str) -> String {
        values(&format!("[pyxbackup]\n{line}\n")).remove(0).1
    }

    fn errors(text: &str) -> String {
        match read(text, Path::new("a.cnf"), "pyxbackup") {
            Err(error) => error.to_string(),
            Ok(_) => panic!("{text:?} was read"),
        }
    }

    #[rstest]
    #[case("mysql_pass = a;b#c%d", "a;b#c%d")]
    #[case("mysql_pass=a=b:c", "a=b:c")]
    #[case("mysql_pass: a=b", "a=b")]
    #[case("MySQL_Pass =  x  ", "x")]
    #[case("mysql_pass = 'x y'", "x y")]
    #[case("mysql_pass = \"x y\"", "x y")]
    #[case("mysql_pass = x'", "x'")]
    #[case("mysql_pass = %(home)s", "%(home)s")]
    #[case("mysql_pass =", "")]
    #[case("mysql_pass = \"\"", "")]
    #[case("mysql_pass = x\r", "x")]
    #[case("  mysql_pass = x", "x")]
    fn values_are_taken_to_the_end_of_the_line(#[case] line: &str, #[case] value: &str) {
        assert_eq!(value_of(line), value);
    }

    #[test]
    fn comments_blank_lines_a_mark_and_other_sections_are_passed_over() {
        let text = "\u{feff}# head\r\n[mysqld]\r\nskip-name-resolve\r\n[pyxbackup]\r\n; c\r\n  # d\r\n\r\n\
                    mysql_user = u\r\n[Pyxbackup]\r\nmysql_user = other\r\n";
        assert_eq!(values(text), [("mysql_user", "u".to_owned(), 8)]);
    }

    #[test]
    fn indented_lines_continue_a_value() {
        let text = "[pyxbackup]\nnotify_by_email = a@b,\n  c@d\n\n  e@f\nmysql_user = u\n";
        let expected =
            [("notify_by_email", "a@b,\nc@d\ne@f".to_owned(), 2), ("mysql_user", "u".to_owned(), 6)];
        assert_eq!(values(text), expected);
        let indented = "[pyxbackup]\n  mysql_user = u\n  mysql_host = h\n";
        assert_eq!(values(indented).len(), 2, "a whole section may be indented");
    }

    #[test]
    fn defaults_stand_behind_the_section_wherever_they_are_written() {
        let text = "[pyxbackup]\nmysql_user = u\n[DEFAULT]\nmysql_user = d\nmysql_host = h\n";
        let names: Vec<_> =
            values(text).into_iter().map(|(name, value, _)| format!("{name} {value}")).collect();
        assert_eq!(names, ["mysql_user d", "mysql_host h", "mysql_user u"], "the last counts");
    }

    #[test]
    fn a_key_set_twice_is_warned_about_and_the_last_counts() {
        let text = "[pyxbackup]\nmysql_user = a\nmysql_user = b\n";
        let layer = read(text, Path::new("a.cnf"), "pyxbackup").unwrap();
        let warning =
            "a.cnf:3: mysql_user is set a second time, and this one counts; remove line 2 or this one";
        assert_eq!(layer.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(), [warning]);
    }

    #[test]
    fn what_looks_like_a_comment_behind_a_value_is_warned_about_without_showing_it() {
        let layer =
            read("[pyxbackup]\nmysql_pass = geheim ; old\n", Path::new("a.cnf"), "pyxbackup").unwrap();
        assert_eq!(layer.warnings.len(), 1);
        assert!(!layer.warnings[0].to_string().contains("geheim"));
    }

    #[test]
    fn every_problem_is_told_with_its_line_and_what_to_do() {
        let text = "stray = 1\n[pyxbackup]\nstore_dir = /x\ngeheim\nrestore_dir = /r\n= x\n";
        insta::assert_snapshot!(errors(text), @r#"
        a.cnf:1: the line stands before any section; begin the file with a line [pyxbackup]
        a.cnf:4: the line is not of the form key = value; correct or remove the line
        a.cnf:6: the line is not of the form key = value; correct or remove the line
        a.cnf:3: unknown key "store_dir"; write stor_dir if that is what is meant, else remove the line
        a.cnf:5: restore_dir cannot be set in a configuration file; remove the line and give --restore-dir on the command line
        "#);
    }

    #[test]
    fn a_missing_section_names_those_there_are() {
        let text = errors("[backup]\na = 1\n[mysqld]\n");
        assert!(
            text.starts_with("a.cnf: there is no section [pyxbackup]; there is [backup], [mysqld];"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", lines in proptest::collection::vec("[ \t]{0,2}[\\[\\]a-z=:;#'\"]{0,8}", 0..20)) {
            let _ = read(&text, Path::new("a.cnf"), "pyxbackup");
            let _ = read(&format!("[pyxbackup]\n{text}\n{}", lines.join("\n")), Path::new("a.cnf"), "pyxbackup");
        }

        #[test]
        fn a_value_without_blanks_at_its_ends_reads_back(value in "[!#-&(-~][ -~]{0,20}[!#-&(-~]") {
            prop_assert_eq!(value_of(&format!("mysql_pass = {value}")), value);
        }
    }
}

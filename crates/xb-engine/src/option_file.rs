//! The server's option files, as far as they say how to reach it.
//!
//! Engines read them themselves; we need the same answers to ask the server what it is. Format: groups in
//! brackets, `key = value`, `#` and `;` comments, one pair of quotes, `!include` and `!includedir`.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use xb_binlog::client::ConnectOptions;
use xb_core::Secret;
use xb_pipeline::fs::FsError;

/// Includes nest no deeper, as in the servers' own reader.
const DEPTH_LIMIT: usize = 10;
/// Groups that clients and engines read; later ones in a file win over earlier ones.
const CLIENT_GROUPS: [&str; 7] = [
    "client",
    "client-server",
    "client-mariadb",
    "mariadb-client",
    "xtrabackup",
    "mariabackup",
    "mariadb-backup",
];
/// Groups of the server, which also tell where it listens.
const SERVER_GROUPS: [&str; 4] = ["mysqld", "server", "mariadb", "mariadbd"];

/// How to reach the server, by these files. Files that are not there, or not for us to read, say nothing.
///
/// # Errors
/// [`FsError`] when one is there and cannot be read.
pub(crate) fn connect_options(files: &[PathBuf]) -> Result<ConnectOptions, FsError> {
    let mut found = Options::default();
    files.iter().try_for_each(|file| found.read(file, 0))?;
    let client = |key: &str| found.client.get(key).cloned();
    let either = |key: &str| client(key).or_else(|| found.server.get(key).cloned());
    Ok(ConnectOptions {
        socket: either("socket").map(PathBuf::from),
        host: client("host"),
        port: either("port").and_then(|port| port.parse().ok()),
        user: client("user"),
        password: client("password").map(Secret::new),
    })
}

#[derive(Default)]
struct Options {
    client: BTreeMap<String, String>,
    server: BTreeMap<String, String>,
}

impl Options {
    fn read(&mut self, path: &Path, depth: usize) -> Result<(), FsError> {
        let text = match fs::read(path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            // The servers' own reader passes over what it may not read.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) => {
                return Ok(());
            }
            Err(error) => return Err(FsError::on("read", path)(error)),
        };
        let mut group = String::new();
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
                group = name.trim().to_ascii_lowercase();
            } else if let Some(included) = line.strip_prefix("!includedir") {
                for file in option_files_in(Path::new(included.trim())) {
                    self.descend(&file, depth)?;
                }
            } else if let Some(included) = line.strip_prefix("!include") {
                self.descend(Path::new(included.trim()), depth)?;
            } else if let Some((key, value)) = pair(line) {
                self.put(&group, key, value);
            }
        }
        Ok(())
    }

    fn descend(&mut self, path: &Path, depth: usize) -> Result<(), FsError> {
        if depth < DEPTH_LIMIT { self.read(path, depth + 1) } else { Ok(()) }
    }

    fn put(&mut self, group: &str, key: String, value: String) {
        if CLIENT_GROUPS.contains(&group) {
            self.client.insert(key, value);
        } else if SERVER_GROUPS.contains(&group) {
            self.server.insert(key, value);
        }
    }
}

/// The `.cnf` files of a directory, sorted.
fn option_files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cnf"));
    files.sort();
    files
}

fn pair(line: &str) -> Option<(String, String)> {
    if line.is_empty() || line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=').unwrap_or((line, ""));
    Some((key.trim().to_ascii_lowercase().replace('_', "-"), unquote(without_comment(value).trim())))
}

/// A value up to the first `#` that stands in no quotes.
fn without_comment(value: &str) -> &str {
    let (mut quote, mut escaped) = (None, false);
    for (at, letter) in value.char_indices() {
        match (letter, quote) {
            ('#', None) => return &value[..at],
            ('"' | '\'', None) if !escaped => quote = Some(letter),
            (_, Some(open)) if letter == open && !escaped => quote = None,
            _ => (),
        }
        escaped = quote.is_some() && letter == '\\' && !escaped;
    }
    value
}

/// A value in one pair of quotes is what is between them. Backslash sequences stand for what the servers'
/// reader takes them for.
fn unquote(value: &str) -> String {
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let text = quoted.unwrap_or(value);
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letter == '\\') {
            (_, false) => plain.push(letter),
            _ => match letters.next() {
                Some('n') => plain.push('\n'),
                Some('t') => plain.push('\t'),
                Some('r') => plain.push('\r'),
                Some('b') => plain.push('\u{8}'),
                Some('s') => plain.push(' '),
                Some('\\') | None => plain.push('\\'),
                Some(quote @ ('"' | '\'')) => plain.push(quote),
                Some(other) => plain.extend(['\\', other]),
            },
        }
    }
    plain
}

/// A value as it must be written so that [`unquote`], and the servers' reader, give it back.
pub(crate) fn quote(value: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in value.chars() {
        match letter {
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_groups_and_includes_win_and_the_server_tells_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("conf.d")).unwrap();
        write("conf.d/b.cnf", "[client]\nuser = second\n");
        write("conf.d/a.cnf", "[client]\nuser=first\n");
        write("conf.d/c.bak", "[client]\nuser=never\n");
        let main = format!(
            "[mysqld]\nsocket = /run/s.sock # comment\nport=3307\n[client]\nport = 3308\n; no\n\
             password = \"a#b \\\\ 'c'\"\n!includedir {}\n[mysqldump]\nuser=other\n",
            dir.path().join("conf.d").display()
        );
        write("my.cnf", &main);
        let found = connect_options(&[dir.path().join("my.cnf"), dir.path().join("missing")]).unwrap();
        assert_eq!(found.user.as_deref(), Some("second"));
        assert_eq!(found.socket.as_deref(), Some(Path::new("/run/s.sock")));
        assert_eq!(found.port, Some(3308));
        assert_eq!(found.password.unwrap().expose(), "a#b \\ 'c'");
    }

    #[test]
    fn comments_end_where_the_servers_reader_ends_them() {
        for (written, value) in [
            ("\"a#b\" # the backup account", "a#b"),
            ("'a#b'#c", "a#b"),
            ("plain#comment", "plain"),
            ("\"a\\\"b#c\" # x", "a\"b#c"),
        ] {
            assert_eq!(pair(&format!("password = {written}")).unwrap().1, value, "{written}");
        }
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("my.cnf");
        fs::write(&path, format!("!include {}\n[client]\nuser=x\n", path.display())).unwrap();
        assert_eq!(connect_options(&[path]).unwrap().user.as_deref(), Some("x"));
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for value in [
            "S3cret!pass",
            "a\"b#c",
            "'",
            "\"\"",
            "a\"b'c",
            "back\\slash\\n",
            "# ; =",
            " spaces ",
            "tab\tnew\nline",
            "\\s",
        ] {
            assert_eq!(unquote(&quote(value)), value, "{}", quote(value));
        }
    }
}

//! SQL through the real client program, over the server's socket.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use xb_pipeline::fs::FsError;
use xb_pipeline::process::Invocation;

use crate::error::{SandboxError, tail};

/// How long a text of SQL may take. Filling a large data set is the longest.
const LIMIT: Duration = Duration::from_secs(1800);
/// How often a statement that lost against another transaction is tried again.
const ATTEMPTS: u32 = 20;

/// Runs SQL on one server. Cheap to clone, and may outlive the server: it then gets errors.
#[derive(Clone, Debug)]
pub struct Client {
    program: PathBuf,
    socket: PathBuf,
    /// An option file that says as whom to come; without it `root` has no password.
    login: Option<PathBuf>,
    limit: Duration,
}

impl Client {
    pub(crate) fn new(program: &Path, socket: &Path, login: Option<PathBuf>) -> Client {
        Client { program: program.to_owned(), socket: socket.to_owned(), login, limit: LIMIT }
    }

    /// The same client, which gives up after `limit`.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Client {
        Client { limit, ..self.clone() }
    }

    /// Runs statements in one session and gives all their rows, one result behind the other. `NULL` comes as
    /// the text `NULL`; bytes that are not UTF-8 are replaced (ask for `HEX(…)`).
    ///
    /// The text is what the client reads from a file: statements of any length end with `;`, `DELIMITER`
    /// works.
    ///
    /// # Errors
    /// [`SandboxError::Sql`] at the first statement the server refuses, [`SandboxError::Process`].
    pub fn sql(&self, text: &str) -> Result<Vec<Vec<String>>, SandboxError> {
        // Not as an argument: those are limited to 128 KiB and seen by everyone on the machine.
        let mut file =
            tempfile::Builder::new().prefix("xb-sandbox-").suffix(".sql").tempfile().map_err(no_file)?;
        file.write_all(text.as_bytes()).map_err(FsError::on("write", file.path()))?;
        self.source(file.path())
    }

    /// Runs the statements in a file, as [`Client::sql`] does. The path may not contain quotes: the client
    /// would not know it for one.
    ///
    /// # Errors
    /// As [`Client::sql`].
    pub fn source(&self, file: &Path) -> Result<Vec<Vec<String>>, SandboxError> {
        let login = match &self.login {
            Some(file) => vec![format!("--defaults-file={}", file.display())],
            None => vec!["--no-defaults".to_owned(), "--user=root".to_owned()],
        };
        let output = Invocation::new(&self.program)
            .args(login)
            .args(["--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4", "--max-allowed-packet=1G"])
            .args(sourcing(&self.program))
            .at_socket(&self.socket)
            .arg(format!("--execute=source {}", file.display()))
            .output(self.limit)?;
        if !output.status.success() {
            return Err(SandboxError::Sql { socket: self.socket.clone(), message: message(&output.stderr) });
        }
        Ok(rows(&output.stdout))
    }

    /// Runs one statement, again when it loses against another transaction.
    pub(crate) fn statement(&self, text: &str) -> Result<Vec<Vec<String>>, SandboxError> {
        let mut attempt = 1;
        loop {
            match self.sql(text) {
                Err(error) if error.is_lock_conflict() && attempt < ATTEMPTS => attempt += 1,
                answer => return answer,
            }
        }
    }
}

/// MariaDB's client goes on behind an error in a file and still ends with 0, unless told otherwise. MySQL's
/// does not know that option; from 9 on it knows the command `source` only when told to. As `mysql` either may
/// be installed.
fn sourcing(program: &Path) -> &'static [&'static str] {
    if program.file_name().is_some_and(|name| name == "mariadb") {
        &["--abort-source-on-error"]
    } else {
        &["--loose-abort-source-on-error", "--loose-commands"]
    }
}

fn no_file(source: std::io::Error) -> SandboxError {
    SandboxError::System { what: "temporary file", source }
}

/// The client repeats the whole statement between two rulers before the error; only the error is wanted.
fn message(stderr: &str) -> String {
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("ERROR ")).collect();
    if errors.is_empty() { tail(stderr) } else { errors.join("\n") }
}

/// Splits what `--batch` prints: one row a line, tabs between, and both escaped in values. Not by `lines`,
/// which would take a carriage return at the end of a value away.
fn rows(stdout: &str) -> Vec<Vec<String>> {
    let rows = stdout.strip_suffix('\n').map(|text| text.split('\n'));
    rows.into_iter().flatten().map(|row| row.split('\t').map(unescape).collect()).collect()
}

fn unescape(value: &str) -> String {
    let mut plain = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('0') => '\0',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    plain
}

/// A name as it stands in SQL, in backquotes.
#[must_use]
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// A text as it stands in SQL, in single quotes. For the default `sql_mode`, where a backslash escapes.
#[must_use]
pub fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_what_the_client_escaped() {
        let got = rows("a\\tb\\nc\\\\d\\0e\tNULL\t\n\n1\t\r\n");
        assert_eq!(got, [vec!["a\tb\nc\\d\0e", "NULL", ""], vec![""], vec!["1", "\r"]]);
        assert!(rows("").is_empty());
    }

    #[test]
    fn an_error_comes_without_the_statement() {
        let stderr =
            "--------------\nselect secret\n--------------\n\nERROR 1054 (42S22) at line 1: Unknown\n";
        assert_eq!(message(stderr), "ERROR 1054 (42S22) at line 1: Unknown");
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(quote_name("od`d"), "`od``d`");
        assert_eq!(quote_text("it's \\"), "'it''s \\\\'");
    }
}

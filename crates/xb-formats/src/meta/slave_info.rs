//! `xtrabackup_slave_info`: the statements that make a restored replica go on where it stood.

use xb_core::{BinlogCoord, GtidSet};

use super::MetaError;

const FILE: &str = "xtrabackup_slave_info";

/// A source of the replica the backup was taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaSource {
    /// The channel (MySQL) or connection (MariaDB); `None` for the default one.
    pub channel: Option<String>,
    /// Where the replica stood in the source's binary log. `None` where GTIDs are used.
    pub coord: Option<BinlogCoord>,
    /// What the replica had executed.
    pub gtid: Option<GtidSet>,
    /// The statements as the engine wrote them, joined by line breaks.
    pub statement: String,
}

/// Reads the file. These forms exist, each also with `CHANGE REPLICATION SOURCE TO SOURCE_…` (MySQL 8.4):
///
/// * `CHANGE MASTER TO MASTER_LOG_FILE='…', MASTER_LOG_POS=…`, without a semicolon in the oldest versions;
/// * the same with `FOR CHANNEL '…'` (2.4.8 and later), one statement for each channel;
/// * `SET GLOBAL gtid_purged='…';`, then `CHANGE MASTER TO MASTER_AUTO_POSITION=1`;
/// * `SET GLOBAL gtid_slave_pos = '…';`, then `CHANGE MASTER ['…'] TO master_use_gtid = slave_pos` (MariaDB).
///
/// A GTID set counts for every source named after it. A set without any source gives one entry without
/// coordinate. An empty file gives no entry: the server was no replica.
///
/// # Errors
/// When the file has text and no statement of these.
pub fn parse(text: &str) -> Result<Vec<ReplicaSource>, MetaError> {
    let mut sources = Vec::new();
    let mut set: Option<(String, Option<GtidSet>)> = None;
    let statements = statements(text);
    for (statement, tokens) in &statements {
        if starts_with(tokens, &["set", "global"]) {
            let gtid = tokens.iter().find_map(|token| match token {
                Token::Quoted(text) => text.parse().ok().filter(|_| !text.trim().is_empty()),
                _ => None,
            });
            set = Some((statement.clone(), gtid));
        } else if starts_with(tokens, &["change"]) {
            sources.push(source(statement, tokens, set.as_ref()));
        }
    }
    match (&set, sources.is_empty(), text.trim().is_empty()) {
        (Some((statement, gtid)), true, _) => {
            let (gtid, statement) = (gtid.clone(), statement.clone());
            sources.push(ReplicaSource { channel: None, coord: None, gtid, statement });
        }
        (None, true, false) => {
            return Err(MetaError::new(FILE, 1, text.trim(), "expected CHANGE MASTER or SET GLOBAL gtid_…"));
        }
        _ => {}
    }
    Ok(sources)
}

fn source(statement: &str, tokens: &[Token], set: Option<&(String, Option<GtidSet>)>) -> ReplicaSource {
    let file = value_of(tokens, "_log_file").and_then(|file| file.parse().ok());
    let position = value_of(tokens, "_log_pos").and_then(|position| position.parse().ok());
    let statement = match set {
        Some((set, _)) => format!("{set}\n{statement}"),
        None => statement.to_owned(),
    };
    ReplicaSource {
        channel: channel(tokens),
        coord: file.zip(position).map(|(file, position)| BinlogCoord { file, position }),
        gtid: set.and_then(|(_, gtid)| gtid.clone()),
        statement,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Letters, digits and underscores, in lower case.
    Word(String),
    /// What stands between quotes, escapes undone.
    Quoted(String),
    /// Any other letter.
    Sign(char),
}

fn starts_with(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len()
        && tokens.iter().zip(words).all(|(token, word)| matches!(token, Token::Word(w) if w == word))
}

/// The value of the option whose name ends so, whatever it begins with (`MASTER`, `SOURCE`).
fn value_of<'t>(tokens: &'t [Token], name_end: &str) -> Option<&'t str> {
    tokens.windows(3).find_map(|three| match three {
        [Token::Word(name), Token::Sign('='), Token::Quoted(value) | Token::Word(value)]
            if name.ends_with(name_end) =>
        {
            Some(value.as_str())
        }
        _ => None,
    })
}

/// `FOR CHANNEL '…'` at the end or `CHANGE MASTER '…'` at the beginning.
fn channel(tokens: &[Token]) -> Option<String> {
    let named = tokens.windows(2).find_map(|two| match two {
        [Token::Word(word), Token::Quoted(name)] if word == "channel" || word == "master" => Some(name),
        _ => None,
    });
    named.filter(|name| !name.is_empty()).cloned()
}

/// The statements with their tokens. One ends at a semicolon, at the end of the text, and at the end of a
/// line when the next begins with `CHANGE` or `SET`; neither counts between quotes. Comments are left out.
fn statements(text: &str) -> Vec<(String, Vec<Token>)> {
    let mut found = Vec::new();
    let (mut start, mut tokens) = (0, Vec::new());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let place = text.len() - rest.len();
        let at_line_start = place == 0 || text[..place].ends_with('\n');
        if at_line_start && (rest.starts_with('#') || rest.starts_with("--")) {
            let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
            rest = &rest[line..];
            start = if tokens.is_empty() { text.len() - rest.len() } else { start };
            continue;
        }
        let (token, length) = token(rest, first);
        rest = &rest[length..];
        let starts_anew =
            at_line_start && matches!(&token, Some(Token::Word(w)) if w == "change" || w == "set");
        if starts_anew && !tokens.is_empty() {
            found.push((text[start..place].trim().to_owned(), std::mem::take(&mut tokens)));
            start = place;
        }
        match token {
            Some(Token::Sign(';')) => {
                let end = text.len() - rest.len();
                found.push((text[start..end].trim().to_owned(), std::mem::take(&mut tokens)));
                start = end;
            }
            Some(token) => tokens.push(token),
            None => {}
        }
    }
    found.push((text[start..].trim().to_owned(), tokens));
    found
}

/// The token at the beginning of a text, and its length in bytes. No token for white space.
fn token(text: &str, first: char) -> (Option<Token>, usize) {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if is_word(first) {
        let length = text.find(|c| !is_word(c)).unwrap_or(text.len());
        return (Some(Token::Word(text[..length].to_ascii_lowercase())), length);
    }
    if first == '\'' || first == '"' {
        let (content, length) = quoted(text, first);
        return (Some(Token::Quoted(content)), length);
    }
    ((!first.is_whitespace()).then_some(Token::Sign(first)), first.len_utf8())
}

/// A quoted text and its length with the quotes. One that is not closed goes to the end.
fn quoted(text: &str, quote: char) -> (String, usize) {
    let mut content = String::new();
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((place, letter)) = letters.next() {
        if letter == '\\' {
            content.extend(letters.next().map(|(_, escaped)| escaped));
        } else if letter != quote {
            content.push(letter);
        } else if letters.next_if(|(_, next)| *next == quote).is_some() {
            content.push(quote);
        } else {
            return (content, place + 1);
        }
    }
    (content, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "f533eab1-e680-11f1-bdf8-02fc00000001";

    /// (channel, coordinate, whether there is a GTID set) of each source.
    fn read(text: &str) -> Vec<(String, String, bool)> {
        let sources = parse(text).unwrap();
        let told = sources.into_iter().map(|s| {
            (
                s.channel.unwrap_or_default(),
                s.coord.map(|c| c.to_string()).unwrap_or_default(),
                s.gtid.is_some(),
            )
        });
        told.collect()
    }

    fn source(channel: &str, coord: &str, gtid: bool) -> (String, String, bool) {
        (channel.to_owned(), coord.to_owned(), gtid)
    }

    #[test]
    fn coordinates_are_read_with_and_without_semicolon() {
        for text in [
            "CHANGE MASTER TO MASTER_LOG_FILE='mysql-bin.000007', MASTER_LOG_POS=1234\n",
            "CHANGE MASTER TO MASTER_LOG_FILE='mysql-bin.000007', MASTER_LOG_POS=1234;\n",
            "CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE='mysql-bin.000007', SOURCE_LOG_POS=1234;\n",
            "CHANGE REPLICATION SOURCE TO SOURCE_LOG_FILE = 'mysql-bin.000007' ,\n SOURCE_LOG_POS = 1234 FOR CHANNEL '';\n",
        ] {
            assert_eq!(read(text), [source("", "mysql-bin.000007:1234", false)], "{text}");
        }
    }

    #[test]
    fn every_channel_is_a_source() {
        let text = "CHANGE MASTER TO MASTER_LOG_FILE='a.000001', MASTER_LOG_POS=4 FOR CHANNEL 'one';\n\
                    CHANGE MASTER TO MASTER_LOG_FILE='b.000002', MASTER_LOG_POS=5 FOR CHANNEL 'it''s; two'\n\
                    CHANGE MASTER 'three' TO MASTER_LOG_FILE='c.000003', MASTER_LOG_POS=6;";
        let wanted = [("one", "a.000001:4"), ("it's; two", "b.000002:5"), ("three", "c.000003:6")];
        assert_eq!(read(text), wanted.map(|(channel, coord)| source(channel, coord, false)));
    }

    #[test]
    fn a_gtid_set_over_several_lines_counts_for_what_follows() {
        let text = format!(
            "SET GLOBAL gtid_purged='{A}:1-3,\n{B}:1-9';\nCHANGE MASTER TO MASTER_AUTO_POSITION=1;\n"
        );
        let sources = parse(&text).unwrap();
        assert_eq!(sources.len(), 1);
        assert_eq!(sources[0].gtid, format!("{A}:1-3,{B}:1-9").parse().ok());
        assert_eq!(sources[0].statement, text.trim());
        let without_source = parse(&format!("SET GLOBAL gtid_purged='{A}:1-3';\n")).unwrap();
        assert!(without_source.len() == 1 && without_source[0].gtid.is_some());
    }

    #[test]
    fn connections_of_mariadb_share_their_position() {
        let text = "SET GLOBAL gtid_slave_pos = '0-1-5,1-2-9';\n\
                    CHANGE MASTER TO master_use_gtid = slave_pos;\n\
                    CHANGE MASTER 'b' TO master_use_gtid = slave_pos;\n";
        assert_eq!(read(text), [source("", "", true), source("b", "", true)]);
        assert_eq!(parse(text).unwrap()[1].gtid, "0-1-5,1-2-9".parse().ok());
    }

    #[test]
    fn comments_are_passed_over_and_other_text_is_refused() {
        let text =
            "-- it's from a replica\n# twice\nCHANGE MASTER TO MASTER_LOG_FILE='a.000001', MASTER_LOG_POS=4;";
        assert_eq!(read(text), [source("", "a.000001:4", false)]);
        assert_eq!(read(" \n"), []);
        for text in ["nothing of the kind", "SELECT 1;", "'"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}

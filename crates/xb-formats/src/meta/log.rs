//! What engines say on standard error, in the shapes of all versions.

use xb_core::{BinlogCoord, ErrorClass, GtidSet, Lsn};

use super::binlog_info::BinlogInfo;

/// The words at the end of the line that says a run went well.
const COMPLETED: &str = "completed OK!";
/// The programs that put their name before it.
const PROGRAMS: [&str; 4] = ["innobackupex: ", "xtrabackup: ", "mariabackup: ", "mariadb-backup: "];

/// Whether the line says that the engine's run went well. Anchored at both ends: the old banner, which only
/// mentions the words, does not count, nor do the words inside a quoted name.
///
/// ```
/// use xb_formats::meta::log::completed_ok;
///
/// assert!(completed_ok("150212 10:11:12  innobackupex: completed OK!"));
/// assert!(completed_ok("150212 10:11:12 completed OK!"));
/// assert!(completed_ok("[00] 2024-05-06 07:08:09 completed OK!"));
/// assert!(completed_ok("2024-05-06T07:08:09.123456-00:00 0 [Note] [MY-011825] [Xtrabackup] completed OK!"));
/// assert!(!completed_ok("           prints \"completed OK!\"."));
/// ```
#[must_use]
pub fn completed_ok(line: &str) -> bool {
    let Some(prefix) = line.trim_end().strip_suffix(COMPLETED) else { return false };
    let Some(rest) = behind_time(prefix.trim_start()) else { return false };
    let rest = rest.trim_start();
    rest.is_empty() || PROGRAMS.contains(&rest) || is_error_log_head(rest)
}

/// What follows the time at the beginning of a line, in any of the shapes in which engines write it.
fn behind_time(line: &str) -> Option<&str> {
    let shapes = ["dddddd dd:dd:dd", "dddddd  d:dd:dd", "[dd] dddd-dd-dd dd:dd:dd", "dddd-dd-dd dd:dd:dd"];
    if let Some(rest) = shapes.iter().find_map(|shape| behind_shape(line, shape)) {
        return rest.starts_with(' ').then_some(rest);
    }
    let rest = behind_shape(line, "dddd-dd-ddTdd:dd:dd")?;
    let zone =
        rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | 'Z' | '+' | '-' | ':'));
    zone.starts_with(' ').then_some(zone)
}

/// What follows a text of a shape, in which `d` stands for a digit and any other letter for itself.
fn behind_shape<'l>(line: &'l str, shape: &str) -> Option<&'l str> {
    let beginning = line.get(..shape.len())?;
    let fits = |(byte, wanted): (u8, u8)| if wanted == b'd' { byte.is_ascii_digit() } else { byte == wanted };
    beginning.bytes().zip(shape.bytes()).all(fits).then(|| &line[shape.len()..])
}

/// The head of XtraBackup 8.0.28 and later behind the time: a thread, then words in brackets.
fn is_error_log_head(text: &str) -> bool {
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let words = rest.trim().split(' ').filter(|word| !word.is_empty());
    let bracketed = |word: &str| word.starts_with('[') && word.ends_with(']');
    rest.len() < text.len() && rest.contains("[Xtrabackup]") && words.into_iter().all(bracketed)
}

/// Where the server's binary log stood, as the log tells it. The text may be a line or a whole log: the
/// last place it tells counts. GTID sets may go on over several lines. Where a replica's source stood is
/// told in another line, which does not count.
#[must_use]
pub fn binlog_position(text: &str) -> Option<BinlogInfo> {
    const WORDS: &str = "binlog position: ";
    let places = text.rmatch_indices(WORDS).filter(|(place, _)| {
        let before = text[..*place].trim_end();
        !before.ends_with("slave") && !before.ends_with("replica")
    });
    places.into_iter().find_map(|(place, _)| position(&text[place + WORDS.len()..]))
}

/// `filename 'F', position N[, GTID of the last change 'G']`, or only the GTID. `N` is quoted from 2.3 on.
pub(super) fn position(text: &str) -> Option<BinlogInfo> {
    let mut info = BinlogInfo::default();
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix("filename '") {
        let (file, behind) = behind.split_once('\'')?;
        let behind = behind.strip_prefix(", position ")?;
        let digits = behind.strip_prefix('\'').unwrap_or(behind);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let position = digits[..end].parse().ok()?;
        info.coord = Some(BinlogCoord { file: file.parse().ok()?, position });
        rest = &digits[end..];
        rest = rest.strip_prefix('\'').unwrap_or(rest);
        rest = rest.strip_prefix(", ").unwrap_or(rest);
    }
    if let Some(set) = rest.strip_prefix("GTID of the last change '") {
        info.gtid = gtid(set);
    }
    (info != BinlogInfo::default()).then_some(info)
}

/// A GTID set up to the closing quote. Without one, as in 2.3 alpha, up to where it cannot go on.
fn gtid(text: &str) -> Option<GtidSet> {
    let is_part =
        |c: char| c.is_ascii_alphanumeric() || c.is_whitespace() || matches!(c, '-' | ':' | ',' | '_');
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let set = text[..end].trim();
    if set.is_empty() {
        return None;
    }
    let closed = text[end..].starts_with('\'');
    let first_line = set.lines().next().unwrap_or_default();
    if closed { set.parse().ok() } else { first_line.parse().ok() }
}

/// The checkpoint to which the copied pages are complete: where the next incremental backup begins.
#[must_use]
pub fn latest_checkpoint(line: &str) -> Option<Lsn> {
    let (_, behind) = line.split_once("The latest check point (for incremental): '")?;
    behind.split_once('\'')?.0.parse().ok()
}

/// A failure of the engine that is known by its words and has a known remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KnownFailure {
    /// The server wrote over redo log that was not copied yet.
    RedoOverrun,
    /// A lock was not granted in time.
    LockWait,
    /// A file system is full.
    OutOfDisk,
    /// The server refused the user.
    AccessDenied,
    /// The server was not reached.
    CannotConnect,
    /// The engine, or the server's configuration it reads, has an option it does not know.
    UnknownOption,
    /// A page of a data file does not have its checksum.
    CorruptedPage,
    /// The limit of open files was reached.
    TooManyOpenFiles,
}

/// Words by which a failure is known, in lower case; the first that fits counts. All words of an entry must
/// stand in the line.
const KNOWN: [(&[&str], KnownFailure); 19] = [
    (&["log block numbers mismatch"], KnownFailure::RedoOverrun),
    (&["log has wrapped around"], KnownFailure::RedoOverrun),
    (&["unable to open", "#ib_redo"], KnownFailure::RedoOverrun),
    (&["read_logfile() failed"], KnownFailure::RedoOverrun),
    (&["was only able to copy log from"], KnownFailure::RedoOverrun),
    (&["lock wait timeout exceeded"], KnownFailure::LockWait),
    (&["unable to obtain lock"], KnownFailure::LockWait),
    (&["no space left on device"], KnownFailure::OutOfDisk),
    (&["errcode: 28"], KnownFailure::OutOfDisk),
    (&["errno: 28"], KnownFailure::OutOfDisk),
    (&["access denied"], KnownFailure::AccessDenied),
    (&["failed to connect to"], KnownFailure::CannotConnect),
    (&["can't connect to"], KnownFailure::CannotConnect),
    (&["unknown option"], KnownFailure::UnknownOption),
    (&["unknown variable"], KnownFailure::UnknownOption),
    (&["unrecognized option"], KnownFailure::UnknownOption),
    (&["seems to be corrupted"], KnownFailure::CorruptedPage),
    (&["page corruption detected"], KnownFailure::CorruptedPage),
    (&["too many open files"], KnownFailure::TooManyOpenFiles),
];

impl KnownFailure {
    /// Recognises a failure in a line of the log. Only for the log of a run that failed: engines warn in
    /// similar words of what they then overcome. A page that is read again is no failure.
    #[must_use]
    pub fn recognise(line: &str) -> Option<KnownFailure> {
        let line = line.to_ascii_lowercase();
        let fits = |words: &[&str]| words.iter().all(|word| line.contains(word));
        let found = KNOWN.iter().find(|(words, _)| fits(words)).map(|(_, failure)| *failure);
        found.filter(|failure| *failure != KnownFailure::CorruptedPage || !line.contains("retrying"))
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            KnownFailure::RedoOverrun => {
                "the server reused redo log before it was copied: make the redo log larger, copy with more \
                 threads or at a quieter hour, or register the backup as redo log consumer (XtraBackup 8.0.30 \
                 and later)"
            }
            KnownFailure::LockWait => {
                "a lock was not granted in time: end the long statement that holds it, or raise the timeout \
                 for locks"
            }
            KnownFailure::OutOfDisk => {
                "a file system is full: free space where the backup and its temporary files are written, or \
                 put them elsewhere"
            }
            KnownFailure::AccessDenied => {
                "the server refused the user: check name and password, and that the user has the privileges \
                 a backup needs"
            }
            KnownFailure::CannotConnect => {
                "the server was not reached: check that it runs, and the socket or the host and port"
            }
            KnownFailure::UnknownOption => {
                "the engine does not know an option: check the extra options for this version of the engine, \
                 and the option file it reads"
            }
            KnownFailure::CorruptedPage => {
                "a data file is damaged on the server itself: check the table and the disk, restore the table, \
                 and keep the backups taken before"
            }
            KnownFailure::TooManyOpenFiles => {
                "too many files are open: raise the limit of open files for the user that takes the backup"
            }
        }
    }

    /// Whether trying again can help without anybody changing anything.
    #[must_use]
    pub fn class(self) -> ErrorClass {
        match self {
            KnownFailure::RedoOverrun | KnownFailure::LockWait | KnownFailure::CannotConnect => {
                ErrorClass::Transient
            }
            KnownFailure::OutOfDisk
            | KnownFailure::AccessDenied
            | KnownFailure::UnknownOption
            | KnownFailure::CorruptedPage
            | KnownFailure::TooManyOpenFiles => ErrorClass::Permanent,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "f533eab1-e680-11f1-bdf8-02fc00000001";

    #[rstest]
    #[case("261122 14:28:29  innobackupex: completed OK!")]
    #[case("150212  9:11:12  innobackupex: completed OK!\r")]
    #[case("150212 10:11:12 completed OK!\n")]
    #[case("[00] 2024-05-06 07:08:09 completed OK!")]
    #[case("2024-05-06T07:08:09.123456Z 0 [Note] [MY-011825] [Xtrabackup] completed OK!")]
    #[case("2024-05-06T07:08:09.123456-00:00 0 [Note] [MY-011825] [Xtrabackup] completed OK!")]
    #[case("2024-05-06T07:08:09.123456+02:00 12 [Note] [MY-011825] [Xtrabackup] completed OK!")]
    fn the_success_line_of_every_version_counts(#[case] line: &str) {
        assert!(completed_ok(line));
    }

    #[rstest]
    #[case("")]
    #[case("completed OK!")]
    #[case("           prints \"completed OK!\".")]
    #[case("innobackupex: At the end it prints completed OK!")]
    #[case("150212 10:11:12 not completed OK!")]
    #[case("150212 10:11:12 completed OK! or not")]
    #[case("150212 10:11:12completed OK!")]
    #[case("[01] 2024-05-06 07:08:09 Copying ./a/completed OK!")]
    #[case("2024-05-06T07:08:09Z 0 [ERROR] [MY-011825] [Xtrabackup] not completed OK!")]
    #[case("2024-05-06T07:08:09Z [Xtrabackup] completed OK!")]
    #[case("naïve näïve ïïïï completed OK!")]
    fn lines_that_only_mention_success_do_not_count(#[case] line: &str) {
        assert!(!completed_ok(line));
    }

    #[rstest]
    #[case("innobackupex: MySQL binlog position: filename 'b.000005', position 120")]
    #[case("MySQL binlog position: filename 'b.000005', position '120'")]
    #[case("[00] 2024-05-06 07:08:09 MySQL binlog position: filename 'b.000005', position '120'")]
    #[case(
        "2024-05-06T07:08:09Z 0 [Note] [MY-011825] [Xtrabackup] MySQL binlog position: filename 'b.000005', position '120'"
    )]
    fn coordinates_are_found_in_lines_of_all_versions(#[case] line: &str) {
        let info = binlog_position(line).unwrap();
        assert_eq!(info.coord.map(|c| c.to_string()).as_deref(), Some("b.000005:120"));
        assert_eq!(info.gtid, None);
    }

    #[test]
    fn gtid_sets_are_found_over_lines_alone_and_without_their_last_quote() {
        let set = format!("{A}:1-3,{B}:1-9").parse().ok();
        let log = format!(
            "x\nMySQL binlog position: filename 'b.000009', position '1'\n\
             MySQL binlog position: filename 'b.000005', position '120', GTID of the last change '{A}:1-3,\n\t{B}:1-9'\ny\n"
        );
        let info = binlog_position(&log).unwrap();
        assert_eq!((info.coord.map(|c| c.position), info.gtid), (Some(120), set));
        let alone = format!("MySQL binlog position: GTID of the last change '{A}:1-3'");
        let unclosed = format!("MySQL binlog position: GTID of the last change '{A}:1-3\n150212 10:11:12 x");
        for text in [alone, unclosed] {
            let info = binlog_position(&text).unwrap();
            assert_eq!((info.coord, info.gtid), (None, format!("{A}:1-3").parse().ok()), "{text}");
        }
    }

    #[test]
    fn the_position_of_a_replicas_source_is_another_one() {
        let replica = "MySQL slave binlog position: master host 'h', filename 'm.000001', position '4'";
        assert_eq!(binlog_position(replica), None);
        let source = "MySQL replica binlog position: filename 'm.000001', position '4'";
        assert_eq!(binlog_position(source), None);
        let both = format!("MySQL binlog position: filename 'b.000002', position 5\n{replica}\n");
        assert_eq!(binlog_position(&both).and_then(|i| i.coord).map(|c| c.position), Some(5));
        assert_eq!(binlog_position("MySQL binlog position: unknown"), None);
    }

    #[test]
    fn the_checkpoint_is_found() {
        let line = "xtrabackup: The latest check point (for incremental): '1657600'";
        assert_eq!(latest_checkpoint(line), Some(Lsn(1_657_600)));
        assert_eq!(latest_checkpoint("The latest check point (for incremental): ''"), None);
        assert_eq!(latest_checkpoint(">> log scanned up to (1657600)"), None);
    }

    #[rstest]
    #[case("xtrabackup: error: log block numbers mismatch:", KnownFailure::RedoOverrun)]
    #[case("[ERROR] [Xtrabackup] Unable to open '/d/#innodb_redo/#ib_redo12'", KnownFailure::RedoOverrun)]
    #[case("Error: Unable to obtain lock. Please try again later.", KnownFailure::LockWait)]
    #[case("Error writing file 'x' (OS errno 28 - No space left on device)", KnownFailure::OutOfDisk)]
    #[case("Failed to connect to MySQL server: Access denied for user 'b'@'h'", KnownFailure::AccessDenied)]
    #[case("Failed to connect to MySQL server: Can't connect to server", KnownFailure::CannotConnect)]
    #[case("mariabackup: unknown variable 'x=1'", KnownFailure::UnknownOption)]
    #[case("Error: failed to read page. File ./a.ibd seems to be corrupted.", KnownFailure::CorruptedPage)]
    #[case("Error 24: Too many open files", KnownFailure::TooManyOpenFiles)]
    fn failures_are_known_by_their_words(#[case] line: &str, #[case] failure: KnownFailure) {
        assert_eq!(KnownFailure::recognise(line), Some(failure));
        assert!(!failure.advice().is_empty());
    }

    #[test]
    fn lines_of_a_run_that_goes_well_are_no_failures() {
        for line in [
            "xtrabackup: Database page corruption detected at page 17, retrying...",
            "innobackupex: Connecting to MySQL server with DSN 'dbi:mysql:' as 'backup'",
            ">> log scanned up to (1657600)",
        ] {
            assert_eq!(KnownFailure::recognise(line), None, "{line}");
        }
    }
}

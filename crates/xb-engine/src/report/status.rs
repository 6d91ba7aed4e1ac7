//! How things stand: the verdicts, and the values behind them.

use serde::Serialize;
use xb_core::{BackupId, BackupKind};

/// How bad it is. Ordered: the worst counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// All is well.
    Ok,
    /// Somebody should look.
    Warn,
    /// Somebody must look.
    Critical,
}

impl Level {
    /// The word monitoring systems read.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok => "OK",
            Level::Warn => "WARN",
            Level::Critical => "CRITICAL",
        }
    }
}

/// One thing that was looked at, with its own verdict. What nobody can tell has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at; one of [`Check::NAMES`].
    pub name: &'static str,
    /// The verdict.
    pub level: Level,
    /// Why, in one line.
    pub message: String,
}

impl Check {
    /// The age of the last backup.
    pub const LAST_BACKUP: &'static str = "last_backup";
    /// The run that is going on, and one that ended without finishing.
    pub const RUNNING: &'static str = "running";
    /// Whether each backup of the newest current set has all it builds on, and whether there is one for the next
    /// incremental to build on.
    pub const CHAIN: &'static str = "chain";
    /// Whether there is room for the next backup.
    pub const SPACE: &'static str = "space";
    /// Whether the store could be looked at. Stands alone where it could not.
    pub const STORE: &'static str = "store";
    /// Whether the other stores have their copies, as far as is known here.
    pub const COPIES: &'static str = "copies";
    /// Whether binary logs are streamed, without gaps and in time.
    pub const BINLOGS: &'static str = "binlogs";
    /// Every name there is.
    pub const NAMES: [&'static str; 7] = [
        Check::LAST_BACKUP,
        Check::RUNNING,
        Check::CHAIN,
        Check::SPACE,
        Check::STORE,
        Check::COPIES,
        Check::BINLOGS,
    ];
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The verdict: the worst of the checks.
    pub level: Level,
    /// Why, in one line: what the first of the worst checks says.
    pub message: String,
    /// Every verdict.
    pub checks: Vec<Check>,
    /// What they were made from.
    pub values: StatusValues,
}

impl StatusReport {
    /// The report of these checks.
    #[must_use]
    pub fn of(checks: Vec<Check>, values: StatusValues) -> Self {
        let worst = checks.iter().reduce(|worst, next| if next.level > worst.level { next } else { worst });
        let (level, message) = worst.map_or_else(
            || (Level::Critical, "Nothing is known".to_owned()),
            |worst| (worst.level, worst.message.clone()),
        );
        StatusReport { level, message, checks, values }
    }

    /// The report of a store that cannot be looked at: no good news.
    #[must_use]
    pub fn unknown(message: String) -> Self {
        let check = Check { name: Check::STORE, level: Level::Critical, message };
        StatusReport::of(vec![check], StatusValues::default())
    }
}

/// What the verdicts were made from. A `None` is something nobody can tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StatusValues {
    /// The newest backup that counts, on whatever shelf.
    pub last: LastBackup,
    /// The newest full backup that counts, on whatever shelf.
    pub last_full: LastFull,
    /// How many current sets there are.
    pub sets: Option<u64>,
    /// How many further sets stand on the shelves. One that is also a current set, as after a crash while it was
    /// moved, is not among them.
    pub shelved_sets: Option<u64>,
    /// How many backups count, on all shelves; one that stands in two places once.
    pub backups: Option<u64>,
    /// How many incrementals of the newest current set count.
    pub incrementals_since_full: Option<u64>,
    /// How far back a restore reaches, in seconds since 1970: the end of the oldest backup on any shelf that
    /// can be restored.
    pub oldest_restorable_unix: Option<i64>,
    /// The run that is going on.
    pub running: Running,
    /// Bytes that are free where the store is.
    pub free_bytes: Option<u64>,
    /// Bytes that the next backup may need, whichever it is, by those before.
    pub needed_bytes: Option<u64>,
    /// The archive of binary logs.
    pub binlogs: LogsValues,
    /// What the values were held against.
    pub limits: Limits,
}

/// The archive of binary logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogsValues {
    /// All that was committed before is in it, in seconds since 1970.
    pub seen_until_unix: Option<i64>,
    /// Seconds since then.
    pub lag_seconds: Option<i64>,
    /// Bytes the server had more when the streamer last asked.
    pub lag_bytes: Option<u64>,
    /// Places where something is missing.
    pub gaps: Option<u64>,
}

/// The newest backup that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastBackup {
    /// Its name.
    pub id: Option<BackupId>,
    /// Full or incremental.
    #[serde(serialize_with = "kind_word")]
    pub kind: Option<BackupKind>,
    /// When it ended, in seconds since 1970.
    pub ended_unix: Option<i64>,
    /// Seconds since it ended.
    pub age_seconds: Option<i64>,
    /// How long its run took.
    pub duration_seconds: Option<i64>,
    /// What the store holds of it.
    pub stored_bytes: Option<u64>,
    /// What the engine wrote.
    pub stream_bytes: Option<u64>,
}

/// The newest full backup that counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LastFull {
    /// Its name.
    pub id: Option<BackupId>,
    /// When it ended, in seconds since 1970.
    pub ended_unix: Option<i64>,
    /// Seconds since it ended.
    pub age_seconds: Option<i64>,
}

/// The run that is going on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Whether there is one.
    pub now: Option<bool>,
    /// How long it has been.
    pub seconds: Option<i64>,
}

/// What values were held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// A last backup that is older is a warning.
    pub age_seconds: Option<i64>,
    /// A run that takes longer is a warning.
    pub running_seconds: Option<i64>,
    /// Less room than that is a warning.
    pub free_warn_bytes: Option<u64>,
    /// Less room than that is critical.
    pub free_critical_bytes: Option<u64>,
}

/// `full` or `incr`, as everywhere monitoring systems read it.
fn kind_word<S: serde::Serializer>(kind: &Option<BackupKind>, serializer: S) -> Result<S::Ok, S::Error> {
    kind.map(BackupKind::word).serialize(serializer)
}

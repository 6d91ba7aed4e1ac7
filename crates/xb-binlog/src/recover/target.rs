//! What to recover to, and how.

use chrono::{DateTime, SecondsFormat, Utc};
use xb_core::BinlogCoord;
use xb_core::gtid::{Gtid, GtidSet};

use crate::archive::EpochNumber;

/// The point to recover to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Everything before the first transaction, in the order of the log, whose time is this or later. MySQL
    /// 8.0 and later say to the microsecond when they committed a transaction; others only say the second in
    /// which it began.
    Time(DateTime<Utc>),
    /// Up to and with the last of these transactions in the log. Of MariaDB's: of those that are named.
    Gtid(GtidSet),
    /// Up to a place between two transactions.
    Position {
        /// The epoch it is in. Without it, only one in the archive may have such a log.
        epoch: Option<EpochNumber>,
        /// The place in it.
        coord: BinlogCoord,
    },
    /// Everything in the archive.
    Latest,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Time(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
            Target::Gtid(set) => write!(f, "GTID {set}"),
            Target::Position { epoch: Some(epoch), coord } => write!(f, "{coord} of epoch {epoch}"),
            Target::Position { epoch: None, coord } => coord.fmt(f),
            Target::Latest => f.write_str("the end of the archive"),
        }
    }
}

/// How to recover.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Transactions to leave out. Each has to lie between the backup and the target. What later transactions
    /// make of data that is then not there, or is still there, is not looked at: a row change that does not
    /// find its row ends the replay, and a statement does to the other data whatever it does.
    pub exclude: Vec<Gtid>,
    /// Goes over places where logs are missing as if nothing had happened there.
    pub across_gaps: bool,
    /// Takes the end of the archive, or of what is before a gap, where the target is behind it.
    pub best_effort: bool,
    /// When the archive is known to have had all that the server had: the server then committed nothing
    /// before this time that is not in the archive.
    pub seen_until: Option<DateTime<Utc>>,
}

//! What leads from a backup to a target.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use xb_core::gtid::{Gtid, GtidSet};
use xb_core::{BinlogCoord, BinlogName};

use super::steps::Gap;
use crate::archive::{EpochNumber, Place};

/// What leads from a backup to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayPlan {
    /// Where the backup stands.
    pub start: Place,
    /// Behind the last transaction of the plan, whether that is replayed or left out.
    pub stop: Place,
    /// What is replayed, in this order. None of them is empty.
    pub segments: Vec<Segment>,
    /// What the user has left out.
    pub excluded: Vec<Excluded>,
    /// Transactions that are replayed. In logs that were not read, as many as their GTIDs tell.
    pub transactions: u64,
    /// Bytes of the segments.
    pub bytes: u64,
    /// The time of the last transaction; in logs that were not read, of their last event.
    pub last_time: Option<DateTime<Utc>>,
    /// All that is committed at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtids_at_start: Option<GtidSet>,
    /// All that was committed at the stop, with what is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtids_at_stop: Option<GtidSet>,
    /// What a private server that was given the segments has in its own log: of MariaDB the last of each
    /// domain, of MySQL the set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed: Option<GtidSet>,
    /// Why the plan ends before the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_early: Option<EndsEarly>,
    /// Gaps that it goes across.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
}

/// A piece of a log, from one border between transactions to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// The epoch.
    pub epoch: EpochNumber,
    /// The log.
    pub log: BinlogName,
    /// Where it begins, in bytes.
    pub from: u64,
    /// Where it ends, in bytes.
    pub to: u64,
}

impl Segment {
    /// A place in its log.
    #[must_use]
    pub fn place(&self, position: u64) -> Place {
        Place { epoch: self.epoch, at: BinlogCoord { file: self.log.clone(), position } }
    }
}

/// A transaction that is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excluded {
    /// Which.
    pub gtid: Gtid,
    /// Where it begins.
    pub begin: Place,
    /// Where it ends in that log, in bytes.
    pub end: u64,
}

/// A plan does not come to its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndsEarly {
    /// The archive ends before it.
    Archive,
    /// A gap is before it.
    Gap(Gap),
}

impl ReplayPlan {
    /// One that leads from a place nowhere else.
    #[must_use]
    pub fn empty(at: Place) -> Self {
        ReplayPlan {
            start: at.clone(),
            stop: at,
            segments: Vec::new(),
            excluded: Vec::new(),
            transactions: 0,
            bytes: 0,
            last_time: None,
            gtids_at_start: None,
            gtids_at_stop: None,
            replayed: None,
            ends_early: None,
            gaps: Vec::new(),
        }
    }

    /// The segments that are left behind a place, which is the start, in a segment, or the end of one.
    #[must_use]
    pub fn behind(&self, place: &Place) -> Vec<Segment> {
        if *place == self.start {
            return self.segments.clone();
        }
        let is_in = |s: &Segment| {
            s.epoch == place.epoch && s.log == place.at.file && (s.from..=s.to).contains(&place.at.position)
        };
        let Some(index) = self.segments.iter().rposition(is_in) else { return Vec::new() };
        let mut left: Vec<Segment> = self.segments.iter().skip(index).cloned().collect();
        if let Some(first) = left.first_mut() {
            first.from = first.from.max(place.at.position);
        }
        left.retain(|segment| segment.from < segment.to);
        left
    }
}

//! The way through an archive, log by log.

use serde::{Deserialize, Serialize};
use xb_core::gtid::GtidSet;

use crate::archive::{Beginning, Epoch, LogEntry, Picture, Place};
use crate::lineage::{again, follows};

/// A place where logs are missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// What is there ends here.
    pub from: Place,
    /// And goes on here.
    pub to: Place,
    /// What is known of it.
    pub reason: String,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "between {} and {}: {}", self.from, self.to, self.reason)
    }
}

/// A log on the way.
#[derive(Clone, Debug)]
pub(super) struct Step<'p> {
    pub(super) epoch: &'p Epoch,
    pub(super) log: &'p LogEntry,
    /// Where to begin in it, in bytes.
    pub(super) from: u64,
    /// What is between it and the step before, if they do not follow on one another.
    pub(super) gap: Option<Gap>,
    /// All that was committed where the epoch before ended, if this is the first step in a joined one.
    pub(super) joins: Option<&'p GtidSet>,
}

impl Step<'_> {
    pub(super) fn place(&self, position: u64) -> Place {
        place(self.epoch, self.log, position)
    }
}

fn place(epoch: &Epoch, log: &LogEntry, position: u64) -> Place {
    let at = xb_core::BinlogCoord { file: log.name.clone(), position };
    Place { epoch: epoch.record.number, at }
}

/// All logs from a place on, to the end of the archive.
pub(super) fn steps<'p>(picture: &'p Picture, base: &Place) -> Vec<Step<'p>> {
    let mut steps: Vec<Step<'p>> = Vec::new();
    let epochs = picture.epochs.iter().skip_while(|epoch| epoch.record.number != base.epoch);
    for epoch in epochs {
        let is_first = epoch.record.number == base.epoch;
        let mut before: Option<&LogEntry> = None;
        // A log that the next epoch has again is taken from there.
        let again = if epoch.record.number == 0 { again(picture) } else { None };
        let is_again = |log: &LogEntry| again.as_ref().is_some_and(|(_, logs)| logs.contains(&&log.name));
        let logs = epoch.logs.iter().skip_while(|log| is_first && log.name != base.at.file);
        let logs = logs.filter(|log| !is_again(log) || (is_first && log.name == base.at.file));
        for log in logs {
            let from = if is_first && before.is_none() { base.at.position } else { FIRST };
            let mut step = Step { epoch, log, from, gap: None, joins: None };
            match (before, steps.last()) {
                (Some(before), _) => {
                    let gap = |reason| {
                        gap(place(epoch, before, before.size_bytes), place(epoch, log, FIRST), reason)
                    };
                    step.gap = follows(before, log).err().map(gap);
                }
                (None, Some(last)) => enter(&mut step, last),
                (None, None) => {}
            }
            before = Some(log);
            steps.push(step);
        }
    }
    steps
}

const FIRST: u64 = xb_formats::binlog::FIRST_EVENT;

fn gap(from: Place, to: Place, reason: String) -> Gap {
    Gap { from, to, reason }
}

/// The first step in another epoch.
fn enter<'p>(step: &mut Step<'p>, last: &Step<'p>) {
    let from = last.place(last.log.size_bytes);
    let reason = match &step.epoch.record.beginning {
        Beginning::Joined { epoch, at, gtids } if *epoch == last.epoch.record.number => {
            if last.epoch.end().as_ref() == Some(at) {
                step.joins = Some(gtids);
                return;
            }
            format!("the second was joined to {at}, which is not the end of the first any more")
        }
        Beginning::Joined { epoch, .. } => format!("the second goes on from epoch {epoch}"),
        Beginning::Broken { reason, .. } => reason.clone(),
        // Logs that lay there without an epoch, and the first epoch that begins with the one behind them.
        Beginning::First if follows(last.log, step.log).is_ok() => return,
        Beginning::First => "nothing is known of how they belong together".to_owned(),
    };
    step.gap = Some(gap(from, step.place(FIRST), reason));
}

//! Transactions that are done already, where logs of several servers overlap.

use std::collections::BTreeSet;

use xb_core::gtid::{Gtid, GtidSet};

use crate::archive::{LogEntry, LogGtids};

/// What a transaction is to those that are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is one of them.
    Done,
    /// It is to be done.
    New,
    /// It is to be done, and others are missing between them and it.
    BehindHole(String),
}

/// All that is done.
#[derive(Clone, Debug)]
pub(super) struct Cover {
    done: GtidSet,
    /// MariaDB: domains in which the first transaction that is not done was seen. A server need not count
    /// upwards, so that what follows is new whatever its number is.
    open: BTreeSet<u32>,
}

impl Cover {
    pub(super) fn new(done: GtidSet) -> Self {
        Cover { done, open: BTreeSet::new() }
    }

    /// Whether a log may have something in it that is done.
    pub(super) fn touches(&self, log: &LogEntry) -> bool {
        match (&self.done, &log.gtids) {
            (GtidSet::MySql(done), Some(LogGtids::MySql(own))) => done.intersects(own),
            (GtidSet::MariaDb(done), Some(LogGtids::MariaDb(own))) => {
                let domain = |(first, _): &(String, String)| match first.parse() {
                    Ok(Gtid::MariaDb { domain, .. }) => Some(domain),
                    _ => None,
                };
                own.iter().filter_map(domain).any(|d| done.get(d).is_some() && !self.open.contains(&d))
            }
            _ => true,
        }
    }

    pub(super) fn judge(&mut self, gtid: Option<&Gtid>) -> Standing {
        match (&self.done, gtid) {
            (_, None) => Standing::New,
            (GtidSet::MySql(_), Some(gtid)) if self.done.contains(gtid) => Standing::Done,
            (GtidSet::MariaDb(done), Some(Gtid::MariaDb { domain, sequence, .. })) => {
                let Some((_, last)) = done.get(*domain).filter(|_| !self.open.contains(domain)) else {
                    return Standing::New;
                };
                if *sequence <= last {
                    return Standing::Done;
                }
                self.open.insert(*domain);
                if *sequence == last + 1 {
                    return Standing::New;
                }
                Standing::BehindHole(format!("domain {domain} goes on with {sequence} behind {last}"))
            }
            _ => Standing::New,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(done: &str, transactions: &[&str]) -> Vec<Standing> {
        let mut cover = Cover::new(done.parse().unwrap());
        transactions.iter().map(|gtid| cover.judge(Some(&gtid.parse().unwrap()))).collect()
    }

    #[test]
    fn what_follows_in_a_domain_is_new_whatever_its_number() {
        let standings = judged("0-1-10", &["0-1-9", "0-1-10", "5-1-1", "0-2-11", "0-2-4", "0-2-30"]);
        let (done, new) = (Standing::Done, Standing::New);
        assert_eq!(standings, [done.clone(), done, new.clone(), new.clone(), new.clone(), new]);
    }

    #[test]
    fn a_number_left_out_is_a_hole() {
        let standings = judged("0-1-10", &["0-1-12", "0-1-13"]);
        assert!(matches!(standings.as_slice(), [Standing::BehindHole(_), Standing::New]), "{standings:?}");
    }

    #[test]
    fn in_a_set_only_its_own_are_done() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let standings = judged(
            &format!("{uuid}:1-5:8"),
            &[&format!("{uuid}:5"), &format!("{uuid}:7"), &format!("{uuid}:8")],
        );
        assert_eq!(standings, [Standing::Done, Standing::New, Standing::Done]);
    }
}

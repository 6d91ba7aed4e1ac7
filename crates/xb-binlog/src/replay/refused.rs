//! Which transaction a place in a log lies in: what people can look at, leave out or stop before.

use xb_core::gtid::Gtid;

use crate::archive::{Logs, Place};
use crate::recover::{ReadingLimits, transactions};

/// The transaction a replay stopped in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoppedIn {
    /// Where it begins.
    pub begin: Place,
    /// Its GTID, where the server gives any.
    pub gtid: Option<Gtid>,
}

impl std::fmt::Display for StoppedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.gtid {
            Some(gtid) => write!(f, "the transaction {gtid}, which begins at {}", self.begin),
            None => write!(f, "the transaction that begins at {}", self.begin),
        }
    }
}

impl StoppedIn {
    /// Looks it up. Nothing where the log cannot be read that far, or the place is in no transaction: the error this
    /// is for is worth more than why.
    pub(super) fn look(place: &Place, logs: &dyn Logs) -> Option<Self> {
        let log = logs.read(place.epoch, &place.at.file).ok()?;
        let mut told = transactions(log, ReadingLimits { statement_bytes: 0, items: 0 });
        let found = told.find_map(|transaction| match transaction {
            Ok(transaction) if transaction.end <= place.at.position => None,
            other => Some(other),
        })?;
        let transaction = found.ok().filter(|transaction| transaction.begin <= place.at.position)?;
        let mut begin = place.clone();
        begin.at.position = transaction.begin;
        Some(StoppedIn { begin, gtid: transaction.gtid })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use xb_core::{BinlogCoord, BinlogName};

    use super::*;
    use crate::archive::{ArchiveError, EpochNumber};

    const LOG: &str = "bin.000001";

    struct One(BTreeMap<EpochNumber, Vec<u8>>);

    impl Logs for One {
        fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
            let none = || ArchiveError::NoLog { directory: "/a".into(), log: log.clone() };
            let bytes = self.0.get(&epoch).cloned().ok_or_else(none)?;
            Ok(Box::new(std::io::Cursor::new(bytes)))
        }
    }

    fn at(epoch: EpochNumber, position: u64) -> Place {
        Place { epoch, at: BinlogCoord { file: LOG.parse().unwrap(), position } }
    }

    #[test]
    fn every_byte_of_a_transaction_leads_to_where_it_begins() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../xb-formats/tests/data/binlog/mariadb-bin.000001");
        let bytes = std::fs::read(path).unwrap();
        let all: Vec<_> =
            transactions(bytes.as_slice(), ReadingLimits::default()).map(Result::unwrap).collect();
        let logs = One([(1, bytes)].into());
        for transaction in &all {
            let wanted = Some(StoppedIn { begin: at(1, transaction.begin), gtid: transaction.gtid.clone() });
            for position in [transaction.begin, transaction.begin + 1, transaction.end - 1] {
                assert_eq!(StoppedIn::look(&at(1, position), &logs), wanted, "{position}");
            }
        }
        assert!(all.len() > 1 && all[0].gtid.is_some());
        // The log's own events, behind its end, and a log that is not there.
        let end = all.last().unwrap().end + 1_000_000;
        for place in [at(1, 4), at(1, end), at(2, all[0].begin)] {
            assert_eq!(StoppedIn::look(&place, &logs), None);
        }
    }

    #[test]
    fn a_transaction_is_named_by_its_gtid_and_where_it_begins() {
        let with = StoppedIn { begin: at(1, 658), gtid: Some("0-1-9".parse().unwrap()) };
        assert_eq!(with.to_string(), "the transaction 0-1-9, which begins at bin.000001:658 of epoch 1");
        let without = StoppedIn { gtid: None, ..with };
        assert_eq!(without.to_string(), "the transaction that begins at bin.000001:658 of epoch 1");
    }
}

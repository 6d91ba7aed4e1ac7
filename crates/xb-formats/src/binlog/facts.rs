//! What the events of a file say together.

use std::collections::BTreeMap;

use xb_core::BinlogName;
use xb_core::gtid::{GtidSet, MysqlGtidSet};

use super::FIRST_EVENT;
use super::event::Event;
use super::format::{ChecksumAlgorithm, FormatDescription};
use super::gtid::{MariaGtid, MariaGtidState, MysqlGtid, position, uuid_text};
use super::payload::Payload;

/// What is known of a file from the events seen so far.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// Who wrote it, and how. None in a file that is not begun.
    pub format: Option<FormatDescription>,
    /// The id of the server that wrote it.
    pub server_id: Option<u32>,
    /// When it was begun, in seconds since 1970.
    pub begun: Option<u32>,
    /// The earliest and the latest time of an event, in seconds since 1970. A transaction has the time at
    /// which its statement began, so these need not be the first and the last.
    pub times: Option<(u32, u32)>,
    /// The earliest and the latest time at which the server that wrote it committed a transaction, in
    /// microseconds since 1970. Only MySQL 8.0 and later say it.
    pub commit_times: Option<(u64, u64)>,
    /// Events.
    pub events: u64,
    /// Where the last one begins, in bytes.
    pub last_position: u64,
    /// Where it ends, in bytes.
    pub end_position: u64,
    /// MySQL: the transactions of all files before.
    pub previous: Option<MysqlGtidSet>,
    /// MySQL: the transactions in this one.
    pub transactions: MysqlTransactions,
    /// MariaDB: the state of the log at the beginning.
    pub state: Option<MariaGtidState>,
    /// MariaDB: the transactions in this one, by domain.
    pub domains: BTreeMap<u32, DomainRange>,
    /// The file in which the log goes on, when this one says so.
    pub next_file: Option<BinlogName>,
    /// Whether the server keeps it encrypted.
    pub encrypted: bool,
    /// Events of a known type that were not understood. The GTIDs above may lack some then.
    pub not_understood: u64,
}

/// The transactions of a replication domain in one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainRange {
    /// The first one.
    pub first: MariaGtid,
    /// The last one.
    pub last: MariaGtid,
}

impl FileFacts {
    /// Adds what an event says.
    pub fn observe(&mut self, event: &Event) {
        self.events += 1;
        (self.last_position, self.end_position) = (event.offset, event.end());
        let time = event.header.timestamp;
        if time != 0 {
            self.times = Some(widened(self.times, time));
        }
        if let Some(time) = event.commit_time() {
            self.commit_times = Some(widened(self.commit_times, time));
        }
        match event.payload() {
            Ok(payload) => self.take(event, payload),
            Err(_) => self.not_understood += 1,
        }
    }

    fn take(&mut self, event: &Event, payload: Payload) {
        match payload {
            Payload::FormatDescription(format) if event.offset == FIRST_EVENT => {
                self.server_id = Some(event.header.server_id);
                self.begun = Some(event.header.timestamp);
                self.format = Some(format);
            }
            Payload::Rotate { file, .. } => self.next_file = file.parse().ok(),
            Payload::PreviousGtids(set) => self.previous = Some(set),
            Payload::MysqlGtid(gtid) => self.transactions.add(gtid),
            Payload::MariaGtidList(state) => self.state = Some(state),
            Payload::MariaGtid(gtid) => {
                let range =
                    self.domains.entry(gtid.domain).or_insert(DomainRange { first: gtid, last: gtid });
                range.last = gtid;
            }
            Payload::StartEncryption { .. } => self.encrypted = true,
            _ => {}
        }
    }

    /// How its events are protected.
    #[must_use]
    pub fn checksum(&self) -> Option<ChecksumAlgorithm> {
        self.format.as_ref().map(|format| format.checksum)
    }

    /// Everything that was committed by the end of this file: what was before and what is in it. None when
    /// the file says nothing about it.
    #[must_use]
    pub fn gtids_at_end(&self) -> Option<GtidSet> {
        if let Some(state) = &self.state {
            let own = self.domains.values().map(|range| range.last);
            return Some(GtidSet::MariaDb(position(state.0.iter().copied().chain(own))));
        }
        let previous = self.previous.as_ref()?;
        let text = format!("{previous},{}", self.transactions.set());
        text.parse::<MysqlGtidSet>().ok().map(GtidSet::MySql)
    }
}

/// A range with one more in it.
fn widened<T: Ord + Copy>(range: Option<(T, T)>, one: T) -> (T, T) {
    range.map_or((one, one), |(least, most)| (least.min(one), most.max(one)))
}

/// Transactions of MySQL servers, gathered one by one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct MysqlTransactions(BTreeMap<Origin, Intervals>);

/// A server's UUID and a tag.
type Origin = ([u8; 16], String);
/// First and last number of each interval.
type Intervals = Vec<(u64, u64)>;

impl MysqlTransactions {
    /// Adds one. Those that follow one another take no more room.
    fn add(&mut self, gtid: MysqlGtid) {
        let intervals = self.0.entry((gtid.uuid, gtid.tag)).or_default();
        match intervals.last_mut() {
            Some((_, last)) if *last + 1 == gtid.number => *last = gtid.number,
            _ => intervals.push((gtid.number, gtid.number)),
        }
    }

    /// Them as a set.
    #[must_use]
    pub fn set(&self) -> MysqlGtidSet {
        let mut text = String::new();
        for ((uuid, tag), intervals) in &self.0 {
            let separator = if tag.is_empty() { "" } else { ":" };
            text.push_str(&format!("{}{separator}{tag}", uuid_text(uuid)));
            intervals.iter().for_each(|(first, last)| text.push_str(&format!(":{first}-{last}")));
            text.push(',');
        }
        // What was printed here is of the form that is parsed there.
        text.parse().unwrap_or_default()
    }
}

//! Logs of real servers, looked into, and archives that were never written.

use std::collections::BTreeMap;
use std::io::Read;

use chrono::{DateTime, Utc};
use xb_core::gtid::{Gtid, GtidSet};
use xb_core::{BinlogCoord, BinlogName, Flavor};
use xb_formats::binlog::FileReader;
use xb_pipeline::cancel::CancelToken;

use super::*;
use crate::archive::{
    ArchiveError, Beginning, Epoch, EpochNumber, EpochRecord, EpochServer, LogEntry, LogState, Logs, Picture,
    Place,
};

const UUID: &str = "96652f25-e6dd-11f1-b128-02fc00000001";

fn data(name: &str) -> Vec<u8> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../xb-formats/tests/data/binlog/");
    std::fs::read(format!("{directory}{name}")).unwrap()
}

fn read(name: &str) -> Vec<TransactionSummary> {
    transactions(data(name).as_slice(), ReadingLimits::default()).map(Result::unwrap).collect()
}

/// Logs in memory.
#[derive(Default)]
struct Shelf(BTreeMap<(EpochNumber, String), Vec<u8>>);

impl Logs for Shelf {
    fn read(&self, epoch: EpochNumber, log: &BinlogName) -> Result<Box<dyn Read + Send>, ArchiveError> {
        Ok(Box::new(std::io::Cursor::new(self.0[&(epoch, log.to_string())].clone())))
    }
}

impl Shelf {
    fn epoch(
        &mut self,
        number: EpochNumber,
        flavor: Flavor,
        beginning: Beginning,
        logs: &[(&str, Vec<u8>)],
    ) -> Epoch {
        let entry = |(name, bytes): &(&str, Vec<u8>)| {
            let mut reader = FileReader::new(bytes.as_slice());
            reader.by_ref().for_each(|event| drop(event.unwrap()));
            let next = reader.facts().next_file.is_some();
            let state = if next { LogState::Closed } else { LogState::Open };
            LogEntry::of(name.parse().unwrap(), state, reader.facts(), None)
        };
        let entries = logs.iter().map(entry).collect();
        for (name, bytes) in logs {
            self.0.insert((number, (*name).to_owned()), bytes.clone());
        }
        let server = EpochServer {
            address: String::new(),
            flavor,
            version: String::new(),
            server_id: 1,
            uuid: (flavor == Flavor::MySql).then(|| UUID.to_owned()),
        };
        let record = EpochRecord { number, begun: DateTime::UNIX_EPOCH, server, beginning };
        Epoch { record, logs: entries, faults: Vec::new() }
    }
}

/// What MySQL 9.7 wrote: three logs, of which it was writing the last.
fn mysql(number: EpochNumber, shelf: &mut Shelf) -> Epoch {
    let names = ["bin.000001", "bin.000002", "bin.000003"];
    let logs: Vec<_> = names.iter().map(|name| (*name, data(&format!("mysql97-{name}")))).collect();
    shelf.epoch(number, Flavor::MySql, Beginning::First, &logs)
}

fn made(
    picture: &Picture,
    shelf: &Shelf,
    base: &Place,
    target: &Target,
    options: &Options,
) -> Result<ReplayPlan, RecoverError> {
    plan(picture, shelf, base, None, target, options, &CancelToken::new())
}

fn place(epoch: EpochNumber, name: &str, position: u64) -> Place {
    Place { epoch, at: BinlogCoord { file: name.parse().unwrap(), position } }
}

#[test]
fn the_transactions_of_real_logs_are_told() {
    for name in [
        "mysql97-bin.000001",
        "mysql97-bin.000002",
        "mysql56-bin.000002",
        "mariadb-bin.000001",
        "mariadb-bin.000002",
    ] {
        let told = read(name);
        assert!(!told.is_empty() && told.iter().all(TransactionSummary::is_whole), "{name}");
        assert!(told.windows(2).all(|pair| pair[0].end <= pair[1].begin), "{name}");
        let texts: Vec<_> =
            told.iter().flat_map(|t| &t.statements).filter_map(|s| s.text.as_deref()).collect();
        let tables: Vec<_> =
            told.iter().flat_map(|t| &t.tables).map(|changes| changes.table.as_str()).collect();
        assert!(!texts.is_empty() || !tables.is_empty(), "{name}");
        assert!(
            texts.iter().all(|text| !text.starts_with("BEGIN") && *text != "COMMIT"),
            "{name}: {texts:?}"
        );
    }
}

#[test]
fn a_compressed_transaction_is_looked_into() {
    let told = read("mysql97-bin.000001");
    assert!(told.iter().all(|transaction| !transaction.is_compressed));
    let changed = |kind: fn(&TableChanges) -> u64| told.iter().flat_map(|t| &t.tables).map(kind).sum::<u64>();
    assert!(changed(|table| table.insert_events) > 0, "{told:#?}");
    assert!(told.iter().flat_map(|t| &t.tables).all(|changes| changes.table != "?"), "{told:#?}");
}

/// One transaction with the statement behind its rows, in a table map and as many events of rows.
fn with_row_statement(statement: (u8, &[u8]), events: usize) -> TransactionSummary {
    let mut log = crate::testing::LogWriter::new(1_700_000_000);
    let begin = [&[0; 8][..], &[4, 0, 0, 0, 0], b"shop\0BEGIN"].concat();
    log.event(2, &begin).event(statement.0, statement.1);
    log.event(19, b"\x07\0\0\0\0\0\x01\0\x04shop\0\x01t\0");
    for _ in 0..events {
        log.event(30, b"\x07\0\0\0\0\0\x01\0rows");
    }
    log.event(16, &[0; 8]);
    let log = log.bytes();
    let mut told = transactions(log.as_slice(), ReadingLimits { statement_bytes: 30, items: 2 });
    let summary = told.next().unwrap().unwrap();
    assert!(told.next().is_none());
    summary
}

#[test]
fn the_statement_behind_rows_is_told_and_its_events_are_counted() {
    let text = b"INSERT INTO t2 SELECT * FROM t";
    let cut: Vec<u8> = [text, &b" WHERE id < 9"[..]].concat();
    let query: Vec<u8> = [&[text.len() as u8], &text[..]].concat();
    for (statement, is_cut) in [((160, &text[..]), false), ((160, &cut[..]), true), ((29, &query[..]), false)]
    {
        let told = with_row_statement(statement, 21);
        let [behind] = told.row_statements.as_slice() else { panic!("{told:?}") };
        assert_eq!(behind.text.as_deref(), Some("INSERT INTO t2 SELECT * FROM t"));
        assert_eq!(behind.is_cut, is_cut);
        let [table] = told.tables.as_slice() else { panic!("{told:?}") };
        assert_eq!((table.table.as_str(), table.insert_events), ("shop.t", 21));
        // It is not done again: what replaying goes by does not see it.
        assert!(told.statements.is_empty() && !told.may_log_nothing() && !told.has_temporary_tables);
    }
}

#[test]
fn what_is_told_of_a_transaction_has_an_end() {
    let mut log = crate::testing::LogWriter::new(1_700_000_000);
    for table in 0..5000_u32 {
        log.event(160, b"DELETE FROM t");
        let map = [&table.to_le_bytes()[..], b"\0\0\x01\0\x04shop\0\x01", &[b'a' + (table % 26) as u8, 0]];
        log.event(19, &map.concat());
        log.event(32, &[&table.to_le_bytes()[..], b"\0\0\x01\0rows"].concat());
    }
    let log = log.bytes();
    let limits = ReadingLimits { statement_bytes: 30, items: 2 };
    let told = transactions(log.as_slice(), limits).next().unwrap().unwrap();
    assert_eq!((told.row_statements.len(), told.more_row_statements), (2, 4998));
    let events: u64 = told.tables.iter().map(|table| table.delete_events).sum();
    assert_eq!((told.tables.len(), events + told.more_row_events), (2, 5000));
}

#[test]
fn borders_leave_nothing_between_them() {
    for name in ["mysql97-bin.000001", "mysql56-bin.000002", "mariadb-bin.000001"] {
        let log = data(name);
        let mut at = 4;
        for piece in pieces(log.as_slice(), ReadingLimits::default()) {
            let (begin, end) = piece.unwrap().range();
            assert_eq!(begin, at, "{name}");
            at = end;
        }
        assert_eq!(at, log.len() as u64, "{name}");
    }
}

#[test]
fn a_log_that_ends_inside_of_a_transaction_has_it_unfinished() {
    let log = data("mysql97-bin.000001");
    let told = read("mysql97-bin.000001");
    let last = told.last().unwrap();
    // Cut behind its first event.
    let first = u64::from(u32::from_le_bytes(log[last.begin as usize + 9..][..4].try_into().unwrap()));
    let cut = &log[..(last.begin + first) as usize];
    let of_cut: Vec<_> = transactions(cut, ReadingLimits::default()).map(Result::unwrap).collect();
    assert_eq!(of_cut.len(), told.len());
    assert!(!of_cut.last().unwrap().is_whole());
}

#[test]
fn a_time_is_met_to_the_microsecond() {
    let mut shelf = Shelf::default();
    let picture = Picture { epochs: vec![mysql(1, &mut shelf)], strangers: Vec::new() };
    let told = read("mysql97-bin.000001");
    let base = place(1, "bin.000001", told[0].begin);
    for (count, transaction) in told.iter().enumerate() {
        let at = |time: DateTime<Utc>| {
            made(&picture, &shelf, &base, &Target::Time(time), &Options::default()).unwrap().transactions
        };
        assert_eq!(at(transaction.time), count as u64);
        assert_eq!(at(transaction.time + chrono::TimeDelta::microseconds(1)), count as u64 + 1);
    }
}

/// A log whose statements began an hour before they were committed: on a replica that was behind, or because they took
/// so long.
fn begun_early(log: &[u8]) -> Vec<u8> {
    let mut reader = FileReader::new(log);
    let mut early = log[..4].to_vec();
    for event in reader.by_ref() {
        let mut bytes = event.unwrap().bytes.to_vec();
        let time = u32::from_le_bytes(*bytes.first_chunk().unwrap()) - 3600;
        bytes[..4].copy_from_slice(&time.to_le_bytes());
        let at = bytes.len() - 4;
        let crc = crc32fast::hash(&bytes[..at]);
        bytes[at..].copy_from_slice(&crc.to_le_bytes());
        early.extend(bytes);
    }
    early
}

#[test]
fn a_log_with_commits_behind_the_moment_is_read_however_old_its_events_are() {
    let mut shelf = Shelf::default();
    let logs = ["bin.000001", "bin.000002"].map(|name| (name, data(&format!("mysql97-{name}"))));
    let [first, (name, second)] = logs;
    let logs = [first, (name, begun_early(&second))];
    let mut picture = Picture {
        epochs: vec![shelf.epoch(1, Flavor::MySql, Beginning::First, &logs)],
        strangers: Vec::new(),
    };
    let last = read("mysql97-bin.000002").pop().unwrap();
    for entry in 0..2 {
        let log = &picture.epochs[0].logs[1];
        let latest = DateTime::from_timestamp(i64::from(log.times.unwrap().1), 0).unwrap();
        assert!(log.state == LogState::Closed && latest < last.time);
        let found = find_time(&picture, &shelf, last.time).unwrap().unwrap();
        assert_eq!(found.begin, place(1, "bin.000002", last.begin), "{entry}");
        let (base, target) = (place(1, "bin.000001", 4), Target::Time(last.time));
        let plan = made(&picture, &shelf, &base, &target, &Options::default()).unwrap();
        assert_eq!((plan.stop, plan.transactions), (place(1, "bin.000002", last.begin), 6), "{entry}");
        // Once more, as it was written down by an earlier version.
        picture.epochs[0].logs[1].commit_times = None;
    }
}

#[test]
fn a_log_without_commits_behind_the_moment_is_not_read() {
    let mut shelf = Shelf::default();
    let picture = Picture { epochs: vec![mysql(1, &mut shelf)], strangers: Vec::new() };
    let last = read("mysql97-bin.000001").pop().unwrap();
    shelf.0.remove(&(1, "bin.000001".to_owned()));
    let behind = last.time + chrono::TimeDelta::microseconds(1);
    let found = find_time(&picture, &shelf, behind).unwrap().unwrap();
    assert_eq!(found.begin.at.file.to_string(), "bin.000002");
}

#[test]
fn a_set_is_met_behind_its_last_transaction() {
    let mut shelf = Shelf::default();
    let picture = Picture { epochs: vec![mysql(1, &mut shelf)], strangers: Vec::new() };
    let base = place(1, "bin.000001", 4);
    let target = |text: String| Target::Gtid(GtidSet::MySql(text.parse().unwrap()));
    let plan_to = |text: String| made(&picture, &shelf, &base, &target(text), &Options::default());
    let plan = plan_to(format!("{UUID}:backup:1-2")).unwrap();
    assert_eq!(plan.gtids_at_stop.unwrap().to_string(), format!("{UUID}:1-3:backup:1-2"));
    let plan = plan_to(format!("{UUID}:5")).unwrap();
    assert_eq!((plan.stop.at.file.to_string().as_str(), plan.transactions), ("bin.000002", 7));
    // The log that was not read is there from its first event to its last.
    assert_eq!((plan.segments[0].from, plan.segments[0].to), (4, data("mysql97-bin.000001").len() as u64));
    let error = plan_to(format!("{UUID}:4:99")).unwrap_err().to_string();
    assert!(
        error.contains(&format!("{UUID}:99 is not in the archive")) && error.contains(&format!("{UUID}:5")),
        "{error}"
    );
}

#[test]
fn of_a_set_what_the_backup_has_is_left_out_wherever_it_is() {
    let mut shelf = Shelf::default();
    let picture = Picture { epochs: vec![mysql(1, &mut shelf)], strangers: Vec::new() };
    let has = GtidSet::MySql(format!("{UUID}:1-2:4:backup:1").parse().unwrap());
    let base = Base {
        coord: None,
        gtids: Some(has.clone()),
        server_uuid: None,
        flavor: Flavor::MySql,
        ended: None,
        epoch: None,
    };
    let start = find_base(&picture, &shelf, &base).unwrap();
    let plan =
        plan(&picture, &shelf, &start, Some(&has), &Target::Latest, &Options::default(), &CancelToken::new())
            .unwrap();
    assert_eq!(plan.replayed.unwrap().to_string(), format!("{UUID}:3:5:backup:2"));
    assert_eq!(plan.gtids_at_stop.unwrap().to_string(), format!("{UUID}:1-5:backup:1-2"));
}

#[test]
fn a_base_in_two_epochs_is_ambiguous_until_one_is_named() {
    let mut shelf = Shelf::default();
    let logs = [("bin.000002", data("mysql56-bin.000002"))];
    let first = shelf.epoch(1, Flavor::MySql, Beginning::First, &logs);
    let second = shelf.epoch(2, Flavor::Percona, Beginning::First, &logs);
    let picture = Picture { epochs: vec![first, second], strangers: Vec::new() };
    let position = read("mysql56-bin.000002")[0].end;
    let base = |uuid: Option<&str>, epoch| Base {
        coord: Some(BinlogCoord { file: "bin.000002".parse().unwrap(), position }),
        gtids: None,
        server_uuid: uuid.map(str::to_owned),
        flavor: Flavor::MySql,
        ended: None,
        epoch,
    };
    let error = find_base(&picture, &shelf, &base(None, None)).unwrap_err();
    assert!(matches!(&error, RecoverError::AmbiguousBase { places } if places.len() == 2), "{error}");
    assert!(error.to_string().ends_with("name its epoch (base-epoch)"), "{error}");
    assert_eq!(find_base(&picture, &shelf, &base(None, Some(2))).unwrap().epoch, 2);
    // The second one does not know whose it is.
    assert_eq!(find_base(&picture, &shelf, &base(Some(UUID), None)).unwrap().epoch, 1);
    let error = find_base(&picture, &shelf, &base(None, Some(7))).unwrap_err();
    assert!(matches!(error, RecoverError::NoBase { .. }), "{error}");
}

/// Two servers whose logs have the same names, of which the second took over or has nothing to do with the first.
fn namesakes(shelf: &mut Shelf, is_joined: bool) -> Picture {
    let of = |name: &str| vec![("bin.000001", data(&format!("mysql97-bin.{name}")))];
    let first = shelf.epoch(1, Flavor::MySql, Beginning::First, &of("000001"));
    let (at, gtids) = (first.end().unwrap(), first.logs[0].gtids_at_end.clone().unwrap());
    let beginning = match is_joined {
        true => Beginning::Joined { epoch: 1, at, gtids },
        false => Beginning::Broken { epoch: 1, at: Some(at), reason: "it was reset".to_owned() },
    };
    let second = shelf.epoch(2, Flavor::MySql, beginning, &of("000002"));
    Picture { epochs: vec![first, second], strangers: Vec::new() }
}

#[test]
fn a_base_in_two_epochs_is_in_the_one_that_was_written_when_the_backup_ended() {
    let mut shelf = Shelf::default();
    let mut picture = namesakes(&mut shelf, false);
    let first = picture.epochs[0].logs[0].begun.unwrap();
    picture.epochs[1].logs[0].begun = Some(first + 100);
    let second = i64::from(first) + 100;
    let base = |ended: i64| Base {
        coord: Some(BinlogCoord { file: "bin.000001".parse().unwrap(), position: 4 }),
        gtids: None,
        server_uuid: None,
        flavor: Flavor::MySql,
        ended: chrono::DateTime::from_timestamp(ended, 0),
        epoch: None,
    };
    assert_eq!(find_base(&picture, &shelf, &base(second - 1)).unwrap().epoch, 1);
    assert_eq!(find_base(&picture, &shelf, &base(second + 1)).unwrap().epoch, 2);
    // It ended in the very second.
    let error = find_base(&picture, &shelf, &base(second)).unwrap_err();
    assert!(matches!(error, RecoverError::AmbiguousBase { .. }), "{error}");
    // Another server's logs replace nothing.
    picture.epochs[1].record.server.server_id += 1;
    let error = find_base(&picture, &shelf, &base(second + 1)).unwrap_err();
    assert!(matches!(error, RecoverError::AmbiguousBase { .. }), "{error}");
}

fn position(epoch: Option<EpochNumber>, name: &str, position: u64) -> Target {
    Target::Position { epoch, coord: place(0, name, position).at }
}

#[test]
fn a_position_is_in_the_epoch_that_is_named_wherever_the_backup_stands() {
    let mut shelf = Shelf::default();
    let picture = namesakes(&mut shelf, true);
    let ends = |name: &str| read(name).last().unwrap().end;
    let (first, second) = (ends("mysql97-bin.000001"), ends("mysql97-bin.000002"));
    let base = place(1, "bin.000001", read("mysql97-bin.000001")[0].end);
    let to = |base: &Place, epoch, at| {
        made(&picture, &shelf, base, &position(epoch, "bin.000001", at), &Options::default())
    };
    let plan = to(&base, Some(2), second).unwrap();
    assert_eq!((plan.start, plan.stop), (base.clone(), place(2, "bin.000001", second)));
    assert_eq!(plan.transactions, 6);
    let plan = to(&base, Some(1), first).unwrap();
    assert_eq!((plan.stop, plan.transactions), (place(1, "bin.000001", first), 5));
    let error = to(&base, Some(3), first).unwrap_err();
    assert_eq!(error.to_string(), "there is no epoch 3 in the archive; it has 1, 2");
    let error = to(&place(2, "bin.000001", 4), Some(1), first).unwrap_err();
    assert!(matches!(error, RecoverError::BeforeBase { .. }), "{error}");
}

#[test]
fn a_position_of_a_name_in_several_epochs_is_refused_until_one_is_named() {
    for is_joined in [true, false] {
        let mut shelf = Shelf::default();
        let picture = namesakes(&mut shelf, is_joined);
        let at = read("mysql97-bin.000002").last().unwrap().end;
        // Also where only one of them is on the way.
        for base in [place(1, "bin.000001", 4), place(2, "bin.000001", 4)] {
            let error = made(&picture, &shelf, &base, &position(None, "bin.000001", at), &Options::default());
            let error = error.unwrap_err();
            let RecoverError::AmbiguousLog { epochs, .. } = &error else { panic!("{error}") };
            assert_eq!(epochs, &[1, 2]);
        }
        let base = place(2, "bin.000001", 4);
        let plan = made(&picture, &shelf, &base, &position(Some(2), "bin.000001", at), &Options::default());
        assert_eq!(plan.unwrap().stop, place(2, "bin.000001", at));
    }
}

#[test]
fn a_log_without_an_epoch_that_is_in_one_too_is_one_log() {
    let logs = [1, 2, 3].map(|number| {
        let name = ["bin.000001", "bin.000002", "bin.000003"][number - 1];
        (name, data(&format!("mysql97-{name}")))
    });
    // As many as lie there without an epoch are followed by those in it.
    for (flat, epoch) in [(0..2, 1..3), (0..3, 1..3), (0..3, 2..3)] {
        let mut shelf = Shelf::default();
        let epochs = vec![
            shelf.epoch(0, Flavor::MySql, Beginning::First, &logs[flat.clone()]),
            shelf.epoch(1, Flavor::MySql, Beginning::First, &logs[epoch.clone()]),
        ];
        let picture = Picture { epochs, strangers: Vec::new() };
        let base = place(0, "bin.000001", 4);
        let whole = made(&picture, &shelf, &base, &Target::Latest, &Options::default()).unwrap();
        let went: Vec<_> = whole.segments.iter().map(|s| (s.epoch, s.log.number())).collect();
        let expected: Vec<_> = (0..3).map(|at| (u32::from(epoch.contains(&at)), at as u64 + 1)).collect();
        assert_eq!(went, expected, "{flat:?} {epoch:?}");
        let (name, log) = &logs[epoch.start];
        let at = log.len() as u64;
        for named in [None, Some(0), Some(1)] {
            let plan = made(&picture, &shelf, &base, &position(named, name, at), &Options::default());
            assert_eq!(plan.unwrap().stop, place(1, name, at), "{flat:?} {epoch:?} {named:?}");
        }
    }
}

#[test]
fn a_plan_is_gone_on_with_behind_a_place() {
    let mut shelf = Shelf::default();
    let picture = Picture { epochs: vec![mysql(1, &mut shelf)], strangers: Vec::new() };
    let told = read("mysql97-bin.000001");
    let gtid: Gtid = told[2].gtid.clone().unwrap();
    let options = Options { exclude: vec![gtid.clone()], ..Options::default() };
    let plan = made(&picture, &shelf, &place(1, "bin.000001", 4), &Target::Latest, &options).unwrap();
    assert_eq!((plan.excluded.len(), &plan.excluded[0].gtid), (1, &gtid));
    assert_eq!((plan.segments[0].to, plan.segments[1].from), (told[2].begin, told[2].end));
    assert_eq!(plan.behind(&plan.start), plan.segments);
    assert_eq!(plan.behind(&place(1, "bin.000001", told[1].end)), plan.segments[1..]);
    assert_eq!(plan.behind(&place(1, "bin.000001", told[0].end))[0].from, told[0].end);
    assert!(plan.behind(&plan.stop).is_empty());
    let read: ReplayPlan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(read, plan);
    // Done, half done, and not begun.
    let progress = |text: &str| {
        let set = GtidSet::MySql(text.parse().unwrap());
        progress_of(Some(&set), &plan, &shelf, &CancelToken::new()).unwrap()
    };
    assert_eq!(progress(&plan.replayed.clone().unwrap().to_string()), Resume::Done);
    let first = told[0].gtid.clone().unwrap().alone().to_string();
    assert!(matches!(progress(&first), Resume::Continue(_) | Resume::StartOver(_)));
    confirm(plan.replayed.as_ref().unwrap(), &plan, &shelf, &CancelToken::new()).unwrap();
    let error = confirm(&first.parse().unwrap(), &plan, &shelf, &CancelToken::new()).unwrap_err();
    assert!(matches!(error, RecoverError::Strange { .. }), "{error}");
}

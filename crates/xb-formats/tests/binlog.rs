//! Binary logs: real ones, damaged ones, and ones nobody wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests are test code")]

use std::fs;

use proptest::collection::vec;
use proptest::prelude::*;
use xb_formats::binlog::{
    BinlogError, ChecksumAlgorithm, Close, Content, End, Event, EventHeader, EventKind, Fault, FileFacts,
    FileReader, Limits, Payload, ReadError, Splitter,
};

/// Every real log whose events can be read.
const READABLE: [&str; 11] = [
    "mariadb-bin.000001",
    "mariadb-bin.000002",
    "mariadb-bin.000003",
    "mariadb-bin.000004",
    "mariadb-active",
    "mariadb-encrypted-as-sent",
    "mysql56-bin.000002",
    "mysql56-active",
    "mysql97-bin.000001",
    "mysql97-bin.000002",
    "mysql97-bin.000003",
];

fn data(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/data/binlog/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The events of a log and how it ends.
fn read(log: &[u8]) -> (Vec<Event>, Result<End, BinlogError>, FileFacts) {
    let mut reader = FileReader::new(log);
    let mut events = Vec::new();
    for event in reader.by_ref() {
        match event {
            Ok(event) => events.push(event),
            Err(ReadError::Format(error)) => return (events, Err(error), reader.facts().clone()),
            Err(ReadError::Io(error)) => panic!("{error}"),
        }
    }
    (events, Ok(reader.end().unwrap()), reader.facts().clone())
}

fn end_of(name: &str) -> End {
    read(&data(name)).1.unwrap()
}

#[test]
fn events_of_real_logs_are_all_their_bytes() {
    for name in READABLE {
        let log = data(name);
        let (events, end, facts) = read(&log);
        end.unwrap();
        let mut copy = b"\xfebin".to_vec();
        for event in &events {
            assert_eq!(event.offset, copy.len() as u64, "{name}");
            copy.extend(&event.bytes);
        }
        assert_eq!(copy, log, "{name}");
        assert_eq!((facts.events, facts.end_position), (events.len() as u64, log.len() as u64), "{name}");
        assert_eq!(facts.not_understood, 0, "{name}");
    }
}

#[test]
fn a_log_says_how_it_ends() {
    assert_eq!(end_of("mariadb-bin.000001"), End::Closed(Close::Rotate));
    assert_eq!(end_of("mariadb-bin.000004"), End::Closed(Close::Stop));
    assert_eq!(end_of("mariadb-active"), End::Open { at: 619 });
    assert_eq!(end_of("mysql97-bin.000002"), End::Closed(Close::Rotate));
    assert_eq!(end_of("mysql97-bin.000003"), End::Open { at: 246 });
    let in_use = |name: &str| read(&data(name)).2.format.unwrap().in_use;
    assert_eq!(
        ["mariadb-active", "mysql97-bin.000003", "mariadb-bin.000004"].map(in_use),
        [true, true, false]
    );
}

#[test]
fn facts_of_mariadb_logs() {
    let facts = read(&data("mariadb-bin.000001")).2;
    let format = facts.format.clone().unwrap();
    assert_eq!(format.server_version, "10.11.19-MariaDB-0+deb12u1-log");
    assert_eq!((facts.server_id, facts.checksum()), (Some(7), Some(ChecksumAlgorithm::Crc32)));
    assert!(format.created > 0, "the first file after a start");
    assert_eq!(facts.times.unwrap().0, facts.begun.unwrap());
    assert_eq!(facts.next_file.as_ref().unwrap().to_string(), "mysql-bin.000002");
    let shown: Vec<_> = facts.domains.values().map(|d| format!("{}..{}", d.first, d.last)).collect();
    assert_eq!(shown, ["0-7-1..0-7-4", "3-7-1..3-7-1"]);
    assert_eq!(facts.gtids_at_end().unwrap().to_string(), "0-7-4,3-7-1");
    assert!(facts.state.unwrap().0.is_empty());

    let facts = read(&data("mariadb-bin.000003")).2;
    assert_eq!(facts.checksum(), Some(ChecksumAlgorithm::Off));
    assert_eq!(facts.state.as_ref().unwrap().position().to_string(), "0-7-5,3-7-1");
    assert_eq!(facts.gtids_at_end().unwrap().to_string(), "0-7-7,3-7-1");
    assert_eq!(facts.format.unwrap().created, 0, "a later file");
    assert_eq!((facts.last_position, facts.end_position), (803, 846));
}

#[test]
fn facts_of_mysql_logs() {
    let (events, _, facts) = read(&data("mysql97-bin.000001"));
    let uuid = "96652f25-e6dd-11f1-b128-02fc00000001";
    assert!(facts.previous.as_ref().unwrap().is_empty());
    assert_eq!(facts.transactions.set().to_string(), format!("{uuid}:1-4:backup:1-2"));
    assert_eq!(facts.server_id, Some(9));
    let tagged = events.iter().find(|event| event.header.kind == EventKind::GTID_TAGGED).unwrap();
    let Payload::MysqlGtid(gtid) = tagged.payload().unwrap() else { panic!("no GTID") };
    assert_eq!(gtid.to_string(), format!("{uuid}:backup:1"));

    let facts = read(&data("mysql97-bin.000002")).2;
    assert_eq!(facts.previous.as_ref().unwrap().to_string(), format!("{uuid}:1-4:backup:1-2"));
    assert_eq!(facts.gtids_at_end().unwrap().to_string(), format!("{uuid}:1-5:backup:1-2"));
    let old = read(&data("mysql56-bin.000002")).2;
    assert_eq!(
        (old.format.as_ref().unwrap().server_version.as_str(), old.checksum()),
        ("5.6.24-log", Some(ChecksumAlgorithm::Off))
    );
    let last = read(&data("mysql97-bin.000003")).2;
    assert_eq!(last.gtids_at_end(), facts.gtids_at_end());
}

#[test]
fn mysql_says_to_the_microsecond_when_it_committed() {
    for name in ["mysql97-bin.000001", "mysql97-bin.000002"] {
        let (events, _, facts) = read(&data(name));
        let heads = events.iter().filter(|event| event.content() == Content::Head);
        let times: Vec<(u32, u64)> =
            heads.map(|head| (head.header.timestamp, head.commit_time().unwrap())).collect();
        assert!(!times.is_empty());
        for (seconds, micros) in &times {
            assert!((0..2).contains(&(micros / 1_000_000 - u64::from(*seconds))), "{seconds} {micros}");
        }
        assert!(times.iter().any(|(_, micros)| micros % 1000 != 0) && times.is_sorted());
        assert_eq!(facts.commit_times, Some((times[0].1, times[times.len() - 1].1)), "{name}");
    }
    let tagged = read(&data("mysql97-bin.000001")).0;
    assert!(tagged.iter().any(|event| event.header.kind == EventKind::GTID_TAGGED));
    for name in ["mysql56-bin.000002", "mariadb-bin.000001"] {
        let (events, _, facts) = read(&data(name));
        assert!(events.iter().all(|event| event.commit_time().is_none()));
        assert_eq!(facts.commit_times, None, "{name}");
    }
    assert_eq!(read(&data("mysql97-bin.000003")).2.commit_times, None, "it has no transactions");
}

#[test]
fn an_encrypted_log_is_read_as_far_as_it_is_in_clear() {
    let (events, end, facts) = read(&data("mariadb-encrypted"));
    assert_eq!((events.len(), end.unwrap(), facts.encrypted), (2, End::Encrypted { from: 296 }, true));
    let (events, end, facts) = read(&data("mariadb-encrypted-as-sent"));
    assert_eq!((events.len(), end.unwrap(), facts.encrypted), (10, End::Closed(Close::Rotate), true));
    assert_eq!(read(b"\xfdbin and anything").1.unwrap(), End::Encrypted { from: 0 });
}

#[test]
fn a_log_cut_at_any_byte_is_torn_behind_its_last_whole_event() {
    for name in READABLE {
        let log = data(name);
        let borders: Vec<u64> = read(&log).0.iter().map(|event| event.offset).collect();
        for length in 0..log.len() {
            let (events, end, _) = read(&log[..length]);
            let at = length as u64;
            let whole = match borders.iter().rfind(|border| **border <= at) {
                Some(border) => *border,
                None => 0,
            };
            assert!(events.iter().all(|event| event.end() <= whole), "{name} cut at {length}");
            match end.unwrap() {
                End::Torn { at, length: found } => assert_eq!((at, found), (whole, length as u64), "{name}"),
                End::Open { at } => assert_eq!((at, whole), (length as u64, length as u64), "{name}"),
                // Where only the mark of the end is missing behind a rotate there is nothing to miss.
                other => panic!("{name} cut at {length}: {other:?}"),
            }
        }
    }
}

/// The in-use flag is the one bit that is no part of a checksum: servers set it behind its back.
fn is_flag(at: usize, bit: u8) -> bool {
    at == 21 && bit == 0
}

#[test]
fn a_flipped_bit_anywhere_in_a_log_with_checksums_is_noticed_where_it_is() {
    for name in READABLE {
        let log = data(name);
        let (events, _, facts) = read(&log);
        if facts.checksum() != Some(ChecksumAlgorithm::Crc32) {
            continue;
        }
        for at in 4..log.len() {
            let bit = (at % 8) as u8;
            if is_flag(at, bit) {
                continue;
            }
            let mut damaged = log.clone();
            damaged[at] ^= 1 << bit;
            let hit = events.iter().rfind(|event| event.offset <= at as u64).unwrap();
            let (good, end, _) = read(&damaged);
            assert!(good.iter().all(|event| event.end() <= hit.offset), "{name}, bit {bit} of byte {at}");
            match end {
                Err(error) => assert_eq!(error.offset, hit.offset, "{name}, bit {bit} of byte {at}: {error}"),
                // A length that leads behind the end of the file cannot be told from a file that is cut.
                Ok(End::Torn { at: torn, .. }) => {
                    assert_eq!(torn, hit.offset);
                    let length = hit.offset as usize + 9;
                    assert!((length..length + 4).contains(&at), "{name}, bit {bit} of byte {at}");
                }
                Ok(end) => panic!("{name}, bit {bit} of byte {at} unnoticed: {end:?}"),
            }
        }
    }
}

#[test]
fn without_checksums_an_event_at_the_wrong_place_is_noticed() {
    let log = data("mariadb-bin.000003");
    let (events, ..) = read(&log);
    let gone = &events[3];
    let without = [&log[..gone.offset as usize], &log[gone.end() as usize..]].concat();
    let error = read(&without).1.unwrap_err();
    assert_eq!(error.offset, gone.offset);
    assert!(matches!(error.fault, Fault::BadPosition { .. }), "{error}");
}

#[test]
fn what_is_no_binary_log_is_told_so() {
    let fault = |log: &[u8]| read(log).1.unwrap_err().fault;
    assert_eq!(fault(b"XBSTCK01"), Fault::BadMagic { found: *b"XBST" });
    let mut zeros = data("mariadb-active");
    let whole = zeros.len() as u64;
    zeros.resize(zeros.len() + 100, 0);
    let error = read(&zeros).1.unwrap_err();
    assert_eq!(error, BinlogError { offset: whole, fault: Fault::Short { length: 0, needed: 19 } });
    let rotate = &data("mariadb-bin.000001")[1314..];
    assert_eq!(fault(&[b"\xfebin", rotate].concat()), Fault::NoFormat { kind: EventKind::ROTATE });
}

#[test]
fn an_event_that_announces_much_takes_no_more_memory_than_has_arrived() {
    let mut log = data("mariadb-active");
    let whole = log.len() as u64;
    log.extend([1, 0, 0, 0, 2, 7, 0, 0, 0]);
    log.extend((1_u32 << 30).to_le_bytes());
    log.extend([0; 10]);
    assert_eq!(read(&log).1.unwrap(), End::Torn { at: whole, length: log.len() as u64 });
    let place = log.len() - 14;
    log[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(read(&log).1.unwrap_err().fault, Fault::Long { length: 0xffff_ffff, .. }));
}

/// Feeds a log in pieces and gives what comes out.
fn split(pieces: &[&[u8]]) -> (Vec<Event>, Result<End, BinlogError>) {
    let mut splitter = Splitter::new(Limits::default());
    let mut events = Vec::new();
    for piece in pieces {
        let fed = splitter.feed::<BinlogError>(piece, &mut |event| {
            events.push(event);
            Ok(())
        });
        if let Err(error) = fed {
            assert_eq!(splitter.finish().as_ref(), Err(&error), "it ends well after an error");
            return (events, Err(error));
        }
    }
    let end = splitter.finish();
    (events, end)
}

/// An event with whatever body, with right length, position and checksum.
fn sealed(kind: u8, flags: u16, body: &[u8], offset: usize) -> Vec<u8> {
    let length = 19 + body.len() + 4;
    let mut event = vec![1, 0, 0, 0, kind, 7, 0, 0, 0];
    event.extend((length as u32).to_le_bytes());
    event.extend(((offset + length) as u32).to_le_bytes());
    event.extend(flags.to_le_bytes());
    event.extend(body);
    let checksum = crc32fast::hash(&event);
    event.extend(checksum.to_le_bytes());
    event
}

proptest! {
    #[test]
    fn a_log_is_read_alike_however_it_is_cut(which in 0..READABLE.len(), cuts in vec(1..300_usize, 1..40)) {
        let log = data(READABLE[which]);
        let (mut pieces, mut rest) = (Vec::new(), log.as_slice());
        for size in cuts {
            let (piece, behind) = rest.split_at(size.min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        pieces.push(rest);
        let (events, end, _) = read(&log);
        prop_assert_eq!(split(&pieces), (events, end));
    }

    #[test]
    fn no_input_makes_the_reader_panic(
        which in 0..READABLE.len(), start in 0..700_usize, noise in vec(any::<u8>(), 0..200)
    ) {
        let mut log = data(READABLE[which]);
        log.truncate(start);
        log.extend(noise);
        let (events, ..) = read(&log);
        let bytes: usize = events.iter().map(|event| event.bytes.len()).sum();
        prop_assert!(bytes <= log.len());
    }

    /// Bodies that pass the checksum reach the parsers of payloads.
    #[test]
    fn no_body_makes_a_parser_panic(
        kind in prop_oneof![any::<u8>(), (27..43_u8), (160..165_u8), Just(4), Just(15)],
        flags in any::<u16>(),
        body in prop_oneof![
            vec(any::<u8>(), 0..120),
            vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff)], 0..120),
        ],
    ) {
        let mut log = data("mariadb-active");
        let whole = log.len();
        log.extend(sealed(kind, flags, &body, whole));
        let (events, end, facts) = read(&log);
        let _ = facts.gtids_at_end();
        if let Some(event) = events.iter().find(|event| event.offset == whole as u64) {
            let _ = event.payload();
            prop_assert_eq!(event.body(), body.as_slice());
            let _ = Payload::of_artificial(&event.bytes);
        } else {
            prop_assert!(kind == 15 && end.is_err());
        }
        let _ = Payload::of_artificial(&body);
    }

    #[test]
    fn a_rotate_says_what_was_written(name in "[a-z]{1,20}\\.[0-9]{6}", position in any::<u64>()) {
        let body = [&position.to_le_bytes(), name.as_bytes()].concat();
        let event = sealed(4, EventHeader::ARTIFICIAL, &body, 0);
        let wanted = Payload::Rotate { file: name.clone(), position };
        prop_assert_eq!(Payload::of_artificial(&event).unwrap(), wanted.clone());
        let mut plain = event[..event.len() - 4].to_vec();
        let length = (plain.len() as u32).to_le_bytes();
        plain[9..13].copy_from_slice(&length);
        prop_assert_eq!(Payload::of_artificial(&plain).unwrap(), wanted);
    }
}

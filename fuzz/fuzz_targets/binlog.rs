//! The reader of binary logs, with the input as it is and with its positions and checksums made right: the
//! same comes out whatever way the input is cut and by both ways of reading, events are the bytes of the log
//! one behind the other, and no body makes the parsers of payloads panic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xb_formats::binlog::{BinlogError, End, Event, FileReader, Limits, Payload, ReadError, Splitter};
use xb_fuzz::{pieces, seal};

fuzz_target!(|input: &[u8]| {
    check(input);
    check(&seal::binlog(input));
    let _ = Payload::of_artificial(input);
});

/// The events of a log, how it ends, and how far it is good.
type Outcome = (Vec<Event>, Result<End, BinlogError>, u64);

fn check(log: &[u8]) {
    let whole = split(std::iter::once(log));
    assert_eq!(whole, split(pieces(log)));
    let (events, end, position) = whole;
    let mut at = 4;
    for event in &events {
        assert_eq!(event.offset, at);
        assert_eq!(log.get(at as usize..event.end() as usize), Some(event.bytes.as_slice()));
        let _ = (event.payload(), event.content());
        at = event.end();
    }
    assert_eq!(position, at, "what is good ends with the last event");
    match &end {
        Ok(End::Torn { at: torn, length }) => {
            assert!(*length == log.len() as u64 && torn < length && (*torn == at || *torn == 0));
        }
        Ok(End::Open { at: open }) => assert_eq!(*open, log.len() as u64),
        Ok(End::Closed(_)) => assert_eq!(at, log.len() as u64),
        Ok(End::Encrypted { from }) => assert!(*from <= log.len() as u64),
        Err(error) => assert!(error.offset <= log.len() as u64),
    }
    check_reader(log, &events, &end);
}

fn split<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Outcome {
    let mut splitter = Splitter::new(Limits::default());
    let mut events = Vec::new();
    for piece in pieces {
        let fed = splitter.feed::<BinlogError>(piece, &mut |event| {
            events.push(event);
            Ok(())
        });
        if let Err(error) = fed {
            assert_eq!(splitter.finish().as_ref(), Err(&error), "it ends well after an error");
            return (events, Err(error), splitter.check().position());
        }
    }
    let position = splitter.check().position();
    (events, splitter.finish(), position)
}

/// Reads the log with the reader that fetches, and gathers the facts.
fn check_reader(log: &[u8], events: &[Event], end: &Result<End, BinlogError>) {
    let mut reader = FileReader::new(log);
    for event in events {
        assert!(matches!(reader.next(), Some(Ok(read)) if read == *event));
    }
    match (reader.next(), end) {
        (None, Ok(end)) => assert_eq!(reader.end(), Some(*end)),
        (Some(Err(ReadError::Format(error))), Err(wanted)) => assert_eq!(error, *wanted),
        (other, _) => assert!(other.is_none(), "{other:?}"),
    }
    let facts = reader.facts();
    assert_eq!(facts.events, events.len() as u64);
    let _ = facts.gtids_at_end();
}

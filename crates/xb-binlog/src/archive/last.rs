//! The newest event of a log.

use serde::{Deserialize, Serialize};
use xb_formats::binlog::{Event, EventHeader, EventKind};
use xb_pipeline::Digest;

/// Where the flags are in an event; their first byte has the in-use flag of a format description.
const FLAGS: usize = 17;
/// A newest event is kept as long as this, in bytes. Longer ones are digested at once, to need no memory.
const KEPT: usize = 256 * 1024;

/// The newest event of an archive, by which another server, or the same one begun anew, is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// Where it begins in its file, in bytes.
    pub position: u64,
    /// Its length in bytes.
    pub length: u64,
    /// The BLAKE3 digest of all of it, without the in-use flag. Not a CRC-32: that of everything which ends
    /// with its own is the same.
    pub digest: Digest,
}

impl LastEvent {
    /// What to remember of an event.
    #[must_use]
    pub fn of(position: u64, bytes: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(bytes.get(..FLAGS).unwrap_or(bytes));
        if let Some((flags, rest)) = bytes.get(FLAGS..).and_then(<[u8]>::split_first) {
            let is_format = bytes.get(4) == Some(&EventKind::FORMAT_DESCRIPTION.0);
            hasher.update(&[if is_format { flags & !(EventHeader::IN_USE as u8) } else { *flags }]);
            hasher.update(rest);
        }
        LastEvent { position, length: bytes.len() as u64, digest: hasher.finalize().into() }
    }
}

/// The newest of the events that passed. It is digested only when somebody asks: nearly all are followed by
/// another before.
#[derive(Clone, Debug, Default)]
pub(super) enum Newest {
    /// There was none.
    #[default]
    None,
    /// A short one, as it is.
    Kept { position: u64, bytes: Vec<u8> },
    /// A long one.
    Digested(LastEvent),
}

impl Newest {
    /// This one, from now on.
    pub(super) fn set(&mut self, event: Event) {
        let Event { offset: position, bytes, .. } = event;
        *self = match bytes.len() {
            ..=KEPT => Newest::Kept { position, bytes },
            _ => Newest::Digested(LastEvent::of(position, &bytes)),
        };
    }

    /// What to remember of it.
    pub(super) fn get(&self) -> Option<LastEvent> {
        match self {
            Newest::None => None,
            Newest::Kept { position, bytes } => Some(LastEvent::of(*position, bytes)),
            Newest::Digested(last) => Some(*last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xb_formats::binlog::EventCheck;

    use crate::testing::LogWriter;

    #[test]
    fn what_is_remembered_of_an_event_does_not_depend_on_how_it_was_kept() {
        let mut writer = LogWriter::new(1);
        for length in [1, KEPT - 30, KEPT, 3 * KEPT] {
            writer.event(2, &vec![7; length]);
        }
        let (mut check, mut newest) = (EventCheck::new(), Newest::None);
        assert_eq!(newest.get(), None);
        for (number, bytes) in writer.events.into_iter().enumerate() {
            let event = check.check(bytes.clone()).unwrap();
            let expected = LastEvent::of(event.offset, &bytes);
            newest.set(event);
            assert_eq!(newest.get(), Some(expected));
            assert_eq!(matches!(newest, Newest::Kept { .. }), number < 3);
        }
    }
}

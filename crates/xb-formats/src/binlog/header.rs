//! The 19 bytes every event begins with.

use std::fmt;

use crate::bytes::number_at;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 19;

/// What kind of event it is: a number, of which only some are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventKind(pub u8);

impl EventKind {
    /// The server ended in an orderly way behind it.
    pub const STOP: EventKind = EventKind(3);
    /// The log goes on in another file.
    pub const ROTATE: EventKind = EventKind(4);
    /// How the file is written.
    pub const FORMAT_DESCRIPTION: EventKind = EventKind(15);
    /// The connection lives; stands in no file.
    pub const HEARTBEAT: EventKind = EventKind(27);
    /// MySQL: the transaction that follows.
    pub const GTID: EventKind = EventKind(33);
    /// MySQL: a transaction without a GTID follows.
    pub const ANONYMOUS_GTID: EventKind = EventKind(34);
    /// MySQL: the transactions of all files before.
    pub const PREVIOUS_GTIDS: EventKind = EventKind(35);
    /// MySQL from 8.0.26 on: a heartbeat with a position of 64 bits.
    pub const HEARTBEAT_V2: EventKind = EventKind(41);
    /// MySQL from 8.3 on: the transaction that follows, when its GTID has a tag.
    pub const GTID_TAGGED: EventKind = EventKind(42);
    /// MariaDB: transactions in files before the one it names are all committed.
    pub const BINLOG_CHECKPOINT: EventKind = EventKind(161);
    /// MariaDB: the transaction that follows.
    pub const MARIA_GTID: EventKind = EventKind(162);
    /// MariaDB: the last transactions of all files before.
    pub const MARIA_GTID_LIST: EventKind = EventKind(163);
    /// MariaDB: what follows is encrypted.
    pub const START_ENCRYPTION: EventKind = EventKind(164);

    /// Whether events of this kind only keep a connection alive.
    #[must_use]
    pub fn is_heartbeat(self) -> bool {
        self == EventKind::HEARTBEAT || self == EventKind::HEARTBEAT_V2
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventHeader {
    /// When the statement began, in seconds since 1970. 0 in what a server makes up for a replica.
    pub timestamp: u32,
    /// What kind of event it is.
    pub kind: EventKind,
    /// The server it was first written by.
    pub server_id: u32,
    /// Bytes of the event with header and checksum.
    pub length: u32,
    /// Where it ends in its file, modulo 2^32. 0 in what stands in no file.
    pub next_position: u32,
    /// Bits; see the constants.
    pub flags: u16,
}

impl EventHeader {
    /// Set in a format description event while the server writes the file.
    pub const IN_USE: u16 = 0x1;
    /// Set in what a server makes up for a replica.
    pub const ARTIFICIAL: u16 = 0x20;
    /// Whoever does not know the event may leave it out. MariaDB sets it where it sends the head of an
    /// encrypted log to a replica, which gets the events behind it in clear.
    pub const IGNORABLE: u16 = 0x80;

    /// Reads a header.
    #[must_use]
    pub fn parse(bytes: &[u8; HEADER_BYTES]) -> Self {
        EventHeader {
            timestamp: number_at::<4>(bytes, 0) as u32,
            kind: EventKind(bytes[4]),
            server_id: number_at::<4>(bytes, 5) as u32,
            length: number_at::<4>(bytes, 9) as u32,
            next_position: number_at::<4>(bytes, 13) as u32,
            flags: number_at::<2>(bytes, 17) as u16,
        }
    }

    /// Whether the event stands in no file: the server made it up for whoever it sends the log to.
    #[must_use]
    pub fn is_artificial(&self) -> bool {
        self.next_position == 0 || self.flags & EventHeader::ARTIFICIAL != 0 || self.kind.is_heartbeat()
    }
}
